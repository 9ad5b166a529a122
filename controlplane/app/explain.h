// What a DHCP packet would meet that arrives at an interface: the findings in the order of its way, up to
// where it ends. On the loop thread only.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "controlplane/api/control.h"
#include "controlplane/app/views.h"

namespace xk::kead {

// "", "-": none; "100"; "200.300". Error: what is wrong with it.
struct VlanQuestion {
  Vid outer{};
  Vid inner{};
};
[[nodiscard]] std::expected<VlanQuestion, std::string> parse_vlan_question(std::string_view text);

// The interface may be a port, a VLAN device on one, or a bridge, bond or VRF device: of these the members
// are looked at. Error: the machine's interfaces cannot be listed.
[[nodiscard]] Result<api::ExplainView> explain(const Reconciler& reconciler, const Machine& machine,
                                               const std::string& interface, VlanQuestion vlan);

}  // namespace xk::kead
