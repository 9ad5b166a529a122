// The relay's rules as pure functions: packet + forwarding state -> verdict. No I/O, no clock, no
// allocation, no state but the caller's RecentRequests. RFC 951, 1542, 2131 4.1, 3046, 3527, 5010,
// 5107, 6607.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bpf/shared/walk.h"
#include "dataplane/base/bytes.h"
#include "dataplane/base/forwarding.h"
#include "dataplane/base/outcome.h"
#include "dataplane/relay/recent_requests.h"

namespace xk {

// A received frame whose headers were walked (bpf/shared/walk.h). The functions below check the rest
// themselves: lengths, checksums, ports (dhcp/frame.h). Everything is borrowed.
struct Received {
  Bytes frame;  // from the Ethernet header on
  xk_headers headers{};
  const AttachmentEntry* attachment = nullptr;  // where it came in
  const VrfEntry* vrf = nullptr;                // of that attachment
  std::span<const Way> ways{};                  // to its servers: Forwarding::ways
  std::uint64_t now_ms = 0;                     // monotonic, for RecentRequests
};

// Where a built frame goes.
struct Emission {
  AttachmentId out{};
  PortId port{};            // its port
  std::size_t length = 0;   // bytes of the frame
  bool answer_due = false;  // a request that this server answers, if it is there
  Ip4 server{};             // of a reply: who sent it; 0: our Kea
};

// What becomes of a packet. drop_reason is XK_OUTCOME_COUNT if it goes on; a dropped one has no notes.
struct Verdict {
  Outcome drop_reason = XK_OUTCOME_COUNT;
  std::uint8_t note_count = 0;
  std::array<Outcome, 4> notes{};
  [[nodiscard]] bool dropped() const { return drop_reason != XK_OUTCOME_COUNT; }
  void note(Outcome outcome) {
    if (note_count < notes.size()) notes[note_count++] = outcome;
  }
  [[nodiscard]] static Verdict drop(Outcome reason) { return Verdict{.drop_reason = reason}; }
};

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

inline constexpr std::size_t kFrameMax = 2048;  // bytes of any frame we handle

}  // namespace xk
