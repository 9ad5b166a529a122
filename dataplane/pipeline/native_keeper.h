// The threads behind the native engines: one writes journals, many records and VRFs a sync; others recover
// what was there and make snapshots. Packets never wait for them, only answers do.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/base/fd.h"
#include "dataplane/pipeline/job_thread.h"
#include "dataplane/pipeline/native_host.h"
#include "dataplane/serve/journal_files.h"

namespace xk {

// How a host is, for xdp-kead.
struct NativeStatus {
  VrfId vrf{};
  NativeState state = NativeState::recovering;
  std::uint64_t revision = 0;
  std::uint64_t journal = 0;
  std::uint64_t clock_ms = 0;
  std::uint64_t leases = 0;
  std::uint64_t declined = 0;
  std::uint64_t bytes = 0;
  std::string error;
  friend bool operator==(const NativeStatus&, const NativeStatus&) = default;
};

class NativeKeeper {
 public:
  struct Options {
    std::function<void()> on_durable;  // records became durable or a state changed: loops are to look
    std::uint64_t journal_bytes_max = std::uint64_t{64} << 20;  // then another is begun
    std::uint64_t backlog_bytes_max = std::uint64_t{64} << 20;  // kept while a journal cannot be written
  };
  explicit NativeKeeper(Options options);
  ~NativeKeeper();

  // Recovers it by the plan and then writes its journal. The control thread's.
  void take(std::shared_ptr<NativeHost> host, std::shared_ptr<const NativePlanInForce> plan);
  // No loop touches it any more: what it recorded is written, as far as that can be, and its journal ends. At
  // most so long.
  void release(const std::shared_ptr<NativeHost>& host, std::chrono::milliseconds at_most);
  // Of those that are kept, and once of those that were released.
  [[nodiscard]] std::vector<NativeStatus> statuses();
  // Any thread: there are records to write.
  void wake() const;
  [[nodiscard]] bool sleeping() const { return sleeping_.load(std::memory_order_seq_cst); }

 private:
  // A journal that has ended: it may go once a snapshot and the store have what is in it.
  struct Ended {
    std::uint64_t number = 0;
    std::uint64_t revision = 0;  // its last
  };
  // One journal and how it is doing: the writer's, once it is ready, the recovering worker's before.
  struct Kept {
    std::shared_ptr<NativeHost> host;
    std::shared_ptr<const NativePlanInForce> plan;  // that recovery goes by
    std::atomic<bool> ready{false};
    std::atomic<bool> closing{false};
    std::atomic<bool> recovering{true};   // or about to; false and not ready: broken, until it is tried again
    std::optional<JournalWriter> writer;  // none: failing
    std::uint64_t revision = 0;           // the last that was gathered
    std::vector<std::uint8_t> backlog;    // what was gathered and is not on stable storage
    std::size_t appended = 0;             // bytes of it that the journal was given
    std::vector<Ended> ended;
    std::int64_t wall_less_boot_ms = 0;  // as the journal's header has it
    std::chrono::steady_clock::time_point retry{}, look_again{};

    std::mutex mutex;            // of the rest
    std::uint64_t number = 0;    // of the journal, or of the last that was tried
    std::uint64_t snapshot = 0;  // number of the newest
    std::uint64_t snapshot_bytes = 0;
    bool snapshotting = false;
    std::chrono::steady_clock::time_point snapshot_retry{};
    std::string error, remarks;
  };
  using KeptPointer = std::shared_ptr<Kept>;

  void write_journals();
  void recover_again(const KeptPointer& kept);
  void wait_for_records();
  [[nodiscard]] bool write_one(const KeptPointer& kept);
  void gather(Kept& kept) const;
  [[nodiscard]] std::expected<void, Error> append_and_sync(Kept& kept);
  void fail(Kept& kept, const Error& error);
  [[nodiscard]] std::expected<void, Error> begin_journal(Kept& kept);
  void look_after(const KeptPointer& kept);
  void tidy(Kept& kept);
  void close(const KeptPointer& kept);
  [[nodiscard]] static NativeStatus status_of(Kept& kept);
  [[nodiscard]] bool is_written_elsewhere(Kept& kept);
  void recover(const KeptPointer& kept);
  void make_snapshot(const KeptPointer& kept, std::uint64_t number);
  [[nodiscard]] std::vector<KeptPointer> all_kept();

  Options options_;
  std::mutex mutex_;  // of kept_ and closed_
  std::vector<KeptPointer> kept_;
  std::vector<NativeStatus> closed_;
  std::condition_variable closed_one_;
  Fd wake_fd_;
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> stop_{false};
  std::thread writer_;
  JobThread recoverer_{"xk-recover", 0};
  JobThread compactor_{"xk-compact", 19};  // may wait for everybody else
};

}  // namespace xk
