// Our hook's command to a running Kea (kea/hook): leases that another appliance has made.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "controlplane/leases/gate_wire.h"
#include "controlplane/reconcile/ports.h"

namespace xk::kead {

// Sends leases::put_leases_command() to the Kea of the directory, and waits so long. Any thread. EINVAL: Kea
// refuses it.
[[nodiscard]] Result<> put_leases(const std::string& directory,
                                  const std::vector<leases::LeaseChange>& changes,
                                  std::chrono::milliseconds wait);

}  // namespace xk::kead
