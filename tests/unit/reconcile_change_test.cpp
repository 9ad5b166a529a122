// Changes on a machine in memory: order, undo, adoption, trouble.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>

#include "dataplane/base/forwarding.h"
#include "tests/unit/reconcile_fakes.h"

namespace xk::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class Change : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/dev/shm/xktgchange.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    directory_ = pattern;
    daemon_ = std::make_unique<Daemon>(machine_, directory_);
    ASSERT_TRUE(daemon_->loaded());
    eth1_ = machine_.add_link("eth1", {"10.0.0.1/24"});
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  static Model red_model() {
    Model model;
    model.vrfs = {kea_vrf("red", {attachment("eth1", 0, 0, "10.0.0.0/24", "10.0.0.1")})};
    return model;
  }
  // The same VRF, served by the dataplane itself.
  static Model red_native() {
    Model model = red_model();
    model.vrfs[0].engine = Engine::native;
    return model;
  }
  // green is relayed, to this server and from this address.
  static Model green_model(const std::string& server, const std::string& source) {
    Model model;
    model.vrfs = {relay_vrf("green", {attachment("eth1", 0, 0, "10.0.0.0/24", "10.0.0.1")}, {server})};
    model.vrfs[0].relay.source = ip(source);
    model.vrfs[0].relay.server_interface = "eth2";
    return model;
  }
  static Model red_and_blue() {
    Model model = red_model();
    model.vrfs.push_back(kea_vrf("blue", {attachment("eth1", 100, 0, "10.0.0.0/24", "10.0.0.1"),
                                          attachment("eth2", 200, 300, "10.0.0.0/24", "10.0.0.1")}));
    return model;
  }
  ChangeReport change(const Model& model) {
    auto changed = (*daemon_)->change(model);
    EXPECT_TRUE(changed.has_value()) << changed.error().front();
    return changed.value_or(ChangeReport{});
  }
  [[nodiscard]] std::size_t position(const std::string& text) const {
    const auto found = std::ranges::find(machine_.log, text);
    EXPECT_NE(found, machine_.log.end()) << text;
    return static_cast<std::size_t>(found - machine_.log.begin());
  }
  [[nodiscard]] std::size_t last_position(const std::string& text) const {
    const auto found = std::find(machine_.log.rbegin(), machine_.log.rend(), text);
    EXPECT_NE(found, machine_.log.rend()) << text;
    return static_cast<std::size_t>(machine_.log.rend() - found) - 1;
  }
  // Nothing is left to do, and looking does nothing.
  void expect_settled() {
    machine_.reset();
    const ChangeReport report = (*daemon_)->refresh(true);
    EXPECT_THAT(report.steps, IsEmpty());
    EXPECT_THAT(report.failures, IsEmpty());
    EXPECT_THAT(machine_.log, IsEmpty());
  }

  std::string directory_;
  FakeMachine machine_;
  std::unique_ptr<Daemon> daemon_;
  IfIndex eth1_{};
};

TEST_F(Change, AddsInTheOrderThatSteersLast) {
  const ChangeReport report = change(red_model());
  EXPECT_THAT(report.failures, IsEmpty());
  const std::vector<std::string> expected{
      "namespace xdp-kea-1", "handoff xdp-kea-h1", "test kea red",    "apply kea red",
      "attach eth1",         "attach xdp-kea-h1",  "put address",     "put address",
      "put address",         "make socket",        "put socket 0",    "give eth1",
      "make socket",         "put socket 1",       "give xdp-kea-h1", "publish"};
  ASSERT_GE(machine_.log.size(), expected.size());
  EXPECT_EQ(
      std::vector(machine_.log.begin(), machine_.log.begin() + static_cast<std::ptrdiff_t>(expected.size())),
      expected);
  for (std::size_t i = expected.size(); i < machine_.log.size(); ++i) {
    EXPECT_EQ(machine_.log[i], "put row");
  }
  EXPECT_GT(machine_.log.size(), expected.size());
  EXPECT_EQ(machine_.state.rows.size(), 2u);
  EXPECT_EQ(machine_.state.held.size(), 2u);
  // What the plan could not know was bound when it ran.
  const LinkInfo* handoff = machine_.link("xdp-kea-h1");
  ASSERT_NE(handoff, nullptr);
  EXPECT_TRUE(machine_.state.rows.contains({handoff->ifindex.value, 0, 0}));
  ASSERT_TRUE(machine_.state.snapshot.has_value());
  EXPECT_EQ(machine_.state.snapshot->ports.size(), 2u);
  for (const PortEntry& port : machine_.state.snapshot->ports) EXPECT_NE(port.ifindex, IfIndex{0});
  EXPECT_THAT(report.steps.front(), HasSubstr("vrf red: make namespace xdp-kea-1"));
  EXPECT_THAT(report.steps.back(), HasSubstr("vrf red: steer"));
  expect_settled();
}

