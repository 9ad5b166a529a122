#include "dataplane/pipeline/native_keeper.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace xk {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kRetryEvery = std::chrono::seconds(1);
constexpr auto kRecoverAgainAfter = std::chrono::seconds(5);
constexpr auto kLookEvery = std::chrono::seconds(1);
constexpr auto kSnapshotAgainAfter = std::chrono::minutes(1);
constexpr int kSleepMs = 1000;
constexpr int kRetrySleepMs = 200;
// The machine's clock was set by so much: a new header says so.
constexpr std::int64_t kClockStepMs = 2000;
// More than that are kept for a store that does not follow: it reads the snapshot then.
constexpr std::size_t kEndedMax = 16;
// So many journals are worth a snapshot whatever is in them: each start begins one.
constexpr std::size_t kJournalsMax = 8;

// The revision of the last of whole records.
std::uint64_t last_revision(Bytes records, std::uint32_t salt) {
  JournalRecord record;
  std::size_t size = 0;
  std::size_t at = 0;
  std::size_t last = 0;
  while (at + 6 <= records.size()) {
    last = at;
    at += std::size_t{records[at + 4]} | std::size_t{records[at + 5]} << 8;
  }
  return read_record(records.subspan(last), record, size, salt) == RecordRead::whole ? record.revision : 0;
}

EngineClock engine_clock(const MachineTime& now, std::uint64_t clock_ms) {
  return {.boot_id = now.boot_id,
          .boot_ms = now.boot_ms,
          .wall_ms = now.wall_ms,
          .engine_ms = now.boot_ms + clock_ms};
}

std::int64_t wall_less_boot(const MachineTime& now) {
  return static_cast<std::int64_t>(now.wall_ms - now.boot_ms);
}

}  // namespace

NativeKeeper::NativeKeeper(Options options) : options_(std::move(options)) {
  wake_fd_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  writer_ = std::thread([this] {
    become_thread("xk-journal");
    write_journals();
  });
}

NativeKeeper::~NativeKeeper() {
  stop_.store(true);
  wake();
  writer_.join();
}

void NativeKeeper::wake() const {
  const std::uint64_t one = 1;
  (void)!write(wake_fd_.get(), &one, sizeof one);
}

std::vector<NativeKeeper::KeptPointer> NativeKeeper::all_kept() {
  const std::lock_guard lock(mutex_);
  return kept_;
}

// ---- the control thread's ------------------------------------------------------------------------------

void NativeKeeper::take(std::shared_ptr<NativeHost> host, std::shared_ptr<const NativePlanInForce> plan) {
  auto kept = std::make_shared<Kept>();
  kept->host = std::move(host);
  kept->plan = std::move(plan);
  {
    const std::lock_guard lock(mutex_);
    kept_.push_back(kept);
  }
  recoverer_.give([this, kept] { recover(kept); });
}

void NativeKeeper::release(const std::shared_ptr<NativeHost>& host, std::chrono::milliseconds at_most) {
  std::unique_lock lock(mutex_);
  const auto is_it = [&](const KeptPointer& kept) { return kept->host == host; };
  const auto found = std::ranges::find_if(kept_, is_it);
  if (found == kept_.end()) return;
  (*found)->closing.store(true);
  wake();
  closed_one_.wait_for(lock, at_most, [&] { return std::ranges::none_of(kept_, is_it); });
}

NativeStatus NativeKeeper::status_of(Kept& kept) {
  const NativeHost& host = *kept.host;
  NativeStatus status{.vrf = host.vrf,
                      .state = host.state.load(),
                      .revision = host.durable.load(),
                      .journal = 0,
                      .clock_ms = host.clock_ms.load(),
                      .leases = host.leased.load(),
                      .declined = host.declined.load(),
                      .bytes = host.bytes.load(),
                      .error = {}};
  const std::lock_guard lock(kept.mutex);
  status.journal = kept.number;
  status.error = kept.error.empty() ? kept.remarks : kept.error;
  return status;
}

