#include "dataplane/pipeline/vrf_queue.h"

#include "bpf/shared/limits.h"
#include "dataplane/port/mbuf.h"

namespace xk {
namespace {

// Every VRF's, and as many being replaced.
constexpr std::size_t kQueuesMax = 2 * std::size_t{XK_VRFS_MAX};

}  // namespace

QueuePool::QueuePool() : queues_(kQueuesMax) {
  free_.reserve(kQueuesMax);
  for (std::size_t i = kQueuesMax; i > 0; --i) free_.push_back(&queues_[i - 1]);
}

std::expected<QueuePool::Handle, Error> QueuePool::make(VrfId vrf, std::uint32_t depth, std::uint32_t loop,
                                                        bool several_producers) {
  if (free_.empty()) return std::unexpected(Error{"no queue is left"});
  auto ring =
      make_ring(depth, RING_F_SC_DEQ | (several_producers ? 0u : static_cast<unsigned>(RING_F_SP_ENQ)));
  if (!ring) return std::unexpected(std::move(ring.error()));
  Handle queue(free_.back(), Return{this});
  free_.pop_back();
  queue->vrf = vrf;
  queue->depth = depth;
  queue->loop = static_cast<std::uint8_t>(loop);
  queue->ring = std::move(*ring);
  return queue;
}

void QueuePool::give_back(VrfQueue& queue) {
  free_all(std::span(queue.front.data(), queue.in_front));
  void* mbuf = nullptr;
  while (rte_ring_dequeue(queue.ring.get(), &mbuf) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(mbuf));
  std::destroy_at(&queue);
  free_.push_back(std::construct_at(&queue));
}

}  // namespace xk
