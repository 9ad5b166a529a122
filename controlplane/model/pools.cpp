#include "controlplane/model/pools.h"

#include <algorithm>

namespace xk {
namespace {

std::uint64_t size_of(std::span<const Range4> ranges) {
  std::uint64_t sum = 0;
  for (const Range4& range : ranges) sum += range.size();
  return sum;
}

// In order and apart from each other.
std::vector<Range4> merged(std::vector<Range4> ranges) {
  std::ranges::sort(ranges);
  std::vector<Range4> apart;
  for (const Range4& range : ranges) {
    if (apart.empty() || apart.back().last < range.first)
      apart.push_back(range);
    else
      apart.back().last = std::max(apart.back().last, range.last);
  }
  return apart;
}

// Taken is merged.
std::vector<Range4> cut(const Range4& range, std::span<const Range4> taken) {
  std::vector<Range4> left;
  std::uint64_t from = range.first.value;  // wider than an address: behind 255.255.255.255 is one more
  const std::uint64_t end = std::uint64_t{range.last.value} + 1;
  for (auto hole = std::ranges::lower_bound(taken, range.first, {}, &Range4::last);
       hole != taken.end() && hole->first.value < end; ++hole) {
    if (hole->first.value > from)
      left.push_back({Ip4{static_cast<std::uint32_t>(from)}, Ip4{hole->first.value - 1}});
    from = std::uint64_t{hole->last.value} + 1;
    if (from >= end) return left;
  }
  left.push_back({Ip4{static_cast<std::uint32_t>(from)}, range.last});
  return left;
}

}  // namespace

std::vector<Range4> without(const Range4& range, std::vector<Range4> taken) {
  return cut(range, merged(std::move(taken)));
}

std::vector<Ip4> own_addresses(const Vrf& vrf) {
  std::vector<Ip4> own;
  for (const Subnet& subnet : vrf.subnets) own.insert(own.end(), {subnet.gateway, subnet.server_identifier});
  for (const Attachment& attachment : vrf.attachments) own.push_back(attachment.address);
  own.push_back(vrf.relay.source);
  std::ranges::sort(own);
  const auto again = std::ranges::unique(own);
  own.erase(again.begin(), again.end());
  std::erase(own, Ip4{});
  return own;
}

std::vector<PoolParts> pool_parts(const Vrf& vrf, const Subnet& subnet) {
  return pool_parts(own_addresses(vrf), subnet);
}

std::vector<PoolParts> pool_parts(const std::vector<Ip4>& own, const Subnet& subnet) {
  const std::vector<Range4> excluded = merged(subnet.exclude);
  std::vector<PoolParts> parts;
  for (const Range4& pool : subnet.pools) {
    PoolParts part;
    part.pool = pool;
    const std::vector<Range4> left = cut(pool, excluded);
    part.excluded = pool.size() - size_of(left);
    for (const Range4& piece : left) {
      std::vector<Range4> taken;
      for (auto at = std::ranges::lower_bound(own, piece.first); at != own.end() && *at <= piece.last; ++at)
        taken.push_back({*at, *at});
      const std::vector<Range4> pieces = cut(piece, taken);
      part.pieces.insert(part.pieces.end(), pieces.begin(), pieces.end());
    }
    part.own = pool.size() - part.excluded - size_of(part.pieces);
    parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace xk
