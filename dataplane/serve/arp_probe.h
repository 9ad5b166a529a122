// ARP probes (RFC 5227 2.1.1): is there a host that has the address already?
#pragma once

#include <cstddef>
#include <optional>

#include "bpf/shared/walk.h"
#include "dataplane/base/bytes.h"
#include "dataplane/base/snapshot.h"

namespace xk {

// Writes a probe for the address on the attachment; out has room for a frame. Returns its length.
[[nodiscard]] std::size_t write_arp_probe(const AttachmentEntry& attachment, const PortEntry& port,
                                          Ip4 address, MutableBytes out);
// Whether the ARP packet at offset l3 of the frame is the answer to a probe: to an address of 0.
[[nodiscard]] bool is_arp_probe_reply(Bytes frame, std::size_t l3);
// The address whose host sent such an answer.
[[nodiscard]] Ip4 arp_sender(Bytes frame, std::size_t l3);

}  // namespace xk
