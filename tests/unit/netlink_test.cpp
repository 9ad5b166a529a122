// The netlink adapter on the real kernel, inside two namespaces of the test's own: "router" stands
// for the machine, "vrf" for a Kea's namespace or the server's side.
#include "controlplane/netlink/netlink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_link.h>
#include <sys/socket.h>

#include <chrono>

#include "controlplane/netlink/link_table.h"
#include "controlplane/netns/netns.h"
#include "tests/unit/kernel_support.h"

namespace xk {
namespace {

using test::run;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kMark = "xdp-kea:xktc:vrf:1";

Ip4 ip(const char* text) { return parse_ip4(text).value(); }

class NetlinkTest : public testing::Test {
 public:
  NetlinkTest() {
    clean();
    for (const std::string& name : {router_, vrf_}) {
      const auto made = make_namespaces()->ensure(name, "xktc-netlink-test");
      EXPECT_TRUE(made.has_value()) << made.error().message;
    }
    const bool entered = test::in_namespace(router_, [this] {
      auto made = make_links();
      ASSERT_TRUE(made.has_value()) << made.error().message;
      links_ = std::move(*made);
    });
    EXPECT_TRUE(entered);
  }
  ~NetlinkTest() override { clean(); }
  void clean() const {
    test::remove_namespace(router_);
    test::remove_namespace(vrf_);
  }

  std::string in_router(const std::string& arguments) const {
    return run("ip -n " + router_ + " " + arguments);
  }
  std::string in_vrf(const std::string& arguments) const { return run("ip -n " + vrf_ + " " + arguments); }

  [[nodiscard]] HandoffSpec spec() const {
    HandoffSpec spec;
    spec.host_name = "xktch1";
    spec.peer_name = "kea1";
    spec.netns = vrf_;
    spec.mark = kMark;
    spec.host_ip = ip("169.254.0.2");
    spec.peer_ip = ip("169.254.0.3");
    spec.mtu = 1400;
    return spec;
  }

  void expect_whole(const LinkInfo& host) const {
    EXPECT_EQ(host.name, "xktch1");
    EXPECT_EQ(host.kind, "veth");
    EXPECT_EQ(host.alias, kMark);
    EXPECT_EQ(host.mtu, 1400);
    EXPECT_TRUE(host.up);
    EXPECT_FALSE(host.mac.is_zero());
    EXPECT_EQ(host.rx_queues, 1);
    EXPECT_THAT(in_router("addr show dev xktch1"), Not(HasSubstr("inet")));
    const std::string peer = in_vrf("addr show dev kea1");
    EXPECT_THAT(peer, HasSubstr("inet 169.254.0.3/31"));
    EXPECT_THAT(peer, Not(HasSubstr("inet6")));
    EXPECT_THAT(peer, HasSubstr("mtu 1400"));
    EXPECT_THAT(peer, HasSubstr(",UP"));
    EXPECT_THAT(in_vrf("link show dev kea1"), HasSubstr(std::string("alias ") + kMark));
    EXPECT_THAT(in_vrf("route show default"), HasSubstr("default via 169.254.0.2 dev kea1"));
    EXPECT_THAT(in_vrf("route show default"), HasSubstr("onlink"));
    EXPECT_THAT(in_vrf("neigh show"),
                HasSubstr("169.254.0.2 dev kea1 lladdr " + to_string(host.mac) + " PERMANENT"));
  }

  // A veth pair between the namespaces with the server 192.0.2.2 on vrf's side.
  void make_server_link() const {
    ASSERT_EQ(in_router("link add xktcs0 type veth peer name xktcs1 netns " + vrf_), "");
    ASSERT_EQ(in_router("link set xktcs0 up") + in_vrf("link set xktcs1 up"), "");
    ASSERT_EQ(in_router("addr add 192.0.2.1/24 dev xktcs0") + in_vrf("addr add 192.0.2.2/24 dev xktcs1"), "");
  }

  // Waits until drain_events() says something relevant happened.
  [[nodiscard]] bool relevant_event(int timeout_ms = 5000) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    while (std::chrono::steady_clock::now() < deadline) {
      if (!test::readable(links_->events_fd(), 100)) continue;
      if (drained()) return true;
    }
    return false;
  }

  bool drained() const {
    const auto drained = links_->drain_events();
    EXPECT_TRUE(drained.has_value());
    return drained.value_or(false);
  }

