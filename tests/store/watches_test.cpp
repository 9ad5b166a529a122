// Watches and sessions: what every backend does alike.
#include <latch>
#include <map>
#include <thread>

#include "tests/store/backends.h"
#include "tests/store/kinds.h"

namespace xk::store {
namespace {

using Watches = StoreTest;
using Sessions = StoreTest;
INSTANTIATE_TEST_SUITE_P(Store, Watches, testing::ValuesIn(kKinds), kind_name);
INSTANTIATE_TEST_SUITE_P(Store, Sessions, testing::ValuesIn(kKinds), kind_name);

TEST_P(Watches, FromNowOn) {
  must_put("before", "x");
  Seen seen;
  const auto watch = must_watch(seen);
  const Revision first = must_put("a", "1");
  const Revision second = must_put("a", "2");
  const Revision erased = must_erase("a");
  must(just({erase(key("nothing"))}));
  must(just({put(key("b"), "3"), put(key("c"), "4")}));
  const auto events = seen.events(5);
  EXPECT_EQ(plain(events), "put a=1, put a=2, erase a, put b=3, put c=4");
  ASSERT_EQ(events.size(), 5U);
  EXPECT_EQ(events[1].item, (KeyValue{key("a"), "2", first, second, 2, 0}));
  EXPECT_EQ(events[2].item.modified, erased);
}

TEST_P(Watches, OneKeyAndAnother) {
  Seen one;
  Seen range;
  const auto watch_one = store().watch(key("b"), {}, 0, one.call());
  const auto watch_range = store().watch(key("b"), key("d"), 0, range.call());
  ASSERT_TRUE(watch_one && watch_range);
  for (const char* name : {"a", "b", "ba", "c", "d", "b"}) must_put(name, "1");
  EXPECT_EQ(plain(one.events(2)), "put b=1, put b=1");
  EXPECT_EQ(plain(range.events(4)), "put b=1, put ba=1, put c=1, put b=1");
}

TEST_P(Watches, FromARevision) {
  must_put("a", "1");
  const Revision from = must_put("a", "2");
  must_erase("a");
  must_put("b", "3");
  Seen seen;
  const auto watch = must_watch(seen, from);
  must_put("c", "4");
  EXPECT_EQ(plain(seen.events(4)), "put a=2, erase a, put b=3, put c=4");
}

TEST_P(Watches, FromTheFuture) {
  const Revision now = must_put("a", "1");
  Seen seen;
  const auto watch = must_watch(seen, now + 2);
  must_put("a", "2");
  must_put("a", "3");
  EXPECT_EQ(plain(seen.events(1)), "put a=3");
}

TEST_P(Watches, FromACompactedRevision) {
  const Revision old = must_put("a", "1");
  must_put("a", "2");
  const Revision kept = must_erase("a");
  must_put("a", "4");
  ASSERT_TRUE(store().compact(kept));
  Seen seen;
  const auto watch = store().watch(key(""), end_of_prefix(key("")), old, seen.call());
  const auto error = watch ? seen.error() : watch.error();
  EXPECT_EQ(error.fault, Fault::compacted) << message_of(error);
  // From the revision on that was compacted to everything is there, an erasure too.
  Seen rest;
  const auto other = must_watch(rest, kept);
  EXPECT_EQ(plain(rest.events(2)), "erase a, put a=4");
}

TEST_P(Watches, WholeRevisionsInOrderAndNoneLeftOut) {
  constexpr int kCount = 3000;
  Seen live;
  const auto watch = must_watch(live);
  const Revision start = must_put("first", "x");
  std::latch all_done(kCount);
  for (int i = 0; i < kCount; ++i) {
    store().commit(just({put(key("a" + std::to_string(i % 50)), std::to_string(i)),
                         put(key("b" + std::to_string(i % 50)), std::to_string(i))}),
                   [&](StoreResult<Committed> result) {
                     EXPECT_TRUE(result);
                     all_done.count_down();
                   });
  }
  Seen late;  // begins while it goes on, in the past
  const auto other = must_watch(late, start);
  all_done.wait();
  for (auto* seen : {&live, &late}) {
    const auto events = seen->events(2 * kCount + 1);
    ASSERT_EQ(events.size(), 2U * kCount + 1);
    std::map<std::string, int> last;  // of a key
    for (std::size_t i = 1; i < events.size(); ++i) {
      const KeyValue& item = events[i].item;
      ASSERT_GE(item.modified, events[i - 1].item.modified);
      const int number = std::stoi(item.value);
      const auto [known, is_new] = last.try_emplace(item.key, number);
      ASSERT_TRUE(is_new || number == known->second + 50) << item.key << ": " << number;
      known->second = number;
    }
    ASSERT_EQ(last.size(), 100U);
    std::size_t before = 0;
    for (const auto count : seen->calls()) {
      before += count;
      if (before < events.size()) {
        ASSERT_NE(events[before - 1].item.modified, events[before].item.modified)
            << "half a revision in one call";
      }
    }
  }
}

TEST_P(Watches, EndsWhenItIsDestroyed) {
  Seen seen;
  Seen other;
  auto watch = must_watch(seen);
  const auto stays = must_watch(other);
  must_put("a", "1");
  seen.events(1);
  watch.reset();
  must_put("a", "2");
  other.events(2);
  EXPECT_EQ(seen.calls().size(), 1U);
}

TEST_P(Watches, ASlowOneDelaysNoCommit) {
  std::latch go(1);
  std::latch began(1);
  bool first = true;
  const auto watch =
      store().watch(key(""), end_of_prefix(key("")), 0, [&](StoreResult<std::vector<Event>> told) {
        if (!told || !first) return;
        first = false;
        began.count_down();
        go.wait();
      });
  ASSERT_TRUE(watch);
  must_put("a", "1");
  began.wait();
  for (int i = 0; i < 20; ++i) must_put("b", std::to_string(i));
  EXPECT_EQ(item("b").value, "19");
  go.count_down();
}

TEST_P(Watches, ACallMayCommit) {
  std::latch echoed(1);
  const auto watch = store().watch(key("ask"), {}, 0, [&](StoreResult<std::vector<Event>> told) {
    if (!told) return;
    const auto done = store().commit_and_wait(just({put(key("answer"), told->front().item.value)}));
    EXPECT_TRUE(done);
    echoed.count_down();
  });
  ASSERT_TRUE(watch);
  must_put("ask", "what");
  echoed.wait();
  EXPECT_EQ(item("answer").value, "what");
}

TEST_P(Watches, ClosedWithTheStore) {
  Seen seen;
  auto watch = must_watch(seen);
  must_put("a", "1");
  seen.events(1);
  close();
  EXPECT_EQ(seen.error().fault, Fault::ended);
  watch.reset();
}

TEST_P(Sessions, EndsWhenNobodyKeepsItAlive) {
  Seen seen;
  const auto watch = must_watch(seen);
  const auto session = store().open_session(std::chrono::seconds(2));
  ASSERT_TRUE(session) << message_of(session.error());
  must(just({put(key("a"), "1", *session), put(key("b"), "2", *session)}));
  must_put("c", "stays");
  EXPECT_EQ(item("a").session, *session);
  const auto events = seen.events(5);
  EXPECT_EQ(plain(events), "put a=1, put b=2, put c=stays, erase a, erase b");
  EXPECT_EQ(events[3].item.modified, events[4].item.modified);
  EXPECT_EQ(all(), "c=stays");
  const auto late = store().keep_alive(*session);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().fault, Fault::ended) << message_of(late.error());
}

TEST_P(Sessions, IsKeptAlive) {
  const auto kept = store().open_session(std::chrono::seconds(2));
  const auto left = store().open_session(std::chrono::seconds(2));
  ASSERT_TRUE(kept && left);
  Seen seen;
  const auto watch = must_watch(seen);
  must_put("kept", "1", *kept);
  must_put("left", "2", *left);
  std::jthread keeper([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const auto done = store().keep_alive(*kept);
      EXPECT_TRUE(done) << message_of(done.error());
      std::this_thread::sleep_for(std::chrono::milliseconds(100));  // what a holder of a session does
    }
  });
  EXPECT_EQ(plain(seen.events(3)), "put kept=1, put left=2, erase left");
  EXPECT_EQ(all(), "kept=1");
}

