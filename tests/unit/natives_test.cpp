// Leases of native engines in the store: what the journal says gets there, and an engine begins with it.
#include "controlplane/natives/natives.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>

#include "controlplane/leases/kea_file.h"
#include "controlplane/natives/convert.h"
#include "controlplane/natives/folder.h"
#include "controlplane/natives/mirror.h"
#include "controlplane/natives/seed.h"
#include "tests/unit/native_journal.h"

namespace xk::natives {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kNowS = 1'700'000'000;

leases::VrfFacts facts() {
  leases::VrfFacts facts;
  facts.name = "green";
  facts.subnets[7] = *parse_prefix4("0.0.0.0/24");
  return facts;
}

class Stored : public testing::Test {
 protected:
  Stored() {
    auto opened = store::open_embedded({.directory = store_folder.path() + "/store"});
    EXPECT_TRUE(opened.has_value());
    store = std::move(*opened);
  }
  // "0.0.0.1 active 3600, 0.0.0.2 ..."
  std::string all() {
    const std::string prefix = leases::lease_prefix("green");
    const auto page = store->range({.from = prefix, .to = store::end_of_prefix(prefix)});
    std::string text;
    leases::RecordReader reader;
    for (const store::KeyValue& item : page->items) {
      const auto record = reader.read(item.value);
      if (!record) return record.error().message;
      text +=
          (text.empty() ? "" : ", ") + to_string(record->address) + " " + leases::to_string(record->state);
      if (const auto expires = record->expires_unix_s()) text += " " + std::to_string(*expires - kNowS);
    }
    return text;
  }
  void put(const leases::Record& record) {
    store::Operation operation;
    operation.key = leases::lease_key(record.vrf, record.address);
    operation.value = leases::to_json(record);
    ASSERT_TRUE(store->commit_and_wait({.when = {}, .then = {std::move(operation)}, .otherwise = {}}));
  }
  static leases::Record lease(std::uint32_t address) {
    leases::Record record;
    record.vrf = "green";
    record.address = Ip4{address};
    record.start_unix_s = kNowS - 100;
    record.valid_lifetime_s = 3600;
    record.hardware_address = std::string("\2\0\0\0\0\1", 6);
    record.engine = "kea";
    record.set_by = "committed";
    return record;
  }
  [[nodiscard]] MachineClock clock() const {
    return {.boot_id = test_clock().boot_id,
            .now = {.real_ms = static_cast<std::int64_t>(kNow) + set_by_ms, .boot_ms = 5000}};
  }

