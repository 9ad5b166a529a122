#include "controlplane/statics/decide.h"

#include <algorithm>

#include "controlplane/model/lookup.h"
#include "controlplane/model/option_bytes.h"

namespace xk::statics {
namespace {

bool is_same_client(const StaticEntry& entry, const Leased& leased) {
  if (leased.declined) return false;
  const StaticTexts texts = texts_of(entry);
  switch (entry.kind) {
    case StaticKind::mac:
      return texts.mac == leased.mac;
    case StaticKind::client_id:
      return texts.client_id == leased.client_id;
    case StaticKind::circuit:
      break;
  }
  return entry.identity == static_circuit_identity(leased.circuit_id) ||
         entry.identity == static_circuit_identity(leased.circuit_id, leased.remote_id);
}

std::string client_text(const Leased& leased) {
  if (leased.declined) return "in use by a host that is no client: one declined it";
  std::string who = leased.mac.empty() ? "" : "MAC " + leased.mac;
  if (!leased.client_id.empty()) who += (who.empty() ? "" : ", ") + ("client-id " + leased.client_id);
  return "leased by another client now (" + who + ")";
}

const Subnet* subnet_with(const Vrf& vrf, Ip4 address) {
  const auto found = std::ranges::find_if(
      vrf.subnets, [&](const Subnet& subnet) { return subnet.prefix.contains(address); });
  return found == vrf.subnets.end() ? nullptr : &*found;
}

// What no force can help.
std::optional<std::string> address_problem(const Vrf& vrf, Ip4 address) {
  const std::string text = to_string(address);
  const Subnet* subnet = subnet_with(vrf, address);
  if (subnet == nullptr) {
    std::string all;
    for (const Subnet& each : vrf.subnets) all += (all.empty() ? "" : ", ") + to_string(each.prefix);
    return text + " is in no subnet of VRF " + vrf.name + (all.empty() ? ", which has none" : ": " + all);
  }
  if (address == subnet->prefix.network || address == subnet->prefix.broadcast())
    return text + " is the network or broadcast address of " + to_string(subnet->prefix);
  for (const Subnet& each : vrf.subnets) {
    if (address == each.gateway) return text + " is the gateway of " + to_string(each.prefix);
    if (address == each.server_identifier)
      return text + " is the server identifier of " + to_string(each.prefix);
  }
  return std::nullopt;
}

}  // namespace

Decision decide(const StaticEntry& entry, const Model& model, const StaticLeases& leases,
                const std::optional<Leased>& leased, bool force) {
  Decision decision;
  const auto refuse = [&](std::string why) {
    decision.problems.push_back(identity_text(entry) + ": " + why);
  };
  const Vrf* vrf = find_vrf(model, entry.vrf);
  if (vrf == nullptr) {
    refuse("there is no VRF '" + entry.vrf + "'");
    return decision;
  }
  if (vrf->engine == Engine::relay) {
    refuse("VRF '" + entry.vrf + "' is relayed to servers elsewhere: static leases are theirs to give");
    return decision;
  }
  const auto before = leases.find(entry);
  if (before && *before == entry) return decision;
  decision.effect = before ? Effect::changed : Effect::added;
  if (before && !force) {
    const std::string has = before->address.is_zero() ? "no address" : to_string(before->address);
    refuse("it has a static lease with " + has + " or other options already; --force replaces it");
  }
  if (entry.address.is_zero()) return decision;
  if (auto problem = address_problem(*vrf, entry.address)) {
    refuse(std::move(*problem));
    return decision;
  }
  if (const auto holder = leases.holder(entry.vrf, entry.address);
      holder && (holder->kind != entry.kind || holder->identity != entry.identity)) {
    if (force)
      decision.giving_way.push_back(*holder);
    else
      refuse(to_string(entry.address) + " is the static lease of " + identity_text(*holder) +
             "; --force takes it from there");
  }
  if (leased && !is_same_client(entry, *leased)) {
    decision.takes_from_client = true;
    if (!force)
      refuse(to_string(entry.address) + " is " + client_text(*leased) +
             "; --force takes it, and the client is refused it when it renews");
  }
  return decision;
}

}  // namespace xk::statics
