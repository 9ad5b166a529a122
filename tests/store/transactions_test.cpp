// Transactions, ranges and their order: what every backend does alike.
#include <algorithm>
#include <atomic>
#include <latch>
#include <thread>

#include "tests/store/backends.h"
#include "tests/store/kinds.h"

namespace xk::store {
namespace {

using Transactions = StoreTest;
INSTANTIATE_TEST_SUITE_P(Store, Transactions, testing::ValuesIn(kKinds), kind_name);

TEST_P(Transactions, PutGivesRevisionsAndVersions) {
  const Revision first = must_put("a", "1");
  const Revision second = must_put("a", "2");
  EXPECT_GT(first, 0);
  EXPECT_GT(second, first);
  EXPECT_EQ(item("a"), (KeyValue{key("a"), "2", first, second, 2, 0}));
  const Revision erased = must_erase("a");
  EXPECT_GT(erased, second);
  EXPECT_EQ(item("a").version, 0);
  const Revision again = must_put("a", "3");
  EXPECT_EQ(item("a"), (KeyValue{key("a"), "3", again, again, 1, 0}));
}

TEST_P(Transactions, NothingChangedIsNoRevision) {
  const Revision put_at = must_put("a", "1");
  const auto erased = must(just({erase(key("nothing"))}));
  EXPECT_TRUE(erased.held);
  EXPECT_EQ(erased.revision, put_at);
  EXPECT_EQ(must(Transaction{}).revision, put_at);
}

TEST_P(Transactions, OneRevisionForAllOperations) {
  const auto done = must(just({put(key("b"), "1"), put(key("a"), "2"), put(key("c"), "3")}));
  for (const char* name : {"a", "b", "c"}) EXPECT_EQ(item(name).modified, done.revision);
  EXPECT_EQ(all(), "a=2 b=1 c=3");
}

struct Case {
  Compare::Target target;
  Compare::Is is;
  std::int64_t number;
  const char* value;
  bool there;   // whether it holds for a key with version 2 and value "m"
  bool absent;  // whether it holds for a key that is not there
};

TEST_P(Transactions, CompareVersionsAndValues) {
  using Target = Compare::Target;
  using Is = Compare::Is;
  const Case cases[] = {
      {Target::version, Is::equal, 2, "", true, false},
      {Target::version, Is::equal, 0, "", false, true},
      {Target::version, Is::not_equal, 2, "", false, true},
      {Target::version, Is::not_equal, 0, "", true, false},
      {Target::version, Is::less, 2, "", false, true},
      {Target::version, Is::less, 3, "", true, true},
      {Target::version, Is::greater, 1, "", true, false},
      {Target::version, Is::greater, 2, "", false, false},
      {Target::version, Is::greater, -1, "", true, true},
      {Target::value, Is::equal, 0, "m", true, false},
      {Target::value, Is::equal, 0, "", false, false},
      {Target::value, Is::not_equal, 0, "m", false, false},
      {Target::value, Is::not_equal, 0, "x", true, false},
      {Target::value, Is::less, 0, "n", true, false},
      {Target::value, Is::less, 0, "m", false, false},
      {Target::value, Is::greater, 0, "l", true, false},
      {Target::value, Is::greater, 0, "ma", false, false},
      {Target::created, Is::equal, 0, "", false, true},
      {Target::created, Is::greater, 0, "", true, false},
      {Target::modified, Is::equal, 0, "", false, true},
      {Target::modified, Is::greater, 0, "", true, false},
  };
  must_put("there", "x");
  must_put("there", "m");
  for (const auto& one : cases) {
    for (const bool there : {true, false}) {
      const Compare compare{key(there ? "there" : "absent"), one.target, one.is, one.number, one.value};
      const auto done = must({{compare}, {}, {}});
      EXPECT_EQ(done.held, there ? one.there : one.absent)
          << "target " << static_cast<int>(one.target) << " is " << static_cast<int>(one.is) << " "
          << one.number << "'" << one.value << "', there: " << there;
    }
  }
}

TEST_P(Transactions, CompareRevisionsOnBothSides) {
  const Revision created = must_put("a", "1");
  const Revision modified = must_put("a", "2");
  const auto check = [&](Compare::Target target, Compare::Is is, Revision number) {
    return must({{{key("a"), target, is, number, {}}}, {}, {}}).held;
  };
  EXPECT_TRUE(check(Compare::Target::created, Compare::Is::equal, created));
  EXPECT_FALSE(check(Compare::Target::created, Compare::Is::equal, modified));
  EXPECT_TRUE(check(Compare::Target::modified, Compare::Is::equal, modified));
  EXPECT_FALSE(check(Compare::Target::modified, Compare::Is::less, modified));
  EXPECT_TRUE(check(Compare::Target::modified, Compare::Is::less, modified + 1));
  EXPECT_TRUE(check(Compare::Target::modified, Compare::Is::greater, created));
  EXPECT_FALSE(check(Compare::Target::modified, Compare::Is::greater, modified));
}

TEST_P(Transactions, ThenOrOtherwise) {
  const Compare absent{key("a"), Compare::Target::version, Compare::Is::equal, 0, {}};
  const Transaction create{{absent}, {put(key("a"), "first")}, {put(key("late"), "yes")}};
  EXPECT_TRUE(must(create).held);
  EXPECT_EQ(all(), "a=first");
  const auto second = must(create);
  EXPECT_FALSE(second.held);
  EXPECT_EQ(item("late").modified, second.revision);
  EXPECT_EQ(all(), "a=first late=yes");
}

TEST_P(Transactions, AllComparisonsHaveToHold) {
  must_put("a", "1");
  const Compare yes{key("a"), Compare::Target::value, Compare::Is::equal, 0, "1"};
  const Compare no{key("a"), Compare::Target::value, Compare::Is::equal, 0, "2"};
  EXPECT_TRUE(must({{yes, yes}, {}, {}}).held);
  EXPECT_FALSE(must({{yes, no}, {}, {}}).held);
  EXPECT_FALSE(must({{no, yes}, {}, {}}).held);
}

TEST_P(Transactions, WhatIsWrongIsRefusedAndChangesNothing) {
  must_put("a", "1");
  const Transaction wrong[] = {
      just({put(key("a"), "2"), put(key("a"), "3")}),
      just({put(key("a"), "2"), erase(key("a"))}),
      just({put(key("a"), "2"), erase(key(""), end_of_prefix(key("")))}),
      just({put("", "2")}),
      just({put(std::string(5000, 'k'), "2")}),
      just({put(key("a"), std::string((std::size_t{1} << 20) + 1, 'v'))}),
      just({erase(key("b"), key("a"))}),
      {{{"", Compare::Target::version, Compare::Is::equal, 0, {}}}, {}, {}},
  };
  for (const auto& transaction : wrong) {
    const auto done = store().commit_and_wait(transaction);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().fault, Fault::rejected) << message_of(done.error());
    EXPECT_FALSE(done.error().error.message.empty());
  }
  EXPECT_EQ(all(), "a=1");
}

TEST_P(Transactions, EraseRange) {
  must(just({put(key("a"), "1"), put(key("b"), "2"), put(key("b/c"), "3"), put(key("c"), "4")}));
  const auto done = must(just({erase(key("b"), key("c")), put(key("d"), "5")}));
  EXPECT_EQ(all(), "a=1 c=4 d=5");
  EXPECT_EQ(item("d").modified, done.revision);
  must(just({erase(key(""), end_of_prefix(key("")))}));
  EXPECT_EQ(all(), "");
}

TEST_P(Transactions, EraseRangeSeesWhatWasCommittedJustBefore) {
  std::latch all_done(3);
  const auto done = [&](StoreResult<Committed> result) {
    EXPECT_TRUE(result);
    all_done.count_down();
  };
  store().commit(just({put(key("a"), "1")}), done);
  store().commit(just({erase(key(""), end_of_prefix(key("")))}), done);
  store().commit(just({put(key("b"), "2")}), done);
  all_done.wait();
  EXPECT_EQ(all(), "b=2");
}

TEST_P(Transactions, RangeLimitsAndPages) {
  std::vector<Operation> operations;
  for (int i = 0; i < 25; ++i)
    operations.push_back(put(key("k" + std::to_string(100 + i)), std::to_string(i)));
  must(just(operations));
  Range range{key("k"), end_of_prefix(key("k")), 10, 0};
  std::vector<std::string> values;
  int pages = 0;
  while (true) {
    const auto page = must_range(range);
    for (const auto& item : page.items) values.push_back(item.value);
    ++pages;
    if (pages == 1) must_put("k110a", "later");  // is not seen by pages at the first one's revision
    if (!page.more || page.items.empty()) break;
    range.from = page.items.back().key + '\0';
    range.at = page.revision;
  }
  EXPECT_EQ(pages, 3);
  ASSERT_EQ(values.size(), 25U);
  for (int i = 0; i < 25; ++i) EXPECT_EQ(values[static_cast<std::size_t>(i)], std::to_string(i));
  EXPECT_FALSE(must_range({key("k"), end_of_prefix(key("k")), 26, 0}).more);
  EXPECT_TRUE(must_range({key("k"), end_of_prefix(key("k")), 25, 0}).more);
}

TEST_P(Transactions, RangeEndsBeforeItsEnd) {
  must(just({put(key("a"), "1"), put(key("b"), "2"), put(key("ba"), "3"), put(key("c"), "4")}));
  const auto page = must_range({key("a"), key("ba"), 0, 0});
  ASSERT_EQ(page.items.size(), 2U);
  EXPECT_EQ(page.items[1].key, key("b"));
  EXPECT_TRUE(must_range({key("d"), key("e"), 0, 0}).items.empty());
  EXPECT_FALSE(store().range({key("b"), key("a"), 0, 0}));
  EXPECT_FALSE(store().range({"", "x", 0, 0}));
}

TEST_P(Transactions, RangeAtARevision) {
  const Revision one = must_put("a", "1");
  const Revision two = must_put("b", "2");
  const Revision three = must_put("a", "3");
  const Revision four = must_erase("b");
  const Revision five = must_put("b", "5");
  EXPECT_EQ(all(one), "a=1");
  EXPECT_EQ(all(two), "a=1 b=2");
  EXPECT_EQ(all(three), "a=3 b=2");
  EXPECT_EQ(all(four), "a=3");
  EXPECT_EQ(all(five), "a=3 b=5");
  EXPECT_EQ(must_range({key("a"), {}, 0, two}).items.at(0).value, "1");
  EXPECT_EQ(must_range({key("a"), {}, 0, two}).revision, two);
  const auto future = store().range({key("a"), {}, 0, five + 1000000});
  ASSERT_FALSE(future);
  EXPECT_EQ(future.error().fault, Fault::rejected);
}

TEST_P(Transactions, CompactionForgetsWhatWasBefore) {
  const Revision one = must_put("a", "1");
  must_put("gone", "x");
  must_erase("gone");
  const Revision kept = must_put("a", "2");
  must_put("a", "3");
  ASSERT_TRUE(store().compact(kept));
  EXPECT_TRUE(store().compact(kept)) << "compacting again is no error";
  EXPECT_EQ(all(kept), "a=2");
  EXPECT_EQ(all(), "a=3");
  const auto old = store().range({key("a"), {}, 0, one});
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().fault, Fault::compacted) << message_of(old.error());
  const auto future = store().compact(kept + 1000000);
  ASSERT_FALSE(future);
  EXPECT_EQ(future.error().fault, Fault::rejected);
}

