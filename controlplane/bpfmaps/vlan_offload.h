// Receive VLAN offloads: one takes the tag out of the frame before XDP sees it, the other drops tagged frames
// of VLANs for which the kernel has no VLAN device.
#pragma once

#include <string>
#include <vector>

#include "controlplane/reconcile/ports.h"

namespace xk::bpfmaps {

// Names (as `ethtool -k` uses inside the kernel) of those that are on: of C-tags and of S-tags. Empty if the
// driver has none.
struct VlanOffloads {
  std::vector<std::string> strips;
  std::vector<std::string> filters;
};
[[nodiscard]] Result<VlanOffloads> active_vlan_offloads(IfIndex ifindex);

// Switches these offloads; an Error names those that did not follow.
[[nodiscard]] Result<> set_vlan_offloads(IfIndex ifindex, const std::vector<std::string>& names, bool on);

}  // namespace xk::bpfmaps
