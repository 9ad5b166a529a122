// Disks that are full, fail, cannot be written, or give back something else: each ends in a clear state with
// a message, what was answered stays, and the store goes on when the disk does.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "controlplane/store/embedded.h"
#include "controlplane/store/encoding.h"
#include "controlplane/store/wal_check.h"
#include "tests/store/backends.h"
#include "tests/store/volatile_files.h"

namespace xk::store {
namespace {

using Trouble = VolatileFiles::Trouble;

class Disks : public testing::Test {
 protected:
  StoreResult<std::unique_ptr<Store>> try_open() {
    EmbeddedOptions options;
    options.directory = "/store";
    options.keep_revisions = keep_revisions_;
    options.begin_unavailable = begin_unavailable_;
    return open_embedded_on(options, files_, &repaired_, {256 << 10, 1 << 20});
  }
  void open() {
    auto opened = try_open();
    ASSERT_TRUE(opened) << message_of(opened.error());
    store_ = std::move(*opened);
  }
  StoreResult<Committed> commit(const std::string& key, const std::string& value) {
    return store_->commit_and_wait(just({put(key, value)}));
  }
  std::string value(const std::string& key) {
    const auto page = store_->range({key, {}, 0, 0});
    EXPECT_TRUE(page) << message_of(page.error());
    return page && !page->items.empty() ? page->items[0].value : "";
  }
  // Fills some tables and a log.
  void fill(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(commit("k" + std::to_string(i), std::to_string(i) + std::string(1000, 'v')));
    }
  }
  std::string newest_log() { return files_->names("/store", ".log").back(); }
  StoreError must_not_open() {
    store_.reset();
    const auto opened = try_open();
    EXPECT_FALSE(opened);
    return opened ? StoreError{} : opened.error();
  }
  static bool eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
  }

  std::shared_ptr<VolatileFiles> files_ = std::make_shared<VolatileFiles>();
  Revision keep_revisions_ = 1'000'000;
  bool begin_unavailable_ = false;
  std::string repaired_;
  std::unique_ptr<Store> store_;
};

class Refusing : public Disks, public testing::WithParamInterface<std::pair<Trouble, const char*>> {};
INSTANTIATE_TEST_SUITE_P(Disks, Refusing,
                         testing::Values(std::pair{Trouble::no_space, "full"},
                                         std::pair{Trouble::io_error, "Input/output error"},
                                         std::pair{Trouble::sync_error, "Input/output error"},
                                         std::pair{Trouble::read_only, "Read-only file system"}));

TEST_P(Refusing, IsSaidAndPassesWhenTheDiskIsWellAgain) {
  open();
  Seen seen;
  const auto watch = store_->watch("k", "l", 0, seen.call());
  ASSERT_TRUE(watch);
  ASSERT_TRUE(commit("k", "before"));
  files_->set_trouble(GetParam().first);
  for (int i = 0; i < 3; ++i) {
    const auto refused = commit("k", "refused" + std::to_string(i));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::unavailable);
    EXPECT_NE(refused.error().error.message.find(GetParam().second), std::string::npos)
        << message_of(refused.error());
    const auto health = store_->health();
    EXPECT_FALSE(health.available);
    EXPECT_NE(health.trouble.find(GetParam().second), std::string::npos) << health.trouble;
    EXPECT_EQ(value("k"), "before") << "reading goes on";
  }
  files_->set_trouble(Trouble::none);
  ASSERT_TRUE(eventually([this] { return store_->health().available; })) << store_->health().trouble;
  ASSERT_TRUE(commit("k", "after"));
  EXPECT_EQ(value("k"), "after");
  // The first that was refused may be there or not (sync_error: it was written, and is read back); none that
  // followed was tried.
  std::vector<std::string> told;
  for (std::size_t count = 2; told.empty() || told.back() != "put k=after"; ++count) {
    told = texts_of(seen.events(count));
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_EQ(told.front(), "put k=before");
  EXPECT_LE(told.size(), 3U);
  store_.reset();
  files_ = files_->after_power_cut(1);
  open();
  EXPECT_EQ(value("k"), "after");
}

