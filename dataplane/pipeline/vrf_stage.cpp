#include <rte_prefetch.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "dataplane/pipeline/loop.h"
#include "dataplane/relay/choose_servers.h"
#include "dataplane/relay/server_health.h"
#include "dataplane/serve/static_rules.h"

namespace xk {
namespace {

// Packets relayed, at least, before the ports have their turn again. One loop with all stages relays
// as many as it took from the ports, so that packets rather wait in the ports' rings than in a VRF's.
constexpr std::uint32_t kServeBudgetMin = 64;

PacketKind kind_of(AttachmentRole role) {
  return role == AttachmentRole::client ? PacketKind::request : PacketKind::reply;
}

}  // namespace

bool Loop::serve() {
  if (!alone_) {
    std::array<void*, kBurstMax> ready;
    unsigned count = 0;
    while ((count = rte_ring_dequeue_burst(ready_.get(), ready.data(), kBurstMax, nullptr)) != 0)
      for (unsigned i = 0; i < count; ++i) scheduler_.activate(static_cast<VrfQueue*>(ready[i]));
  }
  if (scheduler_.idle()) return false;
  now_ms_ = shared_.now_ms();
  if (!view_->natives.empty()) boot_ms_ = shared_.boot_ns() / 1'000'000;
  look_at_fence();
  const auto serve_queue = [this](VrfQueue& queue, std::span<rte_mbuf*> packets, std::uint32_t waiting) {
    VrfCounters& counters = counters_[queue.vrf.value];
    if (waiting > counters.queue_high_water.get()) counters.queue_high_water.set(waiting);
    counters.queue_depth.set(waiting - static_cast<std::uint32_t>(packets.size()));
    collect(queue, packets);
  };
  scheduler_.serve(std::max(kServeBudgetMin, received_), serve_queue,
                   [this](VrfQueue* queue) { retire(queue); });
  process_batch();
  return true;
}

// Its time is looked at once for all packets of an iteration, which is over long before the margin is that
// xdp-kead leaves between this appliance's time and the other's.
void Loop::look_at_fence() {
  if (!generation_->fenced) return;
  fence_open_ = shared_.fence != nullptr && shared_.fence->open_at(shared_.boot_ns());
}

// An empty queue: from now on whoever fills it must say so, unless someone just did.
void Loop::retire(VrfQueue* queue) {
  if (alone_) {
    queue->listed.store(false, std::memory_order_release);
    return;
  }
  queue->active.store(false, std::memory_order_seq_cst);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (rte_ring_empty(queue->ring.get()) != 0) return;
  if (!queue->active.exchange(true, std::memory_order_acq_rel)) scheduler_.activate(queue);
}

// The packets stand in an array of kBurstMax.
void Loop::collect(const VrfQueue& queue, std::span<rte_mbuf*> packets) {
  // A few at least, or how many is guessed wrong for every second packet: the array has room, and what is
  // too much is written over.
  constexpr std::size_t kAtLeast = VrfQueue::kFrontMax;
  const std::size_t count = std::max(kAtLeast, packets.size());
  for (std::size_t i = 0; i < count; ++i)
    batch_.packets[batch_.count + i] = Waiting{packets.data()[i], queue.vrf};
  batch_.count = static_cast<std::uint16_t>(batch_.count + packets.size());
  if (batch_.count >= kBurstMax) process_batch();
}

// Relays what was collected. What a packet needs is fetched while those before it are relayed.
void Loop::process_batch() {
  const std::size_t count = std::exchange(batch_.count, std::uint16_t{0});
  const auto ahead = [this](std::size_t i) -> Ahead& { return ahead_[i % ahead_.size()]; };
  const bool native = !view_->natives.empty();
  const auto before = [count, native](std::size_t i, std::size_t by) {
    return native && i >= by && i - by < count;
  };
  for (std::size_t i = 0; i < count + kLookAhead; ++i) {
    if (i < count) look_up(batch_.packets[i], batch_.received[i]);
    if (before(i, 1)) read_ahead(batch_.packets[i - 1].mbuf, batch_.received[i - 1], ahead(i - 1));
    if (before(i, 2)) fetch_ahead(batch_.received[i - 2], ahead(i - 2), false);
    if (before(i, 3)) fetch_ahead(batch_.received[i - 3], ahead(i - 3), true);
    if (i >= kLookAhead)
      process_one(batch_.packets[i - kLookAhead], batch_.received[i - kLookAhead], ahead(i - kLookAhead));
  }
}

// The packet with where it came in. vrf is null if the snapshot has no such place: it may have changed
// while the packet waited.
void Loop::look_up(const Waiting& waiting, Received& received) const {
  const PacketMeta& meta = meta_of(waiting.mbuf);
  received.frame = frame_of(waiting.mbuf);
  rte_prefetch0(received.frame.data());
  received.headers = meta.headers;
  received.now_ms = now_ms_;
  received.attachment =
      forwarding_ == nullptr ? nullptr : forwarding_->attachment(meta.attachment, meta.place);
  received.vrf = nullptr;
  if (received.attachment == nullptr || received.attachment->vrf != waiting.vrf) return;
  const Lane& lane = generation_->lanes[waiting.vrf.value];
  received.vrf = lane.vrf;
  if (lane.vrf == nullptr) return;
  received.ways = lane.server_count == 1 ? std::span(&lane.only_way, 1) : forwarding_->ways(*lane.vrf);
  rte_prefetch0(lane.vrf);
  rte_prefetch0(&received.attachment->circuit_id + 1);
  if (lane.first_slot != nullptr) rte_prefetch0(lane.first_slot);
}

void Loop::process_one(const Waiting& waiting, const Received& received, Ahead& ahead) {
  rte_mbuf* mbuf = waiting.mbuf;
  if (received.vrf == nullptr) return drop(mbuf, waiting.vrf, XK_UNMAPPED);
  if (!have_spare()) return drop(mbuf, waiting.vrf, XK_BUFFER_NONE);
  if (received.vrf->engine == Engine::native) return serve_native(mbuf, received, ahead);
  const bool from_client = received.attachment->role == AttachmentRole::client;
  if (from_client && !may_answer(*received.vrf)) return drop(mbuf, waiting.vrf, XK_NOT_ACTIVE);
  Emission emission;
  if (meta_of(mbuf).walk == XK_WALK_ARP) {
    const Verdict verdict = answer_arp(received, *forwarding_, frame_room(spare_), emission);
    return finish(mbuf, verdict, emission, PacketKind::arp);
  }
  if (from_client) {
    if (has_static_leases(*received.vrf) && answer_request(received, mbuf)) return;
    return request(received, mbuf);
  }
  Verdict verdict = relay_reply(received, *forwarding_, recent_, frame_room(spare_), emission);
  // The clients' VRF counts, which may be another than its servers'.
  if (generation_->fenced && !verdict.dropped() &&
      !may_answer(*generation_->lanes[forwarding_->attachment(emission.out)->vrf.value].vrf))
    verdict = Verdict::drop(XK_NOT_ACTIVE);
  if (!verdict.dropped() && !emission.server.is_zero()) note_reply(emission);
  finish(mbuf, verdict, emission, kind_of(received.attachment->role));
}

// Whether it was a matter of a static lease, and is done with. What the relay would not take from a client is
// not answered either.
bool Loop::answer_request(const Received& received, rte_mbuf* mbuf) {
  Emission emission;
  const auto verdict = answer_static(received, *forwarding_, *static_leases_, frame_room(spare_), emission);
  if (!verdict) return false;
  const Outcome fault = check_request(received, *forwarding_);
  finish(mbuf, fault == XK_OUTCOME_COUNT ? *verdict : Verdict::drop(fault), emission, PacketKind::reply);
  return true;
}

// To the servers chosen: the first takes the packet along, those after it get further packets made of it.
void Loop::request(const Received& received, rte_mbuf* mbuf) {
  const VrfId vrf = received.vrf->id;
  const std::span<ServerSlot* const> slots = generation_->lanes[vrf.value].server_slots();
  std::uint64_t chosen = slots.empty() ? 1 : choose_servers(received, slots);
  const auto first_index = static_cast<std::size_t>(std::countr_zero(chosen));
  chosen &= chosen - 1;
  Emission emission;
  const Verdict first =
      relay_request(received, *forwarding_, first_index, recent_, frame_room(spare_), emission);
  if (!first.dropped() && !slots.empty()) count_request(*slots[first_index], now_ms_, emission.answer_due);
  // What is wrong with the packet itself is wrong for all servers.
  const bool of_the_server =
      first.drop_reason == XK_SERVER_UNRESOLVED || first.drop_reason == XK_PACKET_TOO_BIG;
  if (first.dropped() && !of_the_server) return finish(mbuf, first, emission, PacketKind::request);
  rte_mbuf* copy = nullptr;
  for (; chosen != 0; chosen &= chosen - 1) {
    const auto index = static_cast<std::size_t>(std::countr_zero(chosen));
    counters_[vrf.value].copies.add(1);
    if (copy == nullptr) copy = rte_pktmbuf_alloc(shared_.pool);
    if (copy == nullptr) {
      count_drop(vrf, XK_BUFFER_NONE);
      continue;
    }
    Emission further;
    const Verdict verdict = relay_request(received, *forwarding_, index, recent_, frame_room(copy), further);
    if (verdict.dropped()) {
      count_drop(vrf, verdict.drop_reason);
      continue;
    }
    count_request(*slots[index], now_ms_, further.answer_due);
    set_frame_length(copy, further.length);
    send_to(std::exchange(copy, nullptr), further, PacketKind::request, vrf);
  }
  if (copy != nullptr) rte_pktmbuf_free(copy);
  finish(mbuf, first, emission, PacketKind::request);
}

// The server that sent it answers.
void Loop::note_reply(const Emission& emission) {
  const Lane& lane = generation_->lanes[forwarding_->attachment(emission.out)->vrf.value];
  const std::span<ServerSlot* const> slots = lane.server_slots();
  const std::uint32_t index = forwarding_->server_index(*lane.vrf, emission.server);
  if (index < slots.size()) count_reply(*slots[index], now_ms_);
}

// Counts what the rules say of the packet in; if it goes on, the spare buffer is the packet out and
// the buffer of the packet in is the next spare.
void Loop::finish(rte_mbuf* in, const Verdict& verdict, const Emission& emission, PacketKind kind) {
  const VrfId vrf = meta_of(in).counted;
  for (std::uint8_t i = 0; i < verdict.note_count; ++i) count_drop(vrf, verdict.notes[i]);
  if (verdict.dropped()) return drop(in, vrf, verdict.drop_reason);
  rte_mbuf* out = spare_;
  set_frame_length(out, emission.length);
  rte_pktmbuf_reset(in);
  spare_ = in;
  send_to(out, emission, kind, vrf);
}

void Loop::send_to(rte_mbuf* out, const Emission& emission, PacketKind kind, VrfId counted) {
  RuntimePort* port = generation_->port_of_id[emission.port.value];
  if (port == nullptr) return drop(out, counted, XK_TX_PORT_GONE);
  send(out, *port, static_cast<std::uint16_t>(index_ % port->tx.size()), kind, counted);
}

bool Loop::have_spare() {
  if (spare_ == nullptr) spare_ = rte_pktmbuf_alloc(shared_.pool);
  return spare_ != nullptr;
}

}  // namespace xk
