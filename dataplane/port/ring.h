// An rte_ring in memory of its own: no name, no memzone, so their number is bounded by memory only.
#pragma once

#include <rte_ring.h>

#include <cstdint>
#include <cstdlib>
#include <expected>
#include <memory>
#include <span>

#include "dataplane/base/error.h"

namespace xk {

struct RingFree {
  void operator()(rte_ring* ring) const { std::free(ring); }
};

// Pointers in, pointers out. What is in it when it goes is not freed.
using RingHandle = std::unique_ptr<rte_ring, RingFree>;

// Holds exactly capacity pointers. flags: RING_F_SP_ENQ, RING_F_SC_DEQ.
[[nodiscard]] std::expected<RingHandle, Error> make_ring(std::uint32_t capacity, unsigned flags);

}  // namespace xk
