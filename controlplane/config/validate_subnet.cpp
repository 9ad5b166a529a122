#include <algorithm>
#include <utility>
#include <vector>

#include "controlplane/config/validate.h"

namespace xk::config {
namespace {

bool is_host_of(const Prefix4& prefix, Ip4 address) {
  return prefix.contains(address) && address != prefix.network && address != prefix.broadcast();
}

// "10.0.0.1 to 10.0.0.254"
std::string hosts_text(const Prefix4& prefix) {
  return to_string(Ip4{prefix.network.value + 1}) + " to " + to_string(Ip4{prefix.broadcast().value - 1});
}

// Whether the prefix can be a subnet of clients.
bool check_prefix(const Given<Prefix4>& prefix, const Given<Prefix4>& handoff, Mistakes& mistakes) {
  if (!prefix.good()) return false;
  const std::string text = "prefix: " + quoted(to_string(prefix.value));
  const std::uint32_t first = prefix.value.network.value >> 24;
  if (prefix.value.length < 8 || prefix.value.length > 30) {
    mistakes.add(prefix.at, text + " is no subnet for clients; allowed: /8 to /30");
    return false;
  }
  if (first == 0 || first == 127 || first >= 224) {
    mistakes.add(prefix.at, text + " holds addresses no host may have; allowed: unicast networks");
    return false;
  }
  if (!handoff.bad && prefix.value.overlaps(handoff.value)) {
    mistakes.add(prefix.at, text + " overlaps appliance.handoff_prefix, " + to_string(handoff.value) +
                                "; choose another handoff_prefix");
  }
  return true;
}

// Prefixes are nested or apart: sorted, whatever overlaps follows the one that holds it.
void check_overlaps(const FileVrf& file, Mistakes& mistakes) {
  std::vector<const Given<Prefix4>*> prefixes;
  for (const FileSubnet& subnet : file.subnets) {
    if (subnet.prefix.good()) prefixes.push_back(&subnet.prefix);
  }
  std::ranges::sort(prefixes, {}, [](const auto* prefix) { return std::pair(prefix->value, prefix->at); });
  const Given<Prefix4>* outer = nullptr;
  for (const Given<Prefix4>* prefix : prefixes) {
    if (outer == nullptr || !outer->value.overlaps(prefix->value)) {
      outer = prefix;
      continue;
    }
    const bool in_order = outer->at < prefix->at;
    const Given<Prefix4>& later = in_order ? *prefix : *outer;
    const Given<Prefix4>& earlier = in_order ? *outer : *prefix;
    mistakes.add(later.at, "prefix: " + quoted(to_string(later.value)) + " overlaps " +
                               quoted(to_string(earlier.value)) + " in " + line_text(earlier.at) +
                               "; subnets of one VRF must not overlap, those of different VRFs may");
  }
}

bool check_inside(const Given<Range4>& range, const char* key, const Subnet& subnet, Mistakes& mistakes) {
  if (subnet.prefix.contains(range.value.first) && subnet.prefix.contains(range.value.last)) return true;
  mistakes.add(range.at, std::string(key) + ": " + quoted(to_string(range.value)) +
                             " is not inside the subnet; allowed: " + hosts_text(subnet.prefix));
  return false;
}

// A range of the subnet, and the key that it is said by.
struct FileRange {
  const Given<Range4>* range;
  const char* key;
};

std::vector<FileRange> ranges_of(const FileSubnet& file) {
  std::vector<FileRange> ranges;
  for (const Given<Range4>& pool : file.pools.value) ranges.push_back({&pool, "pools"});
  for (const FilePool& pool : file.pool_tables)
    if (pool.range.good()) ranges.push_back({&pool.range, "range"});
  return ranges;
}

// What would be handed out although nobody can use it. Kea itself would not mind.
void check_pool(const FileRange& named, const Subnet& subnet, Mistakes& mistakes) {
  const Given<Range4>& pool = *named.range;
  if (!check_inside(pool, named.key, subnet, mistakes)) return;
  const struct {
    Ip4 address;
    std::string_view what;
  } useless[] = {{subnet.prefix.network, "the subnet's network address"},
                 {subnet.prefix.broadcast(), "the subnet's broadcast address"}};
  for (const auto& [address, what] : useless) {
    if (!pool.value.contains(address)) continue;
    mistakes.add(pool.at, std::string(named.key) + ": " + quoted(to_string(pool.value)) + " holds " +
                              to_string(address) + ", " + std::string(what) +
                              ", which no client can have; leave it out of the pool");
  }
}

void check_pools(const FileSubnet& file, const Subnet& subnet, Mistakes& mistakes) {
  for (const Given<Range4>& range : file.exclude.value)
    static_cast<void>(check_inside(range, "exclude", subnet, mistakes));
  std::vector<FileRange> pools = ranges_of(file);
  for (const FileRange& pool : pools) check_pool(pool, subnet, mistakes);
  std::ranges::sort(pools, {},
                    [](const FileRange& pool) { return std::pair(pool.range->value, pool.range->at); });
  const FileRange* reach = nullptr;  // the pool that reaches furthest so far
  for (const FileRange& pool : pools) {
    if (reach != nullptr && pool.range->value.first <= reach->range->value.last) {
      const bool in_order = reach->range->at < pool.range->at;
      const FileRange& later = in_order ? pool : *reach;
      const FileRange& earlier = in_order ? *reach : pool;
      mistakes.add(later.range->at, std::string(later.key) + ": " + quoted(to_string(later.range->value)) +
                                        " overlaps " + quoted(to_string(earlier.range->value)) + " in " +
                                        line_text(earlier.range->at) + "; pools must not overlap");
    }
    if (reach == nullptr || pool.range->value.last > reach->range->value.last) reach = &pool;
  }
}

void check_addresses(const FileSubnet& file, const Subnet& subnet, Engine engine, Mistakes& mistakes) {
  if (file.gateway.good() && !is_host_of(subnet.prefix, subnet.gateway)) {
    mistakes.add(file.gateway.at, "gateway: " + quoted(to_string(subnet.gateway)) +
                                      " is no host address of " + to_string(subnet.prefix) +
                                      "; allowed: " + hosts_text(subnet.prefix));
  }
  const Ip4 identifier = file.server_identifier.value;
  if (file.server_identifier.good() && subnet.prefix.contains(identifier) &&
      !is_host_of(subnet.prefix, identifier)) {
    mistakes.add(file.server_identifier.at, "server_identifier: " + quoted(to_string(identifier)) +
                                                " is the network or broadcast address of " +
                                                to_string(subnet.prefix) + "; allowed: a host address");
  }
  if (engine != Engine::relay && !file.gateway.given() && !file.server_identifier.given()) {
    mistakes.add(file.at,
                 "[[vrf.subnet]] " + to_string(subnet.prefix) +
                     " has neither gateway nor server_identifier; one is needed: clients renew there");
  }
}

std::vector<Ip4> plain(const Given<List<Ip4>>& list) {
  std::vector<Ip4> out;
  for (const Given<Ip4>& address : list.value) out.push_back(address.value);
  return out;
}

// Pools with terms of their own are pools as others are.
void add_pool_tables(const FileSubnet& file, Subnet& subnet, Mistakes& mistakes) {
  for (const FilePool& table : file.pool_tables) {
    PoolTerms terms;
    terms.pool = table.range.value;
    for (const Given<std::string>& name : table.classes.value) terms.classes.push_back(name.value);
    terms.options = validate_options(table.options, {.what = "pool", .native = true}, mistakes);
    subnet.pools.push_back(terms.pool);
    subnet.terms.push_back(std::move(terms));
  }
}

void check_lease_times(const FileSubnet& file, Mistakes& mistakes) {
  if (!file.lease_time_max_s.good() || file.lease_time_s.bad ||
      file.lease_time_max_s.value >= file.lease_time_s.value)
    return;
  mistakes.add(file.lease_time_max_s.at, "lease_time_max_s: " + std::to_string(file.lease_time_max_s.value) +
                                             " is below lease_time_s, " +
                                             std::to_string(file.lease_time_s.value) +
                                             ", which a client gets that asks for none");
}

Subnet make_subnet(const FileSubnet& file, Engine engine, Mistakes& mistakes) {
  Subnet subnet;
  subnet.prefix = file.prefix.value;
  // Subnets of a VRF do not overlap, so the network address is unique in it, and it stays the same
  // when other subnets come and go: leases keep their subnet.
  subnet.id = subnet.prefix.network.value;
  for (const Given<Range4>& pool : file.pools.value) subnet.pools.push_back(pool.value);
  for (const Given<Range4>& range : file.exclude.value) subnet.exclude.push_back(range.value);
  subnet.gateway = file.gateway.value;
  subnet.server_identifier =
      file.server_identifier.given() ? file.server_identifier.value : file.gateway.value;
  subnet.dns = plain(file.dns);
  subnet.domain = file.domain.value;
  subnet.ntp = plain(file.ntp);
  subnet.lease_time_s = file.lease_time_s.value;
  subnet.origin = mistakes.origin(file.at);
  subnet.options =
      validate_options(file.options, {.native = engine == Engine::native, .subnet = true}, mistakes);
  add_pool_tables(file, subnet, mistakes);
  subnet.lease_time_max_s = file.lease_time_max_s.value;
  check_lease_times(file, mistakes);
  subnet.network = file.network.value;
  subnet.next_server = file.next_server.value;
  subnet.boot_file = file.boot_file.value;
  return subnet;
}

}  // namespace

void validate_subnets(const FileVrf& file, const Given<Prefix4>& handoff_prefix, Vrf& vrf,
                      Mistakes& mistakes) {
  for (const FileSubnet& one : file.subnets) {
    vrf.subnets.push_back(make_subnet(one, vrf.engine, mistakes));
    const Subnet& subnet = vrf.subnets.back();
    if (!check_prefix(one.prefix, handoff_prefix, mistakes)) continue;
    if (!file.engine.bad) check_addresses(one, subnet, vrf.engine, mistakes);
    check_not_handoff(one.server_identifier, "server_identifier", handoff_prefix, mistakes);
    check_pools(one, subnet, mistakes);
  }
  check_overlaps(file, mistakes);
}

}  // namespace xk::config
