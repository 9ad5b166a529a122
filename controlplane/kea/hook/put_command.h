// What our command of leases that another appliance has made is, in Kea's words: its arguments are read, and
// each lease becomes a command of libdhcp_lease_cmds. Calls nothing of Kea but its JSON.
#pragma once

#include <cc/data.h>

#include <vector>

#include "controlplane/leases/gate_wire.h"

namespace xk::hook {

// Throws isc::BadValue, which says why, if they are not what the command has.
[[nodiscard]] std::vector<leases::LeaseChange> leases_of(const isc::data::ConstElementPtr& arguments);
// lease4-update, or lease4-del. A user context that Kea would not read is left out: the lease counts.
[[nodiscard]] isc::data::ElementPtr command_of(const leases::LeaseChange& change);

}  // namespace xk::hook
