// The queue of one VRF: an rte_ring, filled by rx loops, emptied by the one vrf loop that owns it.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>

#include "dataplane/base/error.h"
#include "dataplane/base/types.h"
#include "dataplane/port/ring.h"

namespace xk {

struct VrfQueue {
  VrfId vrf{};
  std::uint32_t depth = 0;                // packets it holds
  std::uint32_t loop = 0;                 // index of the vrf loop that owns it
  std::atomic<std::uint32_t> quantum{0};  // bytes a turn; the control thread may change it
  RingHandle ring;

  // True while the owner serves it or is about to: set by whoever finds it false and has put a packet
  // in, cleared by the owner once it is empty.
  alignas(64) std::atomic<bool> active{false};

  // The owner's.
  alignas(64) std::int64_t deficit = 0;  // bytes it may still send in this turn
  bool in_turn = false;
  VrfQueue* next = nullptr;

  // several_producers: more than one rx loop.
  [[nodiscard]] static std::expected<std::unique_ptr<VrfQueue>, Error> make(VrfId vrf, std::uint32_t depth,
                                                                            std::uint32_t loop,
                                                                            bool several_producers);
  ~VrfQueue();
};

}  // namespace xk
