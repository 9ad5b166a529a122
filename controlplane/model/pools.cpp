#include "controlplane/model/pools.h"

#include <algorithm>

namespace xk {
namespace {

std::uint64_t size_of(std::span<const Range4> ranges) {
  std::uint64_t sum = 0;
  for (const Range4& range : ranges) sum += range.size();
  return sum;
}

}  // namespace

std::vector<Range4> without(const Range4& range, std::vector<Range4> taken) {
  std::ranges::sort(taken);
  std::vector<Range4> left;
  std::uint64_t from = range.first.value;  // wider than an address: behind 255.255.255.255 is one more
  const std::uint64_t end = std::uint64_t{range.last.value} + 1;
  for (const Range4& hole : taken) {
    if (hole.last.value < from) continue;
    if (hole.first.value >= end) break;
    if (hole.first.value > from)
      left.push_back({Ip4{static_cast<std::uint32_t>(from)}, Ip4{hole.first.value - 1}});
    from = std::uint64_t{hole.last.value} + 1;
    if (from >= end) return left;
  }
  left.push_back({Ip4{static_cast<std::uint32_t>(from)}, range.last});
  return left;
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
  std::vector<Range4> taken = subnet.exclude;
  for (const Ip4 address : own_addresses(vrf)) taken.push_back({address, address});
  std::vector<PoolParts> parts;
  for (const Range4& pool : subnet.pools) {
    PoolParts part;
    part.pool = pool;
    part.pieces = without(pool, taken);
    part.excluded = pool.size() - size_of(without(pool, subnet.exclude));
    part.own = pool.size() - part.excluded - size_of(part.pieces);
    parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace xk
