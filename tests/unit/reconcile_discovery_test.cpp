// What the kernel has, as VRFs and attachments: pure functions of a listing of links.
#include <gmock/gmock.h>

#include "bpf/shared/limits.h"
#include "controlplane/reconcile/discovery.h"
#include "controlplane/reconcile/topology.h"

namespace xk {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr const char* kMark = "xdp-kea:box:";

class Kernel {
 public:
  LinkInfo& add(const std::string& name, const std::string& kind = "", const std::string& master = "",
                std::vector<std::string> addresses = {}) {
    LinkInfo link;
    link.ifindex = IfIndex{static_cast<std::uint32_t>(links.size() + 10)};
    link.name = name;
    link.kind = kind;
    link.up = true;
    if (!master.empty()) link.master = index_of(master);
    for (const std::string& text : addresses) {
      const std::size_t slash = text.find('/');
      link.addresses.push_back(Prefix4{parse_ip4(text.substr(0, slash)).value(),
                                       static_cast<std::uint8_t>(std::stoul(text.substr(slash + 1)))});
    }
    return links.emplace_back(std::move(link));
  }
  LinkInfo& vlan(const std::string& name, const std::string& parent, std::uint16_t vid,
                 const std::string& master = "", std::vector<std::string> addresses = {},
                 std::uint16_t tpid = 0x8100) {
    const IfIndex under = index_of(parent);
    LinkInfo& link = add(name, "vlan", master, std::move(addresses));
    link.parent = under;
    link.vid = Vid{vid};
    link.tpid = tpid;
    return link;
  }
  [[nodiscard]] IfIndex index_of(const std::string& name) const {
    const auto found = std::ranges::find(links, name, &LinkInfo::name);
    EXPECT_NE(found, links.end()) << name;
    return found->ifindex;
  }
  [[nodiscard]] Discovered discover(const Model& model) const { return xk::discover(model, links, kMark); }
  // "eth1 100": the places of an interface; "!eth1 is down": where it has none.
  [[nodiscard]] std::vector<std::string> reach(const std::string& name, VlanTag outer = {}) const {
    const Topology topology(links);
    const Reach reach = topology.reach(*topology.by_name(name), outer, {});
    std::vector<std::string> texts;
    for (const WirePlace& place : reach.places)
      texts.push_back(place.link->name + " " + vlan_text(place.outer.vid, place.inner.vid));
    for (const Reach::Gap& gap : reach.gaps) texts.push_back("!" + gap.interface + " " + gap.reason);
    return texts;
  }

