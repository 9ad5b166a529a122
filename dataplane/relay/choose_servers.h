// Which of several servers a request goes to: a rule of the relay, pure but for the slots.
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/base/server_slot.h"
#include "dataplane/relay/relay.h"

namespace xk {

// Bit i for servers[i] of the VRF, never 0 where the VRF has servers; slots are theirs, in that order.
// What is due to be called dead is marked so. A request that will be dropped for its own sake gets bit 0.
//
// all: every server. Otherwise the server that the request names (option 54: selecting, RFC 2131
// 4.3.2, DECLINE, RELEASE), dead or not: no other one answers it. Else, of the servers that have a next
// hop and are not dead:
//   failover  the first of the list.
//   hash      the one that this client (option 61, else chaddr) weighs highest, whatever their order:
//             when a server dies only its clients move, and when it is back only they come back.
// If there is none, all of them. A dead server gets, beside that, a DISCOVER or INFORM every
// probe_interval_s (hash: of its own clients). Other requests never probe: a server that does not
// know the client's lease might refuse it.
[[nodiscard]] std::uint64_t choose_servers(const Received& received, std::span<ServerSlot* const> slots);

}  // namespace xk
