// VRFs that two appliances share: what the dataplane does while the fence is closed, and when it is not.
#include <gtest/gtest.h>

#include "pipeline_rig.h"

namespace xk {
namespace {

using test::arp_request;
using test::discover;
using test::offer_for;
using test::Rig;

constexpr VrfId kShared{1};
constexpr VrfId kOther{2};
constexpr Ip4 kGateway{0x0a000001};
constexpr Ip4 kLeased{0x0a000064};

class FencedVrfs : public testing::Test {
 protected:
  FencedVrfs() {
    Snapshot snapshot = test::snapshot_of(2);
    snapshot.vrfs[0].fenced = true;
    rig.publish(std::move(snapshot));
  }
  void open(std::uint64_t for_ns = 3'600'000'000'000) { rig.fence.open_until_ns = boot_ns() + for_ns; }
  std::vector<std::uint8_t> relayed(VrfId vrf) {
    EXPECT_TRUE(rig.clients->put(discover(vrf, 7)));
    rig.settle();
    return rig.servers->take();
  }
  bool answered(const std::vector<std::uint8_t>& request) {
    EXPECT_TRUE(rig.servers->put(offer_for(request, kLeased)));
    rig.settle();
    return !rig.clients->take().empty();
  }
  bool answers_arp() {
    EXPECT_TRUE(rig.clients->put(arp_request(kShared, kGateway)));
    rig.settle();
    return !rig.clients->take().empty();
  }
  std::uint64_t silenced() { return rig.count(kShared, XK_NOT_ACTIVE); }

  Rig rig;
};

TEST_F(FencedVrfs, AreSilentUntilTheyAreActiveAndTheTimeIsNotOver) {
  EXPECT_TRUE(relayed(kShared).empty());
  EXPECT_FALSE(answers_arp());
  open();
  EXPECT_TRUE(relayed(kShared).empty()) << "the time alone is not enough";
  rig.fence.active[kShared.value] = 1;
  const auto request = relayed(kShared);
  ASSERT_FALSE(request.empty());
  EXPECT_TRUE(answered(request));
  EXPECT_TRUE(answers_arp());
  EXPECT_EQ(silenced(), 3u);
  rig.fence.open_until_ns = boot_ns();
  EXPECT_TRUE(relayed(kShared).empty()) << "active, and the time is over";
  EXPECT_FALSE(answers_arp());
  EXPECT_EQ(silenced(), 5u);
  EXPECT_EQ(rig.imbalance(2), "");
}

TEST_F(FencedVrfs, AReplyThatComesLateStaysHere) {
  open();
  rig.fence.active[kShared.value] = 1;
  const auto request = relayed(kShared);
  ASSERT_FALSE(request.empty());
  rig.fence.active[kShared.value] = 0;
  EXPECT_FALSE(answered(request));
  EXPECT_EQ(silenced(), 1u);
  rig.fence.active[kShared.value] = 1;
  EXPECT_TRUE(answered(request));
  EXPECT_EQ(rig.imbalance(2), "");
}

TEST_F(FencedVrfs, OthersAreNoneOfIt) {
  const auto request = relayed(kOther);
  ASSERT_FALSE(request.empty());
  EXPECT_TRUE(answered(request));
  EXPECT_EQ(rig.count(kOther, XK_NOT_ACTIVE), 0u);
}

// The clients' VRF is active somewhere, not that of its servers.
TEST_F(FencedVrfs, WhereServersAreInAnotherVrfTheClientsCounts) {
  Snapshot snapshot = test::snapshot_of(2, 2);
  snapshot.vrfs[0].fenced = snapshot.vrfs[1].fenced = true;
  snapshot.vrfs[0].server_vrf = kOther;
  snapshot.vrfs[0].servers[0].via = AttachmentId{4};
  rig.publish(std::move(snapshot));
  open();
  rig.fence.active[kShared.value] = 1;
  const auto request = relayed(kShared);
  ASSERT_FALSE(request.empty());
  EXPECT_TRUE(answered(request));
  rig.fence.active[kShared.value] = 0;
  rig.fence.active[kOther.value] = 1;
  EXPECT_FALSE(answered(request));
}

}  // namespace
}  // namespace xk
