// What the rules of the engines are about: a frame that was received, what is sent, what becomes of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bpf/shared/walk.h"
#include "dataplane/base/bytes.h"
#include "dataplane/base/forwarding.h"
#include "dataplane/base/outcome.h"

namespace xk {

// A received frame whose headers were walked (bpf/shared/walk.h). The rules check the rest
// themselves: lengths, checksums, ports (dhcp/frame.h). Everything is borrowed.
struct Received {
  Bytes frame;  // from the Ethernet header on
  xk_headers headers{};
  const AttachmentEntry* attachment = nullptr;  // where it came in
  const VrfEntry* vrf = nullptr;                // of that attachment
  std::span<const Way> ways{};                  // to its servers: Forwarding::ways
  std::uint64_t now_ms = 0;                     // monotonic
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

inline constexpr std::size_t kFrameMax = 2048;  // bytes of any frame we handle

}  // namespace xk
