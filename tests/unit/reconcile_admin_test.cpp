// What operators decided: kept in a file, and part of what is desired.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "controlplane/reconcile/admin.h"
#include "tests/unit/reconcile_fakes.h"

namespace xk {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(AdminFile, SurvivesTheTrip) {
  AdminTable table;
  table.set("red", AdminState::draining);
  table.set("blue \"x\"", AdminState::deleted);
  EXPECT_EQ(AdminTable::parse(table.to_json()).value(), table);
  table.set("red", std::nullopt);
  table.rename({{"blue \"x\"", "green"}});
  EXPECT_THAT(table.all(AdminState::deleted), ElementsAre("green"));
  EXPECT_THAT(table.all(AdminState::draining), IsEmpty());
  EXPECT_FALSE(table.keep_only({"green", "red"}));
  EXPECT_TRUE(table.keep_only({"red"}));
  EXPECT_EQ(table, AdminTable{});
}

TEST(AdminFile, NamesChangeAllAtOnce) {
  AdminTable table;
  table.set("a", AdminState::draining);
  table.set("b", AdminState::deleted);
  table.set("c", AdminState::deleted);
  table.rename({{"a", "b"}, {"b", "a"}, {"none", "c"}});
  EXPECT_THAT(table.all(AdminState::deleted), ElementsAre("a"));
  EXPECT_THAT(table.all(AdminState::draining), ElementsAre("b"));
}

TEST(AdminFile, DamageIsAnError) {
  for (const char* bad :
       {"", "[]", "{}", R"({"version": 2, "vrfs": {}})", R"({"version": 1, "vrfs": []})",
        R"({"version": 1, "vrfs": {"": "deleted"}})", R"({"version": 1, "vrfs": {"a": "gone"}})",
        R"({"version": 1, "vrfs": {"a": 1}})"}) {
    EXPECT_FALSE(AdminTable::parse(bad).has_value()) << bad;
  }
  const std::string name(255, 'a');
  EXPECT_TRUE(AdminTable::parse(R"({"version": 1, "vrfs": {")" + name + R"(": "deleted"}})").has_value());
  EXPECT_FALSE(AdminTable::parse(R"({"version": 1, "vrfs": {")" + name + R"(a": "deleted"}})").has_value());
}

class Administered : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/dev/shm/xktadmin.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    directory_ = pattern;
    machine_.add_link("eth1", {"10.0.0.1/24"});
    daemon_ = std::make_unique<test::Daemon>(machine_, directory_);
    model_.vrfs = {test::kea_vrf("red", {test::attachment("eth1", 0, 0, "10.0.0.0/24", "10.0.0.1")}),
                   test::kea_vrf("blue", {test::attachment("eth1", 5, 0, "10.0.0.0/24", "10.0.0.1")})};
    ASSERT_TRUE((*daemon_)->change(model_).has_value());
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  // "red", "blue draining": what the dataplane has.
  std::vector<std::string> in_force() {
    std::vector<std::string> lines;
    for (const VrfEntry& vrf : machine_.state.snapshot->vrfs)
      lines.push_back(vrf.name + (vrf.draining ? " draining" : ""));
    return lines;
  }

  test::FakeMachine machine_;
  std::string directory_;
  std::unique_ptr<test::Daemon> daemon_;
  Model model_;
};

TEST_F(Administered, DrainingIsPublishedAndKept) {
  ASSERT_TRUE((*daemon_)->set_admin("red", AdminState::draining).has_value());
  EXPECT_THAT(in_force(), ElementsAre("red draining", "blue"));
  ASSERT_TRUE((*daemon_)->change(model_).has_value());
  EXPECT_THAT(in_force(), ElementsAre("red draining", "blue")) << "a reload does not end it";
  daemon_->restart();
  ASSERT_TRUE((*daemon_)->change(model_).has_value());
  EXPECT_THAT(in_force(), ElementsAre("red draining", "blue")) << "nor does a restart";
  ASSERT_TRUE((*daemon_)->set_admin("red", std::nullopt).has_value());
  EXPECT_THAT(in_force(), ElementsAre("red", "blue"));
}

TEST_F(Administered, ADeletedVrfIsTakenOffAndComesBackAsItWas) {
  const test::MachineState before = machine_.state;
  ASSERT_TRUE((*daemon_)->set_admin("red", AdminState::deleted).has_value());
  EXPECT_THAT(in_force(), ElementsAre("blue"));
  EXPECT_EQ(machine_.state.keas.size(), 1u);
  EXPECT_EQ(machine_.state.namespaces.size(), 1u);
  EXPECT_EQ(machine_.state.rows.size(), before.rows.size() / 2);
  ASSERT_EQ((*daemon_)->deleted().size(), 1u);
  EXPECT_EQ((*daemon_)->deleted()[0].name, "red");
  ASSERT_TRUE((*daemon_)->change(model_).has_value());
  EXPECT_THAT(in_force(), ElementsAre("blue"));
  EXPECT_THAT(*(*daemon_)->preview(model_), IsEmpty()) << "a look ahead knows it too";
  ASSERT_TRUE((*daemon_)->set_admin("red", std::nullopt).has_value());
  EXPECT_EQ(in_force().size(), 2u);
  EXPECT_EQ(machine_.state.keas.size(), 2u);
}

