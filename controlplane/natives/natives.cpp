#include "controlplane/natives/natives.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "controlplane/leases/kea_file.h"
#include "controlplane/natives/folder.h"
#include "controlplane/natives/mirror.h"
#include "controlplane/natives/position.h"
#include "controlplane/natives/seed.h"
#include "controlplane/natives/watch.h"

namespace xk::natives {
namespace {

using Clock = std::chrono::steady_clock;
using Phase = Status::Phase;

constexpr int kLowPriority = 19;
constexpr std::chrono::milliseconds kPause(100);  // between two looks of the low thread, at least
// Where CPUs are short it rests for so many times as long as it has worked: clients wait for their answers,
// and nobody for it. A priority would not do that alone: the kernel shares out a CPU among sessions first
// (sched(7), autogroup).
constexpr int kRest = 4;
constexpr int kShort = 10;                        // the part of its time that it waited for a CPU
constexpr std::chrono::milliseconds kTick(1000);  // all are looked at: clocks, what could not be done
constexpr std::chrono::milliseconds kRetry(500);  // of what is seldom

// How long this thread has waited for a CPU since it began; 0: the kernel does not say.
std::chrono::nanoseconds waited_for_cpu() {
  std::ifstream file("/proc/thread-self/schedstat");
  std::int64_t ran_ns = 0, waited_ns = 0;
  file >> ran_ns >> waited_ns;
  return std::chrono::nanoseconds(waited_ns);
}

Error in_progress(std::string text) { return Error{std::move(text), EINPROGRESS}; }

}  // namespace

class Natives::Impl {
 public:
  explicit Impl(Parts parts) : parts_(std::move(parts)) {
    jobs_.push_back({.load = true});
    worker_ = std::thread([this] { work(); });
    low_thread_ = std::thread([this] {
      ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kLowPriority);
      follow(low_, false);
    });
    urgent_thread_ = std::thread([this] { follow(urgent_, true); });
  }
  ~Impl() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    wanted_.notify_all();
    low_.wake();
    urgent_.wake();
    worker_.join();
    low_thread_.join();
    urgent_thread_.join();
  }

  std::expected<void, Error> ensure(const Spec& spec) {
    const std::scoped_lock lock(mutex_);
    // The VRF has another name now: its leases go under that.
    std::erase_if(entries_, [&](const auto& each) {
      return each.first != spec.facts.name && each.second->directory == spec.directory;
    });
    std::shared_ptr<Entry>& entry = entries_[spec.facts.name];
    if (!entry || entry->directory != spec.directory) entry = entry_of(spec);
    const bool other_class = entry->spec.urgent != spec.urgent;
    entry->spec = spec;
    if (entry->phase == Phase::ending) {
      entry->phase = Phase::following;
      entry->error.clear();
    }
    // Its end may be under way, and what has ended is made anew: nobody writes in the folder before that is
    // known.
    if (entry->phase == Phase::following && entry->confirmed && !entry->queued) {
      if (other_class) look_again();
      return {};
    }
    if (entry->queued) return std::unexpected(in_progress("its leases are being made ready"));
    // What an engine goes on with is there at once.
    const auto used = used_folder(spec);
    if (!used) return std::unexpected(used.error());
    if (*used) {
      if (!entry->mirror) entry->mirror = mirror_of(*entry);
      entry->phase = Phase::following;
      entry->confirmed = true;
      look_again();
      return {};
    }
    entry->phase = Phase::preparing;
    const std::string error = std::exchange(entry->error, {});
    add_job(entry);
    return std::unexpected(error.empty() ? in_progress("its leases are being made ready") : Error{error});
  }

  std::expected<void, Error> finish(const std::string& vrf) {
    const std::scoped_lock lock(mutex_);
    const auto found = entries_.find(vrf);
    if (found == entries_.end()) return {};
    Entry& entry = *found->second;
    if (entry.phase == Phase::preparing) {
      if (entry.queued) return std::unexpected(in_progress("its leases are still being made ready"));
      entries_.erase(found);  // it never began
      return {};
    }
    if (entry.phase == Phase::following) {
      entry.phase = Phase::ending;
      add_job(found->second);
    }
    if (entry.error.empty())
      return std::unexpected(in_progress("the rest of its journal goes into the store"));
    return std::unexpected(
        in_progress("its leases cannot be taken from its journal into the store: " + entry.error));
  }

  std::vector<Status> status() const {
    const std::scoped_lock lock(mutex_);
    std::vector<Status> all;
    for (const auto& [name, entry] : entries_) {
      Status status{.vrf = entry->spec.vrf,
                    .name = name,
                    .directory = entry->directory,
                    .phase = entry->phase,
                    .stored = {},
                    .records = entry->records,
                    .restarts = entry->restarts,
                    .trouble = entry->error.empty() ? entry->trouble : entry->error};
      if (entry->knows) status.stored = entry->stored;
      all.push_back(std::move(status));
    }
    return all;
  }

 private:
  struct Entry {
    std::string name;
    std::string directory;
    std::mutex run;  // held by the thread that works on the journal
    std::unique_ptr<Mirror> mirror;
    // Under mutex_ of the Impl:
    Spec spec;
    Phase phase = Phase::preparing;
    bool confirmed = false;  // ensured by this process
    bool queued = false;     // a job is to come, or under way
    std::string error;       // of the last job
    std::string trouble;     // of the last look
    bool knows = false;
    std::uint64_t stored = 0;
    std::uint64_t records = 0;
    std::uint64_t restarts = 0;
  };
  struct Job {
    bool load = false;  // what an earlier xdp-kead has left
    std::shared_ptr<Entry> entry{};
    Clock::time_point not_before{};
  };

  void add_job(const std::shared_ptr<Entry>& entry, std::chrono::milliseconds later = {}) {
    entry->queued = true;
    jobs_.push_back({.load = false, .entry = entry, .not_before = Clock::now() + later});
    wanted_.notify_all();
  }
  void look_again() {
    low_.wake();
    urgent_.wake();
  }
  void tell(bool warning, const std::string& vrf, std::string text) const {
    parts_.tell({.warning = warning, .vrf = vrf, .text = std::move(text)});
  }

  // ---- what is seldom ----

  void work() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      const auto now = Clock::now();
      const auto due = std::ranges::find_if(jobs_, [now](const Job& job) { return job.not_before <= now; });
      if (due == jobs_.end()) {
        if (jobs_.empty())
          wanted_.wait(lock);
        else
          wanted_.wait_for(lock, kRetry);
        continue;
      }
      const Job job = std::move(*due);
      jobs_.erase(due);
      lock.unlock();
      if (job.load)
        load();
      else
        do_job(job.entry);
      lock.lock();
    }
  }

  // Journals that the store has not got to the end of.
  void load() {
    const std::string prefix = "/xdp-kea/v1/vrf/";
    store::Range range{.from = prefix, .to = store::end_of_prefix(prefix), .limit = 10'000};
    for (;;) {
      const auto page = parts_.store.range(range);
      if (!page) {
        const std::scoped_lock lock(mutex_);
        jobs_.push_back({.load = true, .entry = {}, .not_before = Clock::now() + kRetry});
        return;
      }
      for (const store::KeyValue& item : page->items) {
        const auto vrf = vrf_of_position_key(item.key);
        const auto position = vrf ? parse_position(item.value) : std::unexpected(Error{});
        if (position && !position->ended && position->machine == parts_.machine)
          adopt(*vrf, position->directory);
      }
      if (!page->more || page->items.empty()) break;
      range.from = page->items.back().key + '\0';
    }
    parts_.changed();
  }

  void adopt(const std::string& vrf, const std::string& directory) {
    const std::scoped_lock lock(mutex_);
    const bool known = std::ranges::any_of(
        entries_, [&](const auto& each) { return each.first == vrf || each.second->directory == directory; });
    if (known) return;
    Spec spec;
    spec.facts.name = vrf;
    spec.directory = directory;
    auto entry = entry_of(spec);
    entry->mirror = mirror_of(*entry);
    entry->phase = Phase::following;
    entries_[vrf] = std::move(entry);
  }

  static std::shared_ptr<Entry> entry_of(const Spec& spec) {
    auto entry = std::make_shared<Entry>();
    entry->name = spec.facts.name;
    entry->directory = spec.directory;
    entry->spec = spec;
    return entry;
  }

  [[nodiscard]] std::unique_ptr<Mirror> mirror_of(const Entry& entry) const {
    return std::make_unique<Mirror>(Mirror::Parts{
        .store = parts_.store,
        .vrf = entry.name,
        .directory = entry.directory,
        .machine = parts_.machine,
        .clock = parts_.clock,
        .tell = [this, vrf = entry.name](std::string text) { tell(true, vrf, std::move(text)); }});
  }

  void do_job(const std::shared_ptr<Entry>& entry) {
    Spec spec;
    Phase phase{};
    {
      const std::scoped_lock lock(mutex_);
      spec = entry->spec;
      phase = entry->phase;
    }
    const std::scoped_lock running(entry->run);
    if (phase == Phase::preparing) {
      auto ready = prepare(spec);
      const std::scoped_lock lock(mutex_);
      entry->queued = false;
      entry->error = ready ? "" : ready.error().message;
      if (ready) {
        entry->mirror = mirror_of(*entry);
        entry->phase = Phase::following;
        entry->confirmed = true;
      }
    } else if (phase == Phase::ending) {
      end(entry, spec);
    } else {
      const std::scoped_lock lock(mutex_);
      entry->queued = false;
    }
    look_again();
    parts_.changed();
  }

  // Whether there is what an engine has left to go on with.
  std::expected<bool, Error> used_folder(const Spec& spec) const {
    const auto owner = owner_of(parts_.user);
    if (!owner) return std::unexpected(owner.error());
    const auto folder = open_folder(spec.directory, *owner);
    if (!folder) return std::unexpected(folder.error());
    return in_use(spec.directory, folder->get());
  }

  std::expected<void, Error> prepare(const Spec& spec) {
    const auto owner = owner_of(parts_.user);
    if (!owner) return std::unexpected(owner.error());
    const auto left = leases::take_over_kea(
        parts_.store,
        {.facts = spec.facts, .directory = spec.kea_directory, .uid = 0, .gid = 0, .shared = false});
    if (!left) return std::unexpected(left.error());
    if (!left->queue_trouble.empty()) tell(left->queue_damaged, spec.facts.name, left->queue_trouble);
    const SeedJob job{.vrf = spec.facts.name,
                      .directory = spec.directory,
                      .owner = *owner,
                      .grace_s = parts_.grace_s,
                      .clock = parts_.clock()};
    const auto seeded = seed(parts_.store, job);
    if (!seeded) return std::unexpected(seeded.error());
    const Position begins{.machine = parts_.machine,
                          .directory = spec.directory,
                          .ended = false,
                          .tail = seeded->begins,
                          .ahead_ms = unix_ahead_ms(engine_clock(job.clock), job.clock)};
    if (auto done = write_position(parts_.store, spec.facts.name, begins); !done)
      return std::unexpected(Error(done.error().error).in("cannot write to the store"));
    tell_seeded(spec.facts.name, *seeded);
    return {};
  }

  void tell_seeded(const std::string& vrf, const Seeded& seeded) const {
    tell(false, vrf,
         "the native engine begins with " + std::to_string(seeded.leases) + " leases of the store" +
             (seeded.expired == 0 ? "" : ", " + std::to_string(seeded.expired) + " of them over") +
             (seeded.declined == 0 ? "" : ", " + std::to_string(seeded.declined) + " of them declined"));
    if (seeded.left_out != 0)
      tell(true, vrf,
           std::to_string(seeded.left_out) +
               " leases are of clients that the native engine does not serve: they stay in the store until "
               "they are over, the first: " +
               seeded.first_left_out);
    if (seeded.cut != 0)
      tell(true, vrf,
           std::to_string(seeded.cut) +
               " leases have a hostname, circuit-id or remote-id of over 255 bytes: the native engine has "
               "them without it, the first: " +
               seeded.first_cut);
    if (seeded.bad != 0)
      tell(true, vrf,
           std::to_string(seeded.bad) +
               " values of the store are no leases and were left out, the first: " + seeded.first_bad);
  }

  // Under entry->run.
  void end(const std::shared_ptr<Entry>& entry, const Spec& spec) {
    const auto ended = take_rest(*entry, spec);
    const std::scoped_lock lock(mutex_);
    entry->queued = false;
    note(*entry);
    if (entry->phase != Phase::ending) {
      // Wanted again meanwhile. What is marked as ended begins with what the store has.
      if (!ended) return;
      entry->phase = Phase::preparing;
      entry->confirmed = false;
      entry->mirror.reset();
      add_job(entry);
      return;
    }
    entry->error = ended ? "" : ended.error().message;
    if (!ended) return add_job(entry, kRetry);
    const auto found = entries_.find(entry->name);
    if (found != entries_.end() && found->second == entry) entries_.erase(found);
  }

  std::expected<void, Error> take_rest(Entry& entry, const Spec& spec) {
    std::error_code error;
    if (!std::filesystem::exists(entry.directory, error) && !error) {
      tell(true, entry.name,
           entry.directory + " is gone: leases that were in it only, and not in the store, are lost");
      if (auto done = erase_position(parts_.store, entry.name); !done)
        return std::unexpected(Error(done.error().error).in("cannot write to the store"));
      return {};
    }
    for (bool more = true; more;) {
      if (!still_ending(entry)) return std::unexpected(Error{"it was put off"});
      const auto stepped = entry.mirror->step(spec.facts);
      if (!stepped) return std::unexpected(stepped.error());
      more = *stepped;
    }
    if (auto done = entry.mirror->conclude(); !done) return done;
    // The folder first: once a Kea may have made leases, it must not count any more.
    const Fd folder(::open(entry.directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder) return std::unexpected(errno_error("cannot open " + entry.directory));
    if (auto done = end_folder(folder.get()); !done)
      return std::unexpected(std::move(done.error()).in(entry.directory));
    if (auto done = entry.mirror->end(); !done) return done;
    tell(false, entry.name, "all leases of the native engine are in the store");
    return {};
  }

  bool still_ending(const Entry& entry) const {
    const std::scoped_lock lock(mutex_);
    return !stopping_ && entry.phase == Phase::ending;
  }

  // ---- following ----

  void follow(FolderWatch& watch, bool urgent) {
    std::set<std::string> due;
    Clock::time_point all_at{};
    for (;;) {
      std::vector<std::shared_ptr<Entry>> mine;
      {
        const std::scoped_lock lock(mutex_);
        if (stopping_) return;
        for (const auto& [name, entry] : entries_)
          if (entry->phase == Phase::following && entry->spec.urgent == urgent) mine.push_back(entry);
      }
      watch.keep(directories_of(mine));
      const bool all = Clock::now() >= all_at;
      if (all) all_at = Clock::now() + kTick;
      std::set<std::string> again;
      const Clock::time_point began = Clock::now();
      const std::chrono::nanoseconds waited = waited_for_cpu();
      for (const std::shared_ptr<Entry>& entry : mine)
        if ((all || due.contains(entry->directory)) && look_at(entry)) again.insert(entry->directory);
      const auto took = Clock::now() - began;
      const bool cpus_are_short = (waited_for_cpu() - waited) * kShort > took;
      const auto rest =
          std::chrono::floor<std::chrono::milliseconds>(cpus_are_short ? took * kRest : took * 0);
      due = watch.wait(again.empty() ? kTick : std::chrono::milliseconds(0),
                       urgent ? std::chrono::milliseconds(0) : std::max(kPause, rest));
      due.merge(again);
    }
  }

  static std::set<std::string> directories_of(const std::vector<std::shared_ptr<Entry>>& entries) {
    std::set<std::string> directories;
    for (const std::shared_ptr<Entry>& entry : entries) directories.insert(entry->directory);
    return directories;
  }

  // Whether there is more.
  bool look_at(const std::shared_ptr<Entry>& entry) {
    const std::unique_lock running(entry->run, std::try_to_lock);
    if (!running) return false;
    leases::VrfFacts facts;
    {
      const std::scoped_lock lock(mutex_);
      if (entry->phase != Phase::following) return false;
      facts = entry->spec.facts;
    }
    const auto more = entry->mirror->step(facts);
    bool news = false;
    std::string trouble = more ? "" : more.error().message;
    {
      const std::scoped_lock lock(mutex_);
      news = note(*entry) || trouble != entry->trouble;
      std::swap(entry->trouble, trouble);
    }
    if (!more && more.error().message != trouble)
      tell(true, entry->name, "its journal does not get into the store: " + more.error().message);
    else if (more && !trouble.empty())
      tell(false, entry->name, "its journal gets into the store again");
    if (news) parts_.changed();
    return more.value_or(false);
  }

  // Under both locks. Whether the store has more than before.
  static bool note(Entry& entry) {
    if (!entry.mirror) return false;
    const auto stored = entry.mirror->stored();
    const bool news = stored && (!entry.knows || *stored != entry.stored);
    entry.knows = stored.has_value();
    entry.stored = stored.value_or(entry.stored);
    entry.records = entry.mirror->records();
    entry.restarts = entry.mirror->restarts();
    return news;
  }

  Parts parts_;
  mutable std::mutex mutex_;
  std::condition_variable wanted_;
  std::map<std::string, std::shared_ptr<Entry>> entries_;  // by the VRF's name
  std::deque<Job> jobs_;
  bool stopping_ = false;
  FolderWatch low_;
  FolderWatch urgent_;
  std::thread worker_;
  std::thread low_thread_;
  std::thread urgent_thread_;
};

Natives::Natives(Parts parts) : impl_(std::make_unique<Impl>(std::move(parts))) {}
Natives::~Natives() = default;
std::expected<void, Error> Natives::ensure(const Spec& spec) { return impl_->ensure(spec); }
std::expected<void, Error> Natives::finish(const std::string& vrf) { return impl_->finish(vrf); }
std::vector<Status> Natives::status() const { return impl_->status(); }

}  // namespace xk::natives
