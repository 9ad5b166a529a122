// The power is cut, or the process killed, at any moment: what was answered is there, what was not is there
// as a whole or not at all, and in the order of the commits.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <random>
#include <string_view>

#include "controlplane/store/embedded.h"
#include "tests/store/backends.h"
#include "tests/store/volatile_files.h"

namespace xk::store {
namespace {

using State = std::map<std::string, std::string>;

// The commit with this number: always "n", so that what is stored says how far it goes.
Transaction commit_number(int number) {
  std::mt19937 random(static_cast<unsigned>(number));
  Transaction out;
  out.then.push_back(put("n", std::to_string(number)));
  if (random() % 50 == 0) {
    out.then.push_back(erase("k1", "k3"));
    return out;
  }
  const auto key = "k" + std::to_string(random() % 40);
  if (random() % 5 == 0) {
    out.then.push_back(erase(key));
  } else {
    out.then.push_back(put(key, std::to_string(number) + std::string(random() % 900, 'v')));
  }
  if (random() % 7 == 0) {
    out.then.push_back(put("z" + std::to_string(random() % 10), std::to_string(number)));
  }
  return out;
}

void apply(int number, State& state) {
  for (const auto& operation : commit_number(number).then) {
    if (operation.kind == Operation::Kind::put) {
      state[operation.key] = operation.value;
    } else if (operation.range_end.empty()) {
      state.erase(operation.key);
    } else {
      state.erase(state.lower_bound(operation.key), state.lower_bound(operation.range_end));
    }
  }
}

State stored(Store& store) {
  State out;
  const auto page = store.range({std::string(1, '\0'), "\xff", 0, 0});
  EXPECT_TRUE(page) << message_of(page.error());
  if (page) {
    for (const auto& item : page->items) out[item.key] = item.value;
  }
  out.erase("end");  // of followed()
  return out;
}

// What one who follows the store from its beginning ends with.
State followed(Store& store) {
  Seen seen;
  const auto watch = store.watch(std::string(1, '\0'), "\xff", 1, seen.call());
  const std::string mark = std::to_string(store.health().revision);
  const auto done = store.commit_and_wait(just({put("end", mark)}));
  EXPECT_TRUE(done);
  State out;
  std::size_t wanted = 1;
  while (out["end"] != mark && !testing::Test::HasFailure()) {
    const auto events = seen.events(wanted);
    out.clear();
    for (const auto& event : events) {
      if (event.kind == Event::Kind::put) {
        out[event.item.key] = event.item.value;
      } else {
        out.erase(event.item.key);
      }
    }
    wanted = events.size() + 1;
  }
  EXPECT_TRUE(store.commit_and_wait(just({erase("end")})));
  out.erase("end");
  return out;
}

class PowerCuts {
 public:
  explicit PowerCuts(std::uint64_t seed) : random_(seed) { options_.directory = "/store"; }

  // Opens, checks, commits some, and loses power on the way, perhaps while it is still opening.
  void round() {
    std::shared_ptr<VolatileFiles> after;
    int answered_then = 0;
    std::atomic<int> answered = at_least_;
    std::atomic<int> committed = at_most_;
    int committed_then = 0;
    const auto seed = random_();
    auto files = files_;
    files->at_change(1 + random_() % 120, [&] {
      answered_then = answered;
      committed_then = committed;
      after = files->after_power_cut(seed);
    });
    std::string repaired;
    auto opened = open_embedded_on(options_, files, &repaired, {64 << 10, 256 << 10});
    ASSERT_TRUE(opened) << message_of(opened.error());
    repaired_ += repaired.empty() ? 0 : 1;
    Store& store = **opened;
    check(store);
    if (testing::Test::HasFailure()) return;
    answered = state_number_;
    committed = state_number_;
    for (int i = 0; i < 150; ++i) {
      const int number = state_number_ + 1 + i;
      committed = number;
      store.commit(commit_number(number), [&answered, number](StoreResult<Committed> result) {
        if (result) {
          answered = number;
        } else {
          ASSERT_EQ(result.error().fault, Fault::ended) << message_of(result.error());
        }
      });
    }
    if (random_() % 4 != 0) {
      EXPECT_TRUE(store.commit_and_wait({}));
    }
    opened->reset();
    if (!after) {
      answered_then = answered;
      committed_then = committed;
      after = files->after_power_cut(seed);
    }
    at_least_ = answered_then;
    at_most_ = std::max(committed_then, answered_then);
    files_ = after;
  }

