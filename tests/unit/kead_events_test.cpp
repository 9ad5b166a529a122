// The event log and what is recorded in it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "controlplane/app/event_log.h"
#include "controlplane/app/event_watch.h"
#include "controlplane/app/log.h"
#include "controlplane/app/pool_watch.h"
#include "tests/unit/kead_rig.h"

namespace xk::kead {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using namespace std::chrono_literals;

void record(EventLog& log, const std::string& text, const std::string& vrf = "") {
  log.record({.level = EventLevel::info, .kind = event::kStarted, .vrf = vrf, .interface = {}, .text = text});
}

std::vector<std::string> texts_of(const api::EventsView& view) {
  std::vector<std::string> texts;
  for (const api::EventView& event : view.events) texts.push_back(event.text);
  return texts;
}

// However many are turned away, the log has a line a minute.
TEST(PoolWatch, TellsOnceAnInterval) {
  PoolWatch watch;
  const auto counted = [](std::uint64_t red, std::uint64_t blue) {
    std::vector<VrfCounts> counts(2);
    counts[0].vrf = VrfId{1};
    counts[1].vrf = VrfId{2};
    for (VrfCounts& each : counts) each.outcomes.resize(XK_OUTCOME_COUNT);
    counts[0].outcomes[XK_SERVE_EXHAUSTED] = red;
    counts[1].outcomes[XK_SERVE_EXHAUSTED] = blue;
    return counts;
  };
  using Told = PoolWatch::Exhausted;
  constexpr std::uint64_t kMinute = PoolWatch::kIntervalMs;
  EXPECT_THAT(watch.look({VrfCounts{}}, 0), IsEmpty()) << "nothing was ever counted";
  EXPECT_THAT(watch.look(counted(5, 0), 1000), ElementsAre(Told{VrfId{1}, 5}));
  EXPECT_THAT(watch.look(counted(9, 0), 2000), IsEmpty());
  EXPECT_THAT(watch.look(counted(900, 3), 1000 + kMinute - 1), ElementsAre(Told{VrfId{2}, 3}));
  EXPECT_THAT(watch.look(counted(1000, 3), 1000 + kMinute), ElementsAre(Told{VrfId{1}, 995}));
  EXPECT_THAT(watch.look(counted(1000, 3), 1000 + 3 * kMinute), IsEmpty()) << "nobody was turned away";
  EXPECT_THAT(watch.look(counted(2, 3), 1000 + 4 * kMinute), ElementsAre(Told{VrfId{1}, 2}))
      << "another dataplane";
  PoolWatch next;
  EXPECT_THAT(next.look(counted(5, 0), 0), IsEmpty()) << "told by the xdp-kead before";
  EXPECT_THAT(next.look(counted(6, 0), 1000), ElementsAre(Told{VrfId{1}, 1}));
}

TEST(LogText, CannotEndItsQuotesOrItsLine) { EXPECT_EQ(quoted("a \"b\"\nc"), "a 'b' c"); }

TEST(EventLog, NumbersEventsAndFiltersThem) {
  EventLog log;
  EXPECT_EQ(log.read(0, "").last, 0u);
  record(log, "one", "red");
  record(log, "two");
  record(log, "three", "red");
  EXPECT_THAT(texts_of(log.read(0, "")), ElementsAre("one", "two", "three"));
  EXPECT_THAT(texts_of(log.read(1, "")), ElementsAre("two", "three"));
  EXPECT_THAT(texts_of(log.read(0, "red")), ElementsAre("one", "three"));
  EXPECT_THAT(texts_of(log.read(3, "")), IsEmpty());
  EXPECT_THAT(texts_of(log.read(~0ULL, "")), IsEmpty());
  EXPECT_EQ(log.read(0, "").events[1].number, 2u);
  EXPECT_EQ(log.read(0, "blue").last, 3u) << "looked at, if of no interest";
  EXPECT_GT(log.read(0, "").events[0].unix_ms, 1'700'000'000'000u);
}

TEST(EventLog, KeepsTheNewestAndSaysHowManyAreLost) {
  EventLog log;
  for (std::size_t i = 0; i < EventLog::kEventsMax; ++i) record(log, "x");
  EXPECT_EQ(log.read(0, "").lost, 0u);
  for (int i = 0; i < 10; ++i) record(log, "x");
  const auto all = log.read(0, "");
  EXPECT_EQ(all.lost, 10u);
  EXPECT_EQ(all.events.size(), EventLog::kEventsMax);
  EXPECT_EQ(all.events.front().number, 11u);
  EXPECT_EQ(log.read(9, "").lost, 1u);
  EXPECT_EQ(log.read(10, "").lost, 0u);
  EXPECT_EQ(log.read(10, "").events.front().number, 11u);
}

TEST(EventLog, WaitingEndsWithTheFirstEventOfInterest) {
  EventLog log;
  record(log, "before");
  EXPECT_THAT(texts_of(log.wait(0, "", 60s)), ElementsAre("before")) << "there is one: no waiting";
  EXPECT_EQ(log.wait(1, "", 1ms).last, 1u);
  EXPECT_EQ(log.wait(7, "", 60s).last, 1u) << "a number of another log: no waiting";
  auto red = std::async(std::launch::async, [&log] { return log.wait(1, "red", 60s); });
  auto any = std::async(std::launch::async, [&log] { return log.wait(1, "", 60s); });
  record(log, "blue's", "blue");
  EXPECT_THAT(texts_of(any.get()), ElementsAre("blue's"));
  record(log, "red's", "red");
  const auto seen = red.get();
  EXPECT_THAT(texts_of(seen), ElementsAre("red's"));
  EXPECT_EQ(seen.last, 3u);
}

// Whoever goes on from view.last, as --follow does, must have been given everything up to there, also what
// comes just when the waiting is over.
TEST(EventLog, NothingIsSkippedWhenTheWaitingIsOver) {
  constexpr std::uint64_t kEvents = 3000;
  EventLog log;
  std::thread recorder([&log] {
    for (std::uint64_t i = 0; i < kEvents; ++i) record(log, "x");
  });
  std::uint64_t seen = 0;
  std::uint64_t since = 0;
  while (since < kEvents) {
    const auto view = log.wait(since, "", 0ms);
    EXPECT_EQ(view.last - since, view.events.size()) << "after " << since;
    seen += view.events.size();
    since = view.last;
  }
  recorder.join();
  EXPECT_EQ(seen, kEvents);
}

TEST(EventLog, TheLongestWaiterMakesRoomAndTheEndEndsAll) {
  EventLog log;
  std::vector<std::future<api::EventsView>> waiters;
  for (std::size_t i = 0; i < EventLog::kWaitersMax + 1; ++i)
    waiters.push_back(std::async(std::launch::async, [&log] { return log.wait(0, "", 60s); }));
  // One of them is answered early; which was first here is the threads' affair.
  const auto answered = [&waiters] {
    return std::ranges::count_if(
        waiters, [](const auto& waiter) { return waiter.wait_for(1ms) == std::future_status::ready; });
  };
  while (answered() == 0) {
  }
  EXPECT_EQ(answered(), 1);
  log.close();
  for (auto& waiter : waiters) EXPECT_THAT(waiter.get().events, IsEmpty());
  EXPECT_THAT(log.wait(0, "", 60s).events, IsEmpty()) << "after the end nobody waits";
}

// ---- what is recorded ------------------------------------------------------------------------------

class Watched : public Served {
 protected:
  // Kind, VRF and place of all since the last call.
  std::vector<std::string> news() {
    std::vector<std::string> lines;
    for (const api::EventView& event : log_.read(seen_, "").events) {
      std::string line = event.kind;
      if (!event.vrf.empty()) line += " " + event.vrf;
      if (!event.interface.empty()) line += " " + event.interface;
      lines.push_back(line);
      seen_ = event.number;
    }
    return lines;
  }
  void change() {
    const auto report = (*daemon_)->change(model_);
    ASSERT_TRUE(report.has_value());
    watch_.changed(**daemon_, parts_machine(), *report);
  }
  void refresh() { watch_.changed(**daemon_, parts_machine(), (*daemon_)->refresh(true)); }

