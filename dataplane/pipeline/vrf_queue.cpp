#include "dataplane/pipeline/vrf_queue.h"

#include "dataplane/port/mbuf.h"

namespace xk {

std::expected<std::unique_ptr<VrfQueue>, Error> VrfQueue::make(VrfId vrf, std::uint32_t depth,
                                                               std::uint32_t loop, bool several_producers) {
  auto queue = std::make_unique<VrfQueue>();
  queue->vrf = vrf;
  queue->depth = depth;
  queue->loop = loop;
  auto ring =
      make_ring(depth, RING_F_SC_DEQ | (several_producers ? 0u : static_cast<unsigned>(RING_F_SP_ENQ)));
  if (!ring) return std::unexpected(std::move(ring.error()));
  queue->ring = std::move(*ring);
  return queue;
}

VrfQueue::~VrfQueue() {
  void* mbuf = nullptr;
  while (ring != nullptr && rte_ring_dequeue(ring.get(), &mbuf) == 0)
    rte_pktmbuf_free(static_cast<rte_mbuf*>(mbuf));
}

}  // namespace xk
