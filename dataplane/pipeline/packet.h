// What the pipeline knows of a packet, in the private area of its mbuf: ids only, nothing that a
// snapshot owns, so a packet may wait in a queue while snapshots change.
#pragma once

#include <cstdint>

#include "bpf/shared/walk.h"
#include "dataplane/base/types.h"
#include "dataplane/port/mbuf.h"

namespace xk {

// What a sent packet is counted as, beside tx.
enum class PacketKind : std::uint8_t { request, reply, arp, exception };

struct PacketMeta {
  xk_headers headers{};
  AttachmentId attachment{};  // where it came in
  std::uint32_t place = 0;    // and where that was in its snapshot: a hint
  VrfId counted{};            // the counters' slot its rx or copy was counted in; 0 = none
  std::uint32_t port_serial = 0;
  std::uint16_t port_slot = 0;  // way out: the port's place and queue
  std::uint16_t queue = 0;
  std::uint8_t walk = 0;  // enum xk_walk_result
  PacketKind kind = PacketKind::request;
};
inline constexpr std::uint16_t kPacketPrivateBytes = 64;
static_assert(sizeof(PacketMeta) <= kPacketPrivateBytes);

[[nodiscard]] inline PacketMeta& meta_of(rte_mbuf* mbuf) {
  return *static_cast<PacketMeta*>(rte_mbuf_to_priv(mbuf));
}

}  // namespace xk
