#include "controlplane/store/embedded.h"

#include <algorithm>
#include <random>

#include "controlplane/store/answer.h"
#include "controlplane/store/check.h"
#include "controlplane/store/embedded_store.h"

namespace xk::store {
namespace {

constexpr std::size_t kQueuedBytesMax = std::size_t{512} << 20;

std::size_t bytes_of(const Transaction& transaction) {
  std::size_t bytes = 256;
  for (const auto& compare : transaction.when) bytes += 128 + compare.key.size() + compare.value.size();
  for (const auto* operations : {&transaction.then, &transaction.otherwise}) {
    for (const auto& operation : *operations) bytes += 128 + operation.key.size() + operation.value.size();
  }
  return bytes;
}

SessionId random_session() {
  std::random_device device;
  std::uniform_int_distribution<SessionId> any(1, INT64_MAX);
  return any(device);
}

}  // namespace

StoreResult<std::unique_ptr<Store>> open_embedded(const EmbeddedOptions& options, std::string* repaired) {
  return open_embedded_on(options, nullptr, repaired);
}

StoreResult<std::unique_ptr<Store>> open_embedded_on(const EmbeddedOptions& options,
                                                     std::shared_ptr<rocksdb::FileSystem> files,
                                                     std::string* repaired, const EmbeddedSizes& sizes) {
  Disk::Place place{options.directory, std::move(files), sizes};
  std::string mended;
  auto disk = Disk::open(place, mended);
  if (repaired != nullptr) *repaired = mended;
  if (!disk && !options.begin_unavailable) return std::unexpected(std::move(disk.error()));
  auto store = std::make_unique<EmbeddedStore>(options, std::move(place), disk ? std::move(*disk) : nullptr,
                                               std::move(mended));
  const auto started = disk ? store->start() : store->start_without(disk.error());
  if (started) return store;
  return std::unexpected(started.error());
}

EmbeddedStore::EmbeddedStore(EmbeddedOptions options, Disk::Place place, std::unique_ptr<Disk> disk,
                             std::string repaired)
    : options_(std::move(options)),
      place_(std::move(place)),
      disk_(std::move(disk)),
      repaired_(std::move(repaired)),
      watches_([this](Revision from, const Span& span) -> StoreResult<LogPage> {
        const std::shared_lock guard(disk_mutex_);
        if (!disk_)
          return std::unexpected(StoreError{Fault::unavailable, {"the store is closed for repair"}});
        return read_events(*disk_, horizon_, from, span);
      }) {}

StoreResult<> EmbeddedStore::start() {
  if (auto adopted = adopt(); !adopted) {
    if (!options_.begin_unavailable) return adopted;
    disk_.reset();
    return start_without(adopted.error());
  }
  writer_ = std::thread([this] { run(); });
  return {};
}

StoreResult<> EmbeddedStore::start_without(const StoreError& why) {
  set_trouble(why);
  writer_ = std::thread([this] { run(); });
  return {};
}

EmbeddedStore::~EmbeddedStore() {
  {
    const std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (writer_.joinable()) writer_.join();
  watches_.stop();
}

void EmbeddedStore::submit(Job job) {
  const std::size_t bytes = bytes_of(job.transaction);
  {
    const std::lock_guard guard(mutex_);
    if (queued_bytes_ + bytes > kQueuedBytesMax) {
      job.refusal = StoreError{Fault::unavailable, {"too much waits to be written to " + options_.directory}};
      job.transaction = {};
    } else {
      queued_bytes_ += bytes;
    }
    ++unanswered_;
    queue_.push_back(std::move(job));
  }
  wake_.notify_one();
}

StoreResult<> EmbeddedStore::submit_and_wait(Job job, const char* what) {
  const auto answer = std::make_shared<Answer<Committed>>();
  job.done = [answer](StoreResult<Committed> result) { answer->give(std::move(result)); };
  submit(std::move(job));
  auto result = answer->wait(options_.call_timeout, what);
  if (!result) return std::unexpected(std::move(result.error()));
  return {};
}

void EmbeddedStore::commit(Transaction transaction, OnCommitted done) {
  Job job;
  job.refusal = refusal_of(transaction);
  job.transaction = std::move(transaction);
  job.done = std::move(done);
  submit(std::move(job));
}

StoreResult<Page> EmbeddedStore::range(const Range& range) {
  if (auto bad = refusal_of(range)) return std::unexpected(std::move(*bad));
  const std::shared_lock guard(disk_mutex_);
  if (!disk_) {
    const std::lock_guard inner(mutex_);
    return std::unexpected(StoreError{trouble_fault_, {trouble_}});
  }
  return read_range(*disk_, horizon_, range);
}

StoreResult<std::unique_ptr<Watch>> EmbeddedStore::watch(std::string from_key, std::string to_key,
                                                         Revision from, OnEvents call) {
  if (auto bad = refusal_of_span(from_key, to_key)) return std::unexpected(std::move(*bad));
  if (from < 0) return std::unexpected(StoreError{Fault::rejected, {"a watch from a negative revision"}});
  if (from == 0) from = horizon_.newest + 1;
  return watches_.add({std::move(from_key), std::move(to_key)}, from, std::move(call));
}

StoreResult<SessionId> EmbeddedStore::open_session(std::chrono::seconds time_to_live) {
  if (time_to_live.count() < 1) {
    return std::unexpected(StoreError{Fault::rejected, {"a session lives a second or longer"}});
  }
  Job job;
  job.kind = Job::Kind::open_session;
  job.number = random_session();
  job.seconds = time_to_live.count();
  const SessionId session = job.number;
  if (auto done = submit_and_wait(std::move(job), "the opening of a session"); !done) {
    return std::unexpected(std::move(done.error()));
  }
  return session;
}

StoreResult<> EmbeddedStore::keep_alive(SessionId session, std::chrono::milliseconds /*time*/) {
  const std::lock_guard guard(mutex_);
  const auto found = sessions_.find(session);
  if (found == sessions_.end() || found->second.ending || found->second.deadline <= Clock::now()) {
    return std::unexpected(StoreError{Fault::ended, {"the session " + std::to_string(session) + " is over"}});
  }
  found->second.deadline = Clock::now() + found->second.time_to_live;
  return {};
}

StoreResult<> EmbeddedStore::close_session(SessionId session) {
  Job job;
  job.kind = Job::Kind::end_session;
  job.number = session;
  return submit_and_wait(std::move(job), "the closing of a session");
}

StoreResult<> EmbeddedStore::compact(Revision revision) {
  Job job;
  job.kind = Job::Kind::compact;
  job.number = revision;
  return submit_and_wait(std::move(job), "the compaction");
}

Health EmbeddedStore::health() const {
  const std::lock_guard guard(mutex_);
  Health out;
  out.backend = "embedded";
  out.where = options_.directory;
  out.trouble = trouble_;
  out.repaired = repaired_;
  if (out.trouble.empty() && busy_since_ != Clock::time_point{}) {
    const auto busy = Clock::now() - busy_since_;
    if (busy > options_.call_timeout) {
      out.trouble = "the disk of " + options_.directory + " has not finished a write for " +
                    std::to_string(std::chrono::duration_cast<std::chrono::seconds>(busy).count()) + " s";
    }
  }
  out.available = out.trouble.empty();
  if (out.available) out.trouble = history_.trouble();
  out.revision = horizon_.newest;
  out.queued = unanswered_;
  out.commits = commits_;
  out.syncs = syncs_;
  out.failures = failures_;
  return out;
}

}  // namespace xk::store
