#include "dataplane/port/mbuf.h"

#include <rte_errno.h>
#include <rte_lcore.h>

#include <algorithm>
#include <cstring>

namespace xk {
namespace {

// Mbufs that stay in a loop's own cache; small pools have none, so that all can be used.
constexpr std::uint32_t kCacheSize = 256;
constexpr std::uint32_t kCachedPoolMin = 8 * kCacheSize;

}  // namespace

rte_mbuf* mbuf_from(rte_mempool* pool, Bytes frame) {
  if (frame.size() > kMbufFrameMax) return nullptr;
  rte_mbuf* mbuf = rte_pktmbuf_alloc(pool);
  if (mbuf == nullptr) return nullptr;
  std::memcpy(rte_pktmbuf_mtod(mbuf, void*), frame.data(), frame.size());
  set_frame_length(mbuf, frame.size());
  return mbuf;
}

std::expected<Mempool, Error> make_mempool(const std::string& name, std::uint32_t count,
                                           std::uint16_t private_bytes) {
  const std::uint32_t cache = count >= kCachedPoolMin ? kCacheSize : 0;
  rte_mempool* pool = rte_pktmbuf_pool_create(
      name.c_str(), count, cache, private_bytes,
      static_cast<std::uint16_t>(RTE_PKTMBUF_HEADROOM + kMbufFrameMax), SOCKET_ID_ANY);
  if (pool == nullptr)
    return std::unexpected(Error{"cannot make " + std::to_string(count) + " packet buffers: " +
                                     rte_strerror(rte_errno) + " (dataplane.memory_mib or dataplane.buffers)",
                                 rte_errno});
  return Mempool(pool);
}

}  // namespace xk