// The disk refuses from any point on: while a log is written or changed, a table written, a version made
// known.
TEST_F(Disks, RefusesAtAnyPointAndNothingIsLost) {
  constexpr Trouble kTroubles[] = {Trouble::no_space, Trouble::io_error, Trouble::sync_error,
                                   Trouble::read_only};
  std::map<std::string, std::string> answered;
  std::mutex mutex;
  int failures = 0;
  for (std::uint32_t round = 0; round < 24; ++round) {
    if (!store_ || round % 8 == 0) {
      store_.reset();
      open();
    }
    const auto trouble = kTroubles[round % 4];
    const int failures_before = failures;
    std::atomic<bool> struck = false;
    files_->at_change(1 + (round * 7919) % 180, [&, trouble] {
      files_->set_trouble(trouble);
      struck = true;
    });
    // How many commits share a write is a matter of the machine's speed: on until the trouble is there, and
    // then as many again as it takes to meet it.
    for (int i = 0, after = 0; after < 60; ++i) {
      const std::string key = "k" + std::to_string(i % 100) + "/" + std::to_string(i % 500);
      const std::string value = std::to_string(round) + std::string(1000, 'v');
      store_->commit(just({put(key, value)}), [&, key, value](StoreResult<Committed> result) {
        const std::lock_guard guard(mutex);
        if (result) answered[key] = value;
        failures += result ? 0 : 1;
      });
      if (i % 20 == 0) (void)store_->commit_and_wait({});
      after += struck ? 1 : 0;
    }
    (void)store_->commit_and_wait({});  // answered after all before it
    files_->set_trouble(Trouble::none);
    EXPECT_GT(failures, failures_before) << "round " << round;
    // What was not noticed yet by a writer of tables is now, or is gone.
    ASSERT_TRUE(eventually([&] { return commit("probe", std::to_string(round)).has_value(); }));
    for (const auto& [key, text] : answered) {
      const std::string now = value(key);
      // One that was not answered may be there in its place.
      ASSERT_GE(std::stoi(now.empty() ? "-1" : now), std::stoi(text)) << key << " in round " << round;
    }
  }
}

TEST_F(Disks, TornTailIsCutOffAndSaid) {
  open();
  ASSERT_TRUE(commit("a", "1"));
  store_.reset();
  files_->change(newest_log(),
                 [](std::string& bytes) { bytes += std::string("\x12\x34\x56\x78\x40\x00\x01torn", 11); });
  open();
  EXPECT_NE(repaired_.find("11 bytes"), std::string::npos) << repaired_;
  EXPECT_NE(repaired_.find(".log"), std::string::npos) << repaired_;
  EXPECT_EQ(store_->health().repaired, repaired_);
  EXPECT_EQ(value("a"), "1");
  store_.reset();
  repaired_.clear();
  open();
  EXPECT_EQ(repaired_, "");
}

// Of those who must not wait for it: it says why it is closed, and goes on once it is well.
TEST_F(Disks, BeginsUnavailableWhereThatIsWanted) {
  open();
  ASSERT_TRUE(commit("a", "1"));
  store_.reset();
  const auto log = newest_log();
  files_->change(log, [](std::string& bytes) {
    bytes += bytes;
    bytes[0] ^= 1;
  });
  begin_unavailable_ = true;
  open();
  EXPECT_FALSE(store_->health().available);
  EXPECT_NE(store_->health().trouble.find(log), std::string::npos) << store_->health().trouble;
  const auto page = store_->range({"a", {}, 0, 0});
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().fault, Fault::corrupt);
  EXPECT_FALSE(commit("b", "2"));
  files_->change(log, [](std::string& bytes) {
    bytes.resize(bytes.size() / 2);
    bytes[0] ^= 1;
  });
  ASSERT_TRUE(eventually([this] { return store_->health().available; })) << store_->health().trouble;
  EXPECT_EQ(value("a"), "1");
  EXPECT_TRUE(commit("b", "2"));
}

TEST_F(Disks, DamagedMiddleOfALogIsAnError) {
  open();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(commit("a" + std::to_string(i), std::string(100, 'v')));
  store_.reset();
  const auto log = newest_log();
  files_->change(log, [](std::string& bytes) { bytes[bytes.size() / 2] ^= 1; });
  const auto error = must_not_open();
  EXPECT_EQ(error.fault, Fault::corrupt);
  EXPECT_NE(error.error.message.find(log), std::string::npos) << message_of(error);
  files_->change(log, [](std::string& bytes) { bytes[bytes.size() / 2] ^= 1; });
  open();
  EXPECT_EQ(value("a19"), std::string(100, 'v'));
}

