// Static leases through the pipeline: who answers, what is counted, and changes while packets flow.
#include <gtest/gtest.h>

#include <thread>

#include "dataplane/dhcp/message4.h"
#include "pipeline_rig.h"

namespace xk {
namespace {

using test::discover;
using test::Rig;

constexpr VrfId kRed{1};
constexpr std::size_t kMessageAt = 18 + 28;  // behind Ethernet with one tag, IP and UDP

Snapshot with_static_leases(std::uint32_t vrfs) {
  Snapshot snapshot = test::snapshot_of(vrfs);
  for (VrfEntry& vrf : snapshot.vrfs) {
    vrf.static_leases = true;
    SubnetEntry subnet;
    subnet.prefix = Prefix4{Ip4{0x0a000000}, 24};
    subnet.lease_time_s = 3600;
    subnet.renew_s = 1800;
    subnet.rebind_s = 3150;
    subnet.options = std::string("\x01\x04\xff\xff\xff\x00", 6);
    vrf.subnets = {subnet};
  }
  return snapshot;
}

// The lease of the client whose frames discover() makes.
StaticLease lease_of(VrfId vrf, std::uint32_t client, Ip4 address) {
  const auto frame = discover(vrf, client);
  return {vrf,
          StaticKind::mac,
          std::string(frame.begin() + kMessageAt + dhcp4::kChaddr,
                      frame.begin() + kMessageAt + dhcp4::kChaddr + 6),
          address,
          {}};
}
StaticChange put(VrfId vrf, std::uint32_t client, Ip4 address) {
  return {false, lease_of(vrf, client, address)};
}
StaticChange erase(VrfId vrf, std::uint32_t client) { return {true, lease_of(vrf, client, {})}; }

Ip4 yiaddr_of(const std::vector<std::uint8_t>& frame) {
  return ByteReader(Bytes(frame).subspan(kMessageAt + dhcp4::kYiaddr)).ip4();
}

class StaticLeases : public testing::Test {
 protected:
  // What the client got for its DISCOVER; 0: it went to Kea.
  Ip4 offered(std::uint32_t client, VrfId vrf = kRed) {
    EXPECT_TRUE(rig.clients->put(discover(vrf, client)));
    rig.settle();
    const auto frame = rig.clients->take();
    const auto relayed = rig.servers->take();
    EXPECT_NE(frame.empty(), relayed.empty());
    return frame.empty() ? Ip4{} : yiaddr_of(frame);
  }
  Rig rig;
};

TEST_F(StaticLeases, AreAnsweredAtOnceAndCounted) {
  rig.publish(with_static_leases(2));
  EXPECT_EQ(offered(1), Ip4{});
  const std::array changes{put(kRed, 1, Ip4{0x0a000032})};
  ASSERT_TRUE(rig.pipeline->change_static_leases(changes).has_value());
  EXPECT_EQ(offered(1), Ip4{0x0a000032});
  EXPECT_EQ(offered(2), Ip4{});
  EXPECT_EQ(offered(1, VrfId{2}), Ip4{}) << "the same client in another VRF";
  EXPECT_EQ(rig.count(kRed, XK_NOTE_STATIC_OFFER), 1u);
  EXPECT_EQ(rig.count(kRed, &VrfCounters::replies), 1u);
  EXPECT_EQ(rig.count(kRed, &VrfCounters::requests), 2u);
  const std::array moved{put(kRed, 1, Ip4{0x0a000033})};
  ASSERT_TRUE(rig.pipeline->change_static_leases(moved).has_value());
  EXPECT_EQ(offered(1), Ip4{0x0a000033});
  const std::array gone{erase(kRed, 1)};
  ASSERT_TRUE(rig.pipeline->change_static_leases(gone).has_value());
  EXPECT_EQ(offered(1), Ip4{});
  EXPECT_EQ(rig.pipeline->static_lease_count(), 0u);
  EXPECT_EQ(rig.imbalance(2), "");
}

TEST_F(StaticLeases, AreNotLookedAtWhereTheyAreTurnedOff) {
  Snapshot snapshot = with_static_leases(1);
  snapshot.vrfs[0].static_leases = false;
  rig.publish(snapshot);
  const std::array changes{put(kRed, 1, Ip4{0x0a000032})};
  ASSERT_TRUE(rig.pipeline->change_static_leases(changes).has_value());
  EXPECT_EQ(offered(1), Ip4{});
}

TEST_F(StaticLeases, AWholeTableTakesThePlaceOfTheOldOne) {
  rig.publish(with_static_leases(1));
  const std::array first{put(kRed, 1, Ip4{0x0a000032})};
  ASSERT_TRUE(rig.pipeline->change_static_leases(first).has_value());
  EXPECT_FALSE(rig.pipeline->load_static_leases(first).has_value()) << "not begun";
  EXPECT_FALSE(rig.pipeline->finish_static_leases().has_value());
  rig.pipeline->begin_static_leases();
  const std::array second{put(kRed, 2, Ip4{0x0a000032})};
  ASSERT_TRUE(rig.pipeline->load_static_leases(second).has_value());
  EXPECT_EQ(offered(1), Ip4{0x0a000032}) << "the old one is in force until the end";
  EXPECT_EQ(offered(2), Ip4{});
  ASSERT_TRUE(rig.pipeline->finish_static_leases().has_value());
  EXPECT_EQ(offered(1), Ip4{});
  EXPECT_EQ(offered(2), Ip4{0x0a000032});
  rig.pipeline->begin_static_leases();
  const std::array clash{put(kRed, 3, Ip4{0x0a000032}), put(kRed, 4, Ip4{0x0a000032})};
  EXPECT_FALSE(rig.pipeline->load_static_leases(clash).has_value());
  EXPECT_FALSE(rig.pipeline->finish_static_leases().has_value()) << "what had a fault is forgotten";
  EXPECT_EQ(offered(2), Ip4{0x0a000032});
}

// A rule of the relay, for a packet that would have been answered.
TEST_F(StaticLeases, WhatIsNotToBeHeardIsNotAnswered) {
  Snapshot snapshot = with_static_leases(1);
  snapshot.vrfs[0].draining = true;
  rig.publish(snapshot);
  const std::array changes{put(kRed, 1, Ip4{0x0a000032})};
  ASSERT_TRUE(rig.pipeline->change_static_leases(changes).has_value());
  EXPECT_TRUE(rig.clients->put(discover(kRed, 1)));
  rig.settle();
  EXPECT_TRUE(rig.clients->take().empty());
  EXPECT_EQ(rig.count(kRed, XK_VRF_DRAINING), 1u);
  EXPECT_EQ(rig.imbalance(1), "");
}

// Loops in their own threads; leases come and go while a client's that stays is asked for all the time.
TEST(StaticLeasesLive, NoPacketIsLostWhileTheyChange) {
  Rig rig({{.cpu = -1, .stages = kStageRx}, {.cpu = -1, .stages = kStageVrf | kStageTx}});
  rig.publish(with_static_leases(1));
  const std::array stays{put(kRed, 1, Ip4{0x0a000032})};
  ASSERT_TRUE(rig.pipeline->change_static_leases(stays).has_value());
  ASSERT_TRUE(rig.pipeline->start().has_value());
  constexpr std::uint32_t kPackets = 3000;
  std::atomic<bool> sent{false};
  std::atomic<std::uint32_t> answered{0};
  std::thread client([&] {
    std::uint32_t got = 0;
    for (std::uint32_t i = 0; i < kPackets; ++i) {
      while (!rig.clients->put(discover(kRed, 1))) std::this_thread::yield();
      while (i - got > 64)
        if (!rig.clients->take().empty()) ++got;
    }
    EXPECT_TRUE(Rig::await([&] {
      while (!rig.clients->take().empty()) ++got;
      return got == kPackets;
    })) << got;
    answered = got;
    sent = true;
  });
  std::uint32_t changes = 0;
  while (!sent) {
    const std::uint32_t other = 2 + changes % 50;
    std::vector<StaticChange> change{put(kRed, other, Ip4{0x0a000032 + other})};
    if (changes % 3 == 0) change = {erase(kRed, other)};
    if (changes % 7 == 0) change.push_back(put(kRed, 1, Ip4{0x0a000032 + (changes / 7) % 2}));
    EXPECT_TRUE(rig.pipeline->change_static_leases(change).has_value());
    ++changes;
  }
  client.join();
  EXPECT_EQ(answered, kPackets);
  EXPECT_GT(changes, 0u);
  rig.pipeline->stop();
  EXPECT_EQ(rig.count(kRed, XK_NOTE_STATIC_OFFER), kPackets);
  EXPECT_EQ(rig.imbalance(1), "");
}

}  // namespace
}  // namespace xk
