// How much of the past the embedded store keeps, and the erasing of the rest, a piece with each batch.
#pragma once

#include <mutex>
#include <string>

#include "controlplane/store/disk.h"
#include "controlplane/store/reader.h"

namespace xk::store {

class History {
 public:
  [[nodiscard]] StoreResult<> load(const Disk& disk, Horizon& horizon);

  // Nothing before the revision can be asked for any more, once the batch is written.
  void compact(const Disk& disk, Revision revision, Horizon& horizon, rocksdb::WriteBatch& writes);
  // Compacts when more than `keep` revisions, and some, are there.
  void keep(const Disk& disk, Revision newest, Revision keep, Horizon& horizon, rocksdb::WriteBatch& writes);
  // Erases what is not kept, some `limit` entries of it. A damaged log stops this, and nothing else.
  void collect(const Disk& disk, const Horizon& horizon, std::size_t limit, rocksdb::WriteBatch& writes);
  [[nodiscard]] bool has_garbage(const Horizon& horizon) const {
    return !stopped_ && collected_ < horizon.compacted;
  }
  // Why nothing is erased any more; empty: it is. From any thread.
  [[nodiscard]] std::string trouble() const;

 private:
  void stop(const StoreError& error);

  // Versions that entries of the log before `collected_` took the place of are erased, and the entries of
  // the log before `trimmed_`.
  Revision collected_ = 0;
  Revision trimmed_ = 0;
  bool stopped_ = false;
  mutable std::mutex mutex_;
  std::string trouble_;
};

}  // namespace xk::store
