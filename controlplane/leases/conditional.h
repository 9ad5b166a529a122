// Changes of keys that nobody else has changed meanwhile.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/store/store.h"

namespace xk::leases {

struct Conditional {
  std::string key;
  store::Revision modified = 0;      // as it was read
  std::optional<std::string> value;  // nothing: the key goes
};

// Makes those that hold and leaves the others; how many held. Many at a time; blocks.
[[nodiscard]] store::StoreResult<std::uint64_t> commit_unchanged(store::Store& store,
                                                                 const std::vector<Conditional>& changes);

}  // namespace xk::leases
