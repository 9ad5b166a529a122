// The relay's rules as pure functions: packet + forwarding state -> verdict. No I/O, no clock, no
// allocation, no state but the caller's RecentRequests. RFC 951, 1542, 2131 4.1, 3046, 3527, 5010,
// 5107, 6607.
#pragma once

#include <cstddef>

#include "dataplane/base/bytes.h"
#include "dataplane/base/forwarding.h"
#include "dataplane/base/outcome.h"
#include "dataplane/dhcp/received.h"
#include "dataplane/relay/recent_requests.h"

namespace xk {

// A client's (or downstream relay's) request on a client attachment: op BOOTREQUEST. Writes the
// frame for servers[server_index] of the VRF into out (at least kFrameMax bytes): choose_servers.h
// says which. Every index gives the same verdict, but for SERVER_UNRESOLVED, the addresses and what
// the MTU of the way out decides.
//
// The first rule that fails names the drop, in this order: datagram, port, fixed header, options,
// option 53, hops, giaddr, option 82, server, room. hops goes out one higher (RFC 1542 4.1.1). A
// non-zero giaddr stays as it is; zero becomes the VRF's giaddr or the attachment's relay address.
// Towards a Kea that is not told the subnet by sub-option 5 (policy keep, or no room) it becomes the
// attachment's server identifier, if that lies in the subnet: Kea would not find the subnet otherwise.
// option82_policy.h says what becomes of option 82. It goes last before END; the padding behind END
// is used up first, and the message is never below 300 bytes.
[[nodiscard]] Verdict relay_request(const Received& received, const Forwarding& forwarding,
                                    std::size_t server_index, RecentRequests& recent, MutableBytes out,
                                    Emission& emission);

// What relay_request would drop the request for, whatever the server; XK_OUTCOME_COUNT: nothing.
[[nodiscard]] Outcome check_request(const Received& received, const Forwarding& forwarding);

// A server's reply on a server attachment or a handoff: op BOOTREPLY. On a server attachment only a
// configured server is heard; on a handoff there is only the VRF's Kea.
//
// Our own option 82 decides the attachment; so does RecentRequests where the reply cannot carry one
// of ours (the server does not echo it, or the request went out with a downstream relay's only).
// Our sub-options are cut out byte for byte; a downstream relay's stay. Nothing else in the message
// changes, giaddr included (RFC 1542 4.1.2).
//
// Where it goes (RFC 2131 4.1, RFC 1542 4.1.2): a giaddr that is not ours: that relay, port 67.
// Otherwise the client, port 68: NAK to the limited broadcast; to ciaddr if set; to the limited
// broadcast if the client set the broadcast flag; else to yiaddr. Unicast goes to chaddr without
// ARP, but to the router a request came through if the address is not of the attachment's subnet.
[[nodiscard]] Verdict relay_reply(const Received& received, const Forwarding& forwarding,
                                  const RecentRequests& recent, MutableBytes out, Emission& emission);

// An ARP request for the attachment's server identifier (on a server attachment: for one of its
// local addresses): writes the answer. Errors: ARP_BAD, ARP_NOT_OURS.
[[nodiscard]] Verdict answer_arp(const Received& received, const Forwarding& forwarding, MutableBytes out,
                                 Emission& emission);

}  // namespace xk