std::vector<NativeStatus> NativeKeeper::statuses() {
  std::vector<NativeStatus> statuses;
  const std::lock_guard lock(mutex_);
  for (const KeptPointer& kept : kept_) statuses.push_back(status_of(*kept));
  statuses.insert(statuses.end(), closed_.begin(), closed_.end());
  closed_.clear();
  return statuses;
}

// ---- the writer ----------------------------------------------------------------------------------------

void NativeKeeper::write_journals() {
  while (!stop_.load(std::memory_order_relaxed)) {
    bool worked = false;
    for (const KeptPointer& kept : all_kept()) {
      if (kept->ready.load(std::memory_order_acquire))
        worked |= write_one(kept);
      else if (!kept->recovering.load() && (Clock::now() >= kept->retry || kept->closing.load()))
        recover_again(kept);
    }
    if (!worked) wait_for_records();
  }
  // What was recorded until now is written, as far as that can be.
  for (const KeptPointer& kept : all_kept())
    if (kept->ready.load(std::memory_order_acquire)) (void)write_one(kept);
}

void NativeKeeper::recover_again(const KeptPointer& kept) {
  kept->retry = Clock::now() + kRecoverAgainAfter;
  kept->recovering.store(true);
  recoverer_.give([this, kept] { recover(kept); });
}

// The flag is set before the last look at the rings; loops fill them before they look at the flag.
void NativeKeeper::wait_for_records() {
  sleeping_.store(true, std::memory_order_seq_cst);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  bool waits = stop_.load(std::memory_order_relaxed);
  bool failing = false;
  for (const KeptPointer& kept : all_kept()) {
    if (!kept->ready.load(std::memory_order_acquire)) continue;
    failing = failing || !kept->writer;
    waits = waits || kept->closing.load() || (kept->writer && !kept->host->records.empty());
  }
  if (!waits) {
    pollfd fd{wake_fd_.get(), POLLIN, 0};
    poll(&fd, 1, failing ? kRetrySleepMs : kSleepMs);
  }
  sleeping_.store(false, std::memory_order_relaxed);
  std::uint64_t woken = 0;
  (void)!read(wake_fd_.get(), &woken, sizeof woken);
}

// What waits goes into the backlog, which is bounded: what stays in the ring fills that. Once around the
// ring at most: a loop may record as fast as this gathers, and nothing would ever be written.
void NativeKeeper::gather(Kept& kept) const {
  for (int pieces = 0; pieces < 2 && kept.backlog.size() < options_.backlog_bytes_max; ++pieces) {
    const Bytes records = kept.host->records.peek();
    if (records.empty()) return;
    kept.backlog.insert(kept.backlog.end(), records.begin(), records.end());
    kept.revision = last_revision(records, kept.host->records.salt());
    kept.host->records.take(records.size());
  }
}

std::expected<void, Error> NativeKeeper::append_and_sync(Kept& kept) {
  if (kept.appended < kept.backlog.size())
    if (auto appended = kept.writer->append(Bytes(kept.backlog).subspan(kept.appended)); !appended)
      return appended;
  kept.appended = kept.backlog.size();
  return kept.writer->sync();
}

// True: there was something to do.
bool NativeKeeper::write_one(const KeptPointer& pointer) {
  Kept& kept = *pointer;
  NativeHost& host = *kept.host;
  // Before there is anything to write: where loops record all the time there is something ever after.
  if (Clock::now() >= kept.look_again) look_after(pointer);
  gather(kept);
  if (!kept.writer) {
    if (Clock::now() < kept.retry && !kept.closing.load()) return false;
    if (auto begun = begin_journal(kept); !begun) {
      fail(kept, begun.error());
      if (kept.closing.load()) close(pointer);
      return false;
    }
  }
  if (kept.backlog.empty() && host.state.load() == NativeState::serving) {
    if (!kept.closing.load()) return false;
    close(pointer);
    return true;
  }
  if (auto written = append_and_sync(kept); !written) {
    fail(kept, written.error());
    if (kept.closing.load()) close(pointer);
    return true;
  }
  kept.backlog.clear();
  kept.appended = 0;
  if (kept.revision != 0) host.durable.store(kept.revision, std::memory_order_seq_cst);
  if (host.state.load() == NativeState::failing) {
    const std::lock_guard lock(kept.mutex);
    kept.error.clear();
    host.state.store(NativeState::serving);
  }
  options_.on_durable();
  return true;
}

