// A VRF that the dataplane itself serves.
#include <algorithm>

#include "controlplane/model/option_bytes.h"
#include "controlplane/model/pools.h"
#include "controlplane/reconcile/desired_builder.h"

namespace xk {
namespace {

// Of options that the configuration was checked for: they can be rendered.
std::string rendered(const std::vector<OptionData>& options) {
  return options_bytes(options).value_or(std::string());
}

NativeVrf settings_of(const NativeSettings& settings) {
  NativeVrf native;
  native.reply_after = settings.reply_after;
  native.available = settings.available;
  native.allocate = settings.allocate;
  native.probe = settings.probe;
  native.rapid_commit = settings.rapid_commit;
  native.bootp = settings.bootp;
  native.authoritative = settings.authoritative;
  native.offer_hold_s = settings.offer_hold_s;
  native.decline_s = settings.decline_s;
  native.circuit_leases_max = settings.circuit_leases_max;
  native.attachment_leases_max = settings.attachment_leases_max;
  native.query_requestors = settings.query_requestors;
  return native;
}

// By network, as VrfEntry::subnets are.
std::vector<const Subnet*> sorted_subnets(const Vrf& vrf) {
  std::vector<const Subnet*> subnets;
  for (const Subnet& subnet : vrf.subnets) subnets.push_back(&subnet);
  std::ranges::sort(subnets, {}, [](const Subnet* subnet) { return subnet->prefix; });
  return subnets;
}

void add_classes(const Vrf& vrf, NativeVrf& native) {
  for (const ClientClass& one : vrf.classes) {
    native.classes.push_back({.conditions = one.conditions,
                              .lease_time_s = one.lease_time_s,
                              .next_server = one.next_server,
                              .boot_file = one.boot_file,
                              .options = rendered(one.options)});
  }
}

std::uint32_t class_bits(const Vrf& vrf, const std::vector<std::string>& names) {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < vrf.classes.size(); ++i) {
    if (std::ranges::find(names, vrf.classes[i].name) != names.end()) bits |= std::uint32_t{1} << i;
  }
  return bits;
}

// One pool, or two where only a part of it is paused.
void add_pool(const PoolParts& parts, const std::vector<Range4>& paused, const NativePool& like,
              NativeVrf& native) {
  NativePool open = like;
  NativePool held = like;
  held.paused = true;
  for (const Range4& piece : parts.pieces) {
    const std::vector<Range4> left = without(piece, paused);
    const std::vector<Range4> gone = without(piece, left);
    open.ranges.insert(open.ranges.end(), left.begin(), left.end());
    held.ranges.insert(held.ranges.end(), gone.begin(), gone.end());
  }
  for (NativePool* pool : {&open, &held})
    if (!pool->ranges.empty()) native.pools.push_back(std::move(*pool));
}

void add_pools(const Vrf& vrf, const std::vector<const Subnet*>& subnets, const std::vector<Range4>& paused,
               NativeVrf& native) {
  const std::vector<Ip4> own = own_addresses(vrf);
  for (std::size_t i = 0; i < subnets.size(); ++i) {
    for (const PoolParts& parts : pool_parts(own, *subnets[i])) {
      NativePool like;
      like.subnet = static_cast<std::uint32_t>(i);
      const auto terms = std::ranges::find(subnets[i]->terms, parts.pool, &PoolTerms::pool);
      if (terms != subnets[i]->terms.end()) {
        like.classes = class_bits(vrf, terms->classes);
        like.options = rendered(terms->options);
      }
      add_pool(parts, paused, like, native);
    }
  }
}

void add_subnets(const std::vector<const Subnet*>& subnets, NativeVrf& native) {
  std::map<std::string, std::uint32_t> networks;
  for (const Subnet* subnet : subnets) {
    NativeSubnet& made = native.subnets.emplace_back();
    if (!subnet->network.empty())
      made.network = networks.try_emplace(subnet->network, networks.size() + 1).first->second;
    made.lease_time_max_s = std::max(subnet->lease_time_max_s, subnet->lease_time_s);
    made.next_server = subnet->next_server;
    made.boot_file = subnet->boot_file;
  }
}

}  // namespace

void DesiredBuilder::add_native(const Vrf& vrf, VrfEntry& entry) {
  if (vrf.subnets.empty()) return;  // only a name, or a device that has no clients yet
  const auto unserved = [&](const std::string& why) {
    out_.impaired[entry.id].push_back("nobody is answered: " + why);
  };
  auto entries = subnet_entries(vrf);
  if (!entries) return unserved(entries.error());
  entry.subnets = std::move(*entries);
  entry.static_leases = true;
  NativeVrf native = settings_of(vrf.native);
  native.vrf = entry.id;
  // By name: leases stay with the VRF, whatever id it gets.
  native.directory = model_.appliance.state_dir + "/native/" + out_.ids.directory(vrf.name);
  native.grace_s = model_.store.lease_grace_s;
  native.renew_paused = vrf.paused_renewals == PausedRenewals::allow;
  const std::vector<const Subnet*> subnets = sorted_subnets(vrf);
  const auto told = input_.paused.find(vrf.name);
  const Paused paused = told == input_.paused.end() ? Paused{} : told->second;
  add_subnets(subnets, native);
  add_classes(vrf, native);
  add_pools(vrf, subnets, paused.pools, native);
  native.paused_clients = paused.clients;
  // Of what is configured that is known; what is found can be too much for one VRF, and harms no other.
  if (const std::string_view wrong = wrong_with_native(native, entry); !wrong.empty())
    return unserved(std::string(wrong));
  NativeSpec spec{.vrf = entry.id,
                  .vrf_name = vrf.name,
                  .directory = native.directory,
                  .kea_directory = model_.appliance.state_dir + "/kea/" + out_.ids.directory(vrf.name),
                  .urgent = native.reply_after == ReplyAfter::store,
                  .subnets = {}};
  for (const Subnet& subnet : vrf.subnets) spec.subnets.emplace_back(subnet.id, subnet.prefix);
  out_.natives[entry.id] = std::move(spec);
  out_.snapshot.natives.push_back(std::move(native));
}

// Answers to ARP probes come to 0.0.0.0.
void DesiredBuilder::add_probe_address(const AttachmentEntry& entry, const DesiredPort& port) {
  if (!probing_.contains(entry.vrf)) return;
  AddressRow row;
  row.key.attachment_id = entry.id.value;
  row.key.family = 4;
  row.flags = XK_ADDRESS_PROBE;
  out_.addresses.push_back({.row = row, .port = port.entry.name, .vrf = entry.vrf});
}

}  // namespace xk