TEST_P(Transactions, BinaryKeysAndValues) {
  std::string every;
  for (int i = 0; i < 256; ++i) every.push_back(static_cast<char>(i));
  const std::vector<std::string> names = {std::string("n\0", 2),
                                          std::string("n\0\0", 3),
                                          std::string("n\0\x01", 3),
                                          std::string("n\0\xff", 3),
                                          "n\x01",
                                          "n\xff",
                                          "n",
                                          every};
  for (const auto& name : names) must_put(name, "v" + name);
  for (const auto& name : names) EXPECT_EQ(item(name).value, "v" + name);
  auto sorted = names;
  std::ranges::sort(sorted);
  const auto page = must_range({key(""), end_of_prefix(key("")), 0, 0});
  ASSERT_EQ(page.items.size(), names.size());
  for (std::size_t i = 0; i < sorted.size(); ++i) EXPECT_EQ(page.items[i].key, key(sorted[i]));
  // The end of a prefix that ends with 0xff, and one key of many with the same beginning.
  EXPECT_EQ(must_range({key("n\xff"), end_of_prefix(key("n\xff")), 0, 0}).items.size(), 1U);
  EXPECT_EQ(must_range({key("n"), {}, 0, 0}).items.size(), 1U);
  EXPECT_EQ(end_of_prefix("\xff\xff"), "");
}