// What the journal was given since its last sync may be lost: it is kept, and goes into another one.
void NativeKeeper::fail(Kept& kept, const Error& error) {
  if (kept.writer) kept.writer->remove_unless_used();
  kept.writer.reset();
  kept.appended = 0;
  kept.retry = Clock::now() + kRetryEvery;
  {
    const std::lock_guard lock(kept.mutex);
    kept.error = error.message;
  }
  kept.host->state.store(NativeState::failing);
  options_.on_durable();
}

std::expected<void, Error> NativeKeeper::begin_journal(Kept& kept) {
  const MachineTime now = machine_time();
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(kept.mutex);
    number = ++kept.number;
  }
  kept.wall_less_boot_ms = wall_less_boot(now);
  auto writer = JournalWriter::create(kept.host->directory,
                                      JournalHeader{.kind = JournalFileKind::journal,
                                                    .number = number,
                                                    .revision = kept.host->durable.load(),
                                                    .clock = engine_clock(now, kept.host->clock_ms.load()),
                                                    .salt = kept.host->records.salt()});
  if (!writer) return std::unexpected(std::move(writer.error()));
  kept.ended.push_back({number - 1, kept.host->durable.load()});
  kept.writer = std::move(*writer);
  kept.appended = 0;
  return {};
}

// About every second: the journal is not too long, and its header knows the machine's clock.
void NativeKeeper::look_after(const KeptPointer& pointer) {
  Kept& kept = *pointer;
  kept.look_again = Clock::now() + kLookEvery;
  tidy(kept);
  if (!kept.writer || !kept.backlog.empty()) return;
  if (!kept.writer->is_there()) {
    const Error removed{kept.host->directory +
                        ": the journal was removed; leases that are not in the store are lost when the "
                        "engine ends"};
    {
      const std::lock_guard lock(kept.mutex);
      kept.remarks = removed.message;
    }
    return fail(kept, removed);
  }
  std::uint64_t enough = options_.journal_bytes_max;
  std::uint64_t snapshot = 0;
  bool may_snapshot = false;
  {
    const std::lock_guard lock(kept.mutex);
    if (kept.snapshotting) return;
    enough = std::max(enough, kept.snapshot_bytes);
    snapshot = kept.snapshot;
    may_snapshot = Clock::now() >= kept.snapshot_retry;
  }
  const std::int64_t step = wall_less_boot(machine_time()) - kept.wall_less_boot_ms;
  const bool too_long = kept.writer->bytes() >= enough;
  // Those that are in the snapshot wait for the store: another one would not rid us of them.
  const auto beyond =
      std::ranges::count_if(kept.ended, [&](const Ended& each) { return each.number >= snapshot; });
  const bool too_many = kept.ended.size() > kJournalsMax && beyond > 1;
  const bool due = may_snapshot && (too_long || too_many);
  if (!due && std::abs(step) < kClockStepMs) return;
  if (auto begun = begin_journal(kept); !begun) return fail(kept, begun.error());
  if (!due) return;
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(kept.mutex);
    kept.snapshotting = true;
    number = kept.number;
  }
  compactor_.give([this, pointer, number] { make_snapshot(pointer, number); });
}

// Journals that a snapshot and the store have are removed.
void NativeKeeper::tidy(Kept& kept) {
  std::uint64_t snapshot = 0;
  {
    const std::lock_guard lock(kept.mutex);
    snapshot = kept.snapshot;
  }
  const std::uint64_t stored = kept.host->stored.load();
  std::uint64_t below = 0;
  std::size_t gone = 0;
  for (const Ended& ended : kept.ended) {
    const bool too_many = kept.ended.size() - gone > kEndedMax;
    if (ended.number >= snapshot || (ended.revision > stored && !too_many)) break;
    below = ended.number + 1;
    ++gone;
  }
  if (gone == 0) return;
  kept.ended.erase(kept.ended.begin(), kept.ended.begin() + static_cast<std::ptrdiff_t>(gone));
  remove_journals(kept.host->directory, below);
}