  NextHop next_hop(const char* destination, const std::string& vrf_device = "") const {
    const auto hop = links_->next_hop(ip(destination), vrf_device);
    EXPECT_TRUE(hop.has_value()) << hop.error().message;
    return hop.value_or(NextHop{});
  }

  // Asks until the neighbour is resolved, waiting for events between.
  NextHop resolved(const char* destination) const {
    NextHop hop = next_hop(destination);
    while (hop.mac.is_zero() && relevant_event()) hop = next_hop(destination);
    return hop;
  }

  [[nodiscard]] LinkInfo find(const std::string& name) const {
    const auto all = links_->list();
    EXPECT_TRUE(all.has_value()) << all.error().message;
    for (const LinkInfo& link : *all)
      if (link.name == name) return link;
    return {};
  }

  const std::string router_ = "xktc-r-" + std::to_string(::getpid());
  const std::string vrf_ = "xktc-v-" + std::to_string(::getpid());
  std::unique_ptr<Links> links_;
};

TEST_F(NetlinkTest, ListsLinksWithWhatTheyAre) {
  ASSERT_EQ(in_router("link add xktcbr type bridge"), "");
  ASSERT_EQ(
      in_router(
          "link add xktca0 numrxqueues 4 mtu 9000 address 02:00:00:00:0c:01 type veth peer name xktca1"),
      "");
  ASSERT_EQ(in_router("link set xktca0 master xktcbr up alias hello"), "");
  ASSERT_EQ(in_router("addr add 10.1.2.3/24 dev xktcbr"), "");
  ASSERT_EQ(in_router("addr add 10.9.0.1/32 dev xktcbr"), "");
  const LinkInfo bridge = find("xktcbr");
  EXPECT_EQ(bridge.kind, "bridge");
  EXPECT_FALSE(bridge.up);
  EXPECT_THAT(bridge.addresses, ElementsAre(Prefix4{ip("10.1.2.3"), 24}, Prefix4{ip("10.9.0.1"), 32}));
  const LinkInfo veth = find("xktca0");
  EXPECT_EQ(veth.kind, "veth");
  EXPECT_EQ(veth.alias, "hello");
  EXPECT_EQ(veth.mac, (Mac{{2, 0, 0, 0, 0x0c, 1}}));
  EXPECT_EQ(veth.mtu, 9000);
  EXPECT_EQ(veth.rx_queues, 4);
  ASSERT_EQ(run("ip netns exec " + router_ + " ethtool -L xktca0 rx 2"), "");
  EXPECT_EQ(find("xktca0").rx_queues, 2);
  EXPECT_EQ(veth.master, bridge.ifindex);
  EXPECT_EQ(veth.parent, IfIndex{});
  EXPECT_TRUE(veth.up);
  EXPECT_THAT(veth.addresses, IsEmpty());
  EXPECT_EQ(find("lo").kind, "");
  EXPECT_EQ(find("lo").mtu, 65535);
}

// As the kernel tells of a VLAN device: with IFLA_LINK_NETNSID if its parent is in another namespace.
LinkInfo vlan_device(bool moved) {
  ifinfomsg header{};
  header.ifi_index = 7;
  netlink::Request message(RTM_NEWLINK, 0, header);
  message.text(IFLA_IFNAME, "eth1.100").u32(IFLA_LINK, 3);
  if (moved) message.u32(IFLA_LINK_NETNSID, 0);
  message.nested(IFLA_LINKINFO, [](netlink::Request& info) {
    info.text(IFLA_INFO_KIND, "vlan").nested(IFLA_INFO_DATA, [](netlink::Request& data) {
      data.u32(IFLA_VLAN_ID, 100);  // a host's 16 bits, read as such
    });
  });
  const auto link = netlink::read_link(*nlmsg_hdr(message.get()));
  EXPECT_TRUE(link.has_value());
  return link ? link->info : LinkInfo{};
}

TEST(LinkMessage, AParentOfAnotherNamespaceIsNone) {
  EXPECT_EQ(vlan_device(false).kind, "vlan");
  EXPECT_EQ(vlan_device(false).vid, Vid{100});
  EXPECT_EQ(vlan_device(false).parent, IfIndex{3});
  EXPECT_EQ(vlan_device(true).vid, Vid{100});
  EXPECT_EQ(vlan_device(true).parent, IfIndex{});
}

TEST_F(NetlinkTest, HandoffIsMadeWhole) {
  const std::string before = test::own_namespace();
  const std::size_t descriptors = test::open_descriptors();
  const auto host = links_->ensure_handoff(spec());
  ASSERT_TRUE(host.has_value()) << host.error().message;
  expect_whole(*host);
  EXPECT_EQ(find("xktch1"), *host);
  EXPECT_EQ(test::own_namespace(), before);
  EXPECT_EQ(test::open_descriptors(), descriptors);
}

TEST_F(NetlinkTest, HandoffSaysNothingByItself) {
  ASSERT_TRUE(links_->ensure_handoff(spec()).has_value());
  EXPECT_THAT(in_router("-6 addr show dev xktch1"), IsEmpty());
  EXPECT_THAT(in_vrf("-6 addr show dev kea1"), IsEmpty());
  EXPECT_THAT(in_router("-d link show dev xktch1"), HasSubstr("addrgenmode none"));
  EXPECT_THAT(in_vrf("-d link show dev kea1"), HasSubstr("addrgenmode none"));
}

TEST_F(NetlinkTest, HandoffIsAdoptedAsItIs) {
  const auto first = links_->ensure_handoff(spec());
  ASSERT_TRUE(first.has_value()) << first.error().message;
  const auto second = links_->ensure_handoff(spec());
  ASSERT_TRUE(second.has_value()) << second.error().message;
  EXPECT_EQ(*second, *first);
  expect_whole(*second);
}

// Else each look at the machine would cause the next one.
TEST_F(NetlinkTest, AdoptingAWholeHandoffCausesNoEvent) {
  ASSERT_TRUE(links_->ensure_handoff(spec()).has_value());
  EXPECT_TRUE(drained());
  ASSERT_TRUE(links_->ensure_handoff(spec()).has_value());
  EXPECT_FALSE(test::readable(links_->events_fd(), 0));
}

TEST_F(NetlinkTest, HandoffTakesTheMacsAskedForAndKeepsThemRight) {
  ASSERT_TRUE(links_->ensure_handoff(spec()).has_value());
  HandoffSpec fixed = spec();
  fixed.host_mac = Mac{{2, 0, 0, 0, 1, 0}};
  fixed.peer_mac = Mac{{2, 0, 0, 0, 1, 1}};
  const auto host = links_->ensure_handoff(fixed);
  ASSERT_TRUE(host.has_value()) << host.error().message;
  EXPECT_EQ(host->mac, fixed.host_mac);
  expect_whole(*host);  // the peer's neighbour follows
  EXPECT_THAT(in_vrf("link show dev kea1"), HasSubstr("link/ether 02:00:00:00:01:01"));
}

TEST_F(NetlinkTest, HandoffIsRepaired) {
  const auto first = links_->ensure_handoff(spec());
  ASSERT_TRUE(first.has_value()) << first.error().message;
  for (const std::string& damage :
       {in_vrf("neigh del 169.254.0.2 dev kea1"), in_vrf("route del default"),
        in_vrf("addr del 169.254.0.3/31 dev kea1"), in_vrf("addr add 169.254.7.7/31 dev kea1"),
        in_vrf("link set kea1 mtu 1300"), in_router("link set xktch1 mtu 1200"),
        in_router("link set xktch1 down"), in_vrf("link set kea1 down")})
    EXPECT_EQ(damage, "");
  const auto repaired = links_->ensure_handoff(spec());
  ASSERT_TRUE(repaired.has_value()) << repaired.error().message;
  EXPECT_EQ(*repaired, *first);
  expect_whole(*repaired);
  EXPECT_THAT(in_vrf("addr show dev kea1"), Not(HasSubstr("169.254.7.7")));
}

TEST_F(NetlinkTest, HandoffWithOtherAddressesReplacesThem) {
  ASSERT_TRUE(links_->ensure_handoff(spec()).has_value());
  HandoffSpec moved = spec();
  moved.host_ip = ip("169.254.9.0");
  moved.peer_ip = ip("169.254.9.1");
  const auto host = links_->ensure_handoff(moved);
  ASSERT_TRUE(host.has_value()) << host.error().message;
  EXPECT_THAT(in_vrf("-4 -o addr show dev kea1"), Not(HasSubstr("169.254.0.3")));
  EXPECT_THAT(in_vrf("-4 -o addr show dev kea1"), HasSubstr("169.254.9.1/31"));
  EXPECT_THAT(in_vrf("route show default"), HasSubstr("via 169.254.9.0"));
  EXPECT_THAT(in_vrf("route show default"), Not(HasSubstr("169.254.0.2")));
}

TEST_F(NetlinkTest, ForeignHostNameIsRefusedAndLeftAlone) {
  ASSERT_EQ(in_router("link add xktch1 type veth peer name xktcx"), "");
  const LinkInfo before = find("xktch1");
  const auto refused = links_->ensure_handoff(spec());
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("interface xktch1 exists and is not ours"));
  EXPECT_THAT(refused.error().message, HasSubstr("no alias"));
  const auto kept = links_->remove_handoff("xktch1", kMark);
  ASSERT_FALSE(kept.has_value());
  EXPECT_THAT(kept.error().message, HasSubstr("not ours"));
  EXPECT_EQ(find("xktch1"), before);
  EXPECT_THAT(in_vrf("link show"), Not(HasSubstr("kea1")));
}

