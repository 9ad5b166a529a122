// A port as the pipeline holds it: its queues, who runs them, and the packets staged for sending.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/base/snapshot.h"
#include "dataplane/pipeline/packet.h"
#include "dataplane/port/port.h"

namespace xk {

// By what a port of a snapshot finds its queues: af_xdp by ifindex, the others by name.
struct PortKey {
  PortKind kind = PortKind::af_xdp;
  IfIndex ifindex{};
  std::string name;
  friend bool operator==(const PortKey&, const PortKey&) = default;
  [[nodiscard]] static PortKey of(const PortEntry& entry) {
    return entry.kind == PortKind::af_xdp ? PortKey{entry.kind, entry.ifindex, {}}
                                          : PortKey{entry.kind, {}, entry.name};
  }
};

// Packets on their way into one transmit queue. Belongs to the one tx loop that runs the queue.
struct TxBuffer {
  PortQueue* queue = nullptr;
  std::uint32_t loop = 0;  // index of the tx loop
  std::uint16_t count = 0;
  bool dirty = false;  // in the loop's list of buffers to send
  TxBuffer* next_dirty = nullptr;
  std::uint64_t full_since_ms =
      0;  // CLOCK_BOOTTIME since which it takes none of the answers that wait; 0: it does
  struct Counted {
    VrfId vrf{};
    PacketKind kind = PacketKind::request;
  };
  std::array<rte_mbuf*, kBurstMax> packets{};
  std::array<Counted, kBurstMax> counted{};
};

// What is known of one receive queue beside its packets.
struct RxState {
  std::uint32_t loop = 0;                 // index of the rx loop
  std::atomic<std::uint64_t> overrun{0};  // frames the device lost, as the control thread found
  std::uint64_t overrun_counted = 0;      // the loop's: what of these is in the counters
  std::uint64_t buffer_none_counted = 0;
};

struct RuntimePort {
  PortKey key;
  std::uint16_t slot = 0;    // place in the table of ports while it lives
  std::uint32_t serial = 0;  // never used again: a packet for a port that is gone meets no other
  std::vector<std::unique_ptr<PortQueue>> queues;
  std::vector<std::unique_ptr<RxState>> rx;   // by queue
  std::vector<std::unique_ptr<TxBuffer>> tx;  // by queue
  // Two ports joined: an ethdev port and its exception port. What is not ours goes across.
  RuntimePort* peer = nullptr;
  bool is_exception = false;  // the far side of such a pair: everything goes across
};

}  // namespace xk
