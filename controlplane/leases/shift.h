// Leases of the store when the machine's clock was set.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>

#include "controlplane/leases/clock_watch.h"
#include "controlplane/store/store.h"

namespace xk::leases {

// Moves the leases of a VRF with the clock (shifted_start), which was set by so much; how many. One that
// changes meanwhile is left as it is: it was made by the clock as it is now. now: seconds of Unix. Blocks.
[[nodiscard]] std::expected<std::uint64_t, Error> shift_leases(store::Store& store, const std::string& vrf,
                                                               std::int64_t by_s,
                                                               const std::function<std::int64_t()>& now);

}  // namespace xk::leases
