// One thread's work: the stages it runs (rx, vrf, tx), and how it sleeps. A pipeline has one loop
// that runs all three, or several, each VRF, receive queue and transmit queue belonging to exactly
// one of them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/base/counters.h"
#include "dataplane/base/fd.h"
#include "dataplane/base/fence.h"
#include "dataplane/pipeline/classify.h"
#include "dataplane/pipeline/counters_region.h"
#include "dataplane/pipeline/generation.h"
#include "dataplane/pipeline/idle.h"
#include "dataplane/pipeline/native_keeper.h"
#include "dataplane/pipeline/packet.h"
#include "dataplane/pipeline/scheduler.h"
#include "dataplane/relay/relay.h"
#include "dataplane/serve/server_request.h"
#include "dataplane/serve/static_table.h"

namespace xk {

// Stages of a loop.
enum Stage : std::uint8_t { kStageRx = 1, kStageVrf = 2, kStageTx = 4 };
inline constexpr std::uint8_t kStagesAll = kStageRx | kStageVrf | kStageTx;

class Loop;

// What all loops of a pipeline share. Outlives them.
struct Shared {
  rte_mempool* pool = nullptr;
  std::uint32_t idle_spin_us = 50;
  std::uint64_t (*now_ms)() = nullptr;
  const Fence* fence = nullptr;
  std::uint64_t (*boot_ns)() = xk::boot_ns;
  std::atomic<const Generation*> generation{nullptr};
  std::atomic<const StaticTable*> static_leases{nullptr};  // null: there are none
  const NativeKeeper* keeper = nullptr;                    // of the native engines
  std::atomic<std::uint64_t> epoch{0};                     // counts the changes of both
  std::atomic<bool> stop{false};
  std::vector<Loop*> loops;
};

class Loop {
 public:
  [[nodiscard]] static std::expected<std::unique_ptr<Loop>, Error> make(Shared& shared, std::uint32_t index,
                                                                        std::uint8_t stages,
                                                                        const CountersBlock& counters);
  ~Loop();

  // Until shared.stop: works, spins for idle_spin_us without work (Idle), sleeps.
  void run();
  // Every stage once. True: something was done.
  bool iterate();