TEST_P(Transactions, EmptyAndLargeValues) {
  must_put("empty", "");
  EXPECT_EQ(item("empty").version, 1);
  EXPECT_EQ(item("empty").value, "");
  const std::string large(std::size_t{1} << 20, 'L');
  must_put("large", large);
  EXPECT_EQ(item("large").value, large);
  const Compare compare{key("empty"), Compare::Target::value, Compare::Is::equal, 0, ""};
  EXPECT_TRUE(must({{compare}, {}, {}}).held);
}

TEST_P(Transactions, AnswersComeInTheOrderOfTheCommits) {
  constexpr int kCount = 2000;
  std::vector<int> order;
  Revision last_of_same = 0;
  std::latch all_done(kCount);
  for (int i = 0; i < kCount; ++i) {
    // Some compare, some change one key, some change the same key again.
    Transaction transaction =
        just({put(key(i % 3 == 0 ? "same" : "k" + std::to_string(i)), std::to_string(i))});
    if (i % 100 == 0) {
      transaction.when.push_back({key("same"), Compare::Target::version, Compare::Is::greater, -1, {}});
    }
    store().commit(std::move(transaction), [&, i](StoreResult<Committed> result) {
      EXPECT_TRUE(result) << message_of(result.error());
      order.push_back(i);
      if (result && i % 3 == 0) {
        EXPECT_GT(result->revision, last_of_same);
        last_of_same = result->revision;
      }
      all_done.count_down();
    });
  }
  all_done.wait();
  for (int i = 0; i < kCount; ++i) ASSERT_EQ(order[static_cast<std::size_t>(i)], i);
  EXPECT_EQ(item("same").value, std::to_string((kCount - 1) / 3 * 3));
  EXPECT_EQ(item("same").version, (kCount + 2) / 3);
}

