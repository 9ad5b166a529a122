// Finding things in the model. All results are borrowed from it; nullptr: there is none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controlplane/model/model.h"

namespace xk {

[[nodiscard]] const Vrf* find_vrf(const Model& model, std::string_view name);
[[nodiscard]] const Port* find_port(const Model& model, std::string_view name);
[[nodiscard]] const Subnet* find_subnet(const Vrf& vrf, const Prefix4& prefix);

// What a Kea of this appliance may have been started with, each once: the default too, for VRFs that are
// not configured any more.
[[nodiscard]] std::vector<KeaSettings> kea_kinds(const Model& model);

// "{hostname}": the configured one, or the machine's.
[[nodiscard]] std::string hostname_of(const Appliance& appliance);

// "eth1", "eth1 vlan 100", "eth1 vlan 200.300": for errors and tables.
[[nodiscard]] std::string attachment_text(std::string_view interface, Vid outer, Vid inner);

}  // namespace xk
