// Deficit round robin (Shreedhar and Varghese, 1995) over the VRF queues that hold packets: a queue
// gets its quantum of bytes a turn, and one that is empty costs nothing.
#pragma once

#include <rte_ring_peek.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "dataplane/pipeline/vrf_queue.h"
#include "dataplane/port/mbuf.h"
#include "dataplane/port/port.h"

namespace xk {

class Scheduler {
 public:
  // Appends a queue that is not in the list. Its active flag is set already.
  void activate(VrfQueue* queue) {
    queue->next = nullptr;
    if (tail_ == nullptr)
      head_ = queue;
    else
      tail_->next = queue;
    tail_ = queue;
  }
  [[nodiscard]] bool idle() const { return head_ == nullptr; }

  // Takes up to about budget packets off the queues in their turns; process(queue, packets, waiting)
  // owns them then, waiting is how many the queue held. retire(queue) is called for a queue found
  // empty, after it left the list. Returns the packets taken.
  template <typename Process, typename Retire>
  std::uint32_t serve(std::uint32_t budget, Process&& process, Retire&& retire) {
    std::uint32_t served = 0;
    while (head_ != nullptr && served < budget)
      served += turn(std::min<std::uint32_t>(budget - served, kBurstMax), process, retire);
    return served;
  }

 private:
  template <typename Process, typename Retire>
  std::uint32_t turn(std::uint32_t burst, Process& process, Retire& retire) {
    VrfQueue* queue = head_;
    if (!queue->in_turn) {
      queue->in_turn = true;
      queue->deficit += queue->quantum.load(std::memory_order_relaxed);
    }
    std::array<rte_mbuf*, kBurstMax> packets;
    unsigned left = 0;
    const unsigned seen = rte_ring_dequeue_burst_start(
        queue->ring.get(), reinterpret_cast<void**>(packets.data()), burst, &left);
    unsigned taken = 0;
    while (taken < seen && packets[taken]->pkt_len <= queue->deficit) {
      queue->deficit -= packets[taken]->pkt_len;
      ++taken;
    }
    if (seen != 0) rte_ring_dequeue_finish(queue->ring.get(), taken);
    if (taken != 0) process(*queue, std::span(packets.data(), taken), seen + left);
    if (taken < seen) {
      rotate();
    } else if (left == 0) {
      // An empty queue saves nothing for later.
      queue->deficit = 0;
      queue->in_turn = false;
      pop();
      retire(queue);
    }
    return taken;
  }
  void pop() {
    head_ = head_->next;
    if (head_ == nullptr) tail_ = nullptr;
  }
  void rotate() {
    VrfQueue* queue = head_;
    queue->in_turn = false;
    pop();
    activate(queue);
  }

  VrfQueue* head_ = nullptr;
  VrfQueue* tail_ = nullptr;
};

}  // namespace xk
