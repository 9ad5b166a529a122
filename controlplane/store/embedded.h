// The embedded store on a file layer of the caller's: for tests that cut the power or fill the disk.
#pragma once

#include <memory>
#include <string>

#include "controlplane/store/store.h"

namespace rocksdb {
class FileSystem;
}

namespace xk::store {

// files: null for the machine's own.
[[nodiscard]] StoreResult<std::unique_ptr<Store>> open_embedded_on(const EmbeddedOptions& options,
                                                                   std::shared_ptr<rocksdb::FileSystem> files,
                                                                   std::string* repaired = nullptr);

}  // namespace xk::store
