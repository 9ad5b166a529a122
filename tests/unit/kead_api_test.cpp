// Calls of the API: made on the daemon's loop, and waited for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <future>
#include <thread>

#include "controlplane/app/loop_control.h"
#include "controlplane/kea/leases.h"
#include "tests/unit/kead_rig.h"

namespace xk::kead {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Called : public Served {
 protected:
  void SetUp() override {
    Served::SetUp();
    auto loop = EventLoop::make();
    ASSERT_TRUE(loop.has_value());
    loop_ = std::move(*loop);
    auto store = store::open_embedded({.directory = directory_ + "/store"});
    ASSERT_TRUE(store.has_value()) << store.error().error.message;
    Appliance appliance;
    appliance.run_dir = directory_;
    auto leases = LeaseService::make(appliance, std::move(*store), 3600, [](LeaseService::Told) {});
    ASSERT_TRUE(leases.has_value()) << leases.error().message;
    leases_ = std::move(*leases);
    pauses_.emplace(PauseService::Parts{.loop = *loop_,
                                        .events = events_,
                                        .directory = directory_ + "/paused",
                                        .kea_group = [](const std::string&) { return ::getegid(); },
                                        .model = [this] { return (*daemon_)->model(); },
                                        .changed = [](const leases::Pause&) {},
                                        .put_in_force = [this](const auto& vrfs) { in_force_ = vrfs; }});
    pauses_->start(leases_->store());
    statics_.emplace(StaticService::Parts{
        .loop = *loop_,
        .dataplane = parts_machine().dataplane,
        .events = events_,
        .snapshot = [this] { return (*daemon_)->model() ? &(*daemon_)->desired().snapshot : nullptr; },
        .moved = {},
        .paused = {},
        .kea_directory = {},
        .kea_group = {}});
    statics_->start(leases_->store());
    auto natives = NativeService::make({.loop = *loop_,
                                        .dataplane = parts_machine().dataplane,
                                        .events = events_,
                                        .store = leases_->store(),
                                        .user = {},
                                        .grace_s = 3600,
                                        .stop_stray = [](const std::string&) { return false; },
                                        .progress = [](const std::string&) {}});
    ASSERT_TRUE(natives.has_value()) << natives.error().message;
    natives_ = std::move(*natives);
    control_.emplace(LoopControl::Parts{
        .loop = *loop_,
        .leases = *leases_,
        .reconciler = **daemon_,
        .machine = parts_machine(),
        .events = events_,
        .statics = *statics_,
        .pauses = *pauses_,
        .natives = *natives_,
        .config_path = "a.toml",
        .started_ms = EventLoop::now_ms(),
        .moved_ms = moved_ms_,
        .reload = [this]() -> api::Answer<api::ReloadView> {
          ++reloads_;
          if (busy_until_.valid()) busy_until_.wait();
          return api::ReloadView{.generation = 9, .steps = {"one"}};
        },
        .act_on_vrf = [](const std::string& vrf, api::VrfAction, bool) -> api::Answer<api::ReloadView> {
          return api::ReloadView{.generation = 9, .steps = {vrf}};
        },
        .teardown = []() -> api::Answer<api::TeardownView> {
          return api::TeardownView{.removed = {"all"}, .failures = {}};
        },
        .config_diff = [](const std::optional<api::ConfigText>& text) -> api::Answer<api::ConfigDiffView> {
          return api::ConfigDiffView{.generation = 9, .changes = {}, .steps = {text ? text->toml : "own"}};
        },
        .answer_wait = answer_wait_,
        .scrape_wait = scrape_wait_});
    thread_ = std::thread([this] { ended_ = loop_->run().has_value(); });
  }
  void TearDown() override {
    end();
    EXPECT_TRUE(ended_);
    Served::TearDown();
  }
  void end() {
    loop_->post([this] { loop_->stop(); });
    if (thread_.joinable()) thread_.join();
  }
  void serve_on_loop() {
    std::promise<void> done;
    loop_->post([&] {
      serve();
      statics_->sync((*daemon_)->desired().snapshot);
      done.set_value();
    });
    done.get_future().wait();
  }

