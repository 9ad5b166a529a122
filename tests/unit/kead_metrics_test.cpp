// What monitoring is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <iostream>

#include "controlplane/app/metrics.h"
#include "tests/unit/kead_rig.h"

namespace xk::kead {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class Measured : public Served {
 protected:
  std::string text() {
    const auto made = metrics_text({.reconciler = **daemon_, .machine = parts_machine(), .uptime_ms = 1234});
    EXPECT_TRUE(made.has_value());
    return made.value_or("");
  }
};

TEST(MetricsLines, LabelsAreEscaped) {
  MetricsText out;
  out.family("a_total", "counter", "with a \\ in it");
  out.sample({{"vrf", "a \"b\" \\ \n c"}, {"reason", "x"}}, 7);
  out.sample({}, 1);
  EXPECT_EQ(out.take(),
            "# HELP a_total with a \\\\ in it\n# TYPE a_total counter\n"
            "a_total{vrf=\"a \\\"b\\\" \\\\ \\n c\",reason=\"x\"} 7\na_total 1\n");
}

TEST_F(Measured, EveryPartIsThere) {
  serve();
  VrfCounts red;
  red.vrf = VrfId{1};
  red.rx = 10;
  red.outcomes.resize(XK_OUTCOME_COUNT);
  red.outcomes[XK_HOPS_EXCEEDED] = 2;
  red.queue_high_water = 17;
  red.queue_depth = 4;
  machine_.counts = {red};
  const std::string all = text();
  for (const char* line : {
           "xdpkea_uptime_seconds 1.234\n",
           "xdpkea_dataplane_connected 1\n",
           "xdpkea_vrfs{state=\"degraded\"} 1\n",
           "xdpkea_vrfs{state=\"serving\"} 1\n",
           "xdpkea_vrf_serving{vrf=\"red\",engine=\"kea\"} 1\n",
           "xdpkea_vrf_serving{vrf=\"blue\",engine=\"kea\"} 0\n",
           "xdpkea_attachments{vrf=\"blue\",state=\"pending\"} 1\n",
           "xdpkea_kea_running{vrf=\"red\"} 1\n",
           "xdpkea_packets_received_total{vrf=\"red\"} 10\n",
           "xdpkea_packets_dropped_total{vrf=\"red\",reason=\"hops_exceeded\"} 2\n",
           "xdpkea_queue_high_water_packets{vrf=\"red\"} 17\n",
           "xdpkea_queue_depth_packets{vrf=\"red\"} 4\n",
           "xdpkea_queue_capacity_packets{vrf=\"red\"} 512\n",
           "xdpkea_xdp_packets_total{verdict=\"redirect_dhcp4\"} 7\n",
           "xdpkea_reconcile_duration_seconds_count 1\n",
           "xdpkea_reconcile_duration_seconds_bucket{le=\"+Inf\"} 1\n",
       })
    EXPECT_THAT(all, HasSubstr(line));
  EXPECT_THAT(all, Not(HasSubstr("reason=\"vrf_queue_full\""))) << "only what occurred";
  EXPECT_THAT(all, ContainsRegex("xdpkea_build_info.version=\"[0-9.]+\". 1\n"));
}

TEST_F(Measured, ReadyIsWhenEveryVrfIsServed) {
  serve();
  const auto waiting = not_ready(views());
  ASSERT_EQ(waiting.size(), 1u);
  EXPECT_EQ(waiting[0].name, "blue");
  EXPECT_THAT(waiting[0].reason, HasSubstr("eth2"));
  machine_.add_link("eth2");
  (*daemon_)->refresh(true);
  EXPECT_THAT(not_ready(views()), IsEmpty());
  ASSERT_TRUE((*daemon_)->set_admin("red", AdminState::draining).has_value());
  EXPECT_EQ(vrf("red").state, "draining");
  EXPECT_THAT(not_ready(views()), IsEmpty()) << "as its operator wants it";
  machine_.kea_states[VrfId{1}] = KeaState::backoff;
  EXPECT_EQ(not_ready(views()).size(), 1u);
  ASSERT_TRUE((*daemon_)->set_admin("red", AdminState::deleted).has_value());
  EXPECT_THAT(not_ready(views()), IsEmpty());
  EXPECT_EQ(vrf("red").state, "deleted");
  EXPECT_THAT(text(), HasSubstr("xdpkea_vrfs{state=\"deleted\"} 1\n"));
  machine_.dataplane_connected = false;
  EXPECT_EQ(not_ready(views()).size(), 1u);
}

// As many as there can be: what it costs is printed.
TEST_F(Measured, FourThousandVrfs) {
  model_.vrfs.clear();
  machine_.counts.clear();
  for (std::uint16_t i = 0; i < 4096; ++i) {
    const auto outer = static_cast<std::uint16_t>(i / 2 + 1);
    const auto inner = static_cast<std::uint16_t>(i % 2 + 1);
    model_.vrfs.push_back(test::relay_vrf("v" + std::to_string(i),
                                          {test::attachment("eth1", outer, inner, "10.0.0.0/24", "10.0.0.1")},
                                          {"192.0.2.1"}));
    VrfCounts counts;
    counts.vrf = VrfId{i + 1u};
    counts.rx = i;
    counts.outcomes.resize(XK_OUTCOME_COUNT);
    counts.outcomes[XK_SERVER_UNRESOLVED] = i;
    machine_.counts.push_back(std::move(counts));
  }
  serve();
  const auto started = std::chrono::steady_clock::now();
  const std::string all = text();
  const auto took = std::chrono::steady_clock::now() - started;
  std::cout << "4096 VRFs: " << all.size() / 1024 << " KiB in "
            << std::chrono::duration_cast<std::chrono::milliseconds>(took).count() << " ms\n";
  EXPECT_THAT(all,
              HasSubstr("xdpkea_packets_dropped_total{vrf=\"v4095\",reason=\"server_unresolved\"} 4095\n"));
  EXPECT_THAT(all, HasSubstr("xdpkea_packets_received_total{vrf=\"v0\"} 0\n"));
}

TEST_F(Measured, KeasByState) {
  serve();
  const std::pair<KeaState, const char*> states[] = {
      {KeaState::missing, "missing"}, {KeaState::starting, "starting"}, {KeaState::running, "running"},
      {KeaState::silent, "silent"},   {KeaState::backoff, "backoff"},   {KeaState::stopping, "stopped"},
      {KeaState::stopped, "stopped"},
  };
  for (const auto& [state, name] : states) {
    machine_.kea_states[VrfId{1}] = state;
    const std::string all = text();
    for (const char* each : {"missing", "starting", "running", "silent", "backoff", "stopped"}) {
      const char* value = std::string(each) == name ? "1" : "0";
      EXPECT_THAT(all, HasSubstr(std::string("xdpkea_kea_state{vrf=\"red\",state=\"") + each + "\"} " +
                                 value + "\n"));
    }
  }
}

TEST_F(Measured, NativeEnginesByState) {
  model_.vrfs[0].engine = Engine::native;
  serve();
  EXPECT_EQ(vrf("red").state, "degraded") << "nothing was heard of it";
  ipc::NativeReport report{
      .vrf = VrfId{1}, .state = NativeState::serving, .revision = 12, .leases = 7, .error = {}};
  machine_.native_reports = {report};
  EXPECT_EQ(vrf("red").state, "serving") << vrf("red").reason;
  machine_.native_reports[0].state = NativeState::failing;
  machine_.native_reports[0].error = "disk full";
  EXPECT_EQ(vrf("red").state, "degraded");
  EXPECT_THAT(vrf("red").reason, HasSubstr("cannot write its journal: disk full"));
  NativeStatus status;
  status.report = machine_.native_reports[0];
  status.journal.emplace();
  status.journal->stored = 10;
  const auto made = metrics_text(
      {.reconciler = **daemon_, .machine = parts_machine(), .uptime_ms = 1234, .natives = {{"red", status}}});
  ASSERT_TRUE(made.has_value());
  for (const char* line :
       {"xdpkea_native_state{vrf=\"red\",state=\"failing\"} 1\n",
        "xdpkea_native_state{vrf=\"red\",state=\"serving\"} 0\n", "xdpkea_native_leases{vrf=\"red\"} 7\n",
        "xdpkea_native_durable_revision{vrf=\"red\"} 12\n", "xdpkea_native_stored_revision{vrf=\"red\"} 10\n",
        "xdpkea_native_behind{vrf=\"red\"} 2\n"})
    EXPECT_THAT(*made, HasSubstr(line));
}

TEST_F(Measured, ServersByState) {
  machine_.add_link("eth3", {"192.0.2.2/24"});
  model_.vrfs = {
      test::relay_vrf("red", {test::attachment("eth1", 0, 0, "10.0.0.0/24", "10.0.0.1")}, {"192.0.2.1"}),
      test::relay_vrf("blue", {test::attachment("eth1", 7, 0, "10.0.0.0/24", "10.0.0.1")}, {"198.51.100.1"})};
  model_.vrfs[0].relay.server_interface = "eth3";
  model_.vrfs[0].relay.next_hop = Mac{{2, 0, 0, 0, 0, 1}};
  serve();
  machine_.servers = {{.vrf = VrfId{1},
                       .address = test::ip("192.0.2.1"),
                       .state = ServerState::dead,
                       .deaths = 3,
                       .requests = 20,
                       .replies = 8}};
  const std::string all = text();
  const std::string labels = R"({vrf="red",server="192.0.2.1",mode="all")";
  for (const std::string& line : {
           "xdpkea_server_state" + labels + ",state=\"dead\"} 1\n",
           "xdpkea_server_state" + labels + ",state=\"live\"} 0\n",
           "xdpkea_server_requests_total" + labels + "} 20\n",
           "xdpkea_server_replies_total" + labels + "} 8\n",
           "xdpkea_server_deaths_total" + labels + "} 3\n",
           std::string("xdpkea_server_state{vrf=\"blue\",server=\"198.51.100.1\",mode=\"all\",state="
                       "\"unreachable\"} 1\n"),
       })
    EXPECT_THAT(all, HasSubstr(line));
}

TEST_F(Measured, ErrorsOfReconcilingAreCounted) {
  machine_.foreign_xdp = {machine_.add_link("eth2")};
  serve();
  EXPECT_THAT(text(), Not(HasSubstr("xdpkea_reconcile_errors_total 0\n")));
}

}  // namespace
}  // namespace xk::kead
