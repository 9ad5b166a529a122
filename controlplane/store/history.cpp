#include "controlplane/store/history.h"

#include <rocksdb/write_batch.h>

#include "controlplane/store/encoding.h"

namespace xk::store {
namespace {

// Erasing a range of the log leaves a mark that readers have to pass: not one for every batch.
constexpr Revision kTrimAtOnce = 65536;

void put_number(const Disk& disk, const char* name, std::int64_t number, rocksdb::WriteBatch& writes) {
  writes.Put(disk.meta(), meta_key(name), write_number(number)).PermitUncheckedError();
}

}  // namespace

StoreResult<> History::load(const Disk& disk, Horizon& horizon) {
  const auto compacted = disk.number("compacted");
  const auto collected = disk.number("collected");
  const auto trimmed = disk.number("trimmed");
  for (const auto* number : {&compacted, &collected, &trimmed}) {
    if (!*number) return std::unexpected(number->error());
  }
  horizon.compacted = *compacted;
  stopped_ = false;
  {
    const std::lock_guard guard(mutex_);
    trouble_.clear();
  }
  collected_ = *collected;
  trimmed_ = *trimmed;
  return {};
}

void History::compact(const Disk& disk, Revision revision, Horizon& horizon, rocksdb::WriteBatch& writes) {
  if (revision <= horizon.compacted) return;
  horizon.compacted = revision;
  put_number(disk, "compacted", revision, writes);
}

void History::keep(const Disk& disk, Revision newest, Revision keep, Horizon& horizon,
                   rocksdb::WriteBatch& writes) {
  const Revision slack = keep / 16;
  if (newest - keep > horizon.compacted + slack) compact(disk, newest - keep, horizon, writes);
}

void History::stop(const StoreError& error) {
  stopped_ = true;
  const std::lock_guard guard(mutex_);
  trouble_ = "old revisions are not erased any more: " + error.error.message;
}

std::string History::trouble() const {
  const std::lock_guard guard(mutex_);
  return trouble_;
}

void History::collect(const Disk& disk, const Horizon& horizon, std::size_t limit,
                      rocksdb::WriteBatch& writes) {
  const Revision end = horizon.compacted;
  if (stopped_ || collected_ >= end) return;
  Revision next = end;
  std::size_t done = 0;
  const auto log = disk.all(disk.log());
  for (log->Seek(log_key(collected_, 0)); log->Valid(); log->Next()) {
    const auto at = read_log_key(log->key().ToStringView());
    const auto entry = read_log(log->value().ToStringView());
    if (!at || !entry) return stop(corrupt_record("the log after revision " + std::to_string(collected_)));
    if (at->revision >= end) break;
    if (at->place == 0 && done >= limit) {
      next = at->revision;
      break;
    }
    ++done;
    if (entry->previous != 0) {
      writes.Delete(disk.data(), data_key(entry->key, entry->previous)).PermitUncheckedError();
    }
    if (entry->kind == Event::Kind::erase) {
      writes.Delete(disk.data(), data_key(entry->key, at->revision)).PermitUncheckedError();
    }
  }
  if (!log->status().ok()) return stop(disk_error("read the log", log->status()));
  collected_ = next;
  put_number(disk, "collected", collected_, writes);
  if (collected_ - trimmed_ >= kTrimAtOnce) {
    writes.DeleteRange(disk.log(), log_key(trimmed_, 0), log_key(collected_, 0)).PermitUncheckedError();
    trimmed_ = collected_;
    put_number(disk, "trimmed", trimmed_, writes);
  }
}

}  // namespace xk::store
