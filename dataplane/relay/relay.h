// The relay's rules as pure functions: packet + forwarding state -> verdict. No I/O, no clock, no
// allocation, no state but the caller's RecentRequests. RFC 951, 1542, 2131 4.1, 3046, 3527, 5010,
// 5107, 6607.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "bpf/shared/walk.h"
#include "dataplane/base/bytes.h"
#include "dataplane/base/forwarding.h"
#include "dataplane/base/outcome.h"

namespace xk {

// A received frame whose headers were walked and checked (dhcp/frame.h). Everything is borrowed.
struct Received {
  Bytes frame;  // from the Ethernet header on
  xk_headers headers{};
  const AttachmentEntry* attachment = nullptr;  // where it came in
  const VrfEntry* vrf = nullptr;                // of that attachment
  std::uint64_t now_ms = 0;                     // monotonic, for RecentRequests
};

// Where a built frame goes.
struct Emission {
  const AttachmentEntry* out = nullptr;
  std::size_t length = 0;  // bytes of the frame
};

// What becomes of a packet. drop_reason is XK_OUTCOME_COUNT if it goes on.
struct Verdict {
  Outcome drop_reason = XK_OUTCOME_COUNT;
  std::uint8_t note_count = 0;
  std::array<Outcome, 4> notes{};
  [[nodiscard]] bool dropped() const { return drop_reason != XK_OUTCOME_COUNT; }
  void note(Outcome outcome) {
    if (note_count < notes.size()) notes[note_count++] = outcome;
  }
};

// Remembers which attachment a (server VRF, xid, chaddr) came from, for servers that do not echo
// option 82. Fixed size, allocated once; a slot is overwritten by a newer request with its hash.
// Two attachments with the same (VRF, xid, chaddr) within the time make it ambiguous: no answer.
class RecentRequests {
 public:
  explicit RecentRequests(std::size_t slots, std::uint64_t keep_ms = 30'000);
  void remember(VrfId server_vrf, std::uint32_t xid, const Mac& chaddr, AttachmentId attachment,
                std::uint64_t now_ms);
  // The attachment, or AttachmentId{0} if unknown, expired or ambiguous.
  [[nodiscard]] AttachmentId find(VrfId server_vrf, std::uint32_t xid, const Mac& chaddr,
                                  std::uint64_t now_ms) const;
  // implementation detail of the helper that writes relay/recent_requests.cpp
 private:
  struct Slot;
  std::vector<Slot> slots_;
  std::uint64_t keep_ms_;
};

// A client's (or downstream relay's) request on a client attachment: op BOOTREQUEST. Writes the
// frame for servers[server_index] of the VRF into out (at least kFrameMax bytes). Every index gives
// the same verdict as index 0, but for SERVER_UNRESOLVED and the addresses. remember() is called
// for index 0 only.
[[nodiscard]] Verdict relay_request(const Received& received, const Forwarding& forwarding,
                                    std::size_t server_index, RecentRequests& recent, MutableBytes out,
                                    Emission& emission);

// A server's reply on a server attachment or a handoff: op BOOTREPLY.
[[nodiscard]] Verdict relay_reply(const Received& received, const Forwarding& forwarding,
                                  const RecentRequests& recent, MutableBytes out, Emission& emission);

// An ARP request for the attachment's server identifier: writes the answer.
[[nodiscard]] Verdict answer_arp(const Received& received, const Forwarding& forwarding, MutableBytes out,
                                 Emission& emission);

inline constexpr std::size_t kFrameMax = 2048;  // bytes of any frame we handle

}  // namespace xk
