#include "dataplane/port/ring.h"

#include <string>

namespace xk {

std::expected<RingHandle, Error> make_ring(std::uint32_t size, unsigned flags) {
  const ssize_t bytes = rte_ring_get_memsize(size);
  if (bytes < 0) return std::unexpected(Error{"a ring of " + std::to_string(size) + " is no power of two"});
  const std::size_t rounded =
      (static_cast<std::size_t>(bytes) + RTE_CACHE_LINE_SIZE - 1) / RTE_CACHE_LINE_SIZE * RTE_CACHE_LINE_SIZE;
  auto* memory = static_cast<rte_ring*>(std::aligned_alloc(RTE_CACHE_LINE_SIZE, rounded));
  if (memory == nullptr) return std::unexpected(Error{"no memory for a ring of " + std::to_string(size)});
  RingHandle ring(memory);
  if (rte_ring_init(ring.get(), "xk", size, flags) != 0)
    return std::unexpected(Error{"cannot make a ring of " + std::to_string(size)});
  return ring;
}

}  // namespace xk
