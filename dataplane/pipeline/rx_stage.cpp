#include <rte_cycles.h>
#include <rte_prefetch.h>

#include "dataplane/base/prefetch.h"
#include "dataplane/pipeline/loop.h"

namespace xk {
namespace {

// Bursts taken from a receive queue that is about to overflow before the VRFs have their turn.
// Receiving is cheaper than relaying: a flood in one VRF then fills that VRF's queue, and the port has
// room for the others.
constexpr int kPressedBurstsMax = 8;
// Packets between the walk over a frame and the look-up of its place.
constexpr std::size_t kWalkAhead = 8;

}  // namespace

bool Loop::receive() {
  received_ = 0;
  std::array<rte_mbuf*, kBurstMax> packets;
  for (const RxBinding& binding : view_->rx) {
    std::uint16_t count = binding.queue->rx_burst(packets);
    if (count == 0) continue;
    received_ += count;
    if (view_->polled && binding.queue->wait_fd() < 0) idle_.polled_frames(rte_rdtsc());
    receive_burst(binding, std::span(packets.data(), count));
    for (int burst = 0; count == kBurstMax && burst < kPressedBurstsMax && binding.queue->pressed();
         ++burst) {
      count = binding.queue->rx_burst(packets);
      receive_burst(binding, std::span(packets.data(), count));
    }
  }
  return received_ != 0;
}

// Where each frame of a burst belongs. The look-ups follow some packets behind the walk, and what they
// lead to is used when all are done: with many VRFs nothing of a packet's VRF is in the cache, and it is
// fetched while others are looked at.
void Loop::classify_burst(const RxBinding& binding, std::span<rte_mbuf*> packets) {
  const std::size_t count = packets.size();
  for (std::size_t i = 0; i < count + kWalkAhead; ++i) {
    if (i < count) {
      classified_[i] = walk_frame(frame_of(packets[i]));
      const xk_headers& headers = classified_[i].headers;
      if (classified_[i].has_place())
        forwarding_->prefetch_place(binding.id, headers.outer_vid, headers.inner_vid);
    }
    if (i >= kWalkAhead && classified_[i - kWalkAhead].has_place())
      find_place(binding, classified_[i - kWalkAhead]);
  }
}

void Loop::find_place(const RxBinding& binding, Classified& classified) {
  const xk_headers& headers = classified.headers;
  const auto [attachment, vrf] = forwarding_->place(binding.id, headers.outer_vid, headers.inner_vid);
  classified.attachment = attachment;
  if (attachment == nullptr) return;
  rte_prefetch0(attachment);
  rte_prefetch0(&generation_->lanes[vrf.value]);
  prefetch(&counters_[vrf.value]);
  prefetch(generation_->queues[vrf.value]);
}

// Sorts a burst into the VRFs' queues; neighbours for the same VRF go in together.
void Loop::receive_burst(const RxBinding& binding, std::span<rte_mbuf*> packets) {
  if (binding.port->is_exception || !binding.mapped) return receive_unmapped(binding, packets);
  classify_burst(binding, packets);
  std::size_t run_start = 0;
  std::size_t run_end = 0;
  VrfQueue* run_queue = nullptr;
  const auto end_run = [&] {
    if (run_end != run_start) enqueue_run(run_queue, packets.subspan(run_start, run_end - run_start));
    run_start = run_end;
  };
  for (std::size_t i = 0; i < packets.size(); ++i) {
    rte_mbuf* mbuf = packets[i];
    Classified& classified = classified_[i];
    decide(frame_of(mbuf), *forwarding_, classified);
    if (classified.is_foreign && binding.port->peer != nullptr) {
      cross(mbuf, *binding.port->peer);
      continue;
    }
    const VrfId vrf = classified.attachment != nullptr ? classified.attachment->vrf : VrfId{};
    counters_[vrf.value].rx.add(1);
    if (classified.drop_reason != XK_OUTCOME_COUNT) {
      drop(mbuf, vrf, classified.drop_reason);
      continue;
    }
    PacketMeta& meta = meta_of(mbuf);
    meta.headers = classified.headers;
    meta.attachment = classified.attachment->id;
    meta.place = forwarding_->place_of(*classified.attachment);
    meta.counted = vrf;
    meta.walk = classified.walk;
    VrfQueue* queue = generation_->queues[vrf.value];
    if (queue != run_queue) {
      end_run();
      run_queue = queue;
    }
    // Dropped packets leave gaps, which the kept ones close.
    packets[run_end++] = mbuf;
  }
  end_run();
}

// From an exception port, or one that the snapshot does not have.
void Loop::receive_unmapped(const RxBinding& binding, std::span<rte_mbuf*> packets) {
  for (rte_mbuf* mbuf : packets) {
    if (binding.port->peer != nullptr) {
      cross(mbuf, *binding.port->peer);
      continue;
    }
    counters_[0].rx.add(1);
    drop(mbuf, VrfId{}, XK_UNMAPPED);
  }
}

// Between an ethdev port and its exception port, untouched.
void Loop::cross(rte_mbuf* mbuf, RuntimePort& to) {
  counters_[0].rx.add(1);
  send(mbuf, to, 0, PacketKind::exception, VrfId{});
}

void Loop::enqueue_run(VrfQueue* queue, std::span<rte_mbuf*> packets) {
  const auto wanted = static_cast<unsigned>(packets.size());
  const unsigned taken = alone_ ? queue->put_alone(packets) : queue->put(packets);
  if (taken != 0) announce(*queue);
  if (taken == wanted) return;
  count_drop(queue->vrf, XK_VRF_QUEUE_FULL, wanted - taken);
  free_all(packets.subspan(taken));
}

// Tells the queue's owner that it has work, once until it is empty again. The packets were put in
// before the flag is read; retire() clears the flag before it looks for packets.
void Loop::announce(VrfQueue& queue) {
  if (alone_) return scheduler_.activate_alone(&queue);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (queue.active.load(std::memory_order_relaxed)) return;
  if (queue.active.exchange(true, std::memory_order_acq_rel)) return;
  if (queue.loop == index_) {
    scheduler_.activate(&queue);
    return;
  }
  // Never full: a queue is in it at most once.
  rte_ring_enqueue(shared_.loops[queue.loop]->ready_.get(), &queue);
  touched_[queue.loop] = true;
}

}  // namespace xk