  std::vector<LinkInfo> links;
};

Model discovering() {
  Model model;
  model.discovery.enabled = true;
  return model;
}

std::vector<std::string> not_served(const Discovered& found) {
  std::vector<std::string> texts;
  for (const NotServed& one : found.not_served)
    texts.push_back(one.vrf + (one.interface.empty() ? "" : " " + one.interface) + ": " + one.reason);
  return texts;
}

std::vector<std::string> pool_texts(const PoolRule& rule, const char* prefix, std::vector<Ip4> taken = {}) {
  std::vector<std::string> texts;
  for (const Range4& range : pools_of(rule, parse_prefix4(prefix).value(), std::move(taken)))
    texts.push_back(to_string(range));
  return texts;
}

// ---- VRFs ------------------------------------------------------------------------------------------

TEST(Discovery, AVrfDeviceIsAVrfAndWhatIsInItItsAttachments) {
  Kernel kernel;
  kernel.add("vrf-red", "vrf");
  kernel.add("eth1", "", "vrf-red", {"10.0.0.1/24", "10.0.9.1/24"});
  kernel.add("eth2", "", "vrf-red", {"10.0.0.2/24"});
  kernel.vlan("eth1.7", "eth1", 7, "vrf-red", {"10.1.0.1/16"});
  const Discovered found = kernel.discover(discovering());
  EXPECT_THAT(not_served(found), IsEmpty());
  ASSERT_EQ(found.model.vrfs.size(), 1u);
  const Vrf& red = found.model.vrfs[0];
  EXPECT_EQ(red.name, "vrf-red");
  EXPECT_EQ(red.device, "vrf-red");
  EXPECT_TRUE(red.found);
  ASSERT_EQ(red.subnets.size(), 2u);
  EXPECT_EQ(to_string(red.subnets[0].prefix), "10.0.0.0/24");
  EXPECT_EQ(to_string(red.subnets[0].gateway), "10.0.0.1");
  EXPECT_EQ(red.subnets[0].id, red.subnets[0].prefix.network.value);
  // Neither of the two interfaces' addresses is handed out.
  EXPECT_EQ(to_string(red.subnets[0].pools.at(0)), "10.0.0.3-10.0.0.254");
  EXPECT_EQ(to_string(red.subnets[1].prefix), "10.1.0.0/16");
  ASSERT_EQ(red.attachments.size(), 3u);
  EXPECT_EQ(red.attachments[1].interface, "eth2");
  EXPECT_EQ(to_string(red.attachments[1].address), "10.0.0.2");
  EXPECT_EQ(red.attachments[2].interface, "eth1.7");
  EXPECT_TRUE(red.attachments[2].found);
  ASSERT_EQ(found.devices.size(), 1u);
  EXPECT_EQ(found.devices[0].vrf, "vrf-red");
  EXPECT_EQ(found.devices[0].ifindex, kernel.index_of("vrf-red"));
  EXPECT_TRUE(found.devices[0].found);
}

TEST(Discovery, OnlyWhatIsAskedFor) {
  Kernel kernel;
  for (const char* name : {"vrf-a", "vrf-b", "mgmt"}) kernel.add(name, "vrf");
  kernel.add("eth1", "", "vrf-a", {"10.0.0.1/24"});
  EXPECT_THAT(kernel.discover(Model{}).model.vrfs, IsEmpty());
  Model model = discovering();
  model.discovery.include = {"vrf-*"};
  model.discovery.exclude = {"vrf-b"};
  const Discovered found = kernel.discover(model);
  ASSERT_EQ(found.model.vrfs.size(), 1u);
  EXPECT_EQ(found.model.vrfs[0].name, "vrf-a");
  EXPECT_EQ(found.model.vrfs[0].attachments.size(), 1u);
}

TEST(Discovery, EveryInterfaceThatIsNotServedIsToldWithTheReason) {
  Kernel kernel;
  kernel.add("vrf-a", "vrf");
  kernel.add("bare", "", "vrf-a");
  kernel.add("p2p", "", "vrf-a", {"10.9.0.0/31"});
  kernel.add("eth1", "", "vrf-a", {"10.0.0.1/24"});
  kernel.add("eth2", "", "vrf-a", {"10.0.0.129/25"});
  kernel.add("handoff", "", "vrf-a", {"169.254.0.9/24"});
  kernel.add("uplink0", "", "vrf-a", {"10.2.0.1/24"});
  kernel.add("own", "veth", "vrf-a", {"10.3.0.1/24"}).alias = std::string(kMark) + "vrf:1";
  Model model = discovering();
  model.discovery.exclude_interfaces = {"uplink*"};
  const Discovered found = kernel.discover(model);
  EXPECT_EQ(found.model.vrfs.at(0).attachments.size(), 1u);
  EXPECT_THAT(
      not_served(found),
      ElementsAre(HasSubstr("vrf-a bare: has no IPv4 address"),
                  HasSubstr("vrf-a p2p: its address 10.9.0.0/31 leaves no room"),
                  HasSubstr("vrf-a eth2: its subnet 10.0.0.128/25 overlaps 10.0.0.0/24"),
                  HasSubstr("vrf-a handoff: its address 169.254.0.9/24 overlaps appliance.handoff_prefix"),
                  HasSubstr("vrf-a uplink0: excluded by discovery.exclude_interfaces")));
}

TEST(Discovery, ConfiguredAndFoundVrfsLiveTogether) {
  Kernel kernel;
  kernel.add("vrf-red", "vrf");
  kernel.add("vrf-green", "vrf");
  kernel.add("blue", "vrf");
  kernel.add("eth1", "", "vrf-red", {"10.0.0.1/24"});
  kernel.add("eth2", "", "vrf-red", {"10.5.0.1/24"});
  kernel.add("eth3", "", "vrf-green", {"10.0.0.1/24"});
  kernel.add("eth4", "", "vrf-green", {"10.6.0.1/24"});
  Model model = discovering();
  Vrf red;
  red.name = "red";
  red.device = "vrf-red";
  red.discover = true;
  Subnet configured;
  configured.prefix = parse_prefix4("10.0.0.0/24").value();
  configured.lease_time_s = 123;
  red.subnets = {configured};
  Vrf blue;
  blue.name = "blue";
  Attachment taken;
  taken.interface = "eth4";
  blue.attachments = {taken};
  model.vrfs = {red, blue};
  const Discovered found = kernel.discover(model);
  ASSERT_EQ(found.model.vrfs.size(), 3u);
  const Vrf& filled = found.model.vrfs[0];
  ASSERT_EQ(filled.subnets.size(), 2u);
  EXPECT_EQ(filled.subnets[0].lease_time_s, 123u) << "a configured subnet goes before";
  EXPECT_FALSE(filled.found);
  EXPECT_EQ(filled.attachments.size(), 2u);
  EXPECT_EQ(found.model.vrfs[1].attachments.size(), 1u);
  EXPECT_EQ(found.model.vrfs[2].name, "vrf-green");
  ASSERT_EQ(found.model.vrfs[2].attachments.size(), 1u) << "eth4 is configured elsewhere";
  EXPECT_EQ(found.model.vrfs[2].attachments[0].interface, "eth3");
  EXPECT_THAT(not_served(found), ElementsAre(HasSubstr("blue: a configured VRF has this name")));
}

TEST(Discovery, AConfiguredVrfWhoseDeviceIsNotThereOrNoVrf) {
  Kernel kernel;
  kernel.add("eth1", "");
  Model model;
  Vrf vrf;
  vrf.name = "red";
  vrf.discover = true;
  vrf.device = "vrf-red";
  model.vrfs = {vrf};
  EXPECT_THAT(not_served(kernel.discover(model)), ElementsAre("red vrf-red: the VRF device does not exist"));
  model.vrfs[0].device = "eth1";
  EXPECT_THAT(not_served(kernel.discover(model)), ElementsAre("red eth1: is no VRF device"));
}

TEST(Discovery, WithServersElsewhereTheirSubnetIsNoPlaceOfClients) {
  Kernel kernel;
  kernel.add("vrf-a", "vrf");
  kernel.add("eth1", "", "vrf-a", {"10.0.0.1/24"});
  kernel.add("eth2", "", "vrf-a", {"192.0.2.1/24"});
  Model model = discovering();
  model.discovery.vrf.engine = Engine::relay;
  model.discovery.vrf.relay.servers = {parse_ip4("192.0.2.10").value()};
  const Discovered found = kernel.discover(model);
  ASSERT_EQ(found.model.vrfs.at(0).attachments.size(), 1u);
  EXPECT_THAT(found.model.vrfs[0].subnets.at(0).pools, IsEmpty());
  EXPECT_THAT(not_served(found), ElementsAre(HasSubstr("vrf-a eth2: server 192.0.2.10 is on it")));
}

TEST(Discovery, TheOneVrfTooManyIsTold) {
  Kernel kernel;
  for (std::uint32_t i = 0; i < XK_VRFS_MAX; ++i) kernel.add("v" + std::to_string(i), "vrf");
  EXPECT_THAT(not_served(kernel.discover(discovering())), IsEmpty());
  kernel.add("last", "vrf");
  const Discovered found = kernel.discover(discovering());
  EXPECT_EQ(found.model.vrfs.size(), XK_VRFS_MAX);
  EXPECT_THAT(not_served(found), ElementsAre("last: is one VRF too many: at most 4096 are served"));
}

TEST(Discovery, ANameThatIsNoFileNameIsRefused) {
  Kernel kernel;
  kernel.add("a~b", "vrf");
  EXPECT_THAT(not_served(kernel.discover(discovering())), ElementsAre(HasSubstr("a~b: names of VRFs have")));
}

TEST(Discovery, PoolsByRule) {
  using Kind = PoolRule::Kind;
  EXPECT_THAT(pool_texts({Kind::all, 0, 0}, "10.0.0.0/24"), ElementsAre("10.0.0.1-10.0.0.254"));
  EXPECT_THAT(pool_texts({Kind::all, 0, 0}, "10.0.0.0/30", {Ip4{0x0a000001}}),
              ElementsAre("10.0.0.2-10.0.0.2"));
  EXPECT_THAT(pool_texts({Kind::all, 0, 0}, "10.0.0.0/30", {Ip4{0x0a000002}, Ip4{0x0a000001}}), IsEmpty());
  EXPECT_THAT(pool_texts({Kind::all, 0, 0}, "10.0.0.0/24", {Ip4{0x0a0000fe}, Ip4{0x0a000010}}),
              ElementsAre("10.0.0.1-10.0.0.15", "10.0.0.17-10.0.0.253"));
  EXPECT_THAT(pool_texts({Kind::none, 0, 0}, "10.0.0.0/24"), IsEmpty());
  EXPECT_THAT(pool_texts({Kind::lower_half, 0, 0}, "10.0.0.0/24"), ElementsAre("10.0.0.1-10.0.0.127"));
  EXPECT_THAT(pool_texts({Kind::upper_half, 0, 0}, "10.0.0.0/24"), ElementsAre("10.0.0.128-10.0.0.254"));
  EXPECT_THAT(pool_texts({Kind::range, 10, 20}, "10.0.0.0/24"), ElementsAre("10.0.0.10-10.0.0.20"));
  EXPECT_THAT(pool_texts({Kind::range, 10, 9999}, "10.0.0.0/24"), ElementsAre("10.0.0.10-10.0.0.254"));
  EXPECT_THAT(pool_texts({Kind::range, 300, 400}, "10.0.0.0/24"), IsEmpty());
}

// ---- down to the wire ------------------------------------------------------------------------------

TEST(Reach, VlanDevicesAreTagsOfTheirParent) {
  Kernel kernel;
  kernel.add("eth1");
  kernel.vlan("s", "eth1", 200, "", {}, 0x88a8);
  kernel.vlan("c", "s", 300);
  kernel.vlan("d", "c", 400);
  EXPECT_THAT(kernel.reach("eth1"), ElementsAre("eth1 -"));
  EXPECT_THAT(kernel.reach("c"), ElementsAre("eth1 200.300"));
  EXPECT_THAT(kernel.reach("s", {Vid{5}, 0x8100}), ElementsAre("eth1 200.5"));
  EXPECT_THAT(kernel.reach("d"), ElementsAre(HasSubstr("!eth1 there are more than two tags")));
  kernel.links[1].up = false;
  EXPECT_THAT(kernel.reach("c"), ElementsAre("!s is down"));
}

TEST(Reach, ABondIsItsMembersThatTakeFrames) {
  Kernel kernel;
  kernel.add("bond0", "bond");
  EXPECT_THAT(kernel.reach("bond0"), ElementsAre("!bond0 the bond has no members"));
  kernel.add("eth1", "", "bond0");
  kernel.add("eth2", "", "bond0");
  kernel.vlan("bond0.9", "bond0", 9);
  EXPECT_THAT(kernel.reach("bond0.9"), ElementsAre("eth1 9", "eth2 9"));
  kernel.links[0].bond_reception = BondReception::active_only;
  EXPECT_THAT(kernel.reach("bond0"), ElementsAre("!bond0 no member of the bond is active"));
  kernel.links[0].active_member = kernel.index_of("eth2");
  EXPECT_THAT(kernel.reach("bond0"), ElementsAre("eth2 -"));
}

TEST(Reach, APlainBridgeIsItsPorts) {
  Kernel kernel;
  kernel.add("br0", "bridge");
  EXPECT_THAT(kernel.reach("br0"), ElementsAre("!br0 the bridge has no ports"));
  kernel.add("bond0", "bond", "br0");
  kernel.add("eth1", "", "bond0");
  kernel.add("eth2", "", "br0");
  kernel.add("eth3");
  kernel.vlan("eth3.30", "eth3", 30, "br0");
  kernel.vlan("br0.5", "br0", 5);
  EXPECT_THAT(kernel.reach("br0"), UnorderedElementsAre("eth1 -", "eth2 -", "eth3 30"));
  EXPECT_THAT(kernel.reach("br0.5"), UnorderedElementsAre("eth1 5", "eth2 5", "eth3 30.5"));
}

TEST(Reach, AVlanAwareBridgeShowsAVlanAsEachPortIsSet) {
  Kernel kernel;
  LinkInfo& bridge = kernel.add("br0", "bridge");
  bridge.vlan_filtering = true;
  bridge.tpid = 0x8100;
  bridge.vlans = {{Vid{1}, Vid{1}, true, true}, {Vid{100}, Vid{110}, false, false}};
  kernel.add("access", "", "br0").vlans = {{Vid{100}, Vid{100}, true, true}};
  kernel.add("trunk", "", "br0").vlans = {{Vid{1}, Vid{1}, true, true}, {Vid{90}, Vid{120}, false, false}};
  kernel.add("other", "", "br0").vlans = {{Vid{1}, Vid{1}, true, true}};
  kernel.vlan("br0.100", "br0", 100);
  kernel.vlan("br0.101", "br0", 101);
  kernel.vlan("br0.115", "br0", 115);
  kernel.vlan("q", "br0.100", 7);
  EXPECT_THAT(kernel.reach("br0"), ElementsAre("trunk -", "other -")) << "the bridge's own PVID";
  EXPECT_THAT(kernel.reach("br0.100"), ElementsAre("access -", "trunk 100"));
  EXPECT_THAT(kernel.reach("br0.101"), ElementsAre("trunk 101"));
  EXPECT_THAT(kernel.reach("q"), ElementsAre("access 7", "trunk 100.7"));
  EXPECT_THAT(kernel.reach("br0.115"), ElementsAre(HasSubstr("!br0 the bridge itself is not in VLAN 115")));
  kernel.links[2].vlans.clear();
  EXPECT_THAT(kernel.reach("br0.101"), ElementsAre("!br0 no port of the bridge is in VLAN 101"));
}

TEST(Reach, WhatIsNoPlaceOfClients) {
  Kernel kernel;
  kernel.add("lo").ethernet = false;
  kernel.add("tun0", "tun").ethernet = false;
  kernel.add("team0", "team");
  kernel.add("vrf-a", "vrf");
  EXPECT_THAT(kernel.reach("lo"), ElementsAre("!lo is no Ethernet interface"));
  EXPECT_THAT(kernel.reach("tun0"), ElementsAre("!tun0 is no Ethernet interface"));
  EXPECT_THAT(kernel.reach("team0"), ElementsAre(HasSubstr("team device")));
  EXPECT_THAT(kernel.reach("vrf-a"), ElementsAre(HasSubstr("VRF device")));
}

TEST(Reach, ALoopOfInterfacesEnds) {
  Kernel kernel;
  kernel.add("a", "bridge");
  kernel.add("b", "bridge", "a");
  kernel.links[0].master = kernel.index_of("b");
  EXPECT_THAT(kernel.reach("a"), ElementsAre(HasSubstr("is stacked on more than")));
}

}  // namespace
}  // namespace xk