TEST_F(NetlinkTest, AnotherVrfsHandoffIsRefusedByItsMark) {
  ASSERT_TRUE(links_->ensure_handoff(spec()).has_value());
  HandoffSpec other = spec();
  other.mark = "xdp-kea:xktc:vrf:2";
  const auto refused = links_->ensure_handoff(other);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr(std::string("the alias \"") + kMark + "\""));
  EXPECT_FALSE(links_->remove_handoff("xktch1", other.mark).has_value());
  EXPECT_EQ(find("xktch1").alias, kMark);
}

TEST_F(NetlinkTest, ForeignPeerNameIsRefusedAndNothingIsMade) {
  ASSERT_EQ(in_vrf("link add kea1 type veth peer name xktcx"), "");
  const auto refused = links_->ensure_handoff(spec());
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("kea1 exists and is not ours"));
  EXPECT_EQ(find("xktch1").name, "");
  EXPECT_THAT(in_vrf("link show"), HasSubstr("xktcx"));
}

TEST_F(NetlinkTest, HandoffThatLostAnEndIsMadeAnew) {
  const auto first = links_->ensure_handoff(spec());
  ASSERT_TRUE(first.has_value());
  ASSERT_EQ(in_vrf("link set kea1 down"), "");
  ASSERT_EQ(in_vrf("link set kea1 name elsewhere"), "");
  const auto again = links_->ensure_handoff(spec());
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_NE(again->ifindex, first->ifindex);
  expect_whole(*again);
  ASSERT_EQ(in_router("link set xktch1 down"), "");
  ASSERT_EQ(in_router("link set xktch1 name elsewhere"), "");
  const auto third = links_->ensure_handoff(spec());
  ASSERT_TRUE(third.has_value()) << third.error().message;
  expect_whole(*third);
  EXPECT_EQ(find("elsewhere").name, "");
}