void NativeKeeper::close(const KeptPointer& kept) {
  if (kept->host->state.load() != NativeState::broken) kept->host->state.store(NativeState::closed);
  const std::lock_guard lock(mutex_);
  NativeStatus status = status_of(*kept);
  if (!kept->backlog.empty())
    status.error +=
        "; records that could not be written are lost: " + std::to_string(kept->backlog.size()) + " bytes";
  closed_.push_back(std::move(status));
  kept->ready.store(false);
  std::erase(kept_, kept);
  closed_one_.notify_all();
}

// ---- the others ---------------------------------------------------------------------------------------

// One that was released, and whose disk stands still, may still write in the folder: what it writes is waited
// for.
bool NativeKeeper::is_written_elsewhere(Kept& kept) {
  {
    const std::lock_guard lock(mutex_);
    const auto is_another = [&](const KeptPointer& each) {
      return each.get() != &kept && each->closing.load() && each->host->directory == kept.host->directory;
    };
    if (std::ranges::none_of(kept_, is_another)) return false;
  }
  const std::lock_guard lock(kept.mutex);
  kept.error = kept.host->directory + ": the engine that had it before has not closed its journal yet";
  kept.retry = Clock::now() + kRetryEvery;
  return true;
}

void NativeKeeper::recover(const KeptPointer& kept) {
  NativeHost& host = *kept->host;
  if (kept->closing.load()) {
    close(kept);
    return;
  }
  if (is_written_elsewhere(*kept)) {
    kept->recovering.store(false);
    return;
  }
  remove_unfinished(host.directory);
  host.engine.reset();
  host.engine.adopt(kept->plan->plan);
  const auto recovered = recover_journals(host.directory, machine_time(),
                                          [&](const JournalRecord& record) { host.engine.restore(record); });
  if (!recovered) {
    {
      const std::lock_guard lock(kept->mutex);
      kept->error = recovered.error().message;
    }
    host.state.store(NativeState::broken);
    kept->recovering.store(false);
    return;
  }
  host.engine.adopt(kept->plan->plan);
  host.engine.set_revision(recovered->revision);
  host.plan_serial = kept->plan->serial;
  host.clock_ms.store(recovered->clock_ms);
  host.durable.store(recovered->revision);
  host.leased.store(host.engine.leases().leased());
  host.declined.store(host.engine.leases().declined());
  host.bytes.store(host.engine.leases().bytes());
  kept->revision = recovered->revision;
  if (const auto folder = list_journal_folder(host.directory); folder) {
    for (const std::uint64_t number : folder->journals) kept->ended.push_back({number, recovered->revision});
    kept->snapshot = folder->snapshots.empty() ? 0 : folder->snapshots.back();
  }
  {
    const std::lock_guard lock(kept->mutex);
    kept->number = recovered->next_number - 1;
    kept->snapshot_bytes = recovered->bytes;
    kept->error.clear();
    kept->remarks = recovered->remarks;
  }
  if (auto begun = begin_journal(*kept); begun)
    host.state.store(NativeState::serving);
  else
    fail(*kept, begun.error());
  kept->ready.store(true, std::memory_order_release);
  wake();
  options_.on_durable();
}

// Where it cannot be made there are more journals to read: no more than that.
void NativeKeeper::make_snapshot(const KeptPointer& kept, std::uint64_t number) {
  const EngineClock clock = engine_clock(machine_time(), kept->host->clock_ms.load());
  const auto made = make_journal_snapshot(kept->host->directory, number, clock, kept->host->records.salt());
  const std::lock_guard lock(kept->mutex);
  kept->snapshotting = false;
  if (!made) {
    kept->remarks = "no snapshot could be made: " + made.error().message;
    kept->snapshot_retry = Clock::now() + kSnapshotAgainAfter;
    return;
  }
  kept->snapshot = number;
  kept->snapshot_bytes = made->bytes;
  if (!made->remarks.empty()) kept->remarks = made->remarks;
}

}  // namespace xk
