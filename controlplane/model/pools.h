// What of a subnet's pools is handed out: pure arithmetic of addresses.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "controlplane/model/model.h"

namespace xk {

// What is left of the range when all of taken is gone, in order. Taken may overlap, in any order.
[[nodiscard]] std::vector<Range4> without(const Range4& range, std::vector<Range4> taken);

// Addresses that the VRF itself has: gateways, server identifiers, where it relays from; sorted, each once.
// They are given to no client, whichever subnet's pool they are in.
[[nodiscard]] std::vector<Ip4> own_addresses(const Vrf& vrf);

// A pool, cut to what may be handed out. size = the sizes of the pieces + excluded + own.
struct PoolParts {
  Range4 pool;
  std::vector<Range4> pieces;  // what is handed out
  std::uint64_t excluded = 0;  // addresses in the subnet's exclude
  std::uint64_t own = 0;       // of the VRF's own addresses, those that are not excluded anyway
  [[nodiscard]] std::uint64_t size() const { return pool.size(); }
};
[[nodiscard]] std::vector<PoolParts> pool_parts(const Vrf& vrf, const Subnet& subnet);
// With the VRF's own addresses, for those who ask for many subnets.
[[nodiscard]] std::vector<PoolParts> pool_parts(const std::vector<Ip4>& own, const Subnet& subnet);

}  // namespace xk