TEST_F(NetlinkTest, WhatACrashInTheMakingLeftIsCleared) {
  ASSERT_EQ(in_vrf("link add xkmaking0 type veth peer name xkmaking1"), "");
  const auto host = links_->ensure_handoff(spec());
  ASSERT_TRUE(host.has_value()) << host.error().message;
  expect_whole(*host);
  EXPECT_THAT(in_vrf("link show"), Not(HasSubstr("xkmaking")));
}

TEST_F(NetlinkTest, FailureLeavesNothingBehind) {
  HandoffSpec no_namespace = spec();
  no_namespace.netns = "xktc-missing";
  const auto missing = links_->ensure_handoff(no_namespace);
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().system_errno, ENOENT);
  EXPECT_THAT(missing.error().message, HasSubstr("xktc-missing"));

  HandoffSpec bad_route = spec();
  bad_route.host_ip = ip("224.0.0.1");  // no gateway the kernel takes
  const auto refused = links_->ensure_handoff(bad_route);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("handoff xktch1: default route through 224.0.0.1"));

  HandoffSpec long_name = spec();
  long_name.host_name = "sixteen-letters-";
  EXPECT_THAT(links_->ensure_handoff(long_name).error().message, HasSubstr("no interface name"));
  HandoffSpec long_peer = spec();
  long_peer.peer_name = "sixteen-letters-";
  EXPECT_FALSE(links_->ensure_handoff(long_peer).has_value());
  HandoffSpec no_mark = spec();
  no_mark.mark = "";
  EXPECT_THAT(links_->ensure_handoff(no_mark).error().message, HasSubstr("ownership mark"));
  HandoffSpec bad_mtu = spec();
  bad_mtu.mtu = 20;
  EXPECT_FALSE(links_->ensure_handoff(bad_mtu).has_value());

  EXPECT_THAT(*links_->list(), ElementsAre(testing::Field(&LinkInfo::name, "lo")));
  EXPECT_EQ(in_vrf("-o link show | wc -l"), "1\n");
}

