// What the dataplane is told of a VRF that it serves itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/base/forwarding.h"
#include "tests/unit/reconcile_fakes.h"

namespace xk::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Range4 range(const std::string& text) { return parse_range4(text).value(); }

class NativeDesired : public testing::Test {
 protected:
  NativeDesired() {
    machine_.add_link("eth1");
    green_ = kea_vrf("green", {attachment("eth1", 0, 0, "10.0.0.0/24", "10.0.0.1")});
    green_.engine = Engine::native;
    green_.subnets[0].pools = {range("10.0.0.1-10.0.0.20")};
    green_.subnets[0].exclude = {range("10.0.0.10-10.0.0.11")};
  }
  Desired make() {
    model_.vrfs = {green_};
    observed_.links = machine_.state.links;
    auto desired = make_desired({.model = model_,
                                 .observed = observed_,
                                 .ids = {},
                                 .render_kea = render_,
                                 .hostname = "router1",
                                 .paused = {{"green", paused_}}});
    EXPECT_TRUE(desired.has_value()) << desired.error().message;
    EXPECT_TRUE(Forwarding::make(desired->snapshot).has_value()) << "the dataplane takes it";
    return std::move(*desired);
  }

  FakeMachine machine_;
  Model model_;
  Observed observed_;
  Vrf green_;
  Paused paused_;
  RenderKea render_ = [](const Vrf&, const KeaSpec&, const HandoffSpec&) -> Result<std::string> {
    return std::unexpected(Error{"there is no Kea"});
  };
};

TEST_F(NativeDesired, HasNoKeaAndAnswersByItself) {
  model_.store.lease_grace_s = 77;
  green_.paused_renewals = PausedRenewals::deny;
  green_.native.reply_after = ReplyAfter::store;
  green_.native.available = true;
  const Desired desired = make();
  EXPECT_THAT(desired.keas, IsEmpty());
  EXPECT_THAT(desired.handoffs, IsEmpty());
  ASSERT_EQ(desired.snapshot.attachments.size(), 1u);
  const AttachmentEntry& client = desired.snapshot.attachments[0];
  EXPECT_EQ(client.role, AttachmentRole::client);
  EXPECT_EQ(to_string(client.server_identifier), "10.0.0.1");
  EXPECT_TRUE(client.answer_arp);
  EXPECT_TRUE(client.relay_address.is_zero());
  const VrfEntry& vrf = desired.snapshot.vrfs.at(0);
  EXPECT_EQ(vrf.engine, Engine::native);
  EXPECT_TRUE(vrf.static_leases);
  EXPECT_THAT(vrf.servers, IsEmpty());
  ASSERT_EQ(vrf.subnets.size(), 1u);
  EXPECT_EQ(vrf.subnets[0].renew_s, 1800u);
  EXPECT_EQ(vrf.subnets[0].rebind_s, 3150u);
  EXPECT_EQ(vrf.subnets[0].options, std::string("\x01\x04\xff\xff\xff\x00\x03\x04\x0a\x00\x00\x01", 12));
  ASSERT_EQ(desired.snapshot.natives.size(), 1u);
  const NativeVrf& native = desired.snapshot.natives[0];
  EXPECT_EQ(native.vrf, vrf.id);
  EXPECT_EQ(native.directory, "/var/lib/xdp-kea/native/green");
  EXPECT_EQ(native.grace_s, 77u);
  EXPECT_EQ(native.reply_after, ReplyAfter::store);
  EXPECT_TRUE(native.available);
  EXPECT_FALSE(native.renew_paused);
  ASSERT_EQ(native.subnets.size(), 1u);
  EXPECT_EQ(native.subnets[0].lease_time_max_s, 3600u);
  ASSERT_EQ(native.pools.size(), 1u);
  EXPECT_THAT(native.pools[0].ranges, ElementsAre(range("10.0.0.2-10.0.0.9"), range("10.0.0.12-10.0.0.20")))
      << "without the gateway and what is excluded";
}

TEST_F(NativeDesired, SubnetsAreByNetworkAndNetworksAreNumbered) {
  green_.subnets.insert(green_.subnets.begin(), subnet(2, "10.0.2.0/24", "10.0.2.1"));
  green_.subnets.push_back(subnet(3, "10.0.1.0/24", "10.0.1.1"));
  green_.subnets[0].network = green_.subnets[1].network = "floor";
  green_.subnets[0].pools = {range("10.0.2.5-10.0.2.6")};
  green_.subnets[0].lease_time_max_s = 7200;
  green_.subnets[0].next_server = ip("10.0.2.9");
  green_.subnets[0].boot_file = "pxelinux.0";
  const Desired desired = make();
  const NativeVrf& native = desired.snapshot.natives.at(0);
  ASSERT_EQ(native.subnets.size(), 3u);
  EXPECT_EQ(to_string(desired.snapshot.vrfs[0].subnets[2].prefix), "10.0.2.0/24");
  EXPECT_NE(native.subnets[0].network, 0u);
  EXPECT_EQ(native.subnets[0].network, native.subnets[2].network);
  EXPECT_EQ(native.subnets[1].network, 0u);
  EXPECT_EQ(native.subnets[2].lease_time_max_s, 7200u);
  EXPECT_EQ(native.subnets[2].next_server, ip("10.0.2.9"));
  EXPECT_EQ(native.subnets[2].boot_file, "pxelinux.0");
  ASSERT_EQ(native.pools.size(), 2u);
  EXPECT_EQ(native.pools[0].subnet, 0u);
  EXPECT_EQ(native.pools[1].subnet, 2u);
}

