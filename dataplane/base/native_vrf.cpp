#include "dataplane/base/native_vrf.h"

#include <algorithm>

#include "bpf/shared/limits.h"
#include "dataplane/base/snapshot.h"

namespace xk {
namespace {

std::string_view wrong_with_condition(const NativeCondition& condition) {
  if (condition.kind > ConditionKind::option || condition.match > ConditionMatch::present)
    return "a class asks for nothing we know";
  if (condition.value.size() > 255) return "a class compares with more than 255 bytes";
  if (condition.match != ConditionMatch::present && condition.value.empty())
    return "a class compares with nothing";
  if (condition.kind == ConditionKind::option && (condition.code == 0 || condition.code == 255))
    return "a class asks for an option that is none";
  return {};
}

std::string_view wrong_with_class(const NativeClass& one) {
  if (one.conditions.empty() || one.conditions.size() > kNativeConditionsMax)
    return "a class has no conditions or over 8";
  for (const NativeCondition& condition : one.conditions)
    if (const auto wrong = wrong_with_condition(condition); !wrong.empty()) return wrong;
  if (one.boot_file.size() > kNativeBootFileMax) return "a boot file is over 127 bytes";
  if (one.options.size() > kSubnetOptionsMax || !well_formed_options(one.options))
    return "a class's options are malformed, the server's own or over 4096 bytes";
  return {};
}

std::string_view wrong_with_pool(const NativePool& pool, const VrfEntry& vrf) {
  if (pool.subnet >= vrf.subnets.size()) return "a pool is of no subnet";
  if (pool.options.size() > kSubnetOptionsMax || !well_formed_options(pool.options))
    return "a pool's options are malformed, the server's own or over 4096 bytes";
  const Prefix4& prefix = vrf.subnets[pool.subnet].prefix;
  for (const Range4& range : pool.ranges)
    if (range.first > range.last || !prefix.contains(range.first) || !prefix.contains(range.last))
      return "a pool's range is not of its subnet";
  return {};
}

// Ranges of all pools, each address in one of them.
std::string_view wrong_with_pools(const NativeVrf& native, const VrfEntry& vrf) {
  std::vector<Range4> ranges;
  std::uint64_t addresses = 0;
  for (const NativePool& pool : native.pools) {
    if (const auto wrong = wrong_with_pool(pool, vrf); !wrong.empty()) return wrong;
    ranges.insert(ranges.end(), pool.ranges.begin(), pool.ranges.end());
    if (ranges.size() > kNativeRangesMax) return "its pools have over 65,536 ranges";
  }
  std::ranges::sort(ranges);
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (i != 0 && ranges[i].first <= ranges[i - 1].last) return "an address is in two pools";
    addresses += ranges[i].size();
  }
  return addresses > kNativeAddressesMax ? "its pools have over 16,777,216 addresses" : std::string_view{};
}

}  // namespace

std::string_view wrong_with_native(const NativeVrf& native, const VrfEntry& vrf) {
  if (native.vrf != vrf.id || vrf.engine != Engine::native) return "its VRF is not of the native engine";
  if (native.directory.empty() || native.directory.front() != '/' ||
      native.directory.size() > kNativeDirectoryMax)
    return "its directory is no absolute path of up to 4096 bytes";
  if (native.subnets.size() != vrf.subnets.size()) return "it has not as many subnets as its VRF";
  if (native.pools.size() > kNativePoolsMax) return "it has over 65,536 pools";
  if (native.classes.size() > kNativeClassesMax) return "it has over 32 classes";
  for (std::size_t i = 0; i < native.subnets.size(); ++i) {
    if (native.subnets[i].boot_file.size() > kNativeBootFileMax) return "a boot file is over 127 bytes";
    if (native.subnets[i].lease_time_max_s < vrf.subnets[i].lease_time_s)
      return "a longest lease time is below the lease time";
  }
  for (const NativeClass& one : native.classes)
    if (const auto wrong = wrong_with_class(one); !wrong.empty()) return wrong;
  if (native.query_requestors.size() > kNativeRequestorsMax)
    return "it has over 256 requestors of lease queries";
  if (native.paused_clients.size() > kNativePausedMax) return "it has over 65,536 paused clients";
  for (const PausedClient& client : native.paused_clients) {
    const bool mac = client.kind == StaticKind::mac && client.identity.size() == Mac{}.bytes.size();
    const bool id =
        client.kind == StaticKind::client_id && !client.identity.empty() && client.identity.size() <= 255;
    if (!mac && !id) return "a paused client is neither a MAC nor a client id";
  }
  return wrong_with_pools(native, vrf);
}

}  // namespace xk
