// What a packet would meet, and where its way ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "controlplane/app/explain.h"
#include "tests/unit/kead_rig.h"

namespace xk::kead {
namespace {

using testing::HasSubstr;

TEST(VlanQuestionText, IsTagsOrAnError) {
  EXPECT_EQ(parse_vlan_question("")->outer.value, 0);
  EXPECT_EQ(parse_vlan_question("-")->outer.value, 0);
  EXPECT_EQ(parse_vlan_question("4094")->outer.value, 4094);
  EXPECT_EQ(parse_vlan_question("200.300")->inner.value, 300);
  for (const char* bad : {"0", "4095", "1.0", "1.4095", "1.", ".1", "1.2.3", "x", "-1", " 1", "99999"})
    EXPECT_FALSE(parse_vlan_question(bad).has_value()) << bad;
}

class Explained : public Served {
 protected:
  api::ExplainView of(const std::string& interface, const std::string& vlan = "") {
    const auto view = explain(**daemon_, parts_machine(), interface, parse_vlan_question(vlan).value());
    EXPECT_TRUE(view.has_value());
    return view.value_or(api::ExplainView{});
  }
  // The stage where the way ends, and why; "" if it does not.
  static std::string end_of(const api::ExplainView& view) {
    std::string end;
    for (const api::FindingView& finding : view.findings) {
      EXPECT_EQ(end, "") << "nothing comes after the end";
      if (finding.result == "stop") end = finding.stage + ": " + finding.text;
    }
    return end;
  }
  std::string end(const std::string& interface, const std::string& vlan = "") {
    return end_of(of(interface, vlan));
  }
};

TEST_F(Explained, AServedPlaceIsFollowedToTheEnd) {
  serve();
  const api::ExplainView view = of("eth1", "200.300");
  EXPECT_EQ(end_of(view), "");
  EXPECT_EQ(view.verdict, "served: VRF blue, subnet 10.0.0.0/24");
  EXPECT_EQ(view.vrf, "blue");
  EXPECT_EQ(view.engine, "kea");
  EXPECT_EQ(view.option82_policy, "keep");
  EXPECT_EQ(view.findings.front().stage, "interface");
  EXPECT_EQ(view.findings.back().stage, "engine");
  EXPECT_EQ(of("eth1").vrf, "red");
}

TEST_F(Explained, EveryPlaceWhereAWayEnds) {
  serve();
  EXPECT_THAT(end("eth9"), HasSubstr("interface: there is no interface eth9"));
  EXPECT_THAT(end("eth2"), HasSubstr("interface: there is no interface eth2"));
  EXPECT_THAT(end("eth1", "7"),
              HasSubstr("attachment: no attachment is for VLAN 7; on this port there are "));
  EXPECT_THAT(of("eth1", "7").verdict, HasSubstr("pass_unmapped"));
  machine_.add_link("eth5");
  EXPECT_THAT(end("eth5"), HasSubstr("xdp: no program of ours is on eth5: no attachment needs one"));
  machine_.foreign_xdp = {machine_.add_link("eth2")};
  (*daemon_)->refresh(true);
  EXPECT_THAT(end("eth2"), HasSubstr("a foreign program"));

  machine_.kea_states[VrfId{1}] = KeaState::backoff;
  EXPECT_THAT(end("eth1"), HasSubstr("engine: Kea does not run"));
  machine_.kea_states[VrfId{1}] = KeaState::running;
  machine_.state.held.clear();
  EXPECT_THAT(end("eth1"), HasSubstr("dataplane: it has no socket of eth1"));
  machine_.dataplane_connected = false;
  EXPECT_THAT(end("eth1"), HasSubstr("dataplane: none is connected"));
  EXPECT_THAT(of("eth1").verdict, HasSubstr("pass_no_socket"));
  machine_.state.rows.clear();
  EXPECT_THAT(end("eth1"), HasSubstr("not in the classifier's map"));
}

TEST_F(Explained, DevicesAreResolvedToWherePacketsComeIn) {
  const IfIndex eth1 = machine_.link("eth1")->ifindex;
  machine_.add_link("eth1.200", {}, eth1, 200);
  machine_.add_link("q", {}, machine_.link("eth1.200")->ifindex, 300);
  const IfIndex bridge = machine_.add_link("br0");
  machine_.state.links.back().kind = "bridge";
  const IfIndex vrf = machine_.add_link("vrf-red");
  machine_.state.links.back().kind = "vrf";
  machine_.add_link("aaa");
  for (LinkInfo& link : machine_.state.links) {
    if (link.name == "eth1" || link.name == "aaa") link.master = bridge;
    if (link.name == "br0") link.master = vrf;
  }
  serve();
  EXPECT_EQ(of("q").vrf, "blue");
  EXPECT_EQ(of("eth1.200", "300").vrf, "blue");
  EXPECT_THAT(end("eth1.200"), HasSubstr("no attachment is for VLAN 200"));
  EXPECT_THAT(end("q", "5"), HasSubstr("more than two"));
  EXPECT_EQ(of("br0").vrf, "red");
  EXPECT_EQ(of("br0", "200.300").vrf, "blue");
  EXPECT_EQ(of("vrf-red").vrf, "red");
  machine_.add_link("empty");
  machine_.state.links.back().kind = "bond";
  EXPECT_THAT(end("empty"), HasSubstr("interface: "));
}

TEST_F(Explained, TheHandoffHasNoClients) {
  serve();
  EXPECT_THAT(end("xdp-kea-h1"), HasSubstr("no clients"));
}

TEST_F(Explained, TheNativeEngineSaysWhatItHandsOut) {
  Vrf green = test::kea_vrf("green", {test::attachment("eth1", 5, 0, "10.0.0.0/24", "10.0.0.1")});
  green.engine = Engine::native;
  green.subnets[0].pools = {parse_range4("10.0.0.1-10.0.0.9").value()};
  model_.vrfs.push_back(green);
  serve();
  EXPECT_EQ(end("eth1", "5"), "engine: the native engine has not been begun");
  ipc::NativeReport& report = machine_.native_reports.emplace_back();
  report.vrf = VrfId{3};
  EXPECT_EQ(end("eth1", "5"), "engine: the native engine still reads its journal");
  EXPECT_EQ(of("eth1", "5").verdict, "dropped: serve_recovering");
  report.error = "no space left on device";
  report.state = NativeState::broken;
  EXPECT_EQ(end("eth1", "5"), "engine: the native engine cannot read its journal: no space left on device");
  report.state = NativeState::failing;
  EXPECT_EQ(of("eth1", "5").verdict, "dropped: serve_not_durable");
  report.state = NativeState::serving;
  report.leases = 7;
  api::ExplainView view = of("eth1", "5");
  EXPECT_EQ(end_of(view), "");
  EXPECT_EQ(view.engine, "native");
  EXPECT_THAT(view.findings.back().text,
              HasSubstr("7 leases, pools of 8 addresses; an ACK waits for its journal"));
  EXPECT_EQ(view.verdict, "served: VRF green, subnet 10.0.0.0/24");
  model_.vrfs.back().subnets[0].pools.clear();
  serve();
  EXPECT_THAT(of("eth1", "5").findings.back().text, HasSubstr("no client gets a new lease"));
}

TEST_F(Explained, ARelaysServersAreNamed) {
  model_.vrfs.push_back(
      test::relay_vrf("green", {test::attachment("eth1", 5, 0, "10.0.0.0/24", "10.0.0.1")}, {"192.0.2.1"}));
  serve();
  const api::ExplainView view = of("eth1", "5");
  EXPECT_EQ(end_of(view), "engine: no server can be reached");
  EXPECT_EQ(view.verdict, "dropped: server_unresolved");
  EXPECT_EQ(view.engine, "relay");
}

TEST_F(Explained, DeadServersDoNotServe) {
  machine_.add_link("eth3", {"192.0.2.1/24"});
  Vrf green = test::relay_vrf("green", {test::attachment("eth1", 5, 0, "10.0.0.0/24", "10.0.0.1")},
                              {"192.0.2.10", "192.0.2.11"});
  green.relay.server_mode = ServerMode::failover;
  green.relay.server_interface = "eth3";
  green.relay.next_hop = Mac{{2, 0, 0, 0, 0, 1}};
  model_.vrfs.push_back(green);
  serve();
  const VrfId id{vrf("green").id};
  EXPECT_THAT(of("eth1", "5").findings.back().text, HasSubstr("goes to 192.0.2.10"));

  machine_.servers = {{.vrf = id, .address = test::ip("192.0.2.10"), .state = ServerState::dead},
                      {.vrf = id, .address = test::ip("192.0.2.11"), .state = ServerState::live}};
  const api::ExplainView one = of("eth1", "5");
  EXPECT_EQ(one.verdict, "served: VRF green, subnet 10.0.0.0/24");
  EXPECT_EQ(one.findings.back().text, "failover: a request goes to 192.0.2.11, the first that lives");
  EXPECT_TRUE(std::ranges::any_of(one.findings, [](const api::FindingView& finding) {
    return finding.result == "note" &&
           finding.text.starts_with("server 192.0.2.10 by 02:00:00:00:00:01: dead");
  }));

  machine_.servers[1].state = ServerState::dead;
  EXPECT_EQ(end("eth1", "5"), "engine: no server that can be reached answers");
  EXPECT_EQ(of("eth1", "5").verdict, "sent to servers that do not answer");
}

TEST_F(Explained, WhatAnOperatorDeletedIsSaidSo) {
  serve();
  const auto remove = [this](const char* vrf) {
    ASSERT_TRUE((*daemon_)->set_admin(vrf, AdminState::deleted).has_value());
  };
  remove("blue");
  EXPECT_EQ(
      end("eth1", "200.300"),
      "attachment: VRF blue of this place was deleted by an operator; xdp-keactl vrf resume blue brings "
      "it back");
  EXPECT_THAT(end("eth1", "7"), HasSubstr("no attachment is for VLAN 7"));
  remove("red");
  EXPECT_THAT(end("eth1"),
              HasSubstr("xdp: no program of ours is on eth1: VRF red of this place was deleted"));
}

}  // namespace
}  // namespace xk::kead
