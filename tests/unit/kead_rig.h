// xdp-kead's parts on a machine in memory, for its tests.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "controlplane/app/views.h"
#include "tests/unit/reconcile_fakes.h"

namespace xk::kead {

class Directory : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/dev/shm/xktgkead.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string directory_;
};

// VRF red on eth1, VRF blue on eth1 200.300 and on eth2, which is not there.
class Served : public Directory {
 protected:
  void SetUp() override {
    Directory::SetUp();
    machine_.add_link("eth1", {"10.0.0.1/24"});
    daemon_ = std::make_unique<test::Daemon>(machine_, directory_);
    ASSERT_TRUE(daemon_->loaded());
    model_.vrfs = {test::kea_vrf("red", {test::attachment("eth1", 0, 0, "10.0.0.0/24", "10.0.0.1")}),
                   test::kea_vrf("blue", {test::attachment("eth1", 200, 300, "10.0.0.0/24", "10.0.0.1"),
                                          test::attachment("eth2", 0, 0, "10.0.0.0/24", "10.0.0.1")})};
  }
  void serve() { ASSERT_TRUE((*daemon_)->change(model_).has_value()); }
  [[nodiscard]] Views views() { return {**daemon_, parts_machine()}; }
  const Machine& parts_machine() {
    if (!parts_machine_) parts_machine_.emplace(daemon_->machine());
    return *parts_machine_;
  }
  api::VrfView vrf(const std::string& name) {
    for (api::VrfView& view : views().vrfs()) {
      if (view.name == name) return view;
    }
    ADD_FAILURE() << "no vrf " << name;
    return {};
  }

  test::FakeMachine machine_;
  std::unique_ptr<test::Daemon> daemon_;
  std::optional<Machine> parts_machine_;
  Model model_;
};

}  // namespace xk::kead