TEST_F(NetlinkTest, RemovedHandoffIsGoneOnBothSidesAndGoneAlreadyIsNoError) {
  ASSERT_TRUE(links_->ensure_handoff(spec()).has_value());
  const auto removed = links_->remove_handoff("xktch1", kMark);
  ASSERT_TRUE(removed.has_value()) << removed.error().message;
  EXPECT_EQ(find("xktch1").name, "");
  EXPECT_THAT(in_vrf("link show"), Not(HasSubstr("kea1")));
  EXPECT_TRUE(links_->remove_handoff("xktch1", kMark).has_value());
}

TEST_F(NetlinkTest, NextHopOnLinkIsResolvedByAnEvent) {
  make_server_link();
  ASSERT_TRUE(links_->drain_events().has_value());
  const NextHop first = next_hop("192.0.2.2");
  EXPECT_EQ(first.ifindex, find("xktcs0").ifindex);
  EXPECT_EQ(first.gateway, ip("192.0.2.2"));
  EXPECT_EQ(first.source, ip("192.0.2.1"));
  const NextHop hop = resolved("192.0.2.2");
  EXPECT_THAT(in_vrf("link show xktcs1"), HasSubstr("link/ether " + to_string(hop.mac)));
}

TEST_F(NetlinkTest, NextHopThroughAGateway) {
  make_server_link();
  ASSERT_EQ(in_router("route add 198.51.100.0/24 via 192.0.2.2 src 192.0.2.1"), "");
  const NextHop hop = resolved("198.51.100.7");
  EXPECT_EQ(hop.ifindex, find("xktcs0").ifindex);
  EXPECT_EQ(hop.gateway, ip("192.0.2.2"));
  EXPECT_EQ(hop.source, ip("192.0.2.1"));
  EXPECT_FALSE(hop.mac.is_zero());
}

TEST_F(NetlinkTest, NoWayOutOfTheMachineIsNoError) {
  make_server_link();
  ASSERT_EQ(in_router("route add blackhole 198.51.100.0/24") +
                in_router("route add unreachable 203.0.113.0/24") +
                in_router("route add prohibit 203.0.114.0/24"),
            "");
  for (const char* destination :
       {"8.8.8.8", "198.51.100.1", "203.0.113.1", "203.0.114.1", "192.0.2.1", "192.0.2.255", "127.0.0.1"})
    EXPECT_EQ(next_hop(destination).ifindex, IfIndex{}) << destination;
  EXPECT_EQ(next_hop("192.0.2.2", "xktc-no-vrf").ifindex, IfIndex{});
}

TEST_F(NetlinkTest, NeighbourWithoutAnswerStaysUnresolved) {
  make_server_link();
  EXPECT_TRUE(next_hop("192.0.2.99").mac.is_zero());
  EXPECT_THAT(in_router("neigh show 192.0.2.99"), HasSubstr("INCOMPLETE"));
  ASSERT_EQ(in_router("neigh replace 192.0.2.99 dev xktcs0 nud failed"), "");
  EXPECT_TRUE(next_hop("192.0.2.99").mac.is_zero());
}

TEST_F(NetlinkTest, RoutesMatterOnlyIfTheyCoverADestination) {
  make_server_link();
  ASSERT_TRUE(links_->drain_events().has_value());
  ASSERT_EQ(in_router("route add 10.0.0.0/8 via 192.0.2.2"), "");
  EXPECT_EQ(drained(), false);
  EXPECT_EQ(next_hop("10.77.0.1").gateway, ip("192.0.2.2"));
  ASSERT_TRUE(links_->drain_events().has_value());
  ASSERT_EQ(in_router("route add 10.78.0.0/16 via 192.0.2.3"), "");
  EXPECT_EQ(drained(), false);
  ASSERT_EQ(in_router("route add 10.77.0.0/16 via 192.0.2.3"), "");
  EXPECT_EQ(drained(), true);
  EXPECT_EQ(next_hop("10.77.0.1").gateway, ip("192.0.2.3"));
  ASSERT_TRUE(links_->drain_events().has_value());
  ASSERT_EQ(in_router("route add default via 192.0.2.2"), "");
  EXPECT_EQ(drained(), true);
}

