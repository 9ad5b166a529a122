// What is leased in memory, how full pools are, what is paused, when leases end if the clock is set.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <random>
#include <set>
#include <thread>

#include "controlplane/leases/clock_watch.h"
#include "controlplane/leases/conditional.h"
#include "controlplane/leases/follower.h"
#include "controlplane/leases/index.h"
#include "controlplane/leases/pauses.h"
#include "controlplane/leases/pool_figures.h"
#include "controlplane/leases/shift.h"
#include "controlplane/leases/sweep.h"

namespace xk::leases {
namespace {

constexpr std::int64_t kNow = 1'700'000'000;

Range4 range(std::uint32_t first, std::uint32_t last) { return {Ip4{first}, Ip4{last}}; }

TEST(LeaseIndex, IsWhatAMapIs) {
  std::mt19937 random(1);
  LeaseIndex index;
  std::map<std::uint32_t, LeaseIndex::Entry> map;
  std::uniform_int_distribution<std::uint32_t> address(1000, 2500);
  for (int step = 0; step < 20'000; ++step) {
    const std::uint32_t at = address(random);
    if (random() % 3 == 0) {
      index.erase("red", Ip4{at});
      map.erase(at);
    } else {
      const LeaseIndex::Entry entry{static_cast<State>(random() % 3), static_cast<std::int64_t>(random())};
      index.put("red", Ip4{at}, entry);
      map[at] = entry;
    }
  }
  EXPECT_EQ(index.size("red"), map.size());
  for (std::uint32_t at = 1000; at <= 2500; ++at) {
    const auto known = map.find(at);
    EXPECT_EQ(index.find("red", Ip4{at}), known == map.end() ? std::nullopt : std::optional(known->second));
  }
  std::vector<std::uint32_t> seen;
  index.each("red", range(1100, 2000), [&](Ip4 at, const LeaseIndex::Entry& entry) {
    seen.push_back(at.value);
    EXPECT_EQ(map.at(at.value), entry);
  });
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(std::ranges::count_if(
                             map, [](const auto& one) { return one.first >= 1100 && one.first <= 2000; })));
  EXPECT_EQ(index.size("blue"), 0u);
}

TEST(LeaseIndex, KeepsWhatHasNoEnd) {
  LeaseIndex index;
  index.put("red", Ip4{0xffffffffu}, {State::active, LeaseIndex::kNoEnd});
  EXPECT_EQ(index.find("red", Ip4{0xffffffffu})->ends_unix_s, LeaseIndex::kNoEnd);
  int calls = 0;
  index.each("red", range(0, 0xffffffffu), [&](Ip4, const LeaseIndex::Entry&) { ++calls; });
  EXPECT_EQ(calls, 1);
}

// Ten addresses, of each kind one.
TEST(PoolFigures, AddUp) {
  Vrf vrf;
  vrf.subnets.resize(1);
  vrf.subnets[0].pools = {range(100, 119)};
  vrf.subnets[0].exclude = {range(117, 119)};
  vrf.subnets[0].gateway = Ip4{116};
  const PoolParts pool = pool_parts(vrf, vrf.subnets[0]).front();
  LeaseIndex index;
  index.put("red", Ip4{100}, {State::active, kNow + 100});
  index.put("red", Ip4{101}, {State::active, kNow + 50});
  index.put("red", Ip4{102}, {State::active, LeaseIndex::kNoEnd});
  index.put("red", Ip4{103}, {State::declined, kNow + 70});
  index.put("red", Ip4{104}, {State::active, kNow});          // over
  index.put("red", Ip4{105}, {State::expired, kNow + 1000});  // as an older version wrote it
  index.put("red", Ip4{106}, {State::declined, kNow - 5});
  index.put("red", Ip4{118}, {State::active, kNow + 10});  // excluded
  index.put("red", Ip4{119}, {State::active, kNow - 10});  // excluded, and over
  index.put("red", Ip4{200}, {State::active, kNow + 1});   // of another pool
  const std::set<std::uint32_t> fixed{102, 104, 110, 111};
  const auto figures = pool_figures(
      pool, "red", index,
      [&](const Range4& piece) {
        return static_cast<std::uint64_t>(
            std::ranges::count_if(fixed, [&](std::uint32_t at) { return piece.contains(Ip4{at}); }));
      },
      [&](Ip4 address) { return fixed.contains(address.value); }, kNow);
  EXPECT_EQ(figures.size, 20u);
  EXPECT_EQ(figures.excluded, 3u);
  EXPECT_EQ(figures.own, 1u);
  EXPECT_EQ(figures.leased, 3u);
  EXPECT_EQ(figures.declined, 1u);
  EXPECT_EQ(figures.fixed, 3u);
  EXPECT_EQ(figures.used, 7u);
  EXPECT_EQ(figures.available, 9u);
  EXPECT_EQ(figures.available, figures.size - figures.excluded - figures.own - figures.used);
  EXPECT_EQ(figures.expired, 2u);
  EXPECT_EQ(figures.kept, 1u);
  EXPECT_EQ(figures.next_unix_s, kNow + 10);
  EXPECT_EQ(figures.next, Ip4{118});
}

TEST(Sweep, WaitsForTheGraceTime) {
  EXPECT_FALSE(sweep_due({State::active, kNow - 59}, kNow, 60));
  EXPECT_TRUE(sweep_due({State::active, kNow - 60}, kNow, 60));
  EXPECT_FALSE(sweep_due({State::active, kNow + 1}, kNow, 0));
  EXPECT_TRUE(sweep_due({State::declined, kNow}, kNow, 60));
  EXPECT_FALSE(sweep_due({State::active, LeaseIndex::kNoEnd}, kNow, 0));
}

TEST(ClockWatch, TellsStepsAndNotTime) {
  ClockWatch watch(1000);
  EXPECT_FALSE(watch.look({5000 + 1000, 5000}));
  EXPECT_FALSE(watch.look({9'000'000 + 1000, 9'000'000}));
  EXPECT_FALSE(watch.look({9'000'000 + 1000 + 9'999, 9'000'000})) << "small";
  const auto sum = watch.look({9'000'000 + 1000 + 10'001, 9'000'000});
  ASSERT_TRUE(sum) << "small ones sum up";
  EXPECT_EQ(sum->by_s, 10);
  EXPECT_FALSE(watch.look({9'000'000 + 1000 + 10'001, 9'000'000})) << "once";
  const auto back = watch.look({9'000'000 + 1000 + 10'001 - 86'400'000, 9'000'000});
  ASSERT_TRUE(back);
  EXPECT_EQ(back->by_s, -86'400);
}

TEST(ClockWatch, IsKeptForTheNextOfThisBoot) {
  EXPECT_EQ(parse_clock_text(clock_text("a-b", -12345), "a-b"), -12345);
  for (const char* bad :
       {"", "a-b", "a-b ", "a-b 1", "a-b x\n", "a-b 1 2\n", "a-c 1\n", "a-b 99999999999999999999\n"})
    EXPECT_FALSE(parse_clock_text(bad, "a-b")) << bad;
  EXPECT_FALSE(parse_clock_text(" 1\n", ""));
}

TEST(ShiftedStart, GoesForwardWithTheClock) {
  const ClockStep day{.by_s = 86'400, .now_unix_s = kNow};
  EXPECT_EQ(shifted_start(kNow - 86'400 - 100, day), kNow - 100);
  EXPECT_EQ(shifted_start(kNow - 86'400, day), kNow);
  EXPECT_EQ(shifted_start(kNow - 100, day), std::nullopt) << "begun by the new clock";
  EXPECT_EQ(shifted_start(kNow + 100, day), kNow) << "none begins in the future";
}

TEST(ShiftedStart, IsNeverInTheFutureWhenTheClockGoesBack) {
  const ClockStep back{.by_s = -86'400, .now_unix_s = kNow};
  EXPECT_EQ(shifted_start(kNow + 86'000, back), kNow);
  EXPECT_EQ(shifted_start(kNow - 100, back), std::nullopt) << "it would end too early";
}

// Whatever the steps, and however often one is done again: a lease never ends before its client thinks so.
TEST(ShiftedStart, NeverShortens) {
  std::mt19937 random(1);
  for (int round = 0; round < 5000; ++round) {
    std::int64_t offset = 0, elapsed = 0;  // of the clock; of true time since the lease began
    std::int64_t start = kNow;
    constexpr std::int64_t kLifetime = 3600;
    for (int step = 0; step < 6; ++step) {
      const auto passed = static_cast<std::int64_t>(random() % 900);
      elapsed += passed;
      const std::int64_t by = static_cast<std::int64_t>(random() % 200'000) - 100'000;
      offset += by;
      const ClockStep clock{.by_s = by, .now_unix_s = kNow + elapsed + offset};
      for (std::uint32_t again = 1 + random() % 2; again > 0; --again)
        start = shifted_start(start, clock).value_or(start);
      EXPECT_GE(start + kLifetime - clock.now_unix_s, kLifetime - elapsed) << "round " << round;
      EXPECT_LE(start, clock.now_unix_s);
    }
  }
}

// With a store: leases go along, one that is over is erased when it is time, one that changes meanwhile is
// not.
class StoredLeases : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "xk-lease-view-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    auto opened = store::open_embedded({.directory = directory_ + "/store"});
    ASSERT_TRUE(opened.has_value()) << opened.error().error.message;
    store_ = std::move(*opened);
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  void put(std::uint32_t address, std::int64_t start, State state = State::active) {
    Record record;
    record.vrf = "red";
    record.address = Ip4{address};
    record.start_unix_s = start;
    record.valid_lifetime_s = 600;
    record.state = state;
    store::Operation operation;
    operation.key = lease_key("red", record.address);
    operation.value = to_json(record);
    ASSERT_TRUE(store_->commit_and_wait({.when = {}, .then = {operation}, .otherwise = {}}));
  }
  std::map<std::uint32_t, std::int64_t> starts() {
    std::map<std::uint32_t, std::int64_t> all;
    RecordReader reader;
    const std::string prefix = lease_prefix("red");
    const auto page = store_->range({.from = prefix, .to = store::end_of_prefix(prefix)});
    for (const store::KeyValue& item : page->items) {
      const auto record = reader.read(item.value);
      all[record->address.value] = record->start_unix_s;
    }
    return all;
  }
  static void wait_until_known(const LeaseFollower& follower, std::uint64_t leases) {
    for (int i = 0; i < 1000; ++i) {
      std::uint64_t known = 0;
      if (follower.look([&](const LeaseIndex& index) { known = index.size("red"); }) && known == leases)
        return;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    FAIL() << follower.trouble();
  }
  std::string directory_;
  std::unique_ptr<store::Store> store_;
};

TEST_F(StoredLeases, GoAlongWithTheClock) {
  for (std::uint32_t i = 1; i <= 120; ++i) put(i, kNow - 86'400 - i);
  put(500, kNow - 5);
  put(501, kNow + 50);
  const auto moved = shift_leases(*store_, "red", 86'400, [] { return kNow; });
  ASSERT_TRUE(moved.has_value()) << moved.error().message;
  EXPECT_EQ(*moved, 121u);
  const auto now = starts();
  for (std::uint32_t i = 1; i <= 120; ++i) EXPECT_EQ(now.at(i), kNow - i);
  EXPECT_EQ(now.at(500), kNow - 5);
  EXPECT_EQ(now.at(501), kNow);
}

TEST_F(StoredLeases, AreSweptWhenItIsTime) {
  put(1, kNow - 600 - 60);
  put(2, kNow - 600 - 59);
  put(3, kNow - 600, State::declined);
  put(4, kNow - 599, State::declined);
  const LeaseFollower follower(*store_);
  wait_until_known(follower, 4);
  const auto swept = sweep(*store_, follower, "red", kNow, 60, 100);
  ASSERT_TRUE(swept.has_value()) << swept.error().message;
  EXPECT_EQ(*swept, 2u);
  EXPECT_EQ(starts().size(), 2u);
  EXPECT_TRUE(starts().contains(2) && starts().contains(4));
  wait_until_known(follower, 2);
}

TEST_F(StoredLeases, ChangesThatDoNotHoldAreLeftOut) {
  for (std::uint32_t i = 1; i <= 130; ++i) put(i, kNow);
  std::vector<Conditional> changes;
  const std::string prefix = lease_prefix("red");
  const auto all = store_->range({.from = prefix, .to = store::end_of_prefix(prefix)});
  for (const store::KeyValue& item : all->items) changes.push_back({item.key, item.modified, std::nullopt});
  put(70, kNow + 1);
  EXPECT_EQ(commit_unchanged(*store_, changes).value(), 129u);
  EXPECT_EQ(starts().size(), 1u);
  EXPECT_EQ(commit_unchanged(*store_, changes).value(), 0u);
}

TEST_F(StoredLeases, AreFollowed) {
  LeaseFollower follower(*store_);
  put(1, kNow);
  wait_until_known(follower, 1);
  const auto begin = follower.wait(0, std::chrono::seconds(0));
  EXPECT_FALSE(begin.resync);
  put(2, kNow);
  store::Operation erase;
  erase.kind = store::Operation::Kind::erase;
  erase.key = lease_key("red", Ip4{1});
  ASSERT_TRUE(store_->commit_and_wait({.when = {}, .then = {erase}, .otherwise = {}}));
  LeaseFollower::Changes seen = follower.wait(begin.last, std::chrono::seconds(10));
  if (seen.changes.size() == 1) {
    auto more = follower.wait(seen.last, std::chrono::seconds(10));
    std::ranges::move(more.changes, std::back_inserter(seen.changes));
    seen.last = more.last;
  }
  ASSERT_EQ(seen.changes.size(), 2u);
  EXPECT_FALSE(seen.changes[0].erased);
  EXPECT_TRUE(seen.changes[1].erased);
  EXPECT_TRUE(follower.wait(seen.last, std::chrono::milliseconds(10)).changes.empty());
  EXPECT_TRUE(follower.wait(1'000'000, std::chrono::seconds(0)).resync) << "of another store";
}

TEST(Pauses, KeysAndValuesComeBack) {
  const Pause all[] = {{"red", PauseKind::pool, range(0x0a000064, 0x0a0000c7), "", kNow},
                       {"red", PauseKind::mac, {}, std::string("\x02\x00\x00\x00\x00\x01", 6), kNow},
                       {"a.b", PauseKind::client_id, {}, std::string("\x00/\xff", 3), 0}};
  for (const Pause& pause : all) {
    const auto read = parse_pause(pause_key(pause), pause_value(pause));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_TRUE(read->same(pause));
    EXPECT_EQ(read->since_unix_s, pause.since_unix_s);
  }
  EXPECT_EQ(pause_key(all[0]), "/xdp-kea/v1/pause/red/pool/0a000064-0a0000c7");
  EXPECT_EQ(pause_key(all[1]), "/xdp-kea/v1/pause/red/mac/020000000001");
  EXPECT_EQ(who_of(all[0]), "10.0.0.100-10.0.0.199");
  for (const char* bad : {"", "/xdp-kea/v1/pause/", "/xdp-kea/v1/pause/red/mac", "/xdp-kea/v1/pause/red/mac/",
                          "/xdp-kea/v1/pause/red/mac/0", "/xdp-kea/v1/pause/red/who/00",
                          "/xdp-kea/v1/pause//mac/00", "/xdp-kea/v1/pause/red/pool/0a000064",
                          "/xdp-kea/v1/pause/red/pool/0a0000c7-0a000064", "/xdp-kea/v1/pause/red/mac/0:0"})
    EXPECT_FALSE(parse_pause_key(bad)) << bad;
  for (const char* bad : {"", "{}", R"({"v":1,"since":)", R"({"v":1,"since":-1})", R"({"v":2,"since":1})"})
    EXPECT_FALSE(parse_pause(pause_key(all[0]), bad)) << bad;
}

TEST(Pauses, KeasFile) {
  const std::vector<Pause> some{
      {"red", PauseKind::pool, range(0x0a000064, 0x0a0000c7), "", kNow},
      {"red", PauseKind::mac, {}, std::string("\x02\x00\x00\x00\x00\x01", 6), kNow}};
  EXPECT_EQ(paused_text(some, true),
            "xdp-kea-paused 1 allow\npool 10.0.0.100-10.0.0.199\nmac 020000000001\nend\n");
  EXPECT_EQ(paused_text({}, false), "xdp-kea-paused 1 deny\nend\n");
}

}  // namespace
}  // namespace xk::leases
