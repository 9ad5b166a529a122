// The writer thread of the embedded store.
#include <algorithm>

#include "controlplane/store/embedded_store.h"
#include "controlplane/store/encoding.h"

namespace xk::store {
namespace {

// A larger batch would let its first ones wait longer, and not be cheaper for each.
constexpr std::size_t kBatchTransactionsMax = 4096;
constexpr std::size_t kBatchBytesMax = std::size_t{2} << 20;
constexpr std::size_t kCollectedAtOnce = 2048;
constexpr std::chrono::milliseconds kFirstPause{200};
constexpr std::chrono::seconds kLongestPause{2};
constexpr std::chrono::hours kNever{1};

bool erases_range(const std::vector<Operation>& operations) {
  return std::ranges::any_of(operations, [](const Operation& operation) {
    return operation.kind == Operation::Kind::erase && !operation.range_end.empty();
  });
}

}  // namespace

StoreResult<> EmbeddedStore::adopt() {
  const auto newest = disk_->number("revision");
  if (!newest) return std::unexpected(newest.error());
  if (auto loaded = history_.load(*disk_, horizon_); !loaded) return loaded;
  std::map<SessionId, Session> found;
  const auto meta = disk_->all(disk_->meta());
  for (meta->Seek("s"); meta->Valid() && meta->key().starts_with("s"); meta->Next()) {
    const auto session = read_session_key(meta->key().ToStringView());
    const auto seconds = read_number(meta->value().ToStringView());
    if (!session || !seconds) return std::unexpected(corrupt_record("a session"));
    found[*session] = {std::chrono::seconds(*seconds), Clock::now() + std::chrono::seconds(*seconds), false};
  }
  if (!meta->status().ok()) return std::unexpected(disk_error("read the sessions", meta->status()));
  const Revision before = horizon_.newest;
  if (*newest < before) {
    return std::unexpected(corrupt_record("revision " + std::to_string(before) +
                                          " was on the disk, and only " + std::to_string(*newest) +
                                          " is now"));
  }
  horizon_.newest = *newest;
  live_sessions_.clear();
  {
    const std::lock_guard guard(mutex_);
    for (auto& [session, state] : found) {
      const auto known = sessions_.find(session);
      if (known != sessions_.end()) state = known->second;
      live_sessions_.insert(session);
    }
    sessions_ = std::move(found);
  }
  watches_.publish(before + 1, *newest, nullptr);
  return {};
}

void EmbeddedStore::wait(std::unique_lock<std::mutex>& lock) {
  const bool garbage = trouble_.empty() && history_.has_garbage(horizon_);
  auto until = trouble_.empty() ? Clock::now() + kNever : next_try_;
  if (trouble_.empty()) {
    for (const auto& [session, state] : sessions_) until = std::min(until, state.deadline);
  }
  if (garbage) return;
  wake_.wait_until(lock, until, [this] { return stopping_ || !queue_.empty(); });
}

void EmbeddedStore::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wait(lock);
    std::vector<Job> jobs;
    jobs.swap(queue_);
    queued_bytes_ = 0;
    if (trouble_.empty()) add_expired(jobs);
    lock.unlock();
    work(std::move(jobs));
    lock.lock();
  }
  std::vector<Job> jobs;
  jobs.swap(queue_);
  lock.unlock();
  fail_all(jobs, {Fault::ended, {"the store was closed"}});
}

void EmbeddedStore::add_expired(std::vector<Job>& jobs) {
  const auto now = Clock::now();
  for (auto& [session, state] : sessions_) {
    if (state.deadline > now) continue;
    state.ending = true;
    Job job;
    job.kind = Job::Kind::end_session;
    job.number = session;
    ++unanswered_;
    jobs.push_back(std::move(job));
  }
}

void EmbeddedStore::work(std::vector<Job> jobs) {
  if (!trouble_.empty() && Clock::now() >= next_try_) recover();
  std::size_t done = 0;
  while (done < jobs.size() && trouble_.empty()) done += work_together(jobs, done);
  if (done < jobs.size()) {
    jobs.erase(jobs.begin(), jobs.begin() + static_cast<std::ptrdiff_t>(done));
    fail_all(jobs, {trouble_fault_, {trouble_}});
  }
  if (jobs.empty() && trouble_.empty() && history_.has_garbage(horizon_)) {
    Batch batch(*disk_, horizon_.newest, false);
    if (auto written = write(batch); !written) set_trouble(written.error());
  }
}

std::size_t EmbeddedStore::work_together(std::vector<Job>& jobs, std::size_t first) {
  Batch batch(*disk_, horizon_.newest, watches_.any());
  std::vector<Answered> answers;
  std::size_t next = first;
  while (next < jobs.size() && answers.size() < kBatchTransactionsMax &&
         batch.writes().GetDataSize() < kBatchBytesMax) {
    Job& job = jobs[next];
    const bool reads_ranges = job.kind == Job::Kind::end_session || erases_range(job.transaction.then) ||
                              erases_range(job.transaction.otherwise);
    if (reads_ranges && next > first) break;
    answers.push_back({std::move(job.done), add(batch, job)});
    ++next;
  }
  const auto written = batch.writes().Count() > 0 ? write(batch) : StoreResult<>();
  if (!written) {
    for (auto& answer : answers) {
      if (answer.result) answer.result = std::unexpected(written.error());
    }
    set_trouble(written.error());
  } else {
    for (std::size_t i = first; i < next; ++i) {
      if (answers[i - first].result) {
        settle(jobs[i]);
      } else if (jobs[i].kind == Job::Kind::end_session) {
        put_off(jobs[i].number);
      }
    }
  }
  {
    const std::lock_guard guard(mutex_);
    unanswered_ -= answers.size();
    for (const auto& answer : answers) ++(answer.result ? commits_ : failures_);
  }
  for (auto& answer : answers) {
    if (answer.done) answer.done(std::move(answer.result));
  }
  return next - first;
}

