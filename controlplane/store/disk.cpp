#include "controlplane/store/disk.h"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>

#include "controlplane/store/disk_repair.h"
#include "controlplane/store/encoding.h"

namespace xk::store {
namespace {

// What all versions of a key have in common, for the bloom filters: everything but the revision.
class KeyOfVersion : public rocksdb::SliceTransform {
 public:
  [[nodiscard]] const char* Name() const override { return "xk.key-of-version"; }
  [[nodiscard]] rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
    return {key.data(), key.size() - kRevisionBytes};
  }
  [[nodiscard]] bool InDomain(const rocksdb::Slice& key) const override {
    return key.size() > kRevisionBytes;
  }
};

// RocksDB's own log is not kept: what matters is in the statuses, and where the disk is full the file would
// stop the process (an assertion, which Debian's library is built with).
class NoLog : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char* /*format*/, va_list /*values*/) override {}
};

rocksdb::DBOptions database_options(rocksdb::Env* env, const EmbeddedSizes& sizes) {
  rocksdb::DBOptions out;
  out.env = env;
  out.create_if_missing = true;
  out.create_missing_column_families = true;
  // Every damage of a log is an error. A torn tail is cut off by repair_tail before the database sees it:
  // it belongs to a write that was never acknowledged. kPointInTimeRecovery and kSkipAnyCorruptedRecords
  // would drop what was acknowledged behind (or in) a damaged place and say nothing;
  // kTolerateCorruptedTailRecords takes a log that ends within a record for right also where newer logs
  // follow, which a power cut cannot leave.
  out.wal_recovery_mode = rocksdb::WALRecoveryMode::kAbsoluteConsistency;
  // A log that was complete and is gone, or became shorter, is an error as well.
  out.track_and_verify_wals_in_manifest = true;
  out.paranoid_checks = true;
  // After a failed write the store opens the database anew: nobody else is to mend it meanwhile.
  out.max_bgerror_resume_count = 0;
  out.max_total_wal_size = sizes.logs_bytes;
  out.max_background_jobs = 2;
  out.bytes_per_sync = std::uint64_t{1} << 20;
  out.info_log = std::make_shared<NoLog>();
  out.stats_dump_period_sec = 0;
  out.stats_persist_period_sec = 0;
  return out;
}

rocksdb::ColumnFamilyOptions family_options(const std::shared_ptr<rocksdb::Cache>& cache,
                                            const EmbeddedSizes& sizes) {
  rocksdb::ColumnFamilyOptions out;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = std::size_t{8} << 10;
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  out.write_buffer_size = sizes.memtable_bytes / 4;
  out.compression_per_level = {rocksdb::kNoCompression, rocksdb::kNoCompression, rocksdb::kLZ4Compression};
  return out;
}

rocksdb::ColumnFamilyOptions data_options(const std::shared_ptr<rocksdb::Cache>& cache,
                                          const EmbeddedSizes& sizes) {
  rocksdb::ColumnFamilyOptions out = family_options(cache, sizes);
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = std::size_t{8} << 10;
  table.whole_key_filtering = false;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  out.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  out.prefix_extractor = std::make_shared<KeyOfVersion>();
  out.memtable_prefix_bloom_size_ratio = 0.05;
  out.write_buffer_size = sizes.memtable_bytes;
  return out;
}

// The numbers of meta and the log must agree: where they do not, files are missing or from another time.
std::optional<StoreError> check_end(const Disk& disk) {
  const auto revision = disk.number("revision");
  if (!revision) return revision.error();
  const auto log = disk.all(disk.log());
  log->SeekToLast();
  if (!log->status().ok()) return disk_error("read the end of the log", log->status());
  Revision last = 0;
  if (log->Valid()) {
    const auto key = read_log_key(log->key().ToStringView());
    if (!key) return corrupt_record("the last key of the log");
    last = key->revision;
  }
  if (last == *revision) return std::nullopt;
  return corrupt_record("the log ends with revision " + std::to_string(last) + ", and " +
                        std::to_string(*revision) + " was written");
}

}  // namespace