TEST_F(Change, RemovesInTheReverseOrder) {
  machine_.add_link("eth2");
  change(red_and_blue());
  machine_.reset();
  const ChangeReport report = change(red_model());
  EXPECT_THAT(report.failures, IsEmpty());
  EXPECT_EQ(machine_.log.front(), "remove row");
  EXPECT_LT(last_position("remove row"), position("publish"));
  EXPECT_LT(position("publish"), position("release"));
  EXPECT_LT(last_position("release"), position("detach eth2"));
  EXPECT_LT(position("detach eth2"), position("stop kea 2"));
  EXPECT_LT(position("stop kea 2"), position("remove handoff xdp-kea-h2"));
  EXPECT_LT(position("remove handoff xdp-kea-h2"), position("remove namespace xdp-kea-2"));
  EXPECT_THAT(machine_.log, Not(Contains("detach eth1")));
  EXPECT_EQ(machine_.state.namespaces.size(), 1u);
  EXPECT_EQ(machine_.state.keas.size(), 1u);
  EXPECT_EQ(machine_.state.rows.size(), 2u);
  expect_settled();
}

// Replies to the old address are for the old state, and those to the new one for the new.
TEST_F(Change, AnAddressIsTakenForAsLongAsTheStateThatUsesItIsInForce) {
  change(red_model());
  machine_.reset();
  Model changed = red_model();
  changed.vrfs[0].subnets[0] = subnet(1, "10.0.0.0/24", "10.0.0.2");
  changed.vrfs[0].attachments[0].address = Ip4{0x0a000002};
  EXPECT_THAT(change(changed).failures, IsEmpty());
  EXPECT_LT(last_position("put address"), position("publish"));
  EXPECT_GT(position("remove address"), position("publish"));
  expect_settled();
}

// Leases are in one place at a time.
TEST_F(Change, FromKeaToTheNativeEngineAndBack) {
  change(red_model());
  machine_.reset();
  EXPECT_THAT(change(red_native()).failures, IsEmpty());
  EXPECT_LT(position("stop kea 1"), position("native red"));
  EXPECT_LT(position("native red"), position("publish"));
  EXPECT_EQ(machine_.state.snapshot->natives.size(), 1u);
  EXPECT_THAT(machine_.state.keas, IsEmpty());
  EXPECT_THAT(machine_.state.handoffs, IsEmpty());
  EXPECT_EQ(machine_.state.natives.at("red").subnets.size(), 1u);
  expect_settled();

  machine_.reset();
  EXPECT_THAT(change(red_model()).failures, IsEmpty());
  EXPECT_LT(position("test kea red"), position("publish"));
  EXPECT_LT(position("publish"), position("end native red"));
  EXPECT_LT(position("end native red"), position("apply kea red"));
  EXPECT_THAT(machine_.state.snapshot->natives, IsEmpty());
  EXPECT_THAT(machine_.state.natives, IsEmpty());
  EXPECT_EQ(machine_.state.keas.size(), 1u);
  expect_settled();
}

