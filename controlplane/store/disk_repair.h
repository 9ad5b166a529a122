// What is done in the directory of the embedded store before RocksDB sees it.
#pragma once

#include <string>

#include "controlplane/store/store.h"

namespace rocksdb {
class FileSystem;
}

namespace xk::store {

// Makes the directory if it is missing (real: a directory of the machine, then with mode 0700). A directory
// that had a store and has lost its CURRENT is an error: RocksDB would begin a new and empty one in it.
[[nodiscard]] StoreResult<> prepare_directory(const std::string& directory, rocksdb::FileSystem& files,
                                              bool real);

// Leaves the mark that a store is here: once RocksDB's own files are on stable storage.
[[nodiscard]] StoreResult<> mark_directory(const std::string& directory, rocksdb::FileSystem& files);

// Cuts off a torn tail of the newest log and of the manifest, and says so in `repaired`. A damage before the
// tail is an error, as is one in an older log (which RocksDB finds).
[[nodiscard]] StoreResult<> repair_tail(const std::string& directory, rocksdb::FileSystem& files,
                                        std::string& repaired);

}  // namespace xk::store
