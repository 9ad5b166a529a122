// The embedded store: one writer thread takes what is queued, makes it durable with one sync, and answers.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <thread>

#include "controlplane/store/batch.h"
#include "controlplane/store/disk.h"
#include "controlplane/store/history.h"
#include "controlplane/store/reader.h"
#include "controlplane/store/store.h"
#include "controlplane/store/watches.h"

namespace xk::store {

class EmbeddedStore : public Store {
 public:
  EmbeddedStore(EmbeddedOptions options, Disk::Place place, std::unique_ptr<Disk> disk, std::string repaired);
  [[nodiscard]] StoreResult<> start();
  [[nodiscard]] StoreResult<> start_without(const StoreError& why);  // the disk is null
  ~EmbeddedStore() override;

  void commit(Transaction transaction, OnCommitted done) override;
  [[nodiscard]] StoreResult<Page> range(const Range& range) override;
  [[nodiscard]] StoreResult<std::unique_ptr<Watch>> watch(std::string from_key, std::string to_key,
                                                          Revision from, OnEvents call) override;
  [[nodiscard]] StoreResult<SessionId> open_session(std::chrono::seconds time_to_live) override;
  [[nodiscard]] StoreResult<> keep_alive(SessionId session, std::chrono::milliseconds time) override;
  [[nodiscard]] StoreResult<> close_session(SessionId session) override;
  [[nodiscard]] StoreResult<> compact(Revision revision) override;
  [[nodiscard]] Health health() const override;

 protected:
  [[nodiscard]] std::chrono::milliseconds call_timeout() const override { return options_.call_timeout; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Job {
    enum class Kind : std::uint8_t { transaction, open_session, end_session, compact };
    Kind kind = Kind::transaction;
    Transaction transaction;
    std::int64_t number = 0;   // the session, or the revision
    std::int64_t seconds = 0;  // open_session
    OnCommitted done;
    std::optional<StoreError> refusal;  // cannot be done: only the answer is to come in its turn
  };
  struct Session {
    std::chrono::seconds time_to_live{};
    Clock::time_point deadline;
    bool ending = false;  // nobody can keep it alive any more
  };
  struct Answered {
    OnCommitted done;
    StoreResult<Committed> result;
  };

  void submit(Job job);
  [[nodiscard]] StoreResult<> submit_and_wait(Job job, const char* what);

  // The writer:
  void run();
  void wait(std::unique_lock<std::mutex>& lock);
  void work(std::vector<Job> jobs);
  void add_expired(std::vector<Job>& jobs);
  // Does as many as go together, from the first on; returns how many.
  std::size_t work_together(std::vector<Job>& jobs, std::size_t first);
  [[nodiscard]] StoreResult<Committed> add(Batch& batch, Job& job);
  [[nodiscard]] StoreResult<> write(Batch& batch);
  void settle(const Job& job);      // its change is durable
  void put_off(SessionId session);  // its keys could not be erased: later again
  void fail_all(std::vector<Job>& jobs, const StoreError& error);
  void set_trouble(const StoreError& error);
  bool recover();
  [[nodiscard]] StoreResult<> adopt();  // what the disk says: revisions and sessions

  const EmbeddedOptions options_;
  const Disk::Place place_;
  std::shared_mutex disk_mutex_;  // to change disk_; only the writer does
  std::unique_ptr<Disk> disk_;    // null: could not be opened, or not again
  Horizon horizon_;
  History history_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Job> queue_;
  std::size_t queued_bytes_ = 0;
  std::uint64_t unanswered_ = 0;
  std::map<SessionId, Session> sessions_;
  std::string trouble_;  // only the writer changes it
  Fault trouble_fault_ = Fault::unavailable;
  std::string repaired_;
  Clock::time_point busy_since_;  // the writer is at the disk; epoch: it is not
  std::uint64_t commits_ = 0;
  std::uint64_t syncs_ = 0;
  std::uint64_t failures_ = 0;
  bool stopping_ = false;

  // Of the writer:
  std::set<SessionId> live_sessions_;
  Clock::time_point next_try_;
  Clock::duration pause_{};

  Watches watches_;
  std::thread writer_;
};

}  // namespace xk::store
