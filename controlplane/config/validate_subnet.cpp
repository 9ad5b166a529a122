#include <algorithm>
#include <utility>
#include <vector>

#include "controlplane/config/validate.h"
#include "controlplane/model/kea_options.h"

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

// What Kea would hand out although nobody can use it. Kea itself would not mind.
void check_pool(const Given<Range4>& pool, const Subnet& subnet, Mistakes& mistakes) {
  if (!check_inside(pool, "pools", subnet, mistakes)) return;
  const struct {
    Ip4 address;
    std::string_view what;
  } useless[] = {{subnet.prefix.network, "the subnet's network address"},
                 {subnet.prefix.broadcast(), "the subnet's broadcast address"}};
  for (const auto& [address, what] : useless) {
    if (!pool.value.contains(address)) continue;
    mistakes.add(pool.at, "pools: " + quoted(to_string(pool.value)) + " holds " + to_string(address) + ", " +
                              std::string(what) + ", which Kea would hand out; leave it out of the pool");
  }
}

void check_pools(const FileSubnet& file, const Subnet& subnet, Mistakes& mistakes) {
  for (const Given<Range4>& range : file.exclude.value)
    static_cast<void>(check_inside(range, "exclude", subnet, mistakes));
  std::vector<const Given<Range4>*> pools;
  for (const Given<Range4>& pool : file.pools.value) {
    check_pool(pool, subnet, mistakes);
    pools.push_back(&pool);
  }
  std::ranges::sort(pools, {}, [](const auto* pool) { return std::pair(pool->value, pool->at); });
  const Given<Range4>* reach = nullptr;  // the pool that reaches furthest so far
  for (const Given<Range4>* pool : pools) {
    if (reach != nullptr && pool->value.first <= reach->value.last) {
      const bool in_order = reach->at < pool->at;
      const Given<Range4>& later = in_order ? *pool : *reach;
      const Given<Range4>& earlier = in_order ? *reach : *pool;
      mistakes.add(later.at, "pools: " + quoted(to_string(later.value)) + " overlaps " +
                                 quoted(to_string(earlier.value)) + " in " + line_text(earlier.at) +
                                 "; pools must not overlap");
    }
    if (reach == nullptr || pool->value.last > reach->value.last) reach = pool;
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
  if (engine == Engine::kea && !file.gateway.given() && !file.server_identifier.given()) {
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

Subnet make_subnet(const FileSubnet& file, Mistakes& mistakes) {
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
  validate_options(file, subnet, mistakes);
  return subnet;
}

void check_option(const FileOption& file, Mistakes& mistakes) {
  const bool named = file.name.given();
  const bool coded = file.code.given();
  if (named == coded) {
    mistakes.add(named ? file.code.at : file.at, std::string(named ? "code: there is a name already"
                                                                   : "the option has neither name nor code") +
                                                     "; one of the two is needed");
  }
  const bool as_text = file.data.given();
  const bool as_hex = file.hex.given();
  if (as_text == as_hex) {
    mistakes.add(as_text ? file.hex.at : file.at,
                 std::string(as_text ? "hex: there is data already" : "the option has neither data nor hex") +
                     "; one of the two is needed");
  }
  if (!file.code.good()) return;
  const auto code = static_cast<std::uint8_t>(file.code.value);
  if (const std::string_view reserved = reserved_option(code); !reserved.empty()) {
    mistakes.add(file.code.at, "code: option " + std::to_string(code) + " " + std::string(reserved));
  } else if (kea_option(code) == nullptr && as_text) {
    mistakes.add(file.data.at, "data: Kea has no definition for option " + std::to_string(code) +
                                   ", so it cannot tell what the text means; give the bytes as hex");
  }
}

}  // namespace

void validate_options(const FileSubnet& file, Subnet& subnet, Mistakes& mistakes) {
  std::vector<std::pair<std::uint8_t, Position>> seen;
  for (const FileOption& option : file.options) {
    check_option(option, mistakes);
    subnet.options.push_back({.name = option.name.value,
                              .code = static_cast<std::uint8_t>(option.code.value),
                              .data = option.hex.given() ? option.hex.value : option.data.value,
                              .hex = option.hex.given()});
    const KeaOption* known = option.name.good() ? kea_option(option.name.value) : nullptr;
    const std::uint8_t code = known != nullptr ? known->code : subnet.options.back().code;
    if (code == 0) continue;
    const auto other = std::ranges::find(seen, code, &std::pair<std::uint8_t, Position>::first);
    if (other != seen.end()) {
      mistakes.add(option.at, "option " + std::to_string(code) + " is there already, in " +
                                  line_text(other->second) + "; each is allowed once a subnet");
    }
    seen.emplace_back(code, option.at);
  }
}

void validate_subnets(const FileVrf& file, const Given<Prefix4>& handoff_prefix, Vrf& vrf,
                      Mistakes& mistakes) {
  for (const FileSubnet& one : file.subnets) {
    vrf.subnets.push_back(make_subnet(one, mistakes));
    const Subnet& subnet = vrf.subnets.back();
    if (!check_prefix(one.prefix, handoff_prefix, mistakes)) continue;
    if (!file.engine.bad) check_addresses(one, subnet, vrf.engine, mistakes);
    check_not_handoff(one.server_identifier, "server_identifier", handoff_prefix, mistakes);
    check_pools(one, subnet, mistakes);
  }
  check_overlaps(file, mistakes);
}

}  // namespace xk::config
