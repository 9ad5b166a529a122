#include "dataplane/serve/native_plan.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>

namespace xk {
namespace {

auto identity_of(const PausedClient* client) {
  return std::tuple(client->kind, std::string_view(client->identity));
}

}  // namespace

NativePlan::NativePlan(const NativeVrf& native, const VrfEntry& vrf) : native_(native), vrf_(vrf) {
  const auto subnets = static_cast<std::uint32_t>(vrf.subnets.size());
  std::vector<std::vector<std::uint32_t>> pools(subnets);
  for (std::uint32_t pool = 0; pool < native.pools.size(); ++pool) {
    pools[native.pools[pool].subnet].push_back(pool);
    std::uint64_t size = 0;
    for (const Range4& range : native.pools[pool].ranges) {
      ranges_.push_back({range, pool});
      size += range.size();
    }
    sizes_.push_back(size);
  }
  std::ranges::sort(ranges_, {}, &PoolRange::range);
  std::map<std::uint32_t, std::vector<std::uint32_t>> networks;
  for (std::uint32_t subnet = 0; subnet < subnets; ++subnet)
    if (const std::uint32_t network = native.subnets[subnet].network; network != 0)
      networks[network].push_back(subnet);
  for (std::uint32_t subnet = 0; subnet < subnets; ++subnet) {
    pools_from_.push_back(static_cast<std::uint32_t>(pools_.size()));
    pools_.insert(pools_.end(), pools[subnet].begin(), pools[subnet].end());
    links_from_.push_back(static_cast<std::uint32_t>(links_.size()));
    links_.push_back(subnet);
    if (const std::uint32_t network = native.subnets[subnet].network; network != 0)
      for (const std::uint32_t other : networks[network])
        if (other != subnet) links_.push_back(other);
  }
  pools_from_.push_back(static_cast<std::uint32_t>(pools_.size()));
  links_from_.push_back(static_cast<std::uint32_t>(links_.size()));
  requestors_ = native.query_requestors;
  std::ranges::sort(requestors_);
  for (const PausedClient& client : native.paused_clients) paused_.push_back(&client);
  std::ranges::sort(paused_, {}, identity_of);
}

const NativePool* NativePlan::pool_of(Ip4 address) const {
  const auto behind =
      std::ranges::upper_bound(ranges_, address, {}, [](const PoolRange& each) { return each.range.first; });
  if (behind == ranges_.begin()) return nullptr;
  const PoolRange& found = *std::prev(behind);
  return found.range.contains(address) ? &native_.pools[found.pool] : nullptr;
}

bool NativePlan::may_query(Ip4 requestor) const { return std::ranges::binary_search(requestors_, requestor); }

bool NativePlan::is_paused(StaticKind kind, std::string_view identity) const {
  return std::ranges::binary_search(paused_, std::tuple(kind, identity), {}, identity_of);
}

std::vector<Range4> NativePlan::ranges() const {
  std::vector<Range4> ranges;
  ranges.reserve(ranges_.size());
  for (const PoolRange& each : ranges_) ranges.push_back(each.range);
  return ranges;
}

}  // namespace xk