StoreResult<std::unique_ptr<Disk>> Disk::open(const Place& place, std::string& repaired) {
  std::unique_ptr<Disk> disk(new Disk);
  rocksdb::Env* env = rocksdb::Env::Default();
  if (place.files) {
    disk->env_ = rocksdb::NewCompositeEnv(place.files);
    env = disk->env_.get();
  }
  rocksdb::FileSystem& layer = *env->GetFileSystem();
  if (auto made = prepare_directory(place.directory, layer, !place.files); !made)
    return std::unexpected(made.error());
  if (auto mended = repair_tail(place.directory, layer, repaired); !mended)
    return std::unexpected(mended.error());

  const auto cache = rocksdb::NewLRUCache(std::size_t{64} << 20);
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, family_options(cache, place.sizes)},
      {"data", data_options(cache, place.sizes)},
      {"log", family_options(cache, place.sizes)},
  };
  rocksdb::DB* db = nullptr;
  const auto status =
      rocksdb::DB::Open(database_options(env, place.sizes), place.directory, families, &disk->families_, &db);
  if (!status.ok()) return std::unexpected(disk_error("open the store in " + place.directory, status));
  disk->db_.reset(db);
  if (auto wrong = check_end(*disk)) return std::unexpected(std::move(*wrong));
  if (auto marked = mark_directory(place.directory, layer); !marked) return std::unexpected(marked.error());
  return disk;
}

Disk::~Disk() {
  if (!db_) return;
  for (auto* family : families_) db_->DestroyColumnFamilyHandle(family);
  db_->Close().PermitUncheckedError();  // everything is in the log, whatever it says
}

rocksdb::Status Disk::write(rocksdb::WriteBatch& batch) const {
  rocksdb::WriteOptions options;
  options.sync = true;
  return db_->Write(options, &batch);
}

StoreResult<std::int64_t> Disk::number(const std::string& name) const {
  std::string bytes;
  const auto status = db_->Get({}, meta(), meta_key(name), &bytes);
  if (status.IsNotFound()) return 0;
  if (!status.ok()) return std::unexpected(disk_error("read " + name, status));
  const auto number = read_number(bytes);
  if (!number) return std::unexpected(corrupt_record("the number " + name));
  return *number;
}

std::unique_ptr<rocksdb::Iterator> Disk::versions_of_keys() const {
  rocksdb::ReadOptions options;
  options.prefix_same_as_start = true;
  return std::unique_ptr<rocksdb::Iterator>(db_->NewIterator(options, data()));
}

std::unique_ptr<rocksdb::Iterator> Disk::all(rocksdb::ColumnFamilyHandle* family) const {
  rocksdb::ReadOptions options;
  options.total_order_seek = true;
  return std::unique_ptr<rocksdb::Iterator>(db_->NewIterator(options, family));
}

StoreError disk_error(const std::string& doing, const rocksdb::Status& status) {
  const std::string text = "cannot " + doing + ": " + status.ToString();
  // A file that is gone was there: the store's own files name it.
  if (status.IsCorruption() || status.IsPathNotFound()) {
    return {
        Fault::corrupt,
        {text + ". What is on the disk is damaged: keep a copy of the directory, put back a copy of it, or "
                "move it away to begin with an empty store"}};
  }
  if (status.IsNoSpace()) {
    return {Fault::unavailable,
            {text + ". The disk is full: make room, the store goes on by itself", ENOSPC}};
  }
  if (status.IsIOError() && text.find("lock") != std::string::npos) {
    return {Fault::unavailable, {text + ". Another process has this store open"}};
  }
  return {Fault::unavailable, {text}};
}

StoreError corrupt_record(const std::string& what) {
  return {Fault::corrupt,
          {"the store is damaged: " + what +
           ". Keep a copy of the directory, put back a copy of it, or move it away to begin with an empty "
           "store"}};
}

}  // namespace xk::store
