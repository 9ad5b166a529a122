// rte_mbuf at the border to code that knows bytes only.
#pragma once

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <cstddef>
#include <expected>
#include <memory>
#include <span>
#include <string>

#include "dataplane/base/bytes.h"
#include "dataplane/base/error.h"

namespace xk {

// Room for a frame in every mbuf we make, behind the headroom.
inline constexpr std::size_t kMbufFrameMax = 2048;

// The frame of a one-segment mbuf. Borrowed from the mbuf.
[[nodiscard]] inline Bytes frame_of(const rte_mbuf* mbuf) {
  return {rte_pktmbuf_mtod(mbuf, const std::uint8_t*), mbuf->data_len};
}

// The whole room for a frame in a fresh mbuf. Borrowed from the mbuf.
[[nodiscard]] inline MutableBytes frame_room(rte_mbuf* mbuf) {
  return {rte_pktmbuf_mtod(mbuf, std::uint8_t*), kMbufFrameMax};
}

inline void set_frame_length(rte_mbuf* mbuf, std::size_t length) {
  mbuf->data_len = static_cast<std::uint16_t>(length);
  mbuf->pkt_len = static_cast<std::uint32_t>(length);
}

// A free mbuf with this frame, or nullptr: no mbuf free or the frame too long.
[[nodiscard]] rte_mbuf* mbuf_from(rte_mempool* pool, Bytes frame);

// Frees all; the span's pointers are invalid afterwards.
inline void free_all(std::span<rte_mbuf*> mbufs) {
  if (!mbufs.empty()) rte_pktmbuf_free_bulk(mbufs.data(), static_cast<unsigned>(mbufs.size()));
}

struct MempoolFree {
  void operator()(rte_mempool* pool) const { rte_mempool_free(pool); }
};
using Mempool = std::unique_ptr<rte_mempool, MempoolFree>;

// A pool of count mbufs with private_bytes each (a multiple of 8) for their owner's use. The name is
// unique in the process and at most 25 characters. All mbufs must be back before it is freed.
[[nodiscard]] std::expected<Mempool, Error> make_mempool(const std::string& name, std::uint32_t count,
                                                         std::uint16_t private_bytes);

}  // namespace xk