TEST_F(NativeDesired, ClassesAreBitsOfPools) {
  for (const std::string name : {"a", "b", "c"}) {
    ClientClass& one = green_.classes.emplace_back();
    one.name = name;
    one.conditions = {{ConditionKind::mac, ConditionMatch::begins, 0, "\x02"}};
    one.options = {{"interface-mtu", 0, "1400", false}};
  }
  Subnet& subnet = green_.subnets[0];
  subnet.pools.push_back(range("10.0.0.30-10.0.0.30"));
  subnet.terms = {{.pool = subnet.pools[1], .classes = {"c", "a"}, .options = {{"", 26, "9000", false}}}};
  const NativeVrf native = make().snapshot.natives.at(0);
  ASSERT_EQ(native.classes.size(), 3u);
  EXPECT_EQ(native.classes[2].options, std::string("\x1a\x02\x05\x78", 4));
  ASSERT_EQ(native.pools.size(), 2u);
  EXPECT_EQ(native.pools[0].classes, 0u);
  EXPECT_EQ(native.pools[1].classes, 0b101u);
  EXPECT_EQ(native.pools[1].options, std::string("\x1a\x02\x23\x28", 4));
}

TEST_F(NativeDesired, WhatIsPausedIsAPoolOfItsOwn) {
  paused_.pools = {range("10.0.0.15-10.0.0.16"), range("10.9.0.0-10.9.0.9")};
  paused_.clients = {{.kind = StaticKind::client_id, .identity = "x"}};
  NativeVrf native = make().snapshot.natives.at(0);
  EXPECT_EQ(native.paused_clients, paused_.clients);
  ASSERT_EQ(native.pools.size(), 2u);
  EXPECT_FALSE(native.pools[0].paused);
  EXPECT_THAT(native.pools[0].ranges, ElementsAre(range("10.0.0.2-10.0.0.9"), range("10.0.0.12-10.0.0.14"),
                                                  range("10.0.0.17-10.0.0.20")));
  EXPECT_TRUE(native.pools[1].paused);
  EXPECT_THAT(native.pools[1].ranges, ElementsAre(range("10.0.0.15-10.0.0.16")));
  paused_.pools = {range("10.0.0.1-10.0.0.20")};
  native = make().snapshot.natives.at(0);
  ASSERT_EQ(native.pools.size(), 1u);
  EXPECT_TRUE(native.pools[0].paused);
}

TEST_F(NativeDesired, AChangeOfItsPartIsPublished) {
  const Desired before = make();
  green_.native.probe = true;
  const Desired after = make();
  EXPECT_FALSE(same_forwarding(before.snapshot, after.snapshot));
  EXPECT_TRUE(same_forwarding(after.snapshot, make().snapshot));
}

TEST_F(NativeDesired, WithoutSubnetsItIsOnlyAName) {
  green_.subnets.clear();
  green_.attachments.clear();
  const Desired desired = make();
  EXPECT_THAT(desired.snapshot.natives, IsEmpty());
  EXPECT_EQ(desired.snapshot.vrfs.size(), 1u);
}

TEST_F(NativeDesired, WhatCannotBeSaidInBytesIsTold) {
  green_.subnets[0].options = {{"", 224, "text", false}};
  const Desired desired = make();
  EXPECT_THAT(desired.snapshot.natives, IsEmpty());
  EXPECT_THAT(desired.impaired.at(VrfId{1}),
              ElementsAre(HasSubstr("nobody is answered: subnet 10.0.0.0/24")));
}

TEST_F(NativeDesired, TooManyAddressesAreThatVrfsTrouble) {
  green_.subnets = {subnet(1, "10.0.0.0/8", "10.0.0.1"), subnet(2, "11.0.0.0/8", "11.0.0.1")};
  green_.subnets[0].pools = {range("10.0.0.1-10.255.255.254")};
  green_.subnets[1].pools = {range("11.0.0.1-11.0.0.4")};
  EXPECT_EQ(make().snapshot.natives.size(), 1u);
  green_.subnets[1].pools = {range("11.0.0.1-11.0.0.5")};
  const Desired desired = make();
  EXPECT_THAT(desired.snapshot.natives, IsEmpty());
  EXPECT_THAT(desired.impaired.at(VrfId{1}), ElementsAre(HasSubstr("over 16,777,216 addresses")));
}

}  // namespace
}  // namespace xk::test