TEST_P(Transactions, ComparesSeeWhatWasCommittedJustBefore) {
  // A counter that is moved on by comparisons only: each must see the one before it.
  constexpr int kCount = 300;
  std::latch all_done(kCount);
  std::atomic<int> held = 0;
  must_put("n", "0");
  for (int i = 0; i < kCount; ++i) {
    const Compare compare{key("n"), Compare::Target::value, Compare::Is::equal, 0, std::to_string(i)};
    store().commit({{compare}, {put(key("n"), std::to_string(i + 1))}, {}},
                   [&](StoreResult<Committed> result) {
                     if (result && result->held) ++held;
                     all_done.count_down();
                   });
  }
  all_done.wait();
  EXPECT_EQ(held, kCount);
  EXPECT_EQ(item("n").value, std::to_string(kCount));
}

TEST_P(Transactions, WhatIsUnderAConditionIsDoneWhileItHolds) {
  // Many under one condition, one in their midst that ends it: those before it are done, those behind are
  // not.
  constexpr int kCount = 400;
  constexpr int kEnds = 250;
  const Revision created = must_put("owner", "us");
  const Compare ours{key("owner"), Compare::Target::created, Compare::Is::equal, created, {}};
  std::latch all_done(kCount + 1);
  std::vector<int> wrong;
  for (int i = 0; i < kCount; ++i) {
    if (i == kEnds) store().commit(just({erase(key("owner"))}), [&](auto) { all_done.count_down(); });
    store().commit({{ours}, {put(key("u" + std::to_string(i)), "x")}, {}},
                   [&, i](StoreResult<Committed> result) {
                     if (!result || result->held != (i < kEnds)) wrong.push_back(i);
                     all_done.count_down();
                   });
  }
  all_done.wait();
  EXPECT_EQ(wrong, std::vector<int>{});
  EXPECT_EQ(store().range({key("u"), key("v"), 0, 0})->items.size(), static_cast<std::size_t>(kEnds));
}