  std::chrono::milliseconds answer_wait_ = std::chrono::seconds(60);
  std::chrono::milliseconds scrape_wait_ = answer_wait_;
  std::atomic<std::uint64_t> moved_ms_{EventLoop::now_ms()};
  std::atomic<int> reloads_ = 0;
  std::shared_future<void> busy_until_;  // of the next reload, if it is one
  EventLog events_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<LeaseService> leases_;
  std::set<std::string> in_force_;  // VRFs of the last pauses that came or went
  std::optional<PauseService> pauses_;
  std::optional<StaticService> statics_;
  std::unique_ptr<NativeService> natives_;
  std::optional<LoopControl> control_;
  std::thread thread_;
  bool ended_ = false;
};

api::LeaseQuery of_vrf(const std::string& vrf) {
  api::LeaseQuery query;
  query.filter.vrf = vrf;
  return query;
}

TEST_F(Called, BeforeTheFirstChangeAndAfterTheEndItIsNotReady) {
  const auto early = control_->status();
  ASSERT_FALSE(early.has_value());
  EXPECT_EQ(early.error().status, 503);
  end();
  const auto late = control_->vrfs();
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().status, 503);
  EXPECT_THAT(late.error().messages.front(), HasSubstr("stopping"));
}

// Through the store and back: what is added is stored, the dataplane has it when the call returns.
TEST_F(Called, StaticLeasesAreInForceWhenTheCallReturns) {
  serve_on_loop();
  api::StaticRequest request;
  request.leases = {{"red", "02:00:00:00:00:01", {}, {}, {}, "10.0.0.50", {}, {}}};
  const auto unknown = control_->add_static_leases(request);
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().status, 502) << "nobody can say whether the address is leased";
  EXPECT_THAT(unknown.error().messages.front(), HasSubstr("--force does without"));

  const std::string none =
      R"({"result":3,"text":"0 IPv4 lease(s) found.","arguments":{"leases":[],"count":0}})";
  machine_.kea_answers[kea::lease_page_request(Ip4{0x0a000031}, 1)] = none;
  const auto added = control_->add_static_leases(request);
  ASSERT_TRUE(added.has_value()) << added.error().messages.front();
  EXPECT_EQ(added->added, 1u);
  ASSERT_EQ(machine_.static_leases.size(), 1u);
  EXPECT_EQ(machine_.static_leases.begin()->second.address, Ip4{0x0a000032});
  EXPECT_EQ(control_->add_static_leases(request)->unchanged, 1u);
  EXPECT_EQ(control_->static_leases({.vrf = "red", .from = {}, .limit = 0})->leases, request.leases);
  EXPECT_EQ(control_->static_leases({.vrf = "green", .from = {}, .limit = 0}).error().status, 404);

  // Another identity takes the address; it is the first one's no more.
  api::StaticRequest taking = request;
  taking.leases[0].mac = "02:00:00:00:00:02";
  const auto refused = control_->add_static_leases(taking);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().status, 409);
  taking.check = true;
  EXPECT_EQ(control_->add_static_leases(taking)->problems.size(), 1u);
  taking.check = false;
  taking.force = true;
  const auto moved = control_->add_static_leases(taking);
  ASSERT_TRUE(moved.has_value());
  EXPECT_EQ(std::pair(moved->added, moved->deleted), std::pair(std::uint64_t{1}, std::uint64_t{1}));
  EXPECT_EQ(machine_.static_leases.size(), 1u);
  EXPECT_EQ(control_->add_static_leases(taking)->unchanged, 1u) << "doing it again does nothing";

  EXPECT_EQ(control_->delete_static_leases(request).error().status, 404);
  EXPECT_EQ(control_->delete_static_leases(taking)->deleted, 1u);
  EXPECT_TRUE(machine_.static_leases.empty());
}

// What another wrote to the store is in force, and what is malformed is told of.
TEST_F(Called, StaticLeasesFollowTheStore) {
  serve_on_loop();
  const auto put = [&](const std::string& key, const std::string& value) {
    store::Transaction transaction;
    transaction.then.push_back({store::Operation::Kind::put, key, {}, value, 0});
    ASSERT_TRUE(leases_->store().commit_and_wait(std::move(transaction)).has_value());
  };
  put("/xdp-kea/v1/static/red/mac/020000000009", "no JSON");
  put("/xdp-kea/v1/static/red/mac/020000000007", R"({"v":1,"address":"10.0.0.77"})");
  const auto there = [&] {
    const auto page = control_->static_leases({});
    return page && page->total == 1 && page->leases[0].address == "10.0.0.77";
  };
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!there() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  EXPECT_TRUE(there());
  EXPECT_THAT(events_.read(0, "").events.back().text, HasSubstr("no JSON object"));
}

