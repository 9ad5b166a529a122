// The desired state as a function of configuration and machine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataplane/base/forwarding.h"
#include "tests/unit/reconcile_fakes.h"

namespace xk::test {
namespace {

using testing::HasSubstr;

class DesiredState : public testing::Test {
 protected:
  Desired make(const IdTable& ids = {}) {
    observed_.links = machine_.state.links;
    for (const RouteQuestion& question : routes_wanted(model_)) {
      const auto route = machine_.routes.find(question.destination);
      if (route != machine_.routes.end()) observed_.next_hops[question] = route->second;
    }
    auto desired = make_desired(
        {.model = model_, .observed = observed_, .ids = ids, .render_kea = render_, .hostname = "router1"});
    EXPECT_TRUE(desired.has_value()) << desired.error().message;
    return std::move(*desired);
  }
  static const AttachmentEntry* find(const Desired& desired, AttachmentRole role, std::size_t nth = 0) {
    for (const AttachmentEntry& entry : desired.snapshot.attachments) {
      if (entry.role == role && nth-- == 0) return &entry;
    }
    return nullptr;
  }
  static std::uint32_t flags(const Desired& desired, AttachmentId attachment, const std::string& address) {
    const Ip4 wanted = ip(address);
    for (const DesiredAddress& row : desired.addresses) {
      const auto& bytes = row.row.key.address;
      const std::uint32_t value = static_cast<std::uint32_t>(bytes[0]) << 24 |
                                  static_cast<std::uint32_t>(bytes[1]) << 16 |
                                  static_cast<std::uint32_t>(bytes[2]) << 8 | bytes[3];
      if (row.row.key.attachment_id == attachment.value && row.row.key.family == 4 && value == wanted.value) {
        return row.row.flags;
      }
    }
    return 0;
  }