TEST_P(Transactions, ManyThreadsAtOnce) {
  constexpr int kThreads = 8;
  constexpr int kEach = 60;
  std::atomic<int> won = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kEach; ++i) {
          const std::string name = "race" + std::to_string(i);
          const Compare absent{key(name), Compare::Target::version, Compare::Is::equal, 0, {}};
          const auto done = store().commit_and_wait({{absent}, {put(key(name), std::to_string(t))}, {}});
          ASSERT_TRUE(done) << message_of(done.error());
          if (done->held) ++won;
          ASSERT_TRUE(store().range({key(name), {}, 0, 0})->items.size() == 1);
        }
      });
    }
  }
  EXPECT_EQ(won, kEach);
}

TEST_P(Transactions, WhatIsQueuedAtTheEndIsAnswered) {
  constexpr int kCount = 3000;
  std::atomic<int> answered = 0;
  std::atomic<int> done = 0;
  for (int i = 0; i < kCount; ++i) {
    store().commit(just({put(key("k" + std::to_string(i)), "v")}), [&](StoreResult<Committed> result) {
      ++answered;
      if (result) {
        ++done;
      } else {
        EXPECT_TRUE(result.error().fault == Fault::ended || result.error().fault == Fault::unavailable)
            << message_of(result.error());
      }
    });
  }
  close();
  EXPECT_EQ(answered, kCount);
  open();
  EXPECT_GE(must_range({key("k"), end_of_prefix(key("k")), 0, 0}).items.size(),
            static_cast<std::size_t>(done));
}

TEST_P(Transactions, StaysWhenItIsOpenedAgain) {
  const Revision put_at = must_put("a", "1");
  must_put("b", "2");
  must_erase("b");
  close();
  open();
  EXPECT_EQ(item("a"), (KeyValue{key("a"), "1", put_at, put_at, 1, 0}));
  EXPECT_EQ(all(), "a=1");
  EXPECT_EQ(all(put_at + 1), "a=1 b=2");
  EXPECT_GT(must_put("c", "3"), put_at + 2);
}

TEST_P(Transactions, HealthCounts) {
  for (int i = 0; i < 10; ++i) must_put("a", std::to_string(i));
  const auto health = store().health();
  EXPECT_TRUE(health.available) << health.trouble;
  EXPECT_GE(health.commits, 10U);
  EXPECT_GE(health.syncs, 10U);
  EXPECT_EQ(health.queued, 0U);
  EXPECT_GE(health.revision, item("a").modified);
  EXPECT_FALSE(health.where.empty());
}

}  // namespace
}  // namespace xk::store
