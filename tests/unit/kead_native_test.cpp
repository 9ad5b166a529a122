// VRFs of the native engine between the dataplane and the store.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "controlplane/app/native_service.h"
#include "tests/unit/kead_rig.h"
#include "tests/unit/native_journal.h"

namespace xk::kead {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

class Native : public Directory {
 protected:
  void SetUp() override {
    Directory::SetUp();
    auto loop = EventLoop::make();
    ASSERT_TRUE(loop.has_value());
    loop_ = std::move(*loop);
    auto store = store::open_embedded({.directory = directory_ + "/store"});
    ASSERT_TRUE(store.has_value());
    store_ = std::move(*store);
    auto service = NativeService::make({.loop = *loop_,
                                        .dataplane = dataplane_,
                                        .events = events_,
                                        .store = *store_,
                                        .user = {},
                                        .grace_s = 3600,
                                        .stop_stray = [](const std::string&) { return false; },
                                        .progress = [this](const std::string&) { ++progress_; }});
    ASSERT_TRUE(service.has_value()) << service.error().message;
    service_ = std::move(*service);
    spec_ = {.vrf = VrfId{3},
             .vrf_name = "green",
             .directory = directory_ + "/native/green",
             .kea_directory = directory_ + "/kea/green",
             .urgent = true,
             .subnets = {}};
    thread_ = std::thread([this] { ended_ = loop_->run().has_value(); });
  }
  void TearDown() override {
    loop_->post([this] { loop_->stop(); });
    thread_.join();
    EXPECT_TRUE(ended_);
    service_.reset();
    Directory::TearDown();
  }
  template <typename Call>
  auto on_loop(Call call) {
    std::promise<decltype(call())> done;
    loop_->post([&] { done.set_value(call()); });
    return done.get_future().get();
  }
  // Asks after each event of the loop, for 10 s.
  template <typename Done>
  bool until(Done done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < deadline) {
      if (on_loop(done)) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
  }
  bool report(NativeState state, const std::string& error = {}) {
    return on_loop([&] {
      machine_.native_reports = {
          {.vrf = spec_.vrf, .state = state, .revision = 9, .leases = 4, .error = error}};
      service_->look();
      return true;
    });
  }
  std::vector<std::string> events() {
    std::vector<std::string> kinds;
    for (const api::EventView& event : events_.read(0, "").events) kinds.push_back(event.kind);
    return kinds;
  }

  test::FakeMachine machine_;
  test::FakeDataplane dataplane_{machine_};
  EventLog events_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<NativeService> service_;
  NativeSpec spec_;
  std::thread thread_;
  bool ended_ = false;
  int progress_ = 0;
};

TEST_F(Native, TheDataplaneIsToldWhatTheStoreHas) {
  const auto first = on_loop([this] { return service_->ensure(spec_); });
  ASSERT_FALSE(first.has_value());
  EXPECT_EQ(first.error().system_errno, EINPROGRESS);
  ASSERT_TRUE(until([this] { return service_->ensure(spec_).has_value(); }));
  EXPECT_TRUE(until([this] { return progress_ > 0; }));
  report(NativeState::serving);
  EXPECT_TRUE(until([this] { return machine_.natives_stored.contains(spec_.vrf); }));
  TestJournal journal(spec_.directory);
  journal.begin(1, 0);
  journal.append(leased(1, 5, kJournalForEver));
  EXPECT_TRUE(until([this] { return machine_.natives_stored[spec_.vrf] == 1; }));
  const auto status = on_loop([this] { return service_->status(); });
  EXPECT_EQ(status.at("green").behind(), 8u);
  EXPECT_EQ(on_loop([this] { return service_->ready(); }), std::vector{spec_});
  // The next one knows nothing.
  on_loop([this] {
    machine_.natives_stored.clear();
    machine_.restart_dataplane();
    service_->look();
    return true;
  });
  EXPECT_TRUE(until([this] { return machine_.natives_stored[spec_.vrf] == 1; }));
}

TEST_F(Native, IsFinishedWhenTheDataplaneHasClosedIt) {
  ASSERT_TRUE(until([this] { return service_->ensure(spec_).has_value(); }));
  report(NativeState::serving);
  const auto early = on_loop([this] { return service_->finish("green"); });
  ASSERT_FALSE(early.has_value());
  EXPECT_EQ(early.error().system_errno, EINPROGRESS);
  EXPECT_THAT(early.error().message, HasSubstr("has not closed"));
  EXPECT_THAT(on_loop([this] { return service_->ready(); }), IsEmpty());
  EXPECT_FALSE(on_loop([this] { return service_->open(); }).empty());
  TestJournal journal(spec_.directory);
  journal.begin(1, 0);
  journal.append(leased(1, 5, kJournalForEver));
  report(NativeState::closed);
  ASSERT_TRUE(until([this] { return service_->finish("green").has_value(); }));
  EXPECT_TRUE(on_loop([this] { return service_->open(); }).empty());
  const auto found = store_->range({.from = leases::lease_key("green", Ip4{5}), .to = {}});
  EXPECT_EQ(found->items.size(), 1u);
  EXPECT_THAT(events(), Contains("native_closed"));
}

TEST_F(Native, WhatBecomesOfItIsAnEvent) {
  ASSERT_TRUE(until([this] { return service_->ensure(spec_).has_value(); }));
  report(NativeState::recovering);
  EXPECT_THAT(events(), testing::Not(Contains("native_serving")));
  report(NativeState::serving);
  EXPECT_THAT(events(), Contains("native_serving"));
  report(NativeState::failing, "disk full");
  EXPECT_THAT(events(), Contains("native_failing"));
  const std::size_t told = events().size();
  report(NativeState::failing, "disk full");
  EXPECT_EQ(events().size(), told) << "said once";
  report(NativeState::serving);
  EXPECT_THAT(events(), Contains("native_recovered"));
}

}  // namespace
}  // namespace xk::kead
