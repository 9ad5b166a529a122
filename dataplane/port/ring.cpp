#include "dataplane/port/ring.h"

#include <bit>
#include <string>

namespace xk {
namespace {

constexpr std::uint32_t kRingCapacityMax = 1u << 20;

}  // namespace

std::expected<RingHandle, Error> make_ring(std::uint32_t capacity, unsigned flags) {
  const std::string context = "a ring of " + std::to_string(capacity);
  if (capacity == 0 || capacity > kRingCapacityMax)
    return std::unexpected(Error{context + " is out of bounds"});
  const ssize_t bytes = rte_ring_get_memsize(std::bit_ceil(capacity + 1));
  if (bytes < 0) return std::unexpected(Error{context + " has no size"});
  const std::size_t rounded =
      (static_cast<std::size_t>(bytes) + RTE_CACHE_LINE_SIZE - 1) / RTE_CACHE_LINE_SIZE * RTE_CACHE_LINE_SIZE;
  auto* memory = static_cast<rte_ring*>(std::aligned_alloc(RTE_CACHE_LINE_SIZE, rounded));
  if (memory == nullptr) return std::unexpected(Error{"no memory for " + context});
  RingHandle ring(memory);
  if (rte_ring_init(ring.get(), "xk", capacity, flags | RING_F_EXACT_SZ) != 0)
    return std::unexpected(Error{"cannot make " + context});
  return ring;
}

}  // namespace xk
