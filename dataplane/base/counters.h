// The counters the dataplane shares with xdp-kead: one memfd, written by the dataplane's loops
// only, mapped read-only by everyone else. Slot 0 counts what belongs to no VRF; slot n is VRF id n.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "bpf/shared/limits.h"
#include "dataplane/base/outcome.h"
#include "dataplane/base/server_slot.h"

namespace xk {

// A number that goes up and down, or is the largest there was; of a single writer, as Counter is.
struct Gauge {
  std::atomic<std::uint32_t> value{0};
  void set(std::uint32_t n) { value.store(n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t get() const { return value.load(std::memory_order_relaxed); }
};

// What every packet counts, one cache line a VRF. rx + copies = tx + the sum of the drops, once the
// queues are empty.
struct alignas(64) VrfCounters {
  Counter rx;              // packets classified into the VRF
  Counter copies;          // further packets made from one, for several servers
  Counter tx;              // packets handed to a port
  Counter requests;        // of tx: towards servers
  Counter replies;         // of tx: towards clients and relays
  Counter arp;             // of tx: ARP answers
  Counter exceptions;      // of tx: handed to the exception port of an ethdev port
  Gauge queue_high_water;  // most packets its queue has held
  Gauge queue_depth;       // packets that were left in its queue after its last turn
};
static_assert(sizeof(VrfCounters) == 64);
using VrfOutcomes = std::array<Counter, XK_OUTCOME_COUNT>;  // drops and notes

inline constexpr std::uint32_t kCountersMagic = 0x786b6334;  // "xkc4"

// Written from several loops, each a slot of its own. Readers sum.
inline constexpr std::uint32_t kLcoresMax = 8;
struct CountersHeader {
  std::uint32_t magic = kCountersMagic;
  std::uint32_t outcome_count = XK_OUTCOME_COUNT;
  std::uint32_t lcore_slots = 0;
  std::uint32_t vrf_slots = 0;  // VRF ids 0..vrf_slots-1
  std::uint32_t server_slots = 0;
  std::atomic<std::uint32_t> servers_used{0};  // server slots from here on have never been used
  std::atomic<std::uint64_t> generation{0};    // snapshot in force
  std::atomic<std::uint64_t> started_unix_ms{0};
  // followed, at kCountersOffset, by what CountersLayout says
};
inline constexpr std::size_t kCountersOffset = 4096;
static_assert(sizeof(CountersHeader) <= kCountersOffset);

// The memory behind the header: VrfCounters[lcore slots][vrf slots], VrfOutcomes[lcore slots][vrf slots],
// ServerSlot[server slots].
struct CountersLayout {
  std::size_t lcore_slots = 0;
  std::size_t vrf_slots = 0;
  std::size_t server_slots = 0;
  [[nodiscard]] constexpr std::size_t bytes() const {
    return servers_offset() + server_slots * sizeof(ServerSlot);
  }
  [[nodiscard]] constexpr std::size_t servers_offset() const {
    const std::size_t end =
        kCountersOffset + lcore_slots * vrf_slots * (sizeof(VrfCounters) + sizeof(VrfOutcomes));
    return (end + alignof(ServerSlot) - 1) / alignof(ServerSlot) * alignof(ServerSlot);
  }
  // Those of an lcore slot, by VRF; memory is the header's address. Borrowed.
  [[nodiscard]] VrfCounters* counters(void* memory, std::size_t lcore) const {
    return reinterpret_cast<VrfCounters*>(static_cast<std::uint8_t*>(memory) + kCountersOffset) +
           lcore * vrf_slots;
  }
  [[nodiscard]] VrfOutcomes* outcomes(void* memory, std::size_t lcore) const {
    return reinterpret_cast<VrfOutcomes*>(counters(memory, lcore_slots)) + lcore * vrf_slots;
  }
  // Of all loops.
  [[nodiscard]] ServerSlot* servers(void* memory) const {
    return reinterpret_cast<ServerSlot*>(static_cast<std::uint8_t*>(memory) + servers_offset());
  }
};

}  // namespace xk