TEST_F(Called, AnswersComeFromTheLoop) {
  serve_on_loop();
  const auto status = control_->status();
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->configuration, "a.toml");
  EXPECT_EQ(status->dataplane_state, "running");
  EXPECT_EQ(status->generation, status->dataplane_generation);
  EXPECT_EQ(status->vrfs.size(), 2u);
  EXPECT_EQ(control_->attachments()->size(), 5u);
  EXPECT_EQ(control_->counters()->vrfs.size(), 2u);
  EXPECT_EQ(control_->keas()->size(), 2u);
  EXPECT_THAT(*control_->config_show(), HasSubstr("red"));
  EXPECT_EQ(control_->reload()->generation, 9u);
  EXPECT_THAT(control_->act_on_vrf("red", api::VrfAction::drain, false)->steps, ElementsAre("red"));
  EXPECT_THAT(control_->teardown()->removed, ElementsAre("all"));
  EXPECT_THAT(control_->config_diff(std::nullopt)->steps, ElementsAre("own"));
  EXPECT_THAT(control_->config_diff(api::ConfigText{"a", "b"})->steps, ElementsAre("b"));
}

TEST_F(Called, EventsAreWaitedForBesideTheLoop) {
  events_.record(
      {.level = EventLevel::info, .kind = event::kStarted, .vrf = {}, .interface = {}, .text = "one"});
  EXPECT_EQ(control_->events({})->events.size(), 1u);
  auto waiting = std::async(std::launch::async,
                            [this] { return control_->events({.since = 1, .wait_s = 60, .vrf = {}}); });
  serve_on_loop();  // the loop goes on
  EXPECT_TRUE(control_->status().has_value());
  events_.record(
      {.level = EventLevel::info, .kind = event::kReloaded, .vrf = {}, .interface = {}, .text = "two"});
  const auto answer = waiting.get();
  ASSERT_TRUE(answer.has_value());
  ASSERT_EQ(answer->events.size(), 1u);
  EXPECT_EQ(answer->events[0].text, "two");
}

class Impatient : public Called {
 protected:
  Impatient() {
    answer_wait_ = std::chrono::seconds(1);
    scrape_wait_ = std::chrono::milliseconds(20);
  }
};

TEST_F(Impatient, WhatTakesTooLongIsNotSaidToHaveFailed) {
  serve_on_loop();
  std::promise<void> done;
  busy_until_ = done.get_future().share();
  const auto begun = control_->reload();
  ASSERT_FALSE(begun.has_value());
  EXPECT_EQ(begun.error().status, 503);
  EXPECT_THAT(begun.error().messages.front(), HasSubstr("goes on"));
  EXPECT_EQ(reloads_, 1);

  // Behind it nothing is begun, and what nobody waits for any more is not done later.
  const auto waits = control_->reload();
  ASSERT_FALSE(waits.has_value());
  EXPECT_THAT(waits.error().messages.front(), HasSubstr("not begun"));
  EXPECT_EQ(control_->metrics().error().status, 503);
  EXPECT_EQ(control_->ready().error().status, 503);
  EXPECT_TRUE(control_->alive().has_value());
  done.set_value();
  std::promise<void> turn;
  ASSERT_TRUE(loop_->post([&turn] { turn.set_value(); }));
  turn.get_future().wait();
  EXPECT_EQ(reloads_, 1);
}

TEST_F(Called, ALoopThatStandsStillIsNotAlive) {
  EXPECT_TRUE(control_->alive().has_value()) << "also before the first change";
  moved_ms_ = EventLoop::now_ms() - LoopControl::kStandstillMs;
  const auto dead = control_->alive();
  ASSERT_FALSE(dead.has_value());
  EXPECT_EQ(dead.error().status, 503);
  EXPECT_THAT(dead.error().messages.front(), HasSubstr("has not moved for 30 s"));
}

