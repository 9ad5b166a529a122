// The queue of one VRF: filled by rx loops, emptied by the one vrf loop that owns it. Its packets are in
// an rte_ring. Where one loop does everything, the first few that wait are in the queue's own cache line
// instead, before those of the ring: with thousands of VRFs and a packet or two in each, the ring's
// lines would have to be fetched for every packet.
#pragma once

#include <rte_ring.h>
#include <rte_ring_peek.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/base/error.h"
#include "dataplane/base/huge.h"
#include "dataplane/base/types.h"
#include "dataplane/port/mbuf.h"
#include "dataplane/port/ring.h"

namespace xk {

struct alignas(64) VrfQueue {
  static constexpr std::uint8_t kFrontMax = 3;

  RingHandle ring;
  VrfId vrf{};
  std::uint32_t depth = 0;                // packets it holds
  std::atomic<std::uint32_t> quantum{0};  // bytes a turn; the control thread may change it
  std::uint8_t loop = 0;                  // index of the vrf loop that owns it
  // Between loops: true while the owner serves it or is about to. Set by whoever finds it false and has
  // put a packet in, cleared by the owner once it is empty.
  std::atomic<bool> active{false};

  // The owner's.
  bool in_turn = false;       // has its quantum for this turn
  std::uint32_t deficit = 0;  // bytes it may still send in this turn
  // With one loop only: whether it is in the scheduler's list, the packets in front and in the ring.
  std::atomic<bool> listed{false};
  std::uint8_t in_front = 0;
  std::uint32_t front_bytes = 0;
  std::uint32_t in_ring = 0;
  std::array<rte_mbuf*, kFrontMax> front{};

  // Puts in the first of the packets, as many as there is room for; returns how many.
  [[nodiscard]] unsigned put(std::span<rte_mbuf*> packets) {
    return rte_ring_enqueue_burst(ring.get(), reinterpret_cast<void**>(packets.data()),
                                  static_cast<unsigned>(packets.size()), nullptr);
  }
  // The next packets, max at most, without taking them off; left is how many more wait. take(n) of these
  // follows, unless there were none.
  [[nodiscard]] unsigned peek(rte_mbuf** out, unsigned max, unsigned& left) {
    return rte_ring_dequeue_burst_start(ring.get(), reinterpret_cast<void**>(out), max, &left);
  }
  void take(unsigned count) { rte_ring_dequeue_finish(ring.get(), count); }

  // The same where the owner is the only loop; max is not 0.
  [[nodiscard]] unsigned put_alone(std::span<rte_mbuf*> packets);
  [[nodiscard]] unsigned peek_alone(std::span<rte_mbuf*> out, unsigned max, unsigned& left);
  void take_alone(unsigned count);
  // So many are all there are, and none is in the ring.
  [[nodiscard]] bool all_in_front(unsigned count) const { return in_ring == 0 && in_front == count; }
  void clear_front() {
    in_front = 0;
    front_bytes = 0;
  }

  // Any thread: nothing is in it, and no loop is about to look.
  [[nodiscard]] bool idle() const {
    return !active.load(std::memory_order_acquire) && !listed.load(std::memory_order_acquire) &&
           rte_ring_empty(ring.get()) != 0;
  }
};
static_assert(sizeof(VrfQueue) == 64);

inline unsigned VrfQueue::put_alone(std::span<rte_mbuf*> packets) {
  const auto wanted = static_cast<unsigned>(packets.size());
  unsigned taken = 0;
  if (in_ring == 0) {
    while (in_front < kFrontMax && taken < wanted) {
      front_bytes += packets[taken]->pkt_len;
      front[in_front++] = packets[taken++];
    }
  }
  if (taken == wanted) return taken;
  const unsigned room = depth - in_ring - in_front;
  const unsigned behind = put(packets.subspan(taken, std::min(wanted - taken, room)));
  in_ring += behind;
  return taken + behind;
}

inline unsigned VrfQueue::peek_alone(std::span<rte_mbuf*> out, unsigned max, unsigned& left) {
  // All of them whether they are there or not: that costs less than to decide.
  std::copy(front.begin(), front.end(), out.begin());
  unsigned seen = std::min<unsigned>(in_front, max);
  left = in_front + in_ring - seen;
  if (in_ring == 0 || seen == max) return seen;
  unsigned ignored = 0;
  const unsigned behind = peek(out.data() + seen, max - seen, ignored);
  left -= behind;
  return seen + behind;
}

// Ends a look at the ring even if it takes nothing off it.
inline void VrfQueue::take_alone(unsigned count) {
  const unsigned first = std::min<unsigned>(in_front, count);
  for (unsigned i = 0; i < first; ++i) front_bytes -= front[i]->pkt_len;
  in_front = static_cast<std::uint8_t>(in_front - first);
  for (unsigned i = 0; i < in_front; ++i) front[i] = front[i + first];
  if (in_ring == 0) return;
  take(count - first);
  in_ring -= count - first;
}

// The memory of all queues: side by side, or each would have a page of its own.
class QueuePool {
 public:
  QueuePool();
  struct Return {
    QueuePool* pool = nullptr;
    void operator()(VrfQueue* queue) const { pool->give_back(*queue); }
  };
  using Handle = std::unique_ptr<VrfQueue, Return>;
  // several_producers: more than one rx loop. The pool outlives what it hands out.
  [[nodiscard]] std::expected<Handle, Error> make(VrfId vrf, std::uint32_t depth, std::uint32_t loop,
                                                  bool several_producers);

 private:
  void give_back(VrfQueue& queue);
  HugeVector<VrfQueue> queues_;
  std::vector<VrfQueue*> free_;
};

}  // namespace xk