  [[nodiscard]] int repaired() const { return repaired_; }
  [[nodiscard]] int commits() const { return state_number_; }

 private:
  void check(Store& store) {
    const State found = stored(store);
    const auto n = found.find("n");
    const int number = n == found.end() ? 0 : std::stoi(n->second);
    ASSERT_GE(number, at_least_) << "commits that were answered are lost";
    ASSERT_LE(number, at_most_);
    while (state_number_ < number) apply(++state_number_, state_);
    ASSERT_TRUE(found == state_) << "after commit " << number;
    // Every now and then, and not by changing what the next rounds count.
    if (random_() % 16 == 0) {
      ASSERT_TRUE(followed(store) == state_);
    }
  }

  EmbeddedOptions options_;
  std::mt19937_64 random_;
  std::shared_ptr<VolatileFiles> files_ = std::make_shared<VolatileFiles>();
  State state_;
  int state_number_ = 0;
  int at_least_ = 0;
  int at_most_ = 0;
  int repaired_ = 0;
};

TEST(Crash, PowerCutsLoseNothingThatWasAnswered) {
  const char* rounds_wanted = std::getenv("XK_CRASH_ROUNDS");
  const char* seed_wanted = std::getenv("XK_CRASH_SEED");
  const int rounds = rounds_wanted != nullptr ? std::atoi(rounds_wanted) : 200;
  const auto seed = seed_wanted != nullptr ? std::strtoull(seed_wanted, nullptr, 10) : 1;
  PowerCuts cuts(seed);
  // Whether a cut tears a write is also up to how the threads run: on until one did.
  int done = 0;
  for (; done < rounds || (cuts.repaired() == 0 && done < 20 * rounds); ++done) {
    cuts.round();
    ASSERT_FALSE(HasFailure()) << "round " << done << " of XK_CRASH_SEED=" << seed;
  }
  std::printf("%d power cuts, %d commits kept, %d torn tails cut off\n", done, cuts.commits(),
              cuts.repaired());
  EXPECT_GT(cuts.commits(), done);
  EXPECT_GT(cuts.repaired(), 0) << "no power cut tore a write: the test tests too little";
}

// The other process: commits, and says the number of each that was answered.
int write_until_killed(const char* directory) {
  EmbeddedOptions options;
  options.directory = directory;
  auto opened = open_embedded(options);
  if (!opened) return 1;
  const auto page = (*opened)->range({"n", {}, 0, 0});
  if (!page) return 1;
  int number = page->items.empty() ? 0 : std::stoi(page->items[0].value);
  while (true) {
    // Some at once, so that batches of several are cut as well.
    for (int i = 0; i < 20; ++i) {
      ++number;
      (*opened)->commit(commit_number(number), [number](StoreResult<Committed> result) {
        if (!result) ::_exit(1);
        if (::write(1, &number, sizeof number) != sizeof number) ::_exit(1);
      });
    }
    if (!(*opened)->commit_and_wait({})) return 1;
  }
}

TEST(Crash, KilledProcessesLoseNothingThatTheyAnswered) {
  const TemporaryDirectory directory;
  const std::string store = directory.path() + "/store";
  std::mt19937 random(1);
  State state;
  int known = 0;
  for (int round = 0; round < 15; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::dup2(ends[1], 1);
      ::execl("/proc/self/exe", "store_crash_test", "--write", store.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    int answered = 0;
    int number = 0;
    const int until = static_cast<int>(random() % 300);
    for (int i = 0; i <= until && ::read(ends[0], &number, sizeof number) == sizeof number; ++i)
      answered = number;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    while (::read(ends[0], &number, sizeof number) == sizeof number) answered = number;
    ::close(ends[0]);
    ASSERT_GT(answered, known);
    EmbeddedOptions options;
    options.directory = store;
    auto opened = open_embedded(options);
    ASSERT_TRUE(opened) << message_of(opened.error());
    const State found = stored(**opened);
    ASSERT_TRUE(found.contains("n"));
    ASSERT_GE(std::stoi(found.at("n")), answered);
    while (known < std::stoi(found.at("n"))) apply(++known, state);
    ASSERT_TRUE(found == state);
  }
}

}  // namespace
}  // namespace xk::store

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--write") return xk::store::write_until_killed(argv[2]);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
