#include "controlplane/model/lookup.h"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace xk {

const Vrf* find_vrf(const Model& model, std::string_view name) {
  const auto found = std::ranges::find(model.vrfs, name, &Vrf::name);
  return found == model.vrfs.end() ? nullptr : &*found;
}

const Port* find_port(const Model& model, std::string_view name) {
  const auto found = std::ranges::find(model.ports, name, &Port::name);
  return found == model.ports.end() ? nullptr : &*found;
}

const Subnet* find_subnet(const Vrf& vrf, const Prefix4& prefix) {
  const auto found = std::ranges::find(vrf.subnets, prefix, &Subnet::prefix);
  return found == vrf.subnets.end() ? nullptr : &*found;
}

std::vector<KeaSettings> kea_kinds(const Model& model) {
  std::vector<KeaSettings> kinds{KeaSettings{}};
  const auto add = [&kinds](const KeaSettings& kea) {
    if (std::ranges::find(kinds, kea) == kinds.end()) kinds.push_back(kea);
  };
  add(model.discovery.vrf.kea);
  for (const Vrf& vrf : model.vrfs) add(vrf.kea);
  return kinds;
}

std::string hostname_of(const Appliance& appliance) {
  if (!appliance.hostname.empty()) return appliance.hostname;
  std::array<char, 256> name{};
  // The last byte stays zero: gethostname need not terminate a name that it cuts off.
  if (gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return std::string(name.data());
}

std::string attachment_text(std::string_view interface, Vid outer, Vid inner) {
  std::string text(interface);
  if (outer.value != 0) text += " vlan " + vlan_text(outer, inner);
  return text;
}

}  // namespace xk