TEST_F(Disks, DamagedTableIsAnErrorOfWhatIsRead) {
  open();
  fill(1200);
  store_.reset();
  open();  // what was in the log is in tables now
  store_.reset();
  const auto tables = files_->names("/store", ".sst");
  ASSERT_FALSE(tables.empty());
  for (const auto& table : tables) {
    files_->change(table, [](std::string& bytes) {
      for (std::size_t at = 100; at + 4096 < bytes.size(); at += 2000) bytes[at] ^= 0x55;
    });
  }
  const auto opened = try_open();
  if (!opened) {
    EXPECT_EQ(opened.error().fault, Fault::corrupt) << message_of(opened.error());
    return;
  }
  int corrupt = 0;
  for (int i = 0; i < 1200; ++i) {
    const auto page = (*opened)->range({"k" + std::to_string(i), {}, 0, 0});
    if (page) {
      ASSERT_EQ(page->items.size(), 1U) << i;
      ASSERT_EQ(page->items[0].value, std::to_string(i) + std::string(1000, 'v'));
    } else {
      ASSERT_EQ(page.error().fault, Fault::corrupt) << message_of(page.error());
      ++corrupt;
    }
  }
  EXPECT_GT(corrupt, 0);
  const auto all = (*opened)->range({"k", "l", 0, 0});
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().fault, Fault::corrupt);
}

class Missing : public Disks, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Disks, Missing, testing::Values("CURRENT", ".sst", "MANIFEST"));

TEST_P(Missing, FileIsAnError) {
  open();
  fill(1200);
  store_.reset();
  open();
  store_.reset();
  bool removed = false;
  for (const auto& name : files_->names("/store", "")) {
    if (removed || name.find(GetParam()) == std::string::npos) continue;
    ASSERT_TRUE(files_->DeleteFile(name, {}, nullptr).ok());
    removed = true;
  }
  ASSERT_TRUE(removed);
  const auto error = must_not_open();
  EXPECT_EQ(error.fault, Fault::corrupt) << message_of(error);
  EXPECT_NE(error.error.message.find("copy"), std::string::npos) << "says what to do: " << message_of(error);
}

TEST_F(Disks, AnotherFormatIsRefused) {
  open();
  store_.reset();
  files_->change("/store/XDP-KEA-STORE", [](std::string& bytes) { bytes = "xdp-kea store, format 2\n"; });
  EXPECT_EQ(must_not_open().fault, Fault::rejected);
}

TEST_F(Disks, KeepsSoManyRevisions) {
  keep_revisions_ = 100;
  open();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(commit("k" + std::to_string(i % 10), std::to_string(i)));
  const Revision newest = store_->health().revision;
  EXPECT_TRUE(store_->range({"k1", {}, 0, newest - 99}));
  const auto old = store_->range({"k1", {}, 0, newest - 200});
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().fault, Fault::compacted);
  Seen seen;
  const auto watch = store_->watch("k", "l", newest - 99, seen.call());
  ASSERT_TRUE(watch);
  EXPECT_EQ(seen.events(100).size(), 100U);
}

TEST(Directories, OneProcessAtATime) {
  const TemporaryDirectory directory;
  EmbeddedOptions options;
  options.directory = directory.path() + "/store";
  const auto first = open_embedded(options);
  ASSERT_TRUE(first);
  const auto second = open_embedded(options);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().fault, Fault::unavailable);
  EXPECT_NE(second.error().error.message.find("Another process"), std::string::npos)
      << message_of(second.error());
  options.directory = directory.path() + "/not/there";
  const auto nowhere = open_embedded(options);
  ASSERT_FALSE(nowhere);
  EXPECT_NE(nowhere.error().error.message.find("No such file"), std::string::npos)
      << message_of(nowhere.error());
}

