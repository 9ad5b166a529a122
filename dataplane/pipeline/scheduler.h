// Deficit round robin (Shreedhar and Varghese, 1995) over the VRF queues that hold packets: a queue
// gets its quantum of bytes a turn, and one that is empty costs nothing.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>
#include <span>
#include <vector>

#include "bpf/shared/limits.h"
#include "dataplane/pipeline/vrf_queue.h"
#include "dataplane/port/mbuf.h"
#include "dataplane/port/port.h"

namespace xk {

class Scheduler {
 public:
  // alone: one loop fills and empties the queues (VrfQueue's *_alone).
  void set_alone(bool alone) { alone_ = alone; }
  // Appends a queue that is not in the list. It is marked as being there already.
  void activate(VrfQueue* queue) {
    assert(tail_ - head_ < kQueuesMax);
    list_[tail_++ % kQueuesMax] = queue;
  }
  // Appends a queue unless it is in the list, with one loop only. No branch: whether it is cannot be
  // foreseen.
  void activate_alone(VrfQueue* queue) {
    list_[tail_ % kQueuesMax] = queue;
    tail_ += queue->listed.load(std::memory_order_relaxed) ? 0 : 1;
    queue->listed.store(true, std::memory_order_relaxed);
  }
  [[nodiscard]] bool idle() const { return head_ == tail_; }

  // Takes up to about budget packets off the queues in their turns; process(queue, packets, waiting)
  // owns them then, waiting is how many the queue held. packets stands in an array of kBurstMax. retire(
  // queue) is called for a queue found empty, after it left the list. Returns the packets taken.
  template <typename Process, typename Retire>
  std::uint32_t serve(std::uint32_t budget, Process&& process, Retire&& retire) {
    std::uint32_t served = 0;
    while (head_ != tail_ && served < budget)
      served += turn(std::min<std::uint32_t>(budget - served, kBurstMax), process, retire);
    return served;
  }

 private:
  template <typename Process, typename Retire>
  std::uint32_t turn(std::uint32_t burst, Process& process, Retire& retire) {
    VrfQueue* queue = list_[head_ % kQueuesMax];
    if (!queue->in_turn) {
      queue->in_turn = true;
      queue->deficit += queue->quantum.load(std::memory_order_relaxed);
    }
    std::array<rte_mbuf*, kBurstMax> packets;
    // process() may read so many whether they are there or not.
    std::fill_n(packets.begin(), VrfQueue::kFrontMax, nullptr);
    unsigned left = 0;
    const unsigned seen =
        alone_ ? queue->peek_alone(packets, burst, left) : queue->peek(packets.data(), burst, left);
    unsigned taken = 0;
    if (alone_ && queue->all_in_front(seen) && queue->front_bytes <= queue->deficit) {
      queue->deficit -= queue->front_bytes;
      taken = seen;
      queue->clear_front();
    } else {
      while (taken < seen && packets[taken]->pkt_len <= queue->deficit) {
        queue->deficit -= packets[taken]->pkt_len;
        ++taken;
      }
      if (alone_)
        queue->take_alone(taken);
      else if (seen != 0)
        queue->take(taken);
    }
    if (taken != 0) process(*queue, std::span(packets.data(), taken), seen + left);
    if (taken < seen) {
      queue->in_turn = false;
      ++head_;
      activate(queue);
    } else if (left == 0) {
      // An empty queue saves nothing for later.
      queue->deficit = 0;
      queue->in_turn = false;
      ++head_;
      retire(queue);
    }
    return taken;
  }

  // Every VRF's, and as many being emptied: no queue is in the list twice.
  static constexpr std::size_t kQueuesMax = 2 * std::size_t{XK_VRFS_MAX};
  bool alone_ = true;
  std::size_t head_ = 0;  // counts on; place in the list by remainder
  std::size_t tail_ = 0;
  std::vector<VrfQueue*> list_ = std::vector<VrfQueue*>(kQueuesMax);
};

}  // namespace xk
