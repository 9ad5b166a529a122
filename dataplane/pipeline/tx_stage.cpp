#include "dataplane/pipeline/loop.h"

namespace xk {
namespace {

// Bursts taken from the other loops before the ports have their turn.
constexpr int kInboxBursts = 8;

Outcome full_reason(PacketKind kind, bool gone) {
  if (gone) return XK_TX_PORT_GONE;
  return kind == PacketKind::exception ? XK_EXCEPTION_FULL : XK_TX_QUEUE_FULL;
}

}  // namespace

// The packet is the transmit queue's loop's from here on.
void Loop::send(rte_mbuf* mbuf, RuntimePort& port, std::uint16_t queue, PacketKind kind, VrfId counted) {
  TxBuffer& buffer = *port.tx[queue];
  if (buffer.loop == index_) return stage(mbuf, buffer, kind, counted);
  PacketMeta& meta = meta_of(mbuf);
  meta.port_slot = port.slot;
  meta.port_serial = port.serial;
  meta.queue = queue;
  meta.kind = kind;
  meta.counted = counted;
  hand_over(mbuf, buffer.loop);
}

void Loop::stage(rte_mbuf* mbuf, TxBuffer& buffer, PacketKind kind, VrfId counted) {
  buffer.counted[buffer.count] = {counted, kind};
  buffer.packets[buffer.count++] = mbuf;
  if (!buffer.dirty) {
    buffer.dirty = true;
    buffer.next_dirty = dirty_;
    dirty_ = &buffer;
  }
  if (buffer.count == kBurstMax) flush_buffer(buffer);
}

void Loop::hand_over(rte_mbuf* mbuf, std::uint32_t loop) {
  Outbox& outbox = outboxes_[loop];
  outbox.packets[outbox.count++] = mbuf;
  if (outbox.count == kBurstMax) flush_outbox(loop);
}

void Loop::flush_outbox(std::uint32_t loop) {
  Outbox& outbox = outboxes_[loop];
  if (outbox.count == 0) return;
  const unsigned taken =
      rte_ring_enqueue_burst(shared_.loops[loop]->inbox_.get(),
                             reinterpret_cast<void**>(outbox.packets.data()), outbox.count, nullptr);
  if (taken != 0) touched_[loop] = true;
  for (unsigned i = taken; i < outbox.count; ++i) {
    const PacketMeta& meta = meta_of(outbox.packets[i]);
    drop(outbox.packets[i], meta.counted, full_reason(meta.kind, false));
  }
  outbox.count = 0;
}

// Packets other loops have for this loop's transmit queues. Their port may have gone meanwhile.
bool Loop::collect_inbox() {
  if (alone_) return false;
  bool worked = false;
  std::array<rte_mbuf*, kBurstMax> packets;
  for (int burst = 0; burst < kInboxBursts; ++burst) {
    const unsigned count =
        rte_ring_dequeue_burst(inbox_.get(), reinterpret_cast<void**>(packets.data()), kBurstMax, nullptr);
    if (count == 0) break;
    worked = true;
    for (rte_mbuf* mbuf : std::span(packets.data(), count)) {
      const PacketMeta& meta = meta_of(mbuf);
      RuntimePort* port =
          meta.port_slot < generation_->ports.size() ? generation_->ports[meta.port_slot] : nullptr;
      if (port == nullptr || port->serial != meta.port_serial)
        drop(mbuf, meta.counted, XK_TX_PORT_GONE);
      else
        stage(mbuf, *port->tx[meta.queue], meta.kind, meta.counted);
    }
  }
  return worked;
}

// Everything staged goes to its port now, or is counted as lost there.
bool Loop::transmit() {
  const bool worked = dirty_ != nullptr;
  while (dirty_ != nullptr) {
    TxBuffer& buffer = *dirty_;
    dirty_ = buffer.next_dirty;
    buffer.dirty = false;
    flush_buffer(buffer);
  }
  if (!alone_)
    for (std::uint32_t i = 0; i < shared_.loops.size(); ++i) flush_outbox(i);
  return worked;
}

void Loop::flush_buffer(TxBuffer& buffer) {
  if (buffer.count == 0) return;
  const std::uint16_t sent = buffer.queue->tx_burst(std::span(buffer.packets.data(), buffer.count));
  count_sent(buffer, sent);
  if (sent != buffer.count) {
    const bool gone = buffer.queue->gone();
    for (std::uint16_t i = sent; i < buffer.count; ++i)
      drop(buffer.packets[i], buffer.counted[i].vrf, full_reason(buffer.counted[i].kind, gone));
  }
  buffer.count = 0;
}

void Loop::count_sent(TxBuffer& buffer, std::uint16_t sent) {
  static constexpr std::array<Counter VrfCounters::*, 4> kByKind{
      &VrfCounters::requests, &VrfCounters::replies, &VrfCounters::arp, &VrfCounters::exceptions};
  static_assert(static_cast<int>(PacketKind::request) == 0 && static_cast<int>(PacketKind::reply) == 1 &&
                static_cast<int>(PacketKind::arp) == 2 && static_cast<int>(PacketKind::exception) == 3);
  for (std::uint16_t i = 0; i < sent; ++i) {
    const TxBuffer::Counted counted = buffer.counted[i];
    VrfCounters& counters = counters_[counted.vrf.value];
    counters.tx.add(1);
    (counters.*kByKind[static_cast<std::size_t>(counted.kind)]).add(1);
  }
}

}  // namespace xk