  FakeMachine machine_;
  Model model_;
  Observed observed_;
  RenderKea render_ = [](const Vrf&, const KeaSpec& spec, const HandoffSpec&) -> Result<std::string> {
    return "config for " + spec.vrf_name;
  };
};

TEST_F(DesiredState, KeaIsReachedThroughItsHandoff) {
  machine_.add_link("eth1", {"10.0.0.1/24"});
  model_.vrfs = {kea_vrf("red", {attachment("eth1", 0, 0, "10.0.0.0/24", "10.0.0.1")})};
  const Desired desired = make();
  ASSERT_EQ(desired.snapshot.vrfs.size(), 1u);
  const VrfEntry& vrf = desired.snapshot.vrfs[0];
  EXPECT_EQ(vrf.id, VrfId{1});
  EXPECT_EQ(to_string(vrf.giaddr), "169.254.0.2");
  EXPECT_TRUE(vrf.link_selection);
  ASSERT_EQ(vrf.servers.size(), 1u);
  EXPECT_EQ(to_string(vrf.servers[0].address), "169.254.0.3");
  EXPECT_EQ(vrf.servers[0].source, vrf.giaddr);
  EXPECT_FALSE(vrf.servers[0].next_hop.is_zero());
  const AttachmentEntry* handoff = find(desired, AttachmentRole::handoff);
  ASSERT_NE(handoff, nullptr);
  EXPECT_EQ(vrf.servers[0].via, handoff->id);
  const KeaSpec& kea = desired.keas.at(VrfId{1}).spec;
  EXPECT_EQ(kea.netns, "xdp-kea-1");
  EXPECT_EQ(kea.interface, "kea1");
  EXPECT_EQ(kea.interface_ip, "169.254.0.3");
  EXPECT_EQ(kea.config_json, "config for red");
  EXPECT_EQ(flags(desired, handoff->id, "169.254.0.2"), XK_ADDRESS_LOCAL);
  const AttachmentEntry* client = find(desired, AttachmentRole::client);
  ASSERT_NE(client, nullptr);
  EXPECT_EQ(client->circuit_id, "eth1:0.0");
  EXPECT_EQ(client->remote_id, "router1:red");
  EXPECT_EQ(to_string(client->link_address), "10.0.0.0");
}

TEST_F(DesiredState, ArpIsAnsweredOnlyWhereNoInterfaceHoldsTheAddress) {
  const IfIndex eth1 = machine_.add_link("eth1", {"10.0.0.1/24"});
  const IfIndex vlan100 = machine_.add_link("eth1.100", {"10.0.0.1/24"}, eth1, 100);
  machine_.add_link("inner", {"10.0.0.1/24"}, vlan100, 7);
  machine_.add_link("eth1.300", {"10.9.9.9/24"}, eth1, 300);
  Vrf red = kea_vrf("red", {attachment("eth1", 0, 0, "10.0.0.0/24", "10.0.0.1"),
                            attachment("eth1", 100, 0, "10.0.0.0/24", "10.0.0.1"),
                            attachment("eth1", 200, 300, "10.0.0.0/24", "10.0.0.1"),
                            attachment("eth1", 300, 0, "10.0.0.0/24", "10.0.0.1"),
                            attachment("eth1", 100, 7, "10.0.0.0/24", "10.0.0.1")});
  model_.vrfs = {red};
  const Desired desired = make();
  const std::uint32_t local = XK_ADDRESS_LOCAL;
  const std::uint32_t with_arp = XK_ADDRESS_LOCAL | XK_ADDRESS_ARP;
  const std::array<std::uint32_t, 5> expected{local, local, with_arp, with_arp, local};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const AttachmentEntry* entry = find(desired, AttachmentRole::client, i);
    ASSERT_NE(entry, nullptr) << i;
    EXPECT_EQ(flags(desired, entry->id, "10.0.0.1"), expected.at(i)) << i;
    EXPECT_EQ(entry->answer_arp, expected.at(i) == with_arp) << i;
    EXPECT_EQ(flags(desired, entry->id, "10.0.0.255"), XK_ADDRESS_BROADCAST) << i;
  }
}

TEST_F(DesiredState, ABridgeHoldsTheAddressOfItsMembers) {
  const IfIndex bridge = machine_.add_link("br0", {"10.0.0.1/24"});
  machine_.state.links.back().kind = "bridge";
  machine_.add_link("eth1");
  machine_.state.links.back().master = bridge;
  const IfIndex vrf_device = machine_.add_link("vrf-red", {"10.0.0.1/24"});
  machine_.state.links[2].kind = "vrf";
  machine_.add_link("eth2");
  machine_.state.links.back().master = vrf_device;
  Vrf red = kea_vrf("red", {attachment("eth1", 0, 0, "10.0.0.0/24", "10.0.0.1"),
                            attachment("eth2", 0, 0, "10.0.0.0/24", "10.0.0.1")});
  model_.vrfs = {red};
  const Desired desired = make();
  EXPECT_FALSE(find(desired, AttachmentRole::client, 0)->answer_arp);
  EXPECT_TRUE(find(desired, AttachmentRole::client, 1)->answer_arp);  // a VRF device is another domain
}

TEST_F(DesiredState, AVlanDeviceIsItsParentAndATag) {
  const IfIndex eth1 = machine_.add_link("eth1");
  const IfIndex svlan = machine_.add_link("eth1.200", {}, eth1, 200);
  machine_.state.links.back().tpid = 0x88a8;
  machine_.add_link("eth1.200.300", {"10.0.0.1/24"}, svlan, 300);
  model_.vrfs = {kea_vrf("red", {attachment("eth1.200.300", 0, 0, "10.0.0.0/24", "10.0.0.1")})};
  const Desired desired = make();
  const AttachmentEntry* client = find(desired, AttachmentRole::client);
  ASSERT_NE(client, nullptr);
  EXPECT_EQ(client->outer, (VlanTag{Vid{200}, 0x88a8}));
  EXPECT_EQ(client->inner, (VlanTag{Vid{300}, 0x8100}));
  EXPECT_FALSE(client->answer_arp);
  EXPECT_EQ(desired.rows[0].port, "eth1");
  EXPECT_EQ(desired.rows[0].row.key.ifindex, eth1.value);
}

TEST_F(DesiredState, MissingAndImpossiblePlacesArePending) {
  const IfIndex eth1 = machine_.add_link("eth1");
  const IfIndex svlan = machine_.add_link("eth1.200", {}, eth1, 200);
  machine_.add_link("deep", {}, svlan, 300);
  model_.vrfs = {kea_vrf("red", {attachment("nowhere", 0, 0, "10.0.0.0/24", "10.0.0.1"),
                                 attachment("eth1", 200, 0, "10.0.0.0/24", "10.0.0.1"),
                                 attachment("eth1.200", 0, 0, "10.0.0.0/24", "10.0.0.1"),
                                 attachment("deep", 400, 0, "10.0.0.0/24", "10.0.0.1")})};
  const Desired desired = make();
  ASSERT_EQ(desired.pending.size(), 3u);
  EXPECT_THAT(desired.pending[0].reason, HasSubstr("nowhere does not exist"));
  EXPECT_THAT(desired.pending[1].reason, HasSubstr("same place on the wire"));
  EXPECT_THAT(desired.pending[2].reason, HasSubstr("more than two"));
  EXPECT_NE(find(desired, AttachmentRole::client, 0), nullptr);
  EXPECT_EQ(find(desired, AttachmentRole::client, 1), nullptr);
}

TEST_F(DesiredState, IndistinguishableCircuitIdsAreNotServedTwice) {
  machine_.add_link("eth1");
  Vrf red = kea_vrf("red", {attachment("eth1", 1, 0, "10.0.0.0/24", "10.0.0.1"),
                            attachment("eth1", 2, 0, "10.0.0.0/24", "10.0.0.1")});
  for (Attachment& each : red.attachments) each.circuit_id_template = "{port}";
  model_.vrfs = {red};
  const Desired desired = make();
  ASSERT_EQ(desired.pending.size(), 1u);
  EXPECT_THAT(desired.pending[0].reason, HasSubstr("circuit-id"));
}

TEST_F(DesiredState, VrfsWithTheSameFifteenLettersAndAddressesStayApart) {
  machine_.add_link("eth1");
  model_.vrfs = {kea_vrf("customer-frankfurt-1", {attachment("eth1", 1, 0, "10.0.0.0/24", "10.0.0.1")}),
                 kea_vrf("customer-frankfurt-2", {attachment("eth1", 2, 0, "10.0.0.0/24", "10.0.0.1")})};
  const Desired desired = make();
  ASSERT_EQ(desired.handoffs.size(), 2u);
  const HandoffSpec& one = desired.handoffs.at(VrfId{1});
  const HandoffSpec& two = desired.handoffs.at(VrfId{2});
  EXPECT_NE(one.host_name, two.host_name);
  EXPECT_NE(one.netns, two.netns);
  EXPECT_NE(one.host_ip, two.host_ip);
  EXPECT_NE(one.peer_mac, two.peer_mac);
  EXPECT_NE(desired.keas.at(VrfId{1}).spec.directory, desired.keas.at(VrfId{2}).spec.directory);
  EXPECT_EQ(desired.pending.size(), 0u);
  EXPECT_EQ(find(desired, AttachmentRole::client, 0)->subnet,
            find(desired, AttachmentRole::client, 1)->subnet);
}

TEST_F(DesiredState, ServersAreReachedByTheKernelsRoute) {
  machine_.add_link("eth1");
  const IfIndex eth2 = machine_.add_link("eth2");
  const IfIndex vlan = machine_.add_link("eth2.50", {"192.0.2.1/24"}, eth2, 50);
  machine_.routes[ip("198.51.100.1")] = {.ifindex = vlan,
                                         .gateway = ip("192.0.2.254"),
                                         .source = ip("192.0.2.1"),
                                         .mac = Mac{{2, 0, 0, 0, 0, 9}}};
  model_.vrfs = {relay_vrf("red", {attachment("eth1", 0, 0, "10.0.0.0/24", "10.0.0.1")},
                           {"198.51.100.1", "203.0.113.1"})};
  const Desired desired = make();
  const AttachmentEntry* server = find(desired, AttachmentRole::server);
  ASSERT_NE(server, nullptr);
  EXPECT_EQ(server->outer.vid, Vid{50});
  const VrfEntry& vrf = desired.snapshot.vrfs[0];
  ASSERT_EQ(vrf.servers.size(), 2u);
  EXPECT_EQ(vrf.servers[0].via, server->id);
  EXPECT_EQ(vrf.servers[0].next_hop, (Mac{{2, 0, 0, 0, 0, 9}}));
  EXPECT_EQ(to_string(vrf.servers[0].source), "192.0.2.1");
  EXPECT_EQ(vrf.servers[1].via, AttachmentId{0});  // no route
  ASSERT_EQ(desired.pending.size(), 1u);
  EXPECT_THAT(desired.pending[0].reason, HasSubstr("no route to server 203.0.113.1"));
  // giaddr is answered for there, the kernel's own address is not.
  EXPECT_EQ(flags(desired, server->id, "10.0.0.1"), XK_ADDRESS_LOCAL | XK_ADDRESS_ARP);
  EXPECT_EQ(flags(desired, server->id, "192.0.2.1"), XK_ADDRESS_LOCAL);
  const AttachmentEntry* client = find(desired, AttachmentRole::client);
  EXPECT_EQ(to_string(client->relay_address), "10.0.0.1");
  EXPECT_TRUE(desired.keas.empty());
}

TEST_F(DesiredState, AnUnresolvedNextHopIsSentAllTheSameAndTold) {
  machine_.add_link("eth1");
  const IfIndex eth2 = machine_.add_link("eth2", {"192.0.2.1/24"});
  machine_.routes[ip("192.0.2.9")] = {
      .ifindex = eth2, .gateway = ip("192.0.2.9"), .source = ip("192.0.2.1"), .mac = {}};
  model_.vrfs = {relay_vrf("red", {attachment("eth1", 0, 0, "10.0.0.0/24", "10.0.0.1")}, {"192.0.2.9"})};
  const Desired desired = make();
  EXPECT_TRUE(desired.snapshot.vrfs[0].servers[0].next_hop.is_zero());
  EXPECT_NE(desired.snapshot.vrfs[0].servers[0].via, AttachmentId{0});
  ASSERT_EQ(desired.impaired.at(VrfId{1}).size(), 1u);
  EXPECT_THAT(desired.impaired.at(VrfId{1})[0], HasSubstr("192.0.2.9"));
}

TEST_F(DesiredState, AConfiguredWayNeedsNoRoute) {
  machine_.add_link("eth1");
  machine_.add_link("eth2");
  Vrf red = relay_vrf("red", {attachment("eth1", 0, 0, "10.0.0.0/24", "10.0.0.1")}, {"192.0.2.9"});
  red.relay.server_interface = "eth2";
  red.relay.server_outer.vid = Vid{60};
  red.relay.next_hop = Mac{{2, 0, 0, 0, 0, 9}};
  red.relay.source = ip("172.16.0.1");
  model_.vrfs = {red};
  EXPECT_TRUE(routes_wanted(model_).empty());
  const Desired desired = make();
  const AttachmentEntry* server = find(desired, AttachmentRole::server);
  ASSERT_NE(server, nullptr);
  EXPECT_EQ(server->outer.vid, Vid{60});
  EXPECT_EQ(desired.snapshot.vrfs[0].giaddr, ip("172.16.0.1"));
  EXPECT_TRUE(desired.snapshot.vrfs[0].link_selection);
  EXPECT_EQ(desired.snapshot.vrfs[0].servers[0].next_hop, (Mac{{2, 0, 0, 0, 0, 9}}));
  EXPECT_EQ(flags(desired, server->id, "172.16.0.1"), XK_ADDRESS_LOCAL | XK_ADDRESS_ARP);
  EXPECT_EQ(flags(desired, server->id, "10.0.0.1"), 0u);
}

TEST_F(DesiredState, ServersBehindAClientAttachmentArePending) {
  const IfIndex eth1 = machine_.add_link("eth1", {"192.0.2.1/24"});
  machine_.routes[ip("192.0.2.9")] = {.ifindex = eth1, .gateway = ip("192.0.2.9"), .source = {}, .mac = {}};
  model_.vrfs = {relay_vrf("red", {attachment("eth1", 0, 0, "10.0.0.0/24", "10.0.0.1")}, {"192.0.2.9"})};
  const Desired desired = make();
  ASSERT_EQ(desired.pending.size(), 1u);
  EXPECT_EQ(desired.pending[0].role, AttachmentRole::server);
  EXPECT_THAT(desired.pending[0].reason, HasSubstr("behind the place of vrf red eth1"));
}

TEST_F(DesiredState, TwoVrfsShareTheServersOfAThird) {
  machine_.add_link("eth1");
  const IfIndex eth2 = machine_.add_link("eth2", {"192.0.2.1/24"});
  machine_.routes[ip("192.0.2.9")] = {
      .ifindex = eth2, .gateway = ip("192.0.2.9"), .source = ip("192.0.2.1"), .mac = Mac{{2, 0, 0, 0, 0, 9}}};
  Vrf red = relay_vrf("red", {attachment("eth1", 1, 0, "10.0.0.0/24", "10.0.0.1")}, {"192.0.2.9"});
  Vrf blue = relay_vrf("blue", {attachment("eth1", 2, 0, "10.0.0.0/24", "10.0.0.2")}, {"192.0.2.9"});
  Vrf core = relay_vrf("core", {}, {});
  red.relay.server_vrf = blue.relay.server_vrf = "core";
  model_.vrfs = {red, blue, core};
  const Desired desired = make();
  EXPECT_TRUE(desired.pending.empty());
  const AttachmentEntry* server = find(desired, AttachmentRole::server);
  ASSERT_NE(server, nullptr);
  EXPECT_EQ(find(desired, AttachmentRole::server, 1), nullptr);
  EXPECT_EQ(server->vrf, VrfId{3});
  EXPECT_EQ(desired.snapshot.vrfs[0].server_vrf, VrfId{3});
  EXPECT_EQ(server->local_addresses, (std::vector{ip("10.0.0.1"), ip("10.0.0.2"), ip("192.0.2.1")}));
  EXPECT_TRUE(Forwarding::make(desired.snapshot).has_value());
}

TEST_F(DesiredState, ADriversPortHasNoRowsInBpf) {
  Port port;
  port.name = "wan";
  port.kind = PortKind::ethdev;
  port.device = "net_af_packet0,iface=eth9";
  model_.ports = {port};
  model_.vrfs = {kea_vrf("red", {attachment("wan", 100, 0, "10.0.0.0/24", "10.0.0.1")})};
  const Desired desired = make();
  EXPECT_TRUE(desired.pending.empty());
  ASSERT_EQ(desired.rows.size(), 1u);  // the handoff's
  EXPECT_EQ(desired.rows[0].port, "xdp-kea-h1");
  EXPECT_TRUE(find(desired, AttachmentRole::client)->answer_arp);
  EXPECT_TRUE(Forwarding::make(desired.snapshot).has_value());
}

TEST_F(DesiredState, QueuesAreThoseOfTheInterfaceUnlessFewerAreConfigured) {
  machine_.add_link("eth1");
  machine_.state.links.back().rx_queues = 8;
  machine_.add_link("eth2");
  machine_.state.links.back().rx_queues = 8;
  machine_.add_link("eth3");
  machine_.state.links.back().rx_queues = 100;
  Port few;
  few.name = "eth2";
  few.queues = 2;
  model_.ports = {few};
  model_.vrfs = {kea_vrf("red", {attachment("eth1", 0, 0, "10.0.0.0/24", "10.0.0.1"),
                                 attachment("eth2", 0, 0, "10.0.0.0/24", "10.0.0.1"),
                                 attachment("eth3", 0, 0, "10.0.0.0/24", "10.0.0.1")})};
  const Desired desired = make();
  EXPECT_EQ(desired.rows[0].row.value.xsk_count, 8);
  EXPECT_EQ(desired.rows[1].row.value.xsk_count, 2);
  EXPECT_EQ(desired.rows[1].row.value.xsk_base, 8u);
  EXPECT_EQ(desired.rows[2].row.value.xsk_count, 64);
  ASSERT_EQ(desired.warnings.size(), 1u);
  EXPECT_THAT(desired.warnings[0], HasSubstr("eth3 has 100 receive queues"));
}

TEST_F(DesiredState, AKeaTooManyIsPendingAndTheOthersAreServed) {
  machine_.add_link("eth1", {"10.0.0.1/24"});
  machine_.add_link("eth2", {"10.0.1.1/24"});
  model_.vrfs = {kea_vrf("red", {attachment("eth1", 0, 0, "10.0.0.0/24", "10.0.0.1")}),
                 kea_vrf("blue", {attachment("eth2", 0, 0, "10.0.1.0/24", "10.0.1.1")})};
  IdTable ids;
  // Sockets of what is being removed: there is room for three more, of which the clients need two.
  ASSERT_TRUE(ids.port("eth3", XK_XSKS_MAX - 3));
  const Desired desired = make(ids);
  EXPECT_TRUE(desired.keas.contains(VrfId{1}));
  EXPECT_FALSE(desired.keas.contains(VrfId{2}));
  EXPECT_FALSE(desired.handoffs.contains(VrfId{2}));
  ASSERT_EQ(desired.pending.size(), 1u);
  EXPECT_EQ(desired.pending[0].vrf, VrfId{2});
  EXPECT_EQ(desired.pending[0].role, AttachmentRole::handoff);
  EXPECT_THAT(desired.pending[0].reason, HasSubstr("no room for 1 sockets; 16384 is the most"));
  EXPECT_TRUE(desired.pending[0].trouble);
  EXPECT_EQ(desired.snapshot.attachments.size(), 3u);
}

TEST_F(DesiredState, TheHandoffPrefixBoundsTheVrfs) {
  model_.appliance.handoff_prefix = prefix("169.254.0.0/29");
  EXPECT_EQ(vrf_id_max(model_.appliance), 3u);
  EXPECT_EQ(to_string(handoff_spec(model_.appliance, VrfId{3}).peer_ip), "169.254.0.7");
}

TEST_F(DesiredState, LostIdsDoNotHandOutWhatTheKernelStillCarries) {
  machine_.add_link("xdp-kea-h1");
  machine_.state.links.back().alias = "xdp-kea:xdp-kea:vrf:1";
  observed_.namespaces = {"xdp-kea-2"};
  model_.vrfs = {kea_vrf("red", {})};
  const Desired desired = make();
  EXPECT_EQ(desired.snapshot.vrfs[0].id, VrfId{3});
}

}  // namespace
}  // namespace xk::test