TEST_F(NetlinkTest, LinksAddressesAndRulesMatter) {
  ASSERT_TRUE(links_->drain_events().has_value());
  EXPECT_EQ(drained(), false);
  for (const char* change : {"link add xktcd0 type veth peer name xktcd1", "addr add 10.5.0.1/24 dev xktcd0",
                             "rule add from 10.5.0.0/24 table 5", "link del xktcd0"}) {
    ASSERT_EQ(in_router(change), "");
    EXPECT_EQ(drained(), true) << change;
  }
}

TEST_F(NetlinkTest, NeighboursMatterOnlyIfAnAnswerWasWrong) {
  make_server_link();
  const NextHop hop = resolved("192.0.2.2");
  ASSERT_FALSE(hop.mac.is_zero());
  ASSERT_TRUE(links_->drain_events().has_value());
  ASSERT_EQ(in_router("neigh replace 192.0.2.50 dev xktcs0 lladdr 02:00:00:00:00:50"), "");
  EXPECT_EQ(drained(), false);
  ASSERT_EQ(in_router("neigh replace 192.0.2.2 dev xktcs0 lladdr " + to_string(hop.mac) + " nud reachable"),
            "");
  EXPECT_EQ(drained(), false);
  ASSERT_EQ(in_router("neigh replace 192.0.2.2 dev xktcs0 lladdr 02:00:00:00:00:99"), "");
  EXPECT_EQ(drained(), true);
  EXPECT_EQ(next_hop("192.0.2.2").mac, (Mac{{2, 0, 0, 0, 0, 0x99}}));
  ASSERT_EQ(in_router("neigh del 192.0.2.2 dev xktcs0"), "");
  EXPECT_EQ(drained(), true);
  EXPECT_EQ(resolved("192.0.2.2").mac, hop.mac);
}

// Nothing of ours passes through the kernel to keep the entry alive.
TEST_F(NetlinkTest, StaleNeighbourIsResolvedAgain) {
  make_server_link();
  run("ip netns exec " + router_ + " sysctl -q -w net.ipv4.neigh.xktcs0.delay_first_probe_time=0");
  const NextHop hop = resolved("192.0.2.2");
  ASSERT_FALSE(hop.mac.is_zero());
  ASSERT_EQ(in_router("neigh replace 192.0.2.2 dev xktcs0 lladdr " + to_string(hop.mac) + " nud stale"), "");
  EXPECT_EQ(drained(), false);
  const auto state = [this] { return in_router("neigh show 192.0.2.2 dev xktcs0"); };
  std::string last = state();
  while (last.find("REACHABLE") == std::string::npos && test::readable(links_->events_fd(), 5000)) {
    EXPECT_EQ(drained(), false);
    last = state();
  }
  EXPECT_THAT(last, HasSubstr("REACHABLE"));
}

TEST_F(NetlinkTest, OverrunCountsAsRelevant) {
  make_server_link();
  ASSERT_TRUE(links_->drain_events().has_value());
  const int smallest = 1;
  ASSERT_EQ(::setsockopt(links_->events_fd(), SOL_SOCKET, SO_RCVBUF, &smallest, sizeof(smallest)), 0);
  for (int i = 0; i < 20; ++i)
    ASSERT_EQ(in_router("route add 10." + std::to_string(i) + ".0.0/16 via 192.0.2.2"), "");
  // Of this one there is no event any more.
  ASSERT_EQ(in_router("link add xktcd0 type veth peer name xktcd1"), "");
  const std::uint64_t before = links_->overruns();
  EXPECT_EQ(drained(), true);
  EXPECT_EQ(links_->overruns(), before + 1);
  EXPECT_EQ(find("xktcd0").kind, "veth");
  EXPECT_EQ(drained(), false);
  EXPECT_EQ(links_->overruns(), before + 1);
}

}  // namespace
}  // namespace xk
