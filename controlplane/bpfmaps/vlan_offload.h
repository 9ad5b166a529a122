// Receive VLAN offloads: while one is on, the NIC takes the tag out of the frame before XDP sees it.
#pragma once

#include <string>
#include <vector>

#include "controlplane/reconcile/ports.h"

namespace xk::bpfmaps {

// Names (as `ethtool -k` uses inside the kernel) of the receive VLAN offloads that are on: of C-tags
// and of S-tags. Empty if the driver has none.
[[nodiscard]] Result<std::vector<std::string>> active_vlan_offloads(IfIndex ifindex);

// Switches these offloads; an Error names those that did not follow.
[[nodiscard]] Result<> set_vlan_offloads(IfIndex ifindex, const std::vector<std::string>& names, bool on);

}  // namespace xk::bpfmaps