  TempFolder store_folder;
  TempFolder folder;
  std::unique_ptr<store::Store> store;
  TestJournal journal{folder.path()};
  std::int64_t set_by_ms = 0;  // the machine's clock
};

class Mirrored : public Stored {
 protected:
  std::unique_ptr<Mirror> make() {
    return std::make_unique<Mirror>(
        Mirror::Parts{.store = *store,
                      .vrf = "green",
                      .directory = folder.path(),
                      .machine = "m1",
                      .clock = [this] { return clock(); },
                      .tell = [this](std::string text) { told.push_back(std::move(text)); }});
  }
  std::string follow() {
    for (int i = 0; i < 1000; ++i) {
      const auto more = mirror->step(facts());
      if (!more) return more.error().message;
      if (!*more) return "";
    }
    return "it never ends";
  }
  std::vector<std::string> told;
  std::unique_ptr<Mirror> mirror = make();
};

TEST_F(Mirrored, WhatTheJournalSaysIsInTheStore) {
  put(lease(99));  // the engine has no such lease
  JournalRecord declined = leased(1, 4, kNow + 60 * kSecond);
  declined.kind = RecordKind::declined;
  declined.cause = RecordCause::conflict;
  journal.snapshot(1, 3, {declined, leased(2, 5, kLater), leased(3, 6, kJournalForEver)});
  EXPECT_EQ(follow(), "");
  EXPECT_EQ(all(), "0.0.0.4 declined 60, 0.0.0.5 active 3600, 0.0.0.6 active");
  EXPECT_EQ(mirror->stored(), 3u);

  journal.begin(1, 3);
  journal.append(leased(4, 7, kLater));
  journal.append(leased(5, 7, kLater + 500));
  journal.append(freed(6, 5));
  EXPECT_EQ(follow(), "");
  EXPECT_EQ(all(), "0.0.0.4 declined 60, 0.0.0.6 active, 0.0.0.7 active 3601");
  EXPECT_EQ(mirror->stored(), 6u);
  EXPECT_EQ(mirror->restarts(), 1u);
  EXPECT_THAT(told, IsEmpty());
}

TEST_F(Mirrored, TheNextProcessGoesOn) {
  journal.snapshot(1, 0, {});
  journal.begin(1, 0);
  journal.append(leased(1, 1, kLater));
  EXPECT_EQ(follow(), "");
  mirror = make();
  EXPECT_EQ(mirror->stored(), std::nullopt);
  journal.append(leased(2, 2, kLater));
  EXPECT_EQ(follow(), "");
  EXPECT_EQ(mirror->stored(), 2u);
  EXPECT_EQ(mirror->records(), 1u);
  EXPECT_EQ(mirror->restarts(), 0u);
  EXPECT_EQ(all(), "0.0.0.1 active 3600, 0.0.0.2 active 3600");
}

TEST_F(Mirrored, ManyRecordsOfALookTakeManyTransactions) {
  std::vector<JournalRecord> records;
  for (std::uint32_t i = 1; i <= 5000; ++i) records.push_back(leased(i, i, kLater));
  journal.snapshot(1, 5000, records);
  journal.begin(1, 5000);
  for (std::uint32_t i = 1; i <= 3000; ++i) journal.append(freed(5000 + i, i));
  EXPECT_EQ(follow(), "");
  EXPECT_EQ(mirror->stored(), 8000u);
  const auto position = read_position(*store, "green");
  ASSERT_TRUE(position && *position);
  EXPECT_EQ((*position)->tail.revision, 8000u);
  const std::string prefix = leases::lease_prefix("green");
  EXPECT_EQ(store->range({.from = prefix, .to = store::end_of_prefix(prefix)})->items.size(), 2000u);
}

// The engine's clock goes on by itself: what the store says of it goes with the machine's, once.
TEST_F(Mirrored, AClockThatIsSetMovesTheLeasesOnce) {
  journal.snapshot(1, 1, {leased(1, 1, kLater)});
  journal.begin(1, 1);
  journal.append(leased(2, 2, kLater));
  EXPECT_EQ(follow(), "");
  set_by_ms = 9'000;
  EXPECT_EQ(follow(), "");
  EXPECT_EQ(all(), "0.0.0.1 active 3600, 0.0.0.2 active 3600") << "too little to be a step";
  set_by_ms = 7'200'000;
  EXPECT_EQ(follow(), "");
  EXPECT_EQ(all(), "0.0.0.1 active 10800, 0.0.0.2 active 10800");
  EXPECT_EQ(mirror->restarts(), 2u);
  mirror = make();
  journal.append(leased(3, 3, kLater));
  EXPECT_EQ(follow(), "");
  EXPECT_EQ(all(), "0.0.0.1 active 10800, 0.0.0.2 active 10800, 0.0.0.3 active 10800");
  EXPECT_EQ(mirror->restarts(), 0u);
  // Also while no xdp-kead was there.
  set_by_ms = -60'000;
  mirror = make();
  EXPECT_EQ(follow(), "");
  EXPECT_EQ(all(), "0.0.0.1 active 3540, 0.0.0.2 active 3540, 0.0.0.3 active 3540");
  EXPECT_EQ(told.size(), 2u);
}

TEST_F(Mirrored, AFileOfAnotherBootSaysItsOwnTime) {
  journal.clock.boot_id.fill(8);
  journal.clock.boot_ms = 77;
  journal.clock.engine_ms = kNow - 50 * kSecond;
  journal.snapshot(1, 1, {leased(1, 1, kLater - 50 * kSecond)});
  EXPECT_EQ(follow(), "");
  EXPECT_EQ(all(), "0.0.0.1 active 3600");
}

TEST_F(Mirrored, WhatItCannotReadChangesNothingInTheStore) {
  put(lease(99));
  EXPECT_THAT(follow(), HasSubstr("no whole snapshot"));
  EXPECT_EQ(all(), "0.0.0.99 active 3500");
  EXPECT_EQ(mirror->stored(), std::nullopt);
}

TEST(Convert, TimesThatAreNoneAreCut) {
  JournalRecord record = leased(1, 1, 0);
  record.start_ms = ~0ull;
  leases::Record made = record_of(record, facts(), 0);
  EXPECT_EQ(*made.expires_unix_s(), 1);
  leases::RecordReader reader;
  EXPECT_TRUE(reader.read(leases::to_json(made)).has_value());
  record.until_ms = kJournalForEver - 1;
  record.start_ms = 0;
  made = record_of(record, facts(), 1ll << 62);
  EXPECT_TRUE(reader.read(leases::to_json(made)).has_value());
}

TEST(PositionKey, IsReadAsItWasWritten) {
  const Position position{.machine = "0f",
                          .directory = "/var/lib/x y\"\\/z",
                          .ended = true,
                          .tail = {.revision = ~0ull, .journal = 3, .at = 1 << 20, .sum = ~0u, .missed = 2},
                          .ahead_ms = -5};
  const auto read = parse_position(to_json(position));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(*read, position);
  EXPECT_EQ(vrf_of_position_key(position_key("red")), "red");
  EXPECT_EQ(vrf_of_position_key(leases::restored_key("red")), std::nullopt);
  for (const char* bad : {"", "{}", "[1]", R"({"v":2})", R"({"v":1,"directory":5})"})
    EXPECT_FALSE(parse_position(bad).has_value()) << bad;
}

class Seeding : public Stored {
 protected:
  std::vector<JournalRecord> read_back() {
    JournalTail tail(folder.path(), [](const std::string& text) { ADD_FAILURE() << text; });
    std::vector<JournalRecord> records;
    const auto look = tail.look([&](const JournalRecord& record) {
      records.push_back(record);
      // Borrowed until the call ends.
      records.back().client_id = records.back().hostname = records.back().circuit_id = {};
      records.back().remote_id = records.back().attachment = {};
    });
    EXPECT_TRUE(look && look->complete);
    return records;
  }
  SeedJob job{.vrf = "green",
              .directory = folder.path(),
              .owner = {.uid = ::getuid(), .gid = ::getgid()},
              .grace_s = 600,
              .clock = clock()};
};

TEST_F(Seeding, ASnapshotOfTheStore) {
  put(lease(1));
  leases::Record declined = lease(2);
  declined.state = leases::State::declined;
  declined.hardware_address.clear();
  put(declined);
  leases::Record over = lease(3);
  over.start_unix_s = kNowS - 3700;
  put(over);
  leases::Record forgotten = lease(4);
  forgotten.start_unix_s = kNowS - 3600 - 601;
  put(forgotten);
  leases::Record endless = lease(5);
  endless.valid_lifetime_s = leases::kForEver;
  put(endless);
  leases::Record infiniband = lease(6);
  infiniband.hardware_type = 32;
  infiniband.hardware_address = std::string(20, 'x');
  put(infiniband);
  leases::Record long_name = lease(7);
  long_name.hostname = std::string(256, 'x');
  put(long_name);
  journal.snapshot(9, 0, {});
  journal.begin(9, 0);

  const auto seeded = seed(*store, job);
  ASSERT_TRUE(seeded.has_value()) << seeded.error().message;
  EXPECT_EQ(seeded->leases, 5u);
  EXPECT_EQ(seeded->declined, 1u);
  EXPECT_EQ(seeded->expired, 1u);
  EXPECT_EQ(seeded->left_out, 1u);
  EXPECT_THAT(seeded->first_left_out, HasSubstr("0.0.0.6, of hardware type 32"));
  EXPECT_EQ(seeded->cut, 1u);
  EXPECT_EQ(seeded->begins, (TailPosition{.revision = 5, .journal = 1}));
  const auto records = read_back();
  ASSERT_EQ(records.size(), 5u);
  EXPECT_EQ(records[0].address, Ip4{1});
  EXPECT_EQ(records[0].until_ms, kNow + 3500 * kSecond);
  EXPECT_EQ(records[0].cause, RecordCause::seeded);
  EXPECT_EQ(records[1].kind, RecordKind::declined);
  EXPECT_EQ(records[2].until_ms, kNow - 100 * kSecond);
  EXPECT_EQ(records[3].until_ms, kJournalForEver);
  // Only its own files.
  const Fd opened(*open_folder(folder.path(), job.owner));
  EXPECT_TRUE(in_use(folder.path(), opened.get()).value());
  EXPECT_FALSE(std::filesystem::exists(journal.path(JournalFileKind::journal, 9)));
}

TEST_F(Seeding, AFolderThatIsNotOursIsRefused) {
  TempFolder elsewhere;
  const std::string link = elsewhere.path() + "/link";
  std::filesystem::create_directory_symlink(folder.path(), link);
  job.directory = link;
  const auto linked = seed(*store, job);
  ASSERT_FALSE(linked.has_value());
  EXPECT_THAT(linked.error().message, HasSubstr("no link"));
  std::ofstream(elsewhere.path() + "/file") << "x";
  job.directory = elsewhere.path() + "/file";
  EXPECT_FALSE(seed(*store, job).has_value());
  if (::getuid() != 0) return;
  ASSERT_EQ(::chown(folder.path().c_str(), 12345, 12345), 0);
  job.directory = folder.path();
  const auto foreign = seed(*store, job);
  ASSERT_FALSE(foreign.has_value());
  EXPECT_THAT(foreign.error().message, HasSubstr("belongs to user id 12345"));
}

class Lives : public Stored {
 protected:
  Lives() { std::filesystem::remove(folder.path()); }
  std::unique_ptr<Natives> make() {
    return std::make_unique<Natives>(Natives::Parts{.store = *store,
                                                    .machine = machine,
                                                    .user = {},
                                                    .grace_s = 600,
                                                    .clock = [this] { return clock(); },
                                                    .tell =
                                                        [this](Natives::Told told_now) {
                                                          const std::scoped_lock lock(mutex);
                                                          told.push_back(std::move(told_now.text));
                                                        },
                                                    .changed =
                                                        [this] {
                                                          const std::scoped_lock lock(mutex);
                                                          ++changes;
                                                          changed.notify_all();
                                                        }});
  }
  // Looks after each change.
  template <typename Done>
  bool until(Done done) {
    std::unique_lock lock(mutex);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    for (;;) {
      const int seen = changes;
      lock.unlock();
      const bool good = done();
      lock.lock();
      if (good) return true;
      if (!changed.wait_until(lock, deadline, [&] { return changes != seen; })) return false;
    }
  }
  std::optional<std::uint64_t> stored() {
    const auto all = natives->status();
    return all.empty() ? std::nullopt : all.front().stored;
  }
  [[nodiscard]] Spec spec() const {
    return {.vrf = VrfId{1},
            .facts = facts(),
            .directory = folder.path(),
            .kea_directory = store_folder.path() + "/kea",
            .urgent = true};
  }

