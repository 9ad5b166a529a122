// The RocksDB database under the embedded store: opened, checked, repaired where that loses nothing that was
// acknowledged, and its errors in words.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/file_system.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/store/embedded.h"
#include "controlplane/store/store.h"

namespace xk::store {

class Disk {
 public:
  // What it stands on. files: null for the machine's own.
  struct Place {
    std::string directory;
    std::shared_ptr<rocksdb::FileSystem> files;
    EmbeddedSizes sizes;
  };
  // What was repaired is appended to `repaired`.
  [[nodiscard]] static StoreResult<std::unique_ptr<Disk>> open(const Place& place, std::string& repaired);
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  [[nodiscard]] rocksdb::DB& db() const { return *db_; }
  [[nodiscard]] rocksdb::ColumnFamilyHandle* meta() const { return families_[0]; }
  [[nodiscard]] rocksdb::ColumnFamilyHandle* data() const { return families_[1]; }
  [[nodiscard]] rocksdb::ColumnFamilyHandle* log() const { return families_[2]; }

  // On stable storage when it returns OK.
  [[nodiscard]] rocksdb::Status write(rocksdb::WriteBatch& batch) const;

  // A number of meta; 0 if it is not there.
  [[nodiscard]] StoreResult<std::int64_t> number(const std::string& name) const;

  // Newer versions of a key come first; the key's versions only, by the bloom filters.
  [[nodiscard]] std::unique_ptr<rocksdb::Iterator> versions_of_keys() const;
  // All of a family, in order.
  [[nodiscard]] std::unique_ptr<rocksdb::Iterator> all(rocksdb::ColumnFamilyHandle* family) const;

 private:
  Disk() = default;
  std::unique_ptr<rocksdb::Env> env_;  // outlives the database
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
};

// Whether the directory takes and keeps writes again, enough to open the database in: empty, or why not.
[[nodiscard]] std::string why_not_writable(const Disk::Place& place);

// What failed, in words for the operator: `doing` is what was tried.
[[nodiscard]] StoreError disk_error(const std::string& doing, const rocksdb::Status& status);
// Stored bytes that cannot be right.
[[nodiscard]] StoreError corrupt_record(const std::string& what);

}  // namespace xk::store
