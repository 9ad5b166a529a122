// Kea's leases as another appliance makes them: the command kPutLeases has Kea take them.
#pragma once

namespace isc::hooks {
class LibraryHandle;
}

namespace xk::hook {

void register_follow(isc::hooks::LibraryHandle& handle);

}  // namespace xk::hook