  // Any thread: ends the loop's sleep.
  void wake() const;
  // Control thread: a descriptor that ends the loop's sleep when it is readable.
  [[nodiscard]] std::expected<void, Error> watch(int fd);
  void unwatch(int fd);
  // The epoch this loop has arrived in: it holds nothing of an earlier generation.
  [[nodiscard]] std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint8_t stages() const { return stages_; }
  // Times the loop went to sleep; whether it is asleep now.
  [[nodiscard]] std::uint64_t sleeps() const { return sleeps_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool asleep() const { return sleeping_.load(std::memory_order_acquire); }

 private:
  // Packets for another loop's transmit queues, handed over a burst at a time.
  struct Outbox {
    std::uint16_t count = 0;
    std::array<rte_mbuf*, kBurstMax> packets{};
  };

  // A packet whose turn has come.
  struct Waiting {
    rte_mbuf* mbuf = nullptr;
    VrfId vrf{};
  };
  // Packets of several VRFs' turns, relayed together. A turn brings a burst at most.
  struct Batch {
    std::uint16_t count = 0;
    std::array<Waiting, 2 * kBurstMax> packets{};
    std::array<Received, 2 * kBurstMax> received{};
  };
  // A request to a native engine that was read some packets ahead of its turn; empty: it is read when it has
  // come.
  struct Ahead {
    std::optional<ServerRequest> request;
    Outcome fault = XK_OUTCOME_COUNT;
    ClientKey client{};
  };
  // Packets between the look-up of a packet's places and its processing.
  static constexpr std::size_t kLookAhead = 4;

  Loop(Shared& shared, std::uint32_t index, std::uint8_t stages, const CountersBlock& counters);

  // loop.cpp
  void adopt();
  bool sleep();
  [[nodiscard]] bool has_work() const;
  void wake_touched();
  void wake_keeper() const;
  void count_lost();
  void count_drop(VrfId vrf, Outcome reason, std::uint64_t packets = 1) {
    outcomes_[vrf.value][static_cast<std::size_t>(reason)].add(packets);
  }
  void drop(rte_mbuf* mbuf, VrfId vrf, Outcome reason) {
    count_drop(vrf, reason);
    rte_pktmbuf_free(mbuf);
  }

  // rx_stage.cpp
  bool receive();
  void classify_burst(const RxBinding& binding, std::span<rte_mbuf*> packets);
  void find_place(const RxBinding& binding, Classified& classified);
  void receive_burst(const RxBinding& binding, std::span<rte_mbuf*> packets);
  void receive_unmapped(const RxBinding& binding, std::span<rte_mbuf*> packets);
  void cross(rte_mbuf* mbuf, RuntimePort& to);
  void enqueue_run(VrfQueue* queue, std::span<rte_mbuf*> packets);
  void announce(VrfQueue& queue);

  // vrf_stage.cpp
  bool serve();
  void retire(VrfQueue* queue);
  void collect(const VrfQueue& queue, std::span<rte_mbuf*> packets);
  void process_batch();
  void look_up(const Waiting& waiting, Received& received) const;
  void process_one(const Waiting& waiting, const Received& received, Ahead& ahead);
  [[nodiscard]] bool has_static_leases(const VrfEntry& vrf) const {
    return vrf.static_leases && static_leases_ != nullptr && static_leases_->concerns(vrf.id);
  }
  // Whether this appliance may answer in the VRF now.
  [[nodiscard]] bool may_answer(const VrfEntry& vrf) const {
    return !vrf.fenced || (fence_open_ && shared_.fence->is_active(vrf.id));
  }
  void look_at_fence();
  [[nodiscard]] bool answer_request(const Received& received, rte_mbuf* mbuf);
  void request(const Received& received, rte_mbuf* mbuf);
  void note_reply(const Emission& emission);
  void finish(rte_mbuf* in, const Verdict& verdict, const Emission& emission, PacketKind kind);
  void send_to(rte_mbuf* out, const Emission& emission, PacketKind kind, VrfId counted);
  [[nodiscard]] bool have_spare();

  // native_stage.cpp
  [[nodiscard]] NativeLane native_lane(VrfId vrf) const;
  static void adopt_plan(const NativeLane& lane);
  void read_ahead(rte_mbuf* mbuf, const Received& received, Ahead& ahead) const;
  void fetch_ahead(const Received& received, const Ahead& ahead, bool more) const;
  void serve_native(rte_mbuf* mbuf, const Received& received, Ahead& ahead);
  void answer_native(rte_mbuf* mbuf, const Ahead& ahead, const NativeLane& lane);
  void record_native(NativeHost& host, const JournalRecord& record);
  void note_active(const NativeLane& lane);
  void sweep_native(NativeHost& host, EngineTime now, std::uint32_t leases);
  [[nodiscard]] bool sweep_for_one(NativeHost& host, EngineTime now);
  bool serve_natives();
  void tick(const NativeLane& lane);
  void forget_native(NativeHost& host, EngineTime now);
  [[nodiscard]] bool may_release(const NativeHost& host) const;
  bool release_waiting(NativeHost& host);
  [[nodiscard]] bool send_released(NativeHost& host, TxBuffer& buffer, std::uint64_t released);
  void abandon(NativeHost& host);
  void begin_probe(rte_mbuf* mbuf, NativeHost& host, Ip4 address);
  void hear_arp(rte_mbuf* mbuf, const Received& received, NativeHost& host);
  [[nodiscard]] bool send_probe(const NativeHost& host, Probe& probe);
  bool look_at_probes(NativeHost& host);
  void end_probe(NativeHost& host, const Probe& probe, EngineTime now);

  // tx_stage.cpp
  void send(rte_mbuf* mbuf, RuntimePort& port, std::uint16_t queue, PacketKind kind, VrfId counted);
  void stage(rte_mbuf* mbuf, TxBuffer& buffer, PacketKind kind, VrfId counted);
  void hand_over(rte_mbuf* mbuf, std::uint32_t loop);
  void flush_outbox(std::uint32_t loop);
  bool collect_inbox();
  void flush_buffer(TxBuffer& buffer);
  bool transmit();
  void count_sent(TxBuffer& buffer, std::uint16_t sent);

  Shared& shared_;
  const std::uint32_t index_;
  const std::uint8_t stages_;
  const std::span<VrfCounters> counters_;
  const std::span<VrfOutcomes> outcomes_;
  bool alone_ = true;  // no other loop

  const Generation* generation_ = nullptr;
  const Forwarding* forwarding_ = nullptr;
  const StaticTable* static_leases_ = nullptr;
  const LoopView* view_ = nullptr;
  std::atomic<std::uint64_t> epoch_{0};
  std::uint64_t now_ms_ = 0;
  std::uint64_t boot_ms_ = 0;  // CLOCK_BOOTTIME, while some VRF is of the native engine
  std::uint64_t next_tick_ms_ = 0;
  std::vector<NativeHost*> active_natives_;  // with answers or probes that wait
  bool recorded_ = false;                    // something for the keeper, in this iteration
  bool fence_open_ = false;                  // in this iteration
  std::uint32_t iterations_ = 0;
  std::uint32_t received_ = 0;  // in this iteration, but for what pressed ports gave beyond

  Idle idle_;
  Fd wake_fd_;
  Fd epoll_;
  alignas(64) std::atomic<bool> sleeping_{false};
  std::atomic<std::uint64_t> sleeps_{0};
  std::array<bool, kLoopsMax> touched_{};  // other loops that were given work in this iteration

  RingHandle ready_;  // VrfQueue*: became active by another loop's hand
  RingHandle inbox_;  // rte_mbuf*: to send on a queue of this loop
  std::array<Outbox, kLoopsMax> outboxes_;
  Scheduler scheduler_;
  TxBuffer* dirty_ = nullptr;
  std::array<Classified, kBurstMax> classified_{};  // of the burst being received
  Batch batch_;
  std::array<Ahead, 2 * kLookAhead> ahead_;  // by the packet's number in the batch
  rte_mbuf* spare_ = nullptr;                // the buffer the next packet is built in
  RecentRequests recent_;
};

}  // namespace xk
