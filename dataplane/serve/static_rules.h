// The rules of static leases as pure functions: packet + forwarding state + static leases -> verdict and
// reply. No I/O, no clock, no allocation. RFC 2131 4.3, 1542, 2132, 3046, 3396, 3527, 6842.
//
// A client is known by its client id (option 61), else its MAC (chaddr), else its line: the circuit-id and
// remote-id that a relay in front of us sent, else those that its attachment has; a lease of the line with
// this remote-id goes before one of the circuit-id alone. The lease counts where its address is of the
// client's subnet: that of a relay's link selection (sub-option 5), else of giaddr, else of the attachment.
#pragma once

#include <optional>

#include "dataplane/base/bytes.h"
#include "dataplane/base/forwarding.h"
#include "dataplane/dhcp/received.h"
#include "dataplane/serve/native_plan.h"
#include "dataplane/serve/server_request.h"
#include "dataplane/serve/static_table.h"

namespace xk {

// A request on a client attachment of a VRF with static leases. nullopt: it is none of theirs (or malformed,
// which others say better) and goes to the VRF's server. Else what becomes of it; whether it may be heard at
// all is not looked at here (relay's check_request). out holds kFrameMax bytes at least.
//
//   from the holder             DISCOVER        OFFER (4.3.1)
//                               REQUEST         for another server: static_silent; for the lease's address:
//                                               ACK; for another: NAK; for none: static_silent, but NAK if it
//                                               names us (4.3.2: selecting, init-reboot, renewing, rebinding)
//                               INFORM          ACK without address and times (4.3.5); without ciaddr:
//                               nullopt RELEASE         of the lease's address: static_released (4.3.4)
//                               DECLINE         of the lease's address: static_declined (4.3.3)
//                               BOOTP           as DISCOVER, at once, in a VRF of the native engine that
//                               serves
//                                               BOOTP clients; else nullopt
//   from anyone else            REQUEST         for an address that is another's static lease: NAK, unless
//                                               it names another server
[[nodiscard]] std::optional<Verdict> answer_static(const Received& received, const Forwarding& forwarding,
                                                   const StaticTable& leases, MutableBytes out,
                                                   Emission& emission);
// The same of a request that was read. plan: the VRF's, if it has the native engine, whose classes and boot
// parameters count then.
[[nodiscard]] std::optional<Verdict> answer_static(const ServerRequest& request, const Forwarding& forwarding,
                                                   const StaticTable& leases, const NativePlan* plan,
                                                   MutableBytes out, Emission& emission);

}  // namespace xk
