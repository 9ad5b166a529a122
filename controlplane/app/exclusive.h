// What must be true before the daemon touches the machine.
#pragma once

#include <string>

#include "controlplane/model/model.h"
#include "controlplane/reconcile/ports.h"

namespace xk::kead {

// state_dir and run_dir, made if missing (0755: Kea and the dataplane run as other users).
[[nodiscard]] Result<> make_directories(const Appliance& appliance);

// The right to run: a lock on <run_dir>/xdp-kead.lock, held as long as the value lives. Error with
// errno EWOULDBLOCK: another process has it, and the text says which.
[[nodiscard]] Result<Fd> take_lock(const std::string& run_dir);

// An Error naming all capabilities that are missing.
[[nodiscard]] Result<> check_capabilities();

// An Error if the kernel has no AF_XDP.
[[nodiscard]] Result<> check_kernel();

}  // namespace xk::kead
