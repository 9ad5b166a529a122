// How full a pool is: pure arithmetic of what it is made of and what is leased.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "controlplane/leases/index.h"
#include "controlplane/model/pools.h"

namespace xk::leases {

// available = size - excluded - own - used. used = leased + declined + fixed.
struct PoolFigures {
  std::uint64_t size = 0;
  std::uint64_t excluded = 0;  // by the configuration
  std::uint64_t own = 0;       // gateways, server identifiers: not those that are excluded anyway
  std::uint64_t leased = 0;    // by clients now
  std::uint64_t declined = 0;  // a client has found another host there; they rest
  std::uint64_t fixed = 0;     // static leases' that are not leased or declined by Kea
  std::uint64_t used = 0;
  std::uint64_t available = 0;
  std::uint64_t expired = 0;     // of those available: a lease is over, and kept for its client yet
  std::uint64_t kept = 0;        // leased although excluded, or the VRF's own: until those leases end
  std::int64_t next_unix_s = 0;  // when the next lease ends, of those that do; 0: none
  Ip4 next{};                    // which
};

// is_fixed: whether the address is a static lease's.
[[nodiscard]] PoolFigures pool_figures(const PoolParts& pool, const std::string& vrf, const LeaseIndex& index,
                                       const std::function<std::uint64_t(const Range4&)>& fixed_in,
                                       const std::function<bool(Ip4)>& is_fixed, std::int64_t now_unix_s);

}  // namespace xk::leases
