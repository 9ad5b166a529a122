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
};

[[nodiscard]] Classified classify(Bytes frame, PortId port, const Forwarding& forwarding);

// Whether the dataplane answers ARP for this address on the attachment.
[[nodiscard]] bool answers_arp(const AttachmentEntry& attachment, Ip4 address);

}  // namespace xk
