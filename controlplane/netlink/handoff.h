// The veth pair between the appliance's namespace and a VRF's Kea namespace. Private to netlink/.
#pragma once

#include "controlplane/netlink/link_table.h"
#include "controlplane/netlink/socket.h"
#include "controlplane/reconcile/ports.h"

namespace xk::netlink {

// host: a socket in the appliance's namespace. As Links::ensure_handoff. The pair is made and marked
// inside the VRF's namespace, which is ours, and only then does its host end come out, by its name:
// whatever interrupts us, there is never an unmarked interface of ours among the machine's.
[[nodiscard]] Result<LinkInfo> ensure_handoff(const Socket& host, const HandoffSpec& spec,
                                              const std::string& netns_directory);
[[nodiscard]] Result<> remove_handoff(const Socket& host, const std::string& host_name,
                                      const std::string& mark);

}  // namespace xk::netlink