TEST_F(Change, WhatTakesTimeIsLeftForLater) {
  machine_.native_looks_needed = 1'000'000;
  EXPECT_THAT(change(red_native()).failures, IsEmpty()) << "nothing is wrong";
  EXPECT_THAT(machine_.state.snapshot->natives, IsEmpty()) << "its leases are not there yet";
  machine_.native_looks_needed = 0;
  (*daemon_)->refresh(true);
  EXPECT_EQ(machine_.state.snapshot->natives.size(), 1u);
  expect_settled();

  machine_.native_looks_needed = 1'000'000;
  EXPECT_THAT(change(red_model()).failures, IsEmpty());
  EXPECT_THAT(machine_.state.snapshot->natives, IsEmpty());
  EXPECT_THAT(machine_.state.keas, IsEmpty()) << "its leases are not in the store yet";
  machine_.native_looks_needed = 0;
  (*daemon_)->refresh(true);
  EXPECT_EQ(machine_.state.keas.size(), 1u);
  EXPECT_THAT(machine_.state.natives, IsEmpty());
  expect_settled();
}

TEST_F(Change, WithoutADataplaneAJournalIsNotAtItsEnd) {
  change(red_native());
  machine_.dataplane_connected = false;
  EXPECT_THAT(change(red_model()).failures, IsEmpty());
  EXPECT_THAT(machine_.state.keas, IsEmpty());
  machine_.restart_dataplane();
  (*daemon_)->refresh(true);
  EXPECT_EQ(machine_.state.keas.size(), 1u);
  expect_settled();
}

TEST_F(Change, AJournalThatAnEarlierDaemonHasLeftComesFirst) {
  machine_.natives_forgotten = {"red", "gone"};
  EXPECT_THAT(change(red_model()).failures, IsEmpty());
  EXPECT_LT(position("publish"), position("end native red"));
  EXPECT_LT(position("end native red"), position("apply kea red"));
  EXPECT_THAT(machine_.log, Contains("end native gone"));
  expect_settled();
}

// From each of these states to the next: whatever operation fails, everything is as it was; or the
// change is in force, and what is missing (a port, a leftover to be taken away) is said and made up for.
TEST_F(Change, IsUndoneWholeWhereverItFails) {
  machine_.add_link("eth2");
  machine_.add_link("eth3");
  Model changed = red_and_blue();
  changed.vrfs[0].subnets[0] = subnet(1, "10.0.0.0/25", "10.0.0.2");
  changed.vrfs[0].attachments[0] = attachment("eth1", 0, 0, "10.0.0.0/25", "10.0.0.2");
  changed.vrfs[1].attachments[0] = attachment("eth3", 7, 0, "10.0.0.0/24", "10.0.0.1");
  Model green = red_model();
  green.vrfs[0] = kea_vrf("green", {attachment("eth1", 0, 0, "10.0.0.0/24", "10.0.0.1")});
  const std::vector<std::pair<Model, Model>> changes{
      {Model{}, red_model()},        {red_model(), red_and_blue()}, {red_and_blue(), changed},
      {red_and_blue(), red_model()}, {red_model(), green},          {red_and_blue(), Model{}},
      {Model{}, red_native()},       {red_model(), red_native()},   {red_native(), red_model()},
      {red_native(), Model{}}};
  for (const auto& [from, to] : changes) {
    std::size_t undone = 0;
    for (std::size_t fail_at = 0;; ++fail_at) {
      SCOPED_TRACE("fails at operation " + std::to_string(fail_at));
      std::filesystem::remove(directory_ + "/ids.json");
      FakeMachine machine;
      machine.add_link("eth1", {"10.0.0.1/24"});
      machine.add_link("eth2");
      machine.add_link("eth3");
      Daemon daemon(machine, directory_);
      ASSERT_TRUE(daemon->change(from).has_value());
      const MachineState before = machine.state;
      machine.reset();
      machine.fail_at = fail_at;
      const auto result = daemon->change(to);
      const bool reached = machine.operations > fail_at;
      machine.fail_at.reset();
      if (!result) {
        ++undone;
        EXPECT_EQ(machine.state.namespaces, before.namespaces);
        EXPECT_EQ(machine.state.links, before.links);
        EXPECT_EQ(machine.state.handoffs, before.handoffs);
        EXPECT_EQ(machine.state.keas, before.keas);
        EXPECT_EQ(machine.state.natives, before.natives);
        EXPECT_EQ(machine.state.attached, before.attached);
        EXPECT_EQ(machine.state.rows, before.rows);
        EXPECT_EQ(machine.state.addresses, before.addresses);
        EXPECT_EQ(machine.state.xsks, before.xsks);
        EXPECT_EQ(machine.state.held, before.held);
        EXPECT_EQ(machine.state.snapshot, before.snapshot);
        EXPECT_THAT(result.error().front(), HasSubstr("fake failure"));
        EXPECT_THAT(result.error().front(), Not(HasSubstr("undoing")));
        // The old configuration is still the one in force, and complete.
        EXPECT_EQ(*daemon->model(), from);
        machine.reset();
        EXPECT_THAT(daemon->refresh(true).steps, IsEmpty());
        EXPECT_THAT(machine.log, IsEmpty());
        // And the change goes through once nothing fails.
        ASSERT_TRUE(daemon->change(to).has_value());
      } else if (reached) {
        EXPECT_THAT(result->failures, Not(IsEmpty()));
        EXPECT_EQ(*daemon->model(), to);
        EXPECT_FALSE(daemon->general_troubles().empty() && daemon->port_troubles().empty());
        EXPECT_THAT(daemon->refresh(true).failures, IsEmpty());
        EXPECT_TRUE(daemon->general_troubles().empty() && daemon->port_troubles().empty());
      }
      machine.reset();
      EXPECT_THAT(daemon->refresh(true).steps, IsEmpty());
      EXPECT_THAT(machine.log, IsEmpty());
      if (!reached) break;
    }
    EXPECT_GT(undone, 0u);
  }
}