StoreResult<Committed> EmbeddedStore::add(Batch& batch, Job& job) {
  if (job.refusal) return std::unexpected(std::move(*job.refusal));
  switch (job.kind) {
    case Job::Kind::transaction:
      return batch.add(job.transaction, live_sessions_);
    case Job::Kind::open_session:
      batch.add_session(job.number, job.seconds);
      break;
    case Job::Kind::end_session:
      if (!live_sessions_.contains(job.number)) {
        return std::unexpected(
            StoreError{Fault::ended, {"the session " + std::to_string(job.number) + " is over"}});
      }
      return batch.end_session(job.number);
    case Job::Kind::compact:
      if (job.number > batch.newest()) {
        return std::unexpected(StoreError{Fault::rejected,
                                          {"cannot compact to the revision " + std::to_string(job.number) +
                                           ": the newest is " + std::to_string(batch.newest())}});
      }
      history_.compact(*disk_, job.number, horizon_, batch.writes());
      break;
  }
  return Committed{true, batch.newest()};
}

StoreResult<> EmbeddedStore::write(Batch& batch) {
  const Revision before = horizon_.newest;
  const Revision newest = batch.newest();
  if (newest != before) {
    batch.writes().Put(disk_->meta(), meta_key("revision"), write_number(newest)).PermitUncheckedError();
  }
  history_.keep(*disk_, newest, options_.keep_revisions, horizon_, batch.writes());
  const std::size_t limit =
      newest == before ? kCollectedAtOnce : 64 + 2 * static_cast<std::size_t>(newest - before);
  history_.collect(*disk_, horizon_, limit, batch.writes());
  {
    const std::lock_guard guard(mutex_);
    busy_since_ = Clock::now();
  }
  const auto status = disk_->write(batch.writes());
  {
    const std::lock_guard guard(mutex_);
    busy_since_ = {};
    if (status.ok()) ++syncs_;
  }
  if (!status.ok()) return std::unexpected(disk_error("write to the store in " + options_.directory, status));
  horizon_.newest = newest;
  if (newest != before) {
    watches_.publish(before + 1, newest,
                     batch.wants_events()
                         ? std::make_shared<const std::vector<Event>>(std::move(batch.events()))
                         : nullptr);
  }
  return {};
}

void EmbeddedStore::settle(const Job& job) {
  if (job.kind == Job::Kind::open_session) {
    live_sessions_.insert(job.number);
    const std::lock_guard guard(mutex_);
    const std::chrono::seconds time_to_live(job.seconds);
    sessions_[job.number] = {time_to_live, Clock::now() + time_to_live, false};
  } else if (job.kind == Job::Kind::end_session) {
    live_sessions_.erase(job.number);
    const std::lock_guard guard(mutex_);
    sessions_.erase(job.number);
  }
}

void EmbeddedStore::put_off(SessionId session) {
  const std::lock_guard guard(mutex_);
  const auto found = sessions_.find(session);
  if (found != sessions_.end() && found->second.ending) found->second.deadline = Clock::now() + kLongestPause;
}

void EmbeddedStore::fail_all(std::vector<Job>& jobs, const StoreError& error) {
  {
    const std::lock_guard guard(mutex_);
    unanswered_ -= jobs.size();
    failures_ += jobs.size();
  }
  for (auto& job : jobs) {
    if (job.done) job.done(std::unexpected(error));
  }
}

void EmbeddedStore::set_trouble(const StoreError& error) {
  pause_ =
      trouble_.empty() ? Clock::duration(kFirstPause) : std::min<Clock::duration>(2 * pause_, kLongestPause);
  next_try_ = Clock::now() + pause_;
  const std::lock_guard guard(mutex_);
  trouble_ = error.error.message;
  trouble_fault_ = error.fault;
}

// After a write that failed it is not known what of it is on the disk, nor what the kernel will still write:
// the database is closed and opened as after a crash. Until the disk takes writes again it stays open for
// those who read.
bool EmbeddedStore::recover() {
  if (auto why = why_not_writable(place_); !why.empty()) {
    set_trouble({Fault::unavailable, {std::move(why)}});
    return false;
  }
  StoreResult<> adopted;
  std::string repaired;
  {
    const std::unique_lock guard(disk_mutex_);
    disk_.reset();
    auto opened = Disk::open(place_, repaired);
    if (opened) {
      disk_ = std::move(*opened);
      adopted = adopt();
      if (!adopted) disk_.reset();
    } else {
      adopted = std::unexpected(std::move(opened.error()));
    }
  }
  if (!repaired.empty()) {
    const std::lock_guard guard(mutex_);
    repaired_ = std::move(repaired);
  }
  if (!adopted) {
    set_trouble(adopted.error());
    return false;
  }
  const std::lock_guard guard(mutex_);
  trouble_.clear();
  return true;
}

}  // namespace xk::store