// The engine forgets it, and the record of its journal takes it out of the store.
TEST_F(Called, LeasesOfANativeEngine) {
  model_.vrfs[0].engine = Engine::native;
  model_.vrfs[0].subnets[0].pools = {parse_range4("10.0.0.100-10.0.0.109").value()};
  serve_on_loop();
  loop_->post([this] { leases_->follow((*daemon_)->desired()); });
  leases::Record record;
  record.vrf = "red";
  record.address = Ip4{0x0a000064};
  record.start_unix_s =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  record.valid_lifetime_s = 3600;
  record.hardware_address = std::string("\2\0\0\0\0\1", 6);
  record.engine = "native";
  store::Operation put;
  put.key = leases::lease_key("red", record.address);
  put.value = leases::to_json(record);
  ASSERT_TRUE(leases_->store().commit_and_wait({.when = {}, .then = {put}, .otherwise = {}}));

  const auto listed = control_->leases(of_vrf("red"));
  ASSERT_TRUE(listed.has_value()) << listed.error().messages.front();
  ASSERT_EQ(listed->leases.size(), 1u);
  EXPECT_EQ(listed->leases[0].server, "native");
  EXPECT_EQ(control_->pools("red")->size(), 1u);
  const auto command = control_->kea_command("red", "{}");
  EXPECT_EQ(command.error().status, 409);
  EXPECT_THAT(command.error().messages.front(), HasSubstr("native engine"));

  const api::LeaseDeleteRequest request{"red", "10.0.0.100"};
  const auto alone = control_->delete_lease(request);
  ASSERT_FALSE(alone.has_value());
  EXPECT_EQ(alone.error().status, 503);
  std::promise<void> ready;
  loop_->post([&] {
    machine_.on_forget = [this](VrfId, Ip4 address) {
      store::Operation erase;
      erase.kind = store::Operation::Kind::erase;
      erase.key = leases::lease_key("red", address);
      leases_->store().commit({.when = {}, .then = {erase}, .otherwise = {}}, [](const auto&) {});
    };
    ready.set_value();
  });
  ready.get_future().wait();
  const auto deleted = control_->delete_lease(request);
  ASSERT_TRUE(deleted.has_value()) << deleted.error().messages.front();
  EXPECT_TRUE(deleted->native);
  EXPECT_EQ(deleted->lease.mac, "02:00:00:00:00:01");
  EXPECT_EQ(control_->leases(of_vrf("red"))->leases.size(), 0u);
  EXPECT_EQ(control_->delete_lease(request).error().status, 404);
}

TEST_F(Called, PlacesAreExplained) {
  serve_on_loop();
  EXPECT_EQ(control_->explain("eth1", "200.300")->vrf, "blue");
  EXPECT_EQ(control_->explain("eth1", "5000").error().status, 400);
}

TEST_F(Called, PausesAreInForceWhenTheCallReturns) {
  serve_on_loop();
  const auto file = [this](const std::string& vrf) {
    std::ifstream in(directory_ + "/paused/" + vrf + ".paused");
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const api::PauseRequest client{"red", "", "02:00:00:00:00:01", ""};
  const auto paused = control_->pause(client);
  ASSERT_TRUE(paused.has_value()) << paused.error().messages.front();
  EXPECT_EQ(paused->at(0).kind, "mac");
  EXPECT_EQ(file("red"), "xdp-kea-paused 1 allow\nmac 020000000001\nend\n");
  EXPECT_TRUE(control_->pause(client).has_value()) << "again";
  EXPECT_EQ(in_force_, std::set<std::string>{"red"});
  const auto all = pauses_->all();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all.at("red").clients,
            (std::vector<PausedClient>{{StaticKind::mac, std::string("\2\0\0\0\0\1", 6)}}));
  EXPECT_TRUE(all.at("red").pools.empty());
  EXPECT_EQ(control_->pauses("")->size(), 1u);
  EXPECT_EQ(control_->pauses("blue")->size(), 0u);
  ASSERT_TRUE(control_->resume(client).has_value());
  EXPECT_EQ(file("red"), "xdp-kea-paused 1 allow\nend\n");
  EXPECT_EQ(control_->resume(client).error().status, 404);
  EXPECT_EQ(control_->pause({"red", "10.9.0.0/24", "", ""}).error().status, 404);
  EXPECT_EQ(control_->pause({"red", "10.9.0.1-10.9.0.2", "", ""}).error().status, 404);
  EXPECT_EQ(control_->pause({"red", "", "x", ""}).error().status, 400);
  EXPECT_EQ(control_->pause({"red", "", "", ""}).error().status, 400);
  EXPECT_EQ(control_->pause({"grey", "", "02:00:00:00:00:01", ""}).error().status, 404);
}