TEST_F(Administered, WhatIsGoneIsForgotten) {
  ASSERT_TRUE((*daemon_)->set_admin("red", AdminState::deleted).has_value());
  Model without = model_;
  without.vrfs.erase(without.vrfs.begin());
  ASSERT_TRUE((*daemon_)->change(without).has_value());
  EXPECT_EQ((*daemon_)->admin(), AdminTable{});
  ASSERT_TRUE((*daemon_)->change(model_).has_value());
  EXPECT_EQ(in_force().size(), 2u);
}

TEST_F(Administered, ADeletedVrfKeepsItsIds) {
  const test::MachineState before = machine_.state;
  ASSERT_TRUE((*daemon_)->set_admin("red", AdminState::deleted).has_value());
  daemon_->restart();
  ASSERT_TRUE((*daemon_)->change(model_).has_value());
  ASSERT_TRUE((*daemon_)->set_admin("red", std::nullopt).has_value());
  EXPECT_EQ(machine_.state.namespaces, before.namespaces);
  EXPECT_EQ(machine_.state.handoffs, before.handoffs);
  EXPECT_EQ(machine_.state.keas, before.keas);
  ASSERT_EQ(machine_.state.snapshot->attachments.size(), before.snapshot->attachments.size());
  for (std::size_t i = 0; i < before.snapshot->attachments.size(); ++i)
    EXPECT_EQ(machine_.state.snapshot->attachments[i].id, before.snapshot->attachments[i].id);
}

// Its configuration, or its interface, may be there later than xdp-kead.
TEST_F(Administered, WhatWasNotThereYetIsAwaitedAndCanBeTakenBack) {
  ASSERT_TRUE((*daemon_)->set_admin("red", AdminState::deleted).has_value());
  ASSERT_TRUE((*daemon_)->set_admin("blue", AdminState::draining).has_value());
  daemon_->restart();
  ASSERT_TRUE((*daemon_)->change(Model{}).has_value());
  EXPECT_THAT((*daemon_)->awaited(), ElementsAre("blue", "red"));
  EXPECT_EQ((*daemon_)->set_admin("red", AdminState::draining).error().system_errno, ENOENT);
  ASSERT_TRUE((*daemon_)->set_admin("blue", std::nullopt).has_value());
  EXPECT_EQ((*daemon_)->set_admin("blue", std::nullopt).error().system_errno, ENOENT);
  daemon_->restart();
  ASSERT_TRUE((*daemon_)->change(Model{}).has_value());
  ASSERT_TRUE((*daemon_)->change(model_).has_value());
  EXPECT_THAT(in_force(), ElementsAre("blue"));
  EXPECT_THAT((*daemon_)->awaited(), IsEmpty());
  ASSERT_TRUE((*daemon_)->change(Model{}).has_value());
  EXPECT_EQ((*daemon_)->admin(), AdminTable{}) << "seen, and then gone";
}

TEST_F(Administered, WhatCannotBeIsRefused) {
  EXPECT_EQ((*daemon_)->set_admin("grey", AdminState::draining).error().system_errno, ENOENT);
  model_.vrfs.push_back(
      test::relay_vrf("green", {test::attachment("eth1", 7, 0, "10.0.0.0/24", "10.0.0.1")}, {"192.0.2.1"}));
  model_.vrfs.back().relay.server_vrf = "red";
  ASSERT_TRUE((*daemon_)->change(model_).has_value());
  const auto refused = (*daemon_)->set_admin("red", AdminState::deleted);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("green has its servers in it"));
  EXPECT_EQ(in_force().size(), 3u);
  EXPECT_TRUE((*daemon_)->set_admin("green", AdminState::deleted).has_value());
  EXPECT_TRUE((*daemon_)->set_admin("red", AdminState::deleted).has_value());
  EXPECT_THAT(in_force(), ElementsAre("blue"));
  EXPECT_FALSE((*daemon_)->set_admin("green", std::nullopt).has_value()) << "its servers' VRF is gone";
}

TEST_F(Administered, ADamagedFileIsNotGuessedAt) {
  std::ofstream(directory_ + "/admin.json") << "{";
  daemon_->restart();
  EXPECT_FALSE(daemon_->loaded());
}

}  // namespace
}  // namespace xk
