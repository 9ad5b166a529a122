// Several servers through the pipeline: who gets what, what is remembered of them, and for how long.
#include <gtest/gtest.h>

#include <map>

#include "dataplane/dhcp/message4.h"
#include "pipeline_rig.h"

namespace xk {
namespace {

using test::discover;
using test::Rig;

constexpr VrfId kRed{1};
std::uint64_t test_now_ms = 0;
std::uint64_t now_ms() { return test_now_ms; }

Ip4 server_of(std::uint32_t number) { return Ip4{0xc6336400 + number}; }

// Red with two servers elsewhere, behind a server attachment.
Snapshot two_servers(ServerMode mode, std::uint64_t generation = 1) {
  Snapshot snapshot = test::snapshot_of(1, generation);
  VrfEntry& red = snapshot.vrfs[0];
  red.engine = Engine::relay;
  red.server_mode = mode;
  red.dead_after_s = 10;
  red.probe_interval_s = 5;
  AttachmentEntry& wan = snapshot.attachments[1];
  wan.role = AttachmentRole::server;
  wan.local_addresses = {red.servers[0].source};
  ServerEntry server = red.servers[0];
  red.servers.clear();
  for (const std::uint32_t number : {1u, 2u}) {
    server.address = server_of(number);
    red.servers.push_back(server);
  }
  return snapshot;
}

class Servers : public testing::Test {
 protected:
  Servers() { test_now_ms = 1000; }
  // Sends a DISCOVER; the frames that servers got, by server.
  std::map<Ip4, std::vector<std::uint8_t>> relayed() {
    EXPECT_TRUE(rig.clients->put(discover(kRed, ++client)));
    rig.settle();
    std::map<Ip4, std::vector<std::uint8_t>> frames;
    for (auto frame = rig.servers->take(); !frame.empty(); frame = rig.servers->take()) {
      const std::size_t at = 18 + 16;  // destination, behind one tag
      Ip4 to{};
      for (std::size_t i = 0; i < 4; ++i) to.value = to.value << 8 | frame[at + i];
      frames[to] = frame;
    }
    return frames;
  }
  std::set<std::uint32_t> asked() {
    std::set<std::uint32_t> numbers;
    for (const auto& [to, frame] : relayed()) numbers.insert(to.value & 0xff);
    return numbers;
  }
  void answer(const std::vector<std::uint8_t>& frame) {
    EXPECT_TRUE(rig.servers->put(test::offer_for(frame, Ip4{0x0a000064})));
    rig.settle();
    EXPECT_FALSE(rig.clients->take().empty());
  }
  ServerSlot& slot(std::uint32_t number) {
    for (ServerSlot& slot : rig.counters.servers().first(rig.counters.header().servers_used))
      if (slot.key == server_key(kRed, server_of(number))) return slot;
    ADD_FAILURE() << "no slot of server " << number;
    return rig.counters.servers()[0];
  }
  // Server 1 is asked and silent for the time it takes.
  void let_the_first_die() {
    EXPECT_EQ(asked(), (Numbers{1}));
    test_now_ms += 1000;
    EXPECT_EQ(asked(), (Numbers{1}));
    test_now_ms += 9000;
  }

  using Numbers = std::set<std::uint32_t>;
  Rig rig{{}, 16384, 8192, 8192, now_ms};
  std::uint32_t client = 0;
};

TEST_F(Servers, FailoverAndBack) {
  rig.publish(two_servers(ServerMode::failover));
  answer(relayed().at(server_of(1)));
  EXPECT_EQ(slot(1).state, ServerState::live);
  EXPECT_EQ(slot(2).state, ServerState::unknown);
  let_the_first_die();
  const auto moved = relayed();
  ASSERT_EQ(moved.size(), 2u) << "the live one, and a probe: it was last asked 9 s ago";
  answer(moved.at(server_of(2)));
  EXPECT_EQ(slot(1).state, ServerState::dead);
  EXPECT_EQ(asked(), (Numbers{2}));
  test_now_ms += 5000;
  const auto probe = relayed();
  ASSERT_EQ(probe.size(), 2u);
  answer(probe.at(server_of(1)));
  EXPECT_EQ(slot(1).state, ServerState::live);
  EXPECT_EQ(asked(), (Numbers{1}));
  EXPECT_EQ(slot(1).requests.get(), 6u);
  EXPECT_EQ(slot(1).replies.get(), 2u);
  EXPECT_EQ(slot(2).requests.get(), 3u);
  EXPECT_EQ(slot(2).replies.get(), 1u);
  EXPECT_EQ(rig.count(kRed, &VrfCounters::copies), 2u);
  EXPECT_EQ(rig.imbalance(1), "");
}

TEST_F(Servers, ANewSnapshotForgetsNothingOfThoseItHas) {
  rig.publish(two_servers(ServerMode::failover));
  let_the_first_die();
  EXPECT_EQ(asked(), (Numbers{1, 2}));
  ServerSlot* const before = &slot(1);
  Snapshot next = two_servers(ServerMode::failover, 2);
  std::swap(next.vrfs[0].servers[0], next.vrfs[0].servers[1]);
  rig.publish(std::move(next));
  rig.publish(two_servers(ServerMode::failover, 3));
  EXPECT_EQ(&slot(1), before);
  EXPECT_EQ(slot(1).state, ServerState::dead);
  EXPECT_EQ(asked(), (Numbers{2}));
  // One that is not named any more is forgotten, and its place is used again.
  Snapshot without = two_servers(ServerMode::failover, 4);
  without.vrfs[0].servers.erase(without.vrfs[0].servers.begin());
  rig.publish(std::move(without));
  EXPECT_EQ(before->key, 0u);
  rig.publish(two_servers(ServerMode::failover, 5));
  EXPECT_EQ(&slot(1), before);
  EXPECT_EQ(slot(1).state, ServerState::unknown);
  EXPECT_EQ(slot(1).requests.get(), 0u);
  EXPECT_EQ(rig.counters.header().servers_used, 2u);
  EXPECT_EQ(asked(), (Numbers{1}));
}

TEST_F(Servers, AllOfThemGetWhatNoneAnswers) {
  rig.publish(two_servers(ServerMode::failover));
  let_the_first_die();
  EXPECT_EQ(asked(), (Numbers{1, 2}));
  test_now_ms += 1000;
  EXPECT_EQ(asked(), (Numbers{2}));
  test_now_ms += 9000;
  EXPECT_EQ(asked(), (Numbers{1, 2}));
  EXPECT_EQ(slot(2).state, ServerState::dead);
  EXPECT_EQ(asked(), (Numbers{1, 2}));
  EXPECT_EQ(rig.imbalance(1), "");
}

TEST_F(Servers, AKeaIsNoServerElsewhere) {
  rig.publish(test::snapshot_of(1));
  EXPECT_EQ(relayed().size(), 1u);
  EXPECT_EQ(rig.counters.header().servers_used, 0u);
}

TEST_F(Servers, ModeAllWatchesThemToo) {
  rig.publish(two_servers(ServerMode::all));
  for (int second = 0; second <= 10; ++second) {
    const auto sent = relayed();
    ASSERT_EQ(sent.size(), 2u);
    answer(sent.at(server_of(2)));
    test_now_ms += 1000;
  }
  EXPECT_EQ(slot(1).state, ServerState::dead);
  EXPECT_EQ(slot(2).state, ServerState::live);
  EXPECT_EQ(asked(), (Numbers{1, 2}));
  EXPECT_EQ(rig.imbalance(1), "");
}

}  // namespace
}  // namespace xk