TEST_F(Called, FailuresHaveTheirStatus) {
  model_.vrfs.push_back(
      test::relay_vrf("green", {test::attachment("eth1", 5, 0, "10.0.0.0/24", "10.0.0.1")}, {"192.0.2.1"}));
  serve_on_loop();
  machine_.kea_answers["nonsense"] = std::unexpected(Error{"no JSON", EINVAL});
  machine_.kea_answers["silence"] = std::unexpected(Error{"Kea is not running"});
  EXPECT_EQ(control_->kea_command("grey", "{}").error().status, 404);
  EXPECT_EQ(control_->kea_command("green", "{}").error().status, 409);
  EXPECT_EQ(control_->kea_command("red", "nonsense").error().status, 400);
  EXPECT_EQ(control_->kea_command("red", "silence").error().status, 502);
  EXPECT_EQ(control_->leases(of_vrf("grey")).error().status, 404);
  EXPECT_EQ(control_->leases(of_vrf("green")).error().status, 409);
  api::LeaseQuery bad;
  bad.from = "red";
  EXPECT_EQ(control_->leases(bad).error().status, 400);
  bad = of_vrf("red");
  bad.filter.state = "lost";
  EXPECT_EQ(control_->leases(bad).error().status, 400);
  EXPECT_EQ(control_->lease_changes({.filter = of_vrf("red").filter}).error().status, 409)
      << "not in the store";
}

TEST_F(Called, LeasesAreReadPageByPage) {
  serve_on_loop();
  const auto row = [](std::uint32_t last) {
    return R"({"cltt": 1000, "fqdn-fwd": false, "fqdn-rev": false, "hostname": "", "hw-address": )"
           R"("02:00:00:00:00:01", "ip-address": "10.0.)" +
           std::to_string(last / 256) + "." + std::to_string(last % 256) +
           R"(", "state": 0, "subnet-id": 1, "valid-lft": 600})";
  };
  std::string rows;
  for (std::uint32_t i = 1; i <= kea::kLeasePageSize; ++i) rows += (i == 1 ? "" : ",") + row(i);
  const auto page = [](const std::string& leases, std::size_t count) {
    return R"({"result": 0, "text": "", "arguments": {"count": )" + std::to_string(count) +
           R"(, "leases": [)" + leases + "]}}";
  };
  const std::string empty =
      R"({"result": 3, "text": "0 IPv4 lease(s) found.", "arguments": {"count": 0, "leases": []}})";
  machine_.kea_answers[kea::lease_page_request(Ip4{})] = page(rows, kea::kLeasePageSize);
  machine_.kea_answers[kea::lease_page_request(Ip4{(10u << 24) + kea::kLeasePageSize})] =
      page(row(kea::kLeasePageSize + 1), 1);
  const auto red = control_->leases(of_vrf("red"));
  ASSERT_TRUE(red.has_value()) << red.error().messages.front();
  ASSERT_EQ(red->leases.size(), kea::kLeasePageSize + 1);
  EXPECT_EQ(red->next, "");
  EXPECT_EQ(red->leases.front().address, "10.0.0.1");
  EXPECT_EQ(red->leases.front().subnet, "10.0.0.0/24");
  EXPECT_EQ(red->leases.front().state, "expired");  // 1970
  EXPECT_EQ(red->leases.front().expires_unix_s, 1600u);
  api::LeaseQuery few = of_vrf("red");
  few.limit = 2;
  const auto first = control_->leases(few);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->leases.size(), 2u);
  EXPECT_EQ(first->next, "red/0a000002");

  // One Kea that does not answer hides no other's leases, but its own absence is an error.
  machine_.kea_answers[kea::lease_page_request(Ip4{})] = std::unexpected(Error{"not running"});
  EXPECT_EQ(control_->leases(of_vrf("red")).error().status, 502);
  machine_.kea_answers[kea::lease_page_request(Ip4{})] = empty;
  const auto none = control_->leases({});
  ASSERT_TRUE(none.has_value());
  EXPECT_THAT(none->leases, IsEmpty());
}

}  // namespace
}  // namespace xk::kead