  EventLog log_;
  EventWatch watch_{log_};
  std::uint64_t seen_ = 0;
};

TEST_F(Watched, TheFirstLookSaysWhatIsNotServed) {
  change();
  EXPECT_THAT(news(), UnorderedElementsAre("vrf_degraded blue", "attachment_pending blue eth2"));
  refresh();
  EXPECT_THAT(news(), IsEmpty());
}

TEST_F(Watched, LaterLooksSayWhatChanged) {
  change();
  news();
  machine_.add_link("eth2");
  refresh();
  EXPECT_THAT(news(), UnorderedElementsAre("vrf_serving blue", "attachment_serving blue eth2"));
  model_.vrfs.push_back(test::kea_vrf("green", {test::attachment("eth1", 7, 0, "10.0.0.0/24", "10.0.0.1")}));
  change();
  EXPECT_THAT(news(), UnorderedElementsAre("vrf_added green", "vrf_serving green",
                                           "attachment_serving green eth1 vlan 7"));
  machine_.remove_link("eth2");
  refresh();
  EXPECT_THAT(news(), UnorderedElementsAre("vrf_degraded blue", "attachment_pending blue eth2"));
  model_.vrfs.pop_back();
  change();
  EXPECT_THAT(news(), UnorderedElementsAre("vrf_removed green", "attachment_removed green eth1 vlan 7"));
}

TEST_F(Watched, WhatIsTrueOfAllIsNotSaidOfEach) {
  machine_.add_link("eth2");
  machine_.dataplane_connected = false;
  change();
  EXPECT_THAT(news(), IsEmpty());
  machine_.restart_dataplane();
  refresh();
  EXPECT_THAT(news(), IsEmpty());
  machine_.dataplane_connected = false;
  watch_.served(**daemon_, parts_machine());
  EXPECT_THAT(news(), IsEmpty());
}

TEST_F(Watched, WhatGoesOnFailingIsSaidOnce) {
  machine_.foreign_xdp = {machine_.add_link("eth2")};
  change();
  EXPECT_THAT(news(), testing::Contains("step_failed"));
  refresh();
  EXPECT_THAT(news(), IsEmpty());
  machine_.foreign_xdp.clear();
  refresh();
  EXPECT_THAT(news(), UnorderedElementsAre("vrf_serving blue", "attachment_serving blue eth2"));
}

TEST_F(Watched, ADataplaneComesAndGoes) {
  DataplaneStatus status;
  watch_.dataplane(status);
  EXPECT_THAT(news(), IsEmpty());
  status.connected = true;
  status.connects = 1;
  watch_.dataplane(status);
  watch_.dataplane(status);
  EXPECT_THAT(news(), ElementsAre("dataplane_connected"));
  status.silent = true;
  watch_.dataplane(status);
  watch_.dataplane(status);
  EXPECT_THAT(news(), ElementsAre("dataplane_silent"));
  status.silent = false;
  watch_.dataplane(status);
  EXPECT_THAT(news(), ElementsAre("dataplane_answers"));
  status.connected = false;
  watch_.dataplane(status);
  EXPECT_THAT(news(), ElementsAre("dataplane_gone"));
}

TEST_F(Watched, WhatAnAdoptedKeaHadLostBeforeIsNoNews) {
  KeaStatus kea;
  kea.vrf = VrfId{1};
  kea.vrf_name = "red";
  kea.state = KeaState::running;
  kea.socket_drops = 700;
  watch_.keas({kea});
  EXPECT_THAT(news(), ElementsAre("kea_started red"));
  kea.socket_drops = 703;
  watch_.keas({kea});
  EXPECT_THAT(news(), ElementsAre("kea_lost red"));
}

TEST_F(Watched, AKeasLife) {
  KeaStatus kea;
  kea.vrf = VrfId{1};
  kea.vrf_name = "red";
  const auto look = [&](KeaState state, std::int64_t pid) {
    kea.state = state;
    kea.pid = pid;
    watch_.keas({kea});
    return news();
  };
  EXPECT_THAT(look(KeaState::starting, 10), IsEmpty());
  EXPECT_THAT(look(KeaState::running, 10), ElementsAre("kea_started red"));
  EXPECT_THAT(look(KeaState::running, 10), IsEmpty());
  kea.socket_drops = 5;
  EXPECT_THAT(look(KeaState::running, 10), ElementsAre("kea_lost red"));
  EXPECT_THAT(look(KeaState::running, 10), IsEmpty());
  EXPECT_THAT(look(KeaState::silent, 10), ElementsAre("kea_silent red"));
  EXPECT_THAT(look(KeaState::running, 10), ElementsAre("kea_started red"));
  EXPECT_THAT(look(KeaState::backoff, 0), ElementsAre("kea_died red"));
  EXPECT_THAT(look(KeaState::starting, 11), IsEmpty());
  EXPECT_THAT(look(KeaState::running, 11), ElementsAre("kea_started red"));
  EXPECT_THAT(look(KeaState::stopping, 11), IsEmpty());
  EXPECT_THAT(look(KeaState::starting, 12), IsEmpty());
  EXPECT_THAT(look(KeaState::running, 12), ElementsAre("kea_replaced red"));
  EXPECT_TRUE(watch_.keas({}));
  EXPECT_THAT(news(), ElementsAre("kea_stopped red"));
  EXPECT_FALSE(watch_.keas({}));
}

}  // namespace
}  // namespace xk::kead