TEST_F(Change, ARefusedChangeKeepsItsIdsToo) {
  change(red_model());
  machine_.broken = {"test kea blue"};
  ASSERT_FALSE((*daemon_)->change(red_and_blue()).has_value());
  daemon_->restart();
  machine_.reset();
  change(red_model());
  EXPECT_THAT(machine_.log, Not(Contains("put row")));
  EXPECT_EQ(machine_.state.snapshot->vrfs[0].id, VrfId{1});
}

TEST_F(Change, PreviewRunsNothing) {
  machine_.reset();
  const auto steps = (*daemon_)->preview(red_model());
  ASSERT_TRUE(steps.has_value());
  EXPECT_THAT(*steps, Contains(HasSubstr("start Kea in xdp-kea-1")));
  EXPECT_THAT(machine_.log, IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/ids.json"));
}

TEST_F(Change, APendingAttachmentIsServedWhenItsInterfaceAppears) {
  change(red_and_blue());
  ASSERT_EQ((*daemon_)->desired().pending.size(), 1u);
  EXPECT_EQ(machine_.state.rows.size(), 4u);  // the others are served
  machine_.add_link("eth2");
  machine_.reset();
  const ChangeReport report = (*daemon_)->refresh(false);
  EXPECT_THAT(report.failures, IsEmpty());
  EXPECT_TRUE((*daemon_)->desired().pending.empty());
  EXPECT_EQ(machine_.state.rows.size(), 5u);
  EXPECT_THAT(machine_.log, Not(Contains("apply kea blue")));
  EXPECT_THAT(machine_.log, Contains("give eth2"));
  expect_settled();
}

TEST_F(Change, AnInterfaceThatComesBackWithAnotherIndexIsFollowed) {
  change(red_model());
  const auto row_before = machine_.state.rows.at({eth1_.value, 0, 0});
  machine_.remove_link("eth1");
  (*daemon_)->refresh(false);
  EXPECT_EQ((*daemon_)->desired().pending.size(), 1u);
  EXPECT_EQ(machine_.state.rows.size(), 1u);
  EXPECT_EQ(machine_.state.held.size(), 1u);
  const IfIndex again = machine_.add_link("eth1", {"10.0.0.1/24"});
  ASSERT_NE(again, eth1_);
  (*daemon_)->refresh(false);
  EXPECT_EQ(machine_.state.rows.size(), 2u);
  EXPECT_TRUE(machine_.state.held.contains(again));
  EXPECT_FALSE(machine_.state.held.contains(eth1_));
  const auto row_after = machine_.state.rows.at({again.value, 0, 0});
  EXPECT_EQ(row_before, row_after);  // the same attachment id
  expect_settled();

  // And when nobody looked in between.
  machine_.remove_link("eth1");
  const IfIndex third = machine_.add_link("eth1", {"10.0.0.1/24"});
  (*daemon_)->refresh(false);
  EXPECT_TRUE(machine_.state.held.contains(third));
  EXPECT_FALSE(machine_.state.held.contains(again));
  EXPECT_EQ(machine_.state.rows.size(), 2u);
  expect_settled();
}

TEST_F(Change, AHandoffThatWasDeletedIsMadeAgainAndKeaListensAnew) {
  change(red_model());
  machine_.remove_link("xdp-kea-h1");
  machine_.reset();
  const ChangeReport report = (*daemon_)->refresh(false);
  EXPECT_THAT(report.failures, IsEmpty());
  EXPECT_THAT(machine_.log, Contains("handoff xdp-kea-h1"));
  EXPECT_THAT(machine_.log, Contains(R"(kea 1 {"command":"config-reload"})"));
  EXPECT_THAT(machine_.log, Not(Contains("apply kea red")));
  EXPECT_EQ(machine_.state.rows.size(), 2u);
  EXPECT_EQ(machine_.state.held.size(), 2u);
  expect_settled();
}

TEST_F(Change, AKeaWhoseNamespaceIsGoneStartsInANewOne) {
  change(red_model());
  machine_.state.namespaces.clear();
  machine_.reset();
  const ChangeReport report = (*daemon_)->refresh(false);
  EXPECT_THAT(report.failures, IsEmpty());
  EXPECT_LT(position("namespace xdp-kea-1"), position("stop kea 1"));
  EXPECT_LT(position("stop kea 1"), position("apply kea red"));
  EXPECT_EQ(machine_.state.namespaces.size(), 1u);
  EXPECT_EQ(machine_.state.keas.size(), 1u);
  expect_settled();
}

TEST_F(Change, ANewDataplaneGetsPortsAndSnapshotAndNothingElse) {
  change(red_model());
  const auto rows = machine_.state.rows;
  const auto xsks = machine_.state.xsks;
  machine_.dataplane_connected = false;
  machine_.reset();
  (*daemon_)->refresh(true);
  EXPECT_THAT(machine_.log, IsEmpty());
  machine_.restart_dataplane();
  (*daemon_)->refresh(true);
  EXPECT_THAT(machine_.log, ElementsAre("make socket", "put socket 0", "give eth1", "make socket",
                                        "put socket 1", "give xdp-kea-h1", "publish"));
  EXPECT_EQ(machine_.state.rows, rows);
  EXPECT_EQ(machine_.state.xsks, xsks);
  expect_settled();
}

TEST_F(Change, MapsAreThereWithoutADataplane) {
  machine_.dataplane_connected = false;
  change(red_model());
  EXPECT_EQ(machine_.state.rows.size(), 2u);
  EXPECT_TRUE(machine_.state.held.empty());
  EXPECT_EQ((*daemon_)->generation(), 1u);
  machine_.restart_dataplane();
  (*daemon_)->refresh(true);
  EXPECT_EQ(machine_.state.held.size(), 2u);
  EXPECT_TRUE(machine_.state.snapshot.has_value());
}

TEST_F(Change, ARestartedDaemonAdoptsWhatIsThere) {
  machine_.add_link("eth2");
  change(red_and_blue());
  const MachineState before = machine_.state;
  const std::uint64_t generation = machine_.dataplane_generation;
  daemon_->restart();
  ASSERT_TRUE(daemon_->loaded());
  ++machine_.dataplane_connects;  // the same process, which connected again
  machine_.reset();
  const ChangeReport report = change(red_and_blue());
  EXPECT_THAT(report.failures, IsEmpty());
  EXPECT_EQ(machine_.state, before);
  // No socket is made for ports the dataplane holds; no row is touched.
  EXPECT_THAT(machine_.log, Not(Contains("make socket")));
  EXPECT_THAT(machine_.log, Not(Contains("put row")));
  EXPECT_THAT(machine_.log, Not(Contains("remove row")));
  EXPECT_THAT(machine_.log, Contains("publish"));
  EXPECT_GT(machine_.dataplane_generation, generation);
  EXPECT_GE((*daemon_)->generation(), machine_.dataplane_generation);
  expect_settled();
}

TEST_F(Change, ARestartedDaemonRemovesWhatWasUnconfiguredMeanwhile) {
  machine_.add_link("eth2");
  change(red_and_blue());
  daemon_->restart();
  ++machine_.dataplane_connects;
  change(red_model());
  EXPECT_EQ(machine_.state.namespaces.size(), 1u);
  EXPECT_EQ(machine_.state.handoffs.size(), 1u);
  EXPECT_EQ(machine_.state.rows.size(), 2u);
  EXPECT_EQ(machine_.state.attached.size(), 2u);
  EXPECT_EQ(machine_.state.held.size(), 2u);
  expect_settled();
}

TEST_F(Change, AFailureAfterAdoptionLeavesWhatWasThere) {
  change(red_model());
  const MachineState before = machine_.state;
  daemon_->restart();
  ++machine_.dataplane_connects;
  machine_.broken = {"publish"};
  const ChangeReport report = change(red_model());  // the first change is served as far as it goes
  EXPECT_THAT(report.failures, Contains(HasSubstr("fake failure of publish")));
  EXPECT_EQ(machine_.state, before);
  EXPECT_THAT((*daemon_)->general_troubles(), Contains(HasSubstr("publish")));
  machine_.broken.clear();
  ASSERT_TRUE((*daemon_)->next_retry_ms().has_value());
  machine_.now_ms = *(*daemon_)->next_retry_ms();
  EXPECT_THAT((*daemon_)->refresh(false).failures, IsEmpty());
  EXPECT_THAT((*daemon_)->general_troubles(), IsEmpty());
}

TEST_F(Change, AtStartAKeaThatRefusesConcernsItsVrfOnly) {
  machine_.add_link("eth2");
  machine_.broken = {"test kea red"};
  const ChangeReport report = change(red_and_blue());
  ASSERT_EQ(report.failures.size(), 1u);
  EXPECT_THAT(report.failures[0], HasSubstr("vrf red: test Kea's configuration"));
  EXPECT_TRUE((*daemon_)->vrf_troubles().contains(VrfId{1}));
  EXPECT_FALSE((*daemon_)->vrf_troubles().contains(VrfId{2}));
  EXPECT_FALSE(machine_.state.rows.contains({eth1_.value, 0, 0}));
  EXPECT_TRUE(machine_.state.rows.contains({eth1_.value, 100, 0}));

  // An event does not try it again before its time; the retry does.
  machine_.reset();
  (*daemon_)->refresh(false);
  EXPECT_THAT(machine_.log, IsEmpty());
  EXPECT_EQ((*daemon_)->next_retry_ms(), machine_.now_ms + kRetryFirstMs);
  machine_.now_ms += kRetryFirstMs;
  (*daemon_)->refresh(false);
  EXPECT_EQ((*daemon_)->next_retry_ms(), machine_.now_ms + 2 * kRetryFirstMs);
  machine_.broken.clear();
  machine_.now_ms += 2 * kRetryFirstMs;
  (*daemon_)->refresh(false);
  EXPECT_TRUE((*daemon_)->vrf_troubles().empty());
  EXPECT_TRUE(machine_.state.rows.contains({eth1_.value, 0, 0}));
  expect_settled();
}

TEST_F(Change, AVrfInTroubleBlocksNoOtherChange) {
  machine_.broken = {"test kea red"};
  change(red_model());
  machine_.add_link("eth2");
  const auto added = (*daemon_)->change(red_and_blue());
  ASSERT_TRUE(added.has_value()) << added.error().front();
  EXPECT_TRUE(machine_.state.rows.contains({eth1_.value, 100, 0}));
  // But what is new and refused is refused.
  Model worse = red_and_blue();
  worse.vrfs[0].subnets[0] = subnet(1, "10.0.0.0/25", "10.0.0.1");
  worse.vrfs[0].attachments[0].subnet = prefix("10.0.0.0/25");
  EXPECT_FALSE((*daemon_)->change(worse).has_value());
}

TEST_F(Change, ATemplateThatCannotBeReadIsAKeaThatRefuses) {
  daemon_->cannot_render("red");
  const ChangeReport report = change(red_model());
  ASSERT_EQ(report.failures.size(), 1u);
  EXPECT_THAT(report.failures[0], HasSubstr("no template"));
}

TEST_F(Change, ClientsAreSteeredOnceKeaRuns) {
  machine_.kea_looks_needed = 5;
  const ChangeReport report = change(red_model());
  EXPECT_THAT(report.failures, IsEmpty());
  EXPECT_EQ(machine_.state.rows.size(), 2u);

  // One that does not come up within the time is waited for without holding up the rest.
  machine_.kea_looks_needed = 100'000;
  machine_.add_link("eth2");
  daemon_->restart();
  ++machine_.dataplane_connects;
  const ChangeReport both = change(red_and_blue());
  ASSERT_EQ(both.failures.size(), 1u);
  EXPECT_THAT(both.failures[0], HasSubstr("vrf blue: wait for Kea"));
  EXPECT_EQ(machine_.state.rows.size(), 2u);
  machine_.kea_states[VrfId{2}] = KeaState::running;
  (*daemon_)->retry(VrfId{2});
  EXPECT_THAT((*daemon_)->refresh(false).failures, IsEmpty());
  EXPECT_EQ(machine_.state.rows.size(), 5u);
}

TEST_F(Change, AForeignProgramConcernsItsPortOnly) {
  const IfIndex eth2 = machine_.add_link("eth2");
  machine_.foreign_xdp = {eth2};
  const ChangeReport report = change(red_and_blue());
  ASSERT_EQ(report.failures.size(), 1u);
  EXPECT_TRUE((*daemon_)->port_troubles().contains("eth2"));
  EXPECT_TRUE((*daemon_)->vrf_troubles().empty());
  EXPECT_TRUE(machine_.state.rows.contains({eth1_.value, 100, 0}));
  EXPECT_FALSE(machine_.state.rows.contains({eth2.value, 200, 300}));

  // When its program goes, the retry serves it.
  machine_.foreign_xdp.clear();
  machine_.now_ms = (*daemon_)->next_retry_ms().value_or(0);
  EXPECT_THAT((*daemon_)->refresh(false).failures, IsEmpty());
  EXPECT_TRUE(machine_.state.rows.contains({eth2.value, 200, 300}));

  // The same when an operator asks for it while all runs.
  std::filesystem::remove(directory_ + "/ids.json");
  FakeMachine other;
  other.add_link("eth1");
  other.foreign_xdp = {other.add_link("eth2")};
  Daemon daemon(other, directory_);
  ASSERT_TRUE(daemon->change(red_model()).has_value());
  const auto changed = daemon->change(red_and_blue());
  ASSERT_TRUE(changed.has_value());
  EXPECT_THAT(changed->failures, ElementsAre(HasSubstr("port eth2")));
}

TEST_F(Change, NothingForeignIsTouched) {
  machine_.state.namespaces["xdp-kea-7"] = "somebody else's";
  machine_.add_link("xdp-kea-h7");
  machine_.state.links.back().alias = "not ours";
  change(red_model());
  change(Model{});
  EXPECT_TRUE(machine_.state.namespaces.contains("xdp-kea-7"));
  EXPECT_NE(machine_.link("xdp-kea-h7"), nullptr);
  EXPECT_EQ(machine_.state.namespaces.size(), 1u);
}

// The server that is given up, and the address that it answers to.
TEST_F(Change, AnswersThatAreUnderWayAreTakenForAWhile) {
  machine_.add_link("eth2");
  const std::uint64_t begun_ms = machine_.now_ms;
  change(green_model("192.0.2.2", "198.51.100.1"));
  EXPECT_FALSE((*daemon_)->desired().late.next_end_ms().has_value());
  machine_.now_ms = begun_ms + 1000;
  change(green_model("192.0.2.3", "198.51.100.2"));

  const auto known = [this](const std::string& server, const std::string& address) {
    auto forwarding = Forwarding::make((*daemon_)->desired().snapshot);
    EXPECT_TRUE(forwarding.has_value());
    const VrfEntry& green = (*forwarding)->snapshot().vrfs[0];
    const auto& attachments = (*forwarding)->snapshot().attachments;
    const auto at = std::ranges::find(attachments, AttachmentRole::server, &AttachmentEntry::role);
    EXPECT_NE(at, attachments.end());
    const bool of_vrf = (*forwarding)->is_server_of(green, ip(server));
    const bool local = (*forwarding)->is_local(*at, ip(address));
    EXPECT_EQ(of_vrf, (*forwarding)->is_server_in(green.id, ip(server)));
    const std::uint32_t value = ip(address).value;
    const bool row = std::ranges::any_of(machine_.state.addresses, [&](const auto& each) {
      xk_address_key key;
      std::memcpy(&key, each.first.data(), sizeof key);
      const auto* bytes = static_cast<const std::uint8_t*>(key.address);
      return key.attachment_id == at->id.value && bytes[0] == value >> 24 && bytes[3] == (value & 0xff);
    });
    EXPECT_EQ(local, row) << address;
    return std::pair(of_vrf, local);
  };
  const std::pair both(true, true), neither(false, false);
  EXPECT_EQ(known("192.0.2.3", "198.51.100.2"), both);
  EXPECT_EQ(known("192.0.2.2", "198.51.100.1"), both);
  EXPECT_EQ((*daemon_)->desired().snapshot.vrfs[0].servers.size(), 1u) << "it gets no requests any more";
  EXPECT_EQ((*daemon_)->next_retry_ms(), begun_ms + 1000 + kLateAnswersMs);

  // Another change does not prolong it, coming back ends it.
  machine_.now_ms = begun_ms + 2000;
  change(green_model("192.0.2.2", "198.51.100.3"));
  EXPECT_EQ(known("192.0.2.2", "198.51.100.1"), both);
  EXPECT_EQ(known("192.0.2.3", "198.51.100.2"), both);
  EXPECT_EQ((*daemon_)->next_retry_ms(), begun_ms + 1000 + kLateAnswersMs);
  machine_.now_ms = begun_ms + 1000 + kLateAnswersMs;
  EXPECT_THAT((*daemon_)->refresh(false).failures, IsEmpty());
  EXPECT_EQ(known("192.0.2.2", "198.51.100.1"), std::pair(true, false));
  EXPECT_EQ(known("192.0.2.3", "198.51.100.2"), both);
  machine_.now_ms = begun_ms + 2000 + kLateAnswersMs;
  EXPECT_THAT((*daemon_)->refresh(false).failures, IsEmpty());
  EXPECT_EQ(known("192.0.2.3", "198.51.100.2"), neither);
  EXPECT_EQ(known("192.0.2.2", "198.51.100.3"), both);
  EXPECT_EQ((*daemon_)->next_retry_ms(), std::nullopt);
  expect_settled();
}

TEST_F(Change, SettingsOfARunningDaemonDoNotChange) {
  change(red_model());
  Model renamed = red_model();
  renamed.appliance.name = "other";
  renamed.appliance.state_dir = "/elsewhere";
  const auto refused = (*daemon_)->change(renamed);
  ASSERT_FALSE(refused.has_value());
  ASSERT_EQ(refused.error().size(), 2u);
  EXPECT_THAT(refused.error()[0], HasSubstr("appliance.name"));
  EXPECT_THAT(refused.error()[1], HasSubstr("restart"));
}

TEST_F(Change, MoreQueuesMoveAPortsSockets) {
  change(red_model());
  machine_.state.links.front().rx_queues = 4;
  machine_.reset();
  (*daemon_)->refresh(false);
  EXPECT_LT(position("release"), position("give eth1"));
  EXPECT_EQ(machine_.state.held.at(eth1_), 4);
  EXPECT_EQ(machine_.state.xsks.size(), 5u);
  expect_settled();
}

}  // namespace
}  // namespace xk::test