  std::string machine = "m1";
  std::mutex mutex;
  std::condition_variable changed;
  int changes = 0;
  std::vector<std::string> told;
  std::unique_ptr<Natives> natives = make();
};

TEST_F(Lives, FromTheStoreAndBack) {
  leases::Record known = lease(1);
  store::Operation put_known;
  put(known);
  put_known.key = leases::restored_key("green");
  put_known.value = R"({"v":1})";
  ASSERT_TRUE(store->commit_and_wait({.when = {}, .then = {put_known}, .otherwise = {}}));

  const auto first = natives->ensure(spec());
  ASSERT_FALSE(first.has_value());
  EXPECT_EQ(first.error().system_errno, EINPROGRESS);
  ASSERT_TRUE(until([&] { return natives->ensure(spec()).has_value(); }));
  ASSERT_TRUE(until([&] { return stored() == 1u; }));
  journal.begin(1, 1);
  journal.append(leased(2, 2, kLater));
  ASSERT_TRUE(until([&] { return stored() == 2u; }));
  EXPECT_EQ(all(), "0.0.0.1 active 3500, 0.0.0.2 active 3600");

  // Another process finds it.
  natives = make();
  ASSERT_TRUE(until([&] { return stored() == 2u; }));
  EXPECT_TRUE(natives->ensure(spec()).has_value()) << "what an engine goes on with is there at once";
  journal.append(freed(3, 1));
  ASSERT_TRUE(until([&] { return natives->finish("green").has_value(); }));
  EXPECT_EQ(all(), "0.0.0.2 active 3600");
  EXPECT_THAT(natives->status(), IsEmpty());
  EXPECT_TRUE((*read_position(*store, "green"))->ended);

  // What another engine did since counts.
  put(lease(3));
  ASSERT_TRUE(until([&] { return natives->ensure(spec()).has_value(); }));
  ASSERT_TRUE(until([&] { return stored() == 2u; }));
  EXPECT_EQ(all(), "0.0.0.2 active 3600, 0.0.0.3 active 3500");
  EXPECT_FALSE(std::filesystem::exists(journal.path(JournalFileKind::journal, 1)));
  EXPECT_THAT(told, Contains(HasSubstr("begins with 2 leases")));
}

TEST_F(Lives, AKeaWithoutTheStoreLeavesItsFile) {
  std::filesystem::create_directory(store_folder.path() + "/kea");
  std::ofstream(store_folder.path() + "/kea/" + leases::kLeaseFileName)
      << leases::kLeaseFileHeader << "0.0.0.9,02:00:00:00:00:09,,3600," << kNowS + 600 << ",7,0,0,,0,\n";
  put(lease(1));  // of a time before that
  ASSERT_TRUE(until([&] { return natives->ensure(spec()).has_value(); }));
  ASSERT_TRUE(until([&] { return stored() == 1u; }));
  EXPECT_EQ(all(), "0.0.0.9 active 600");
}

TEST_F(Lives, WantedAgainWhileItEnds) {
  ASSERT_TRUE(until([&] { return natives->ensure(spec()).has_value(); }));
  static_cast<void>(natives->finish("green"));
  ASSERT_TRUE(until([&] { return natives->ensure(spec()).has_value(); }));
  journal.begin(1, 0);
  journal.append(leased(1, 2, kLater));
  ASSERT_TRUE(until([&] {
    static_cast<void>(natives->ensure(spec()));
    return stored() == 1u;
  }));
  EXPECT_EQ(all(), "0.0.0.2 active 3600");
}

// Of appliances that share a store each looks after its own folders.
TEST_F(Lives, AnotherMachinesJournalIsItsOwn) {
  ASSERT_TRUE(until([&] { return natives->ensure(spec()).has_value(); }));
  machine = "m2";
  natives.reset();
  changes = 0;
  natives = make();
  ASSERT_TRUE(until([&] {
    const std::scoped_lock lock(mutex);
    return changes > 0;
  })) << "it has looked at what there is";
  EXPECT_THAT(natives->status(), IsEmpty());
  EXPECT_TRUE(natives->finish("green").has_value());
  EXPECT_FALSE((*read_position(*store, "green"))->ended);
}

TEST_F(Lives, AFolderThatIsNotOursIsSaid) {
  std::ofstream(folder.path()) << "x";
  const auto refused = natives->ensure(spec());
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr(folder.path()));
  EXPECT_NE(refused.error().system_errno, EINPROGRESS);
  EXPECT_TRUE(natives->finish("green").has_value());
  std::filesystem::remove(folder.path());
}

}  // namespace
}  // namespace xk::natives
