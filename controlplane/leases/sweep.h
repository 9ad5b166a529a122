// The one place where a lease that is over is erased.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "controlplane/leases/follower.h"
#include "controlplane/store/store.h"

namespace xk::leases {

// Whether the lease is to go: it has been over for the grace time. A declined one has no client to wait for.
[[nodiscard]] bool sweep_due(const LeaseIndex::Entry& entry, std::int64_t now_unix_s, std::int64_t grace_s);

// Erases those of the VRF that are to go, and have not changed since; how many, and at most limit. Blocks.
[[nodiscard]] std::expected<std::uint64_t, Error> sweep(store::Store& store, const LeaseFollower& follower,
                                                        const std::string& vrf, std::int64_t now_unix_s,
                                                        std::int64_t grace_s, std::size_t limit);

}  // namespace xk::leases
