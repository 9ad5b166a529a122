// The subnets of the configuration in force, by Kea's id. Thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "dataplane/base/types.h"

namespace xk::hook {

struct SubnetFacts {
  Prefix4 prefix{};
  std::vector<Range4> pools;
  std::vector<Range4> excludes;
};

class Subnets {
 public:
  void set(std::map<std::uint32_t, SubnetFacts> subnets) {
    const std::unique_lock lock(mutex_);
    subnets_ = std::move(subnets);
  }
  [[nodiscard]] bool holds(std::uint32_t id, Ip4 address) const {
    const std::shared_lock lock(mutex_);
    const auto at = subnets_.find(id);
    return at != subnets_.end() && at->second.prefix.contains(address);
  }
  [[nodiscard]] bool has_excludes(std::uint32_t id) const {
    const std::shared_lock lock(mutex_);
    const auto at = subnets_.find(id);
    return at != subnets_.end() && !at->second.excludes.empty();
  }
  [[nodiscard]] bool excludes(std::uint32_t id, Ip4 address) const {
    const std::shared_lock lock(mutex_);
    const auto at = subnets_.find(id);
    return at != subnets_.end() && std::ranges::any_of(at->second.excludes, [&](const Range4& range) {
             return range.contains(address);
           });
  }
  // Whether it has pools, and all are as told.
  template <typename Are>
  [[nodiscard]] bool all_pools(std::uint32_t id, Are are) const {
    const std::shared_lock lock(mutex_);
    const auto at = subnets_.find(id);
    return at != subnets_.end() && !at->second.pools.empty() && std::ranges::all_of(at->second.pools, are);
  }

 private:
  mutable std::shared_mutex mutex_;
  std::map<std::uint32_t, SubnetFacts> subnets_;
};

}  // namespace xk::hook
