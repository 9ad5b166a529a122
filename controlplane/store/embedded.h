// The embedded store on a file layer of the caller's: for tests that cut the power or fill the disk.
#pragma once

#include <memory>
#include <string>

#include "controlplane/store/store.h"

namespace rocksdb {
class FileSystem;
}

namespace xk::store {

// How much is kept in memory before it goes to tables, and in logs: small in tests, that it happens often.
struct EmbeddedSizes {
  std::size_t memtable_bytes = std::size_t{64} << 20;
  std::size_t logs_bytes = std::size_t{128} << 20;
};

// files: null for the machine's own.
[[nodiscard]] StoreResult<std::unique_ptr<Store>> open_embedded_on(const EmbeddedOptions& options,
                                                                   std::shared_ptr<rocksdb::FileSystem> files,
                                                                   std::string* repaired = nullptr,
                                                                   const EmbeddedSizes& sizes = {});

}  // namespace xk::store
