// Where a received frame belongs. The same decisions as the XDP program's (bpf/lib/verdict.h), made
// again from the port and the tags: a DPDK driver runs no XDP, and a frame from XDP may be older than
// the snapshot. Pure.
#pragma once

#include "bpf/shared/walk.h"
#include "dataplane/base/bytes.h"
#include "dataplane/base/forwarding.h"
#include "dataplane/base/outcome.h"

namespace xk {

struct Classified {
  xk_headers headers{};
  xk_walk_result walk = XK_WALK_MALFORMED;
  // Where it came in; nullptr if no attachment is there.
  const AttachmentEntry* attachment = nullptr;
  // XK_OUTCOME_COUNT: for the attachment's VRF.
  Outcome drop_reason = XK_OUTCOME_COUNT;
  // With a drop reason: XDP would have left it to the kernel, so an exception port takes it.
  bool is_foreign = false;
  // Whether the walk came far enough for the frame to belong to an attachment.
  [[nodiscard]] bool has_place() const {
    return walk == XK_WALK_ARP || walk == XK_WALK_UDP || walk == XK_WALK_FIRST_FRAGMENT;
  }
};

[[nodiscard]] Classified classify(Bytes frame, PortId port, const Forwarding& forwarding);

// The two halves of it, so that the look-ups of a burst can be made between them: what the frame says,
// then with attachment filled in what becomes of it.
[[nodiscard]] Classified walk_frame(Bytes frame);
void decide(Bytes frame, const Forwarding& forwarding, Classified& classified);

// Whether the dataplane answers ARP for this address on the attachment.
[[nodiscard]] bool answers_arp(const AttachmentEntry& attachment, Ip4 address);

}  // namespace xk