// A file system of the kernel's that is really full.
TEST(Directories, FullForReal) {
  const TemporaryDirectory directory;
  const std::string mounted = directory.path() + "/disk";
  ASSERT_EQ(::mkdir(mounted.c_str(), 0700), 0);
  ASSERT_EQ(::mount("tmpfs", mounted.c_str(), "tmpfs", 0, "size=48m"), 0)
      << std::strerror(errno) << ": needs root";
  EmbeddedOptions options;
  options.directory = mounted + "/store";
  auto store = open_embedded(options);
  ASSERT_TRUE(store) << message_of(store.error());
  const auto commit = [&](int number) {
    return (*store)->commit_and_wait(just({put("k" + std::to_string(number), std::string(100'000, 'v'))}));
  };
  const std::string filler = mounted + "/filler";
  {
    std::ofstream file(filler);
    const std::string block(1 << 20, 'x');
    for (int i = 0; i < 32; ++i) file << block;
  }
  int answered = 0;
  StoreResult<Committed> refused;
  while (answered < 1000 && (refused = commit(answered))) ++answered;
  ASSERT_FALSE(refused) << "the disk was not full";
  EXPECT_NE(refused.error().error.message.find("disk is full"), std::string::npos)
      << message_of(refused.error());
  EXPECT_TRUE((*store)->range({"k0", {}, 0, 0}));
  EXPECT_FALSE(commit(answered));
  ASSERT_EQ(::unlink(filler.c_str()), 0);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!commit(answered) && std::chrono::steady_clock::now() < deadline) {
  }
  EXPECT_TRUE((*store)->health().available) << (*store)->health().trouble;
  const auto all = (*store)->range({"k", "l", 0, 0});
  ASSERT_TRUE(all) << message_of(all.error());
  EXPECT_EQ(all->items.size(), static_cast<std::size_t>(answered + 1));
  store->reset();
  ASSERT_EQ(::umount(mounted.c_str()), 0) << std::strerror(errno);
}

TEST(WalCheck, EveryCutIsWholeOrTornAndEveryDamageIsSeen) {
  auto files = std::make_shared<VolatileFiles>();
  EmbeddedOptions options;
  options.directory = "/store";
  auto store = open_embedded_on(options, files);
  ASSERT_TRUE(store);
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE((*store)->commit_and_wait(
        just({put("k" + std::to_string(i), std::string(i == 5 ? 70000 : 400, 'v'))})));
  }
  store->reset();
  std::string log;
  files->change(files->names("/store", ".log").back(), [&log](std::string& bytes) { log = bytes; });
  ASSERT_EQ(check_wal(log).state, WalCheck::State::whole);
  ASSERT_EQ(check_wal(log).good_bytes, log.size());
  std::size_t before = 0;
  for (std::size_t size = 0; size < log.size(); size += size % 97 == 0 ? 1 : 31) {
    const auto check = check_wal(std::string_view(log).substr(0, size));
    ASSERT_NE(check.state, WalCheck::State::damaged) << size;
    // A block's last bytes, too few for a header, are filled up.
    ASSERT_TRUE(check.state != WalCheck::State::whole || size - check.good_bytes < 7) << size;
    ASSERT_TRUE(check.state == WalCheck::State::whole || check.good_bytes < size) << size;
    ASSERT_GE(check.good_bytes, before);
    before = check.good_bytes;
  }
  for (std::size_t at = 0; at < log.size(); at += 613) {
    std::string bad = log;
    bad[at] ^= 0x10;
    const auto check = check_wal(bad);
    ASSERT_NE(check.state, WalCheck::State::whole) << at;
    ASSERT_LE(check.good_bytes, at);
    // Only in the last record it could be what was not acknowledged.
    const bool in_last = at + 700 > log.size();
    ASSERT_TRUE(check.state == WalCheck::State::damaged || in_last) << at << " of " << log.size();
  }
  EXPECT_EQ(check_wal(log + std::string(5000, '\0')).state, WalCheck::State::torn);
  EXPECT_EQ(check_wal(log + std::string(5000, '\0')).good_bytes, log.size());
}

TEST(Encoding, KeysKeepTheirOrder) {
  const std::vector<std::string> keys = {std::string("\0", 1),
                                         std::string("\0\0", 2),
                                         std::string("\0\x01", 2),
                                         "a",
                                         std::string("a\0", 2),
                                         "aa",
                                         "b",
                                         "\xff",
                                         "\xff\xff"};
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto back = read_data_key(data_key(keys[i], 77));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->key, keys[i]);
    EXPECT_EQ(back->modified, 77);
    EXPECT_LT(data_key(keys[i], 8), data_key(keys[i], 7));
    for (std::size_t j = i + 1; j < keys.size(); ++j) {
      EXPECT_LT(data_key(keys[i], 1), data_key(keys[j], INT64_MAX)) << i << " " << j;
      EXPECT_FALSE(data_key(keys[j], 1).starts_with(data_prefix(keys[i])));
    }
  }
}

}  // namespace
}  // namespace xk::store