TEST_P(Sessions, IsClosed) {
  const auto session = store().open_session(std::chrono::seconds(600));
  const auto other = store().open_session(std::chrono::seconds(600));
  ASSERT_TRUE(session && other);
  must_put("a", "1", *session);
  must_put("b", "2", *session);
  must_put("b", "3");  // does not hang on it any more
  must_put("c", "4", *session);
  must_put("c", "5", *other);
  must_put("d", "6", *session);
  must_erase("d");
  must_put("d", "7");
  ASSERT_TRUE(store().close_session(*session));
  EXPECT_EQ(all(), "b=3 c=5 d=7");
  const auto again = store().close_session(*session);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().fault, Fault::ended) << message_of(again.error());
  const auto late = store().commit_and_wait(just({put(key("e"), "8", *session)}));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().fault, Fault::ended) << message_of(late.error());
  ASSERT_TRUE(store().close_session(*other));
  EXPECT_EQ(all(), "b=3 d=7");
}

TEST_P(Sessions, StaysWhenTheStoreIsOpenedAgain) {
  const auto session = store().open_session(std::chrono::seconds(600));
  ASSERT_TRUE(session);
  must_put("a", "1", *session);
  close();
  open();
  EXPECT_TRUE(store().keep_alive(*session));
  EXPECT_EQ(item("a").session, *session);
  ASSERT_TRUE(store().close_session(*session));
  EXPECT_EQ(all(), "");
}

}  // namespace
}  // namespace xk::store
