// The part of a loop that serves VRFs of the native engine.
#include <algorithm>
#include <limits>
#include <utility>

#include "dataplane/pipeline/loop.h"
#include "dataplane/pipeline/native_keeper.h"
#include "dataplane/serve/arp_probe.h"
#include "dataplane/serve/static_rules.h"

namespace xk {
namespace {

constexpr std::uint64_t kTickMs = 50;
// A full pool looks for leases that are over beyond the turn.
constexpr std::uint32_t kSweepForOne = 4096;
constexpr std::uint32_t kSweepForAll = 1u << 18;  // a second
// All leases are looked at in so many ticks, and so many a tick at least.
constexpr std::uint32_t kSweepTicks = 600;
constexpr std::uint32_t kSweepMin = 256;
// RFC 5227 wants three probes over seconds; a client waits for its offer, and hosts answer at once.
constexpr std::uint8_t kProbes = 2;
constexpr std::uint64_t kProbeEveryMs = 100;
// After so long no client waits for an answer any more.
constexpr std::uint64_t kWaitingMs = 10'000;
// Released answers of a VRF a turn: what comes in has its turn too.
constexpr std::size_t kReleaseMax = 4 * kBurstMax;
// A port that takes nothing for so long is not only busy: answers for it hold those for others up no longer.
constexpr std::uint64_t kPortFullMs = 100;

EngineTime engine_time(const NativeHost& host, std::uint64_t boot_ms) {
  return {boot_ms + host.clock_ms.load(std::memory_order_relaxed)};
}

bool serves(NativeState state) { return state == NativeState::serving || state == NativeState::failing; }

// The revision up to which answers may go.
std::uint64_t released_revision(const NativeHost& host, const NativeVrf& native) {
  return native.reply_after == ReplyAfter::store ? host.stored.load(std::memory_order_seq_cst)
                                                 : host.durable.load(std::memory_order_seq_cst);
}

}  // namespace

// None where another loop serves by it: this one may have packets of the VRF left.
NativeLane Loop::native_lane(VrfId vrf) const {
  if (vrf.value >= generation_->natives.size()) return {};
  const NativeLane& lane = generation_->natives[vrf.value];
  return lane.host != nullptr && lane.host->loop == index_ ? lane : NativeLane{};
}

// What the engine goes by, once it is this loop's.
void Loop::adopt_plan(const NativeLane& lane) {
  if (lane.host->plan_serial == lane.plan->serial) return;
  lane.host->engine.adopt(lane.plan->plan);
  lane.host->plan_serial = lane.plan->serial;
}

// Only hints come of it but what the packet itself says: what is in force may change before its turn.
void Loop::read_ahead(rte_mbuf* mbuf, const Received& received, Ahead& ahead) const {
  ahead.request.reset();
  if (received.vrf == nullptr || received.vrf->engine != Engine::native || meta_of(mbuf).walk == XK_WALK_ARP)
    return;
  const NativeLane lane = native_lane(received.vrf->id);
  if (lane.host == nullptr || !serves(lane.host->state.load(std::memory_order_acquire))) return;
  ServerRequest& request = ahead.request.emplace();
  ahead.fault = parse_server_request(received, request);
  if (ahead.fault == XK_OUTCOME_COUNT) ahead.fault = check_server_request(request, *forwarding_);
  if (ahead.fault == XK_OUTCOME_COUNT) ahead.client = lane.host->engine.expect(request);
}

void Loop::fetch_ahead(const Received& received, const Ahead& ahead, bool more) const {
  if (!ahead.request || ahead.fault != XK_OUTCOME_COUNT) return;
  const NativeEngine& engine = native_lane(received.vrf->id).host->engine;
  more ? engine.fetch_more(ahead.client) : engine.fetch(ahead.client);
}

void Loop::serve_native(rte_mbuf* mbuf, const Received& received, Ahead& ahead) {
  const VrfId vrf = received.vrf->id;
  const NativeLane lane = native_lane(vrf);
  if (lane.host == nullptr) return drop(mbuf, meta_of(mbuf).counted, XK_VRF_NOT_SERVED);
  if (meta_of(mbuf).walk == XK_WALK_ARP) return hear_arp(mbuf, received, *lane.host);
  const bool read = ahead.request.has_value();
  if (!read) {
    ahead.fault = parse_server_request(received, ahead.request.emplace());
    if (ahead.fault == XK_OUTCOME_COUNT) ahead.fault = check_server_request(*ahead.request, *forwarding_);
  }
  const ServerRequest& request = *ahead.request;
  if (ahead.fault != XK_OUTCOME_COUNT) return drop(mbuf, meta_of(mbuf).counted, ahead.fault);
  if (has_static_leases(*received.vrf)) {
    Emission emission;
    const auto verdict =
        answer_static(request, *forwarding_, *static_leases_, &lane.plan->plan, frame_room(spare_), emission);
    if (verdict) return finish(mbuf, *verdict, emission, PacketKind::reply);
  }
  if (!serves(lane.host->state.load(std::memory_order_acquire)))
    return drop(mbuf, meta_of(mbuf).counted, XK_SERVE_RECOVERING);
  if (!read) ahead.client = lane.host->engine.expect(request);
  adopt_plan(lane);
  answer_native(mbuf, ahead, lane);
}

void Loop::answer_native(rte_mbuf* mbuf, const Ahead& ahead, const NativeLane& lane) {
  NativeHost& host = *lane.host;
  const NativeVrf& native = lane.plan->plan.native();
  const bool failing = host.state.load(std::memory_order_acquire) == NativeState::failing;
  const bool refuses = failing && !native.available;
  const bool may_wait = host.waiting.size() < host.waiting_max.load(std::memory_order_relaxed);
  const bool may_probe = host.probes.size() < host.probes_max.load(std::memory_order_relaxed);
  const Outcome no_record = refuses ? XK_SERVE_NOT_DURABLE : XK_SERVE_JOURNAL_FULL;
  const EngineTime now = engine_time(host, boot_ms_);
  Emission emission;
  const auto ask = [&] {
    const bool room = host.records.has_room(2) && may_wait;
    return host.engine.answer(*ahead.request, ahead.client, *forwarding_, static_leases_, now,
                              {.record = room && !refuses, .probe = may_probe}, no_record, frame_room(spare_),
                              emission);
  };
  NativeAnswer answer = ask();
  if (answer.verdict.drop_reason == XK_SERVE_EXHAUSTED && sweep_for_one(host, now)) answer = ask();
  if (answer.has_record) record_native(host, answer.record);
  if (!answer.probe.is_zero()) return begin_probe(mbuf, host, answer.probe);
  if (answer.verdict.dropped()) return drop(mbuf, meta_of(mbuf).counted, answer.verdict.drop_reason);
  const bool waits = answer.after_revision != 0 && native.reply_after != ReplyAfter::nothing &&
                     !(failing && native.available) &&
                     answer.after_revision > released_revision(host, native);
  if (!waits) return finish(mbuf, answer.verdict, emission, PacketKind::reply);
  if (refuses) return drop(mbuf, meta_of(mbuf).counted, XK_SERVE_NOT_DURABLE);
  if (!may_wait) return drop(mbuf, meta_of(mbuf).counted, XK_SERVE_JOURNAL_FULL);
  const VrfId counted = meta_of(mbuf).counted;
  for (std::uint8_t i = 0; i < answer.verdict.note_count; ++i) count_drop(counted, answer.verdict.notes[i]);
  rte_mbuf* out = spare_;
  set_frame_length(out, emission.length);
  rte_pktmbuf_reset(mbuf);
  spare_ = mbuf;
  host.waiting.push(out, {.next = nullptr,
                          .revision = answer.after_revision,
                          .until_ms = boot_ms_ + kWaitingMs,
                          .port = emission.port,
                          .counted = counted});
  note_active(lane);
}

void Loop::record_native(NativeHost& host, const JournalRecord& record) {
  host.records.push(record);
  recorded_ = true;
}

void Loop::note_active(const NativeLane& lane) {
  if (std::exchange(lane.host->listed, true)) return;
  active_natives_.push_back(lane.host);
}

// Leases that are over are found, and given up in time, as far as the journal has room.
void Loop::sweep_native(NativeHost& host, EngineTime now, std::uint32_t leases) {
  host.engine.sweep(now, leases, [&](const JournalRecord& record) {
    if (host.state.load(std::memory_order_relaxed) != NativeState::serving || !host.records.has_room())
      return false;
    record_native(host, record);
    return true;
  });
}

// Leases end in whole seconds: a full pool that is asked more often than it changes is not looked through
// each time. False: it was looked through in this second.
bool Loop::sweep_for_one(NativeHost& host, EngineTime now) {
  if (std::exchange(host.looked_s, now.s()) != now.s()) host.looked_at = 0;
  if (host.looked_at >= std::min(host.engine.leases().size(), kSweepForAll)) return false;
  host.looked_at += kSweepForOne;
  sweep_native(host, now, kSweepForOne);
  return true;
}

// ---- in turn -------------------------------------------------------------------------------------------

// What is due without a packet: answers whose leases are durable, probes, leases that are over.
bool Loop::serve_natives() {
  if (view_->natives.empty()) return false;
  boot_ms_ = shared_.boot_ns() / 1'000'000;
  bool worked = false;
  for (std::size_t i = 0; i < active_natives_.size();) {
    NativeHost& host = *active_natives_[i];
    worked |= release_waiting(host);
    worked |= look_at_probes(host);
    if (!host.waiting.empty() || !host.probes.empty()) {
      ++i;
      continue;
    }
    host.listed = false;
    active_natives_[i] = active_natives_.back();
    active_natives_.pop_back();
  }
  if (boot_ms_ >= next_tick_ms_) {
    next_tick_ms_ = boot_ms_ + kTickMs;
    for (const NativeLane& lane : view_->natives) tick(lane);
  }
  return worked;
}

void Loop::tick(const NativeLane& lane) {
  NativeHost& host = *lane.host;
  if (!serves(host.state.load(std::memory_order_acquire))) return;
  adopt_plan(lane);
  const EngineTime now = engine_time(host, boot_ms_);
  const LeaseTable& leases = host.engine.leases();
  sweep_native(host, now, std::max(kSweepMin, leases.size() / kSweepTicks));
  if (host.has_to_forget.load(std::memory_order_acquire)) forget_native(host, now);
  host.leased.store(leases.leased(), std::memory_order_relaxed);
  host.declined.store(leases.declined(), std::memory_order_relaxed);
  host.bytes.store(leases.bytes(), std::memory_order_relaxed);
}

void Loop::forget_native(NativeHost& host, EngineTime now) {
  const std::lock_guard lock(host.forget_mutex);
  while (!host.to_forget.empty() && host.records.has_room()) {
    JournalRecord record;
    if (host.engine.forget(host.to_forget.back(), now, record)) record_native(host, record);
    host.to_forget.pop_back();
  }
  host.has_to_forget.store(!host.to_forget.empty(), std::memory_order_release);
}

// Whether an answer that waits may go; asked before the loop sleeps, too.
bool Loop::may_release(const NativeHost& host) const {
  if (host.waiting.empty() || boot_ms_ < host.held_until_ms) return false;
  const NativeLane lane = native_lane(host.vrf);
  if (lane.host != &host) return false;
  const NativeVrf& native = lane.plan->plan.native();
  return waiting_of(host.waiting.front()).revision <= released_revision(host, native) ||
         host.state.load(std::memory_order_acquire) == NativeState::failing;
}

// A burst of the answers that may go, of those that leave by the same port. False: the port takes no more of
// them for now; they wait on, and nothing of it is lost.
bool Loop::send_released(NativeHost& host, TxBuffer& buffer, std::uint64_t released) {
  flush_buffer(buffer);
  const PortId port = waiting_of(host.waiting.front()).port;
  rte_mbuf* next = host.waiting.front();
  while (next != nullptr && buffer.count < kBurstMax) {
    const WaitingReply& reply = waiting_of(next);
    if (reply.revision > released || reply.port != port) break;
    buffer.counted[buffer.count] = {reply.counted, PacketKind::reply};
    buffer.packets[buffer.count++] = next;
    next = reply.next;
  }
  const std::uint16_t count = std::exchange(buffer.count, std::uint16_t{0});
  const std::uint16_t sent = buffer.queue->tx_burst(std::span(buffer.packets.data(), count));
  count_sent(buffer, sent);
  if (sent == count)
    buffer.full_since_ms = 0;
  else if (sent != 0 || buffer.full_since_ms == 0)
    buffer.full_since_ms = boot_ms_;
  host.waiting.skip(sent, sent == count ? next : buffer.packets[sent]);
  return sent == count;
}

bool Loop::release_waiting(NativeHost& host) {
  if (host.waiting.empty() || boot_ms_ < host.held_until_ms) return false;
  const NativeVrf& native = native_lane(host.vrf).plan->plan.native();
  const bool failing = host.state.load(std::memory_order_acquire) == NativeState::failing;
  const std::uint64_t released = failing && native.available ? std::numeric_limits<std::uint64_t>::max()
                                                             : released_revision(host, native);
  bool worked = false;
  const std::size_t least = host.waiting.size() - std::min(host.waiting.size(), kReleaseMax);
  while (host.waiting.size() > least) {
    const WaitingReply reply = waiting_of(host.waiting.front());
    const bool good = reply.revision <= released;
    if (!good && !failing && boot_ms_ < reply.until_ms) break;
    worked = true;
    const RuntimePort* const port = generation_->port_of_id[reply.port.value];
    TxBuffer* const buffer = port == nullptr ? nullptr : port->tx[index_ % port->tx.size()].get();
    if (!good) {
      drop(host.waiting.pop(), reply.counted, XK_SERVE_NOT_DURABLE);
    } else if (buffer == nullptr || buffer->loop != index_ || buffer->queue->gone()) {
      Emission emission;
      emission.port = reply.port;
      send_to(host.waiting.pop(), emission, PacketKind::reply, reply.counted);
    } else if (!send_released(host, *buffer, released)) {
      if (boot_ms_ - buffer->full_since_ms < kPortFullMs) {
        host.held_until_ms = boot_ms_ + 1;
        break;
      }
      drop(host.waiting.pop(), reply.counted, XK_TX_QUEUE_FULL);
    }
  }
  return worked;
}

// A host that is this loop's no more.
void Loop::abandon(NativeHost& host) {
  while (!host.waiting.empty()) {
    rte_mbuf* const mbuf = host.waiting.pop();
    drop(mbuf, waiting_of(mbuf).counted, XK_SERVE_NOT_DURABLE);
  }
  for (const Probe& probe : host.probes)
    drop(probe.request, meta_of(probe.request).counted, XK_VRF_NOT_SERVED);
  host.probes.clear();
  host.listed = false;
  std::erase(active_natives_, &host);
}

// ---- probes --------------------------------------------------------------------------------------------

void Loop::begin_probe(rte_mbuf* mbuf, NativeHost& host, Ip4 address) {
  host.probes.push_back({.request = mbuf, .address = address});
  note_active(native_lane(host.vrf));
}

void Loop::hear_arp(rte_mbuf* mbuf, const Received& received, NativeHost& host) {
  const std::size_t l3 = received.headers.l3_offset;
  if (!is_arp_probe_reply(received.frame, l3)) {
    Emission emission;
    const Verdict verdict = answer_arp(received, *forwarding_, frame_room(spare_), emission);
    return finish(mbuf, verdict, emission, PacketKind::arp);
  }
  const Ip4 sender = arp_sender(received.frame, l3);
  for (Probe& probe : host.probes) {
    if (probe.address != sender) continue;
    probe.heard = true;
    probe.next_ms = 0;
  }
  drop(mbuf, meta_of(mbuf).counted, XK_PROBE_HEARD);
}

bool Loop::send_probe(const NativeHost& host, Probe& probe) {
  const PacketMeta& meta = meta_of(probe.request);
  const AttachmentEntry* attachment = forwarding_->attachment(meta.attachment, meta.place);
  if (attachment == nullptr || attachment->vrf != host.vrf || !have_spare()) return false;
  const PortEntry& port = *forwarding_->port(attachment->port);
  rte_mbuf* out = std::exchange(spare_, nullptr);
  set_frame_length(out, write_arp_probe(*attachment, port, probe.address, frame_room(out)));
  Emission emission;
  emission.port = attachment->port;
  counters_[host.vrf.value].copies.add(1);
  send_to(out, emission, PacketKind::arp, host.vrf);
  return true;
}

bool Loop::look_at_probes(NativeHost& host) {
  if (host.probes.empty()) return false;
  adopt_plan(native_lane(host.vrf));
  bool worked = false;
  const EngineTime now = engine_time(host, boot_ms_);
  for (std::size_t i = 0; i < host.probes.size();) {
    Probe& probe = host.probes[i];
    if (probe.next_ms > now.ms) {
      ++i;
      continue;
    }
    worked = true;
    if (!probe.heard && probe.sent < kProbes) {
      probe.next_ms = now.ms + kProbeEveryMs;
      // Where no question can be asked none is answered.
      probe.sent = send_probe(host, probe) ? static_cast<std::uint8_t>(probe.sent + 1) : kProbes;
      ++i;
      continue;
    }
    if (probe.heard && !host.records.has_room()) {
      ++i;
      continue;
    }
    const Probe done = probe;
    host.probes[i] = host.probes.back();
    host.probes.pop_back();
    end_probe(host, done, now);
  }
  return worked;
}

void Loop::end_probe(NativeHost& host, const Probe& probe, EngineTime now) {
  JournalRecord record;
  if (host.engine.probed(probe.address, probe.heard, now, record)) {
    count_drop(host.vrf, XK_NOTE_SERVE_CONFLICT);
    record_native(host, record);
  }
  Received received;
  look_up(Waiting{probe.request, host.vrf}, received);
  Ahead ahead;
  process_one(Waiting{probe.request, host.vrf}, received, ahead);
}

}  // namespace xk
