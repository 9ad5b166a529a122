// The dataplane's engine: ports in and out, a queue for every VRF, the loops between them. All calls
// come from one control thread; the loops run beside it and are never stopped for a change.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/base/forwarding.h"
#include "dataplane/base/static_lease.h"
#include "dataplane/pipeline/counters_region.h"
#include "dataplane/pipeline/loop.h"
#include "dataplane/pipeline/native_keeper.h"
#include "dataplane/pipeline/server_slots.h"

namespace xk {

// One loop: where it runs and which stages (bits of Stage) it has.
struct LoopPlacement {
  int cpu = -1;  // -1: wherever the kernel likes
  std::uint8_t stages = kStagesAll;
};

struct PipelineOptions {
  std::vector<LoopPlacement> loops;  // empty: one loop with all stages; else every stage somewhere
  std::uint32_t idle_spin_us = 50;   // spins so long without work before it sleeps
  rte_mempool* pool = nullptr;       // private bytes: kPacketPrivateBytes
  CountersRegion* counters = nullptr;
  const Fence* fence = nullptr;          // of shared VRFs; outlives the pipeline. null: they are silent
  std::uint64_t (*now_ms)() = nullptr;   // monotonic; default: the machine's clock
  std::uint64_t (*boot_ns)() = nullptr;  // CLOCK_BOOTTIME; default: the machine's
  NativeKeeper::Options keeper{};        // on_durable is the pipeline's own
};

// The queues of a port; those of an exception port joined to it, if it has one.
struct PortQueues {
  std::vector<std::unique_ptr<PortQueue>> queues;
  std::unique_ptr<PortQueue> exception;
};

class Pipeline {
 public:
  // pool and counters outlive the pipeline.
  [[nodiscard]] static std::expected<std::unique_ptr<Pipeline>, Error> make(PipelineOptions options);
  ~Pipeline();

  // Starts a thread a loop, which block all signals.
  [[nodiscard]] std::expected<void, Error> start();
  // Ends the threads. What is in the queues stays there.
  void stop();
  // Every loop once, in the caller's thread, while not started. True: something was done.
  bool iterate();

  // In place on return: loops receive from it. A port with the same key is replaced.
  [[nodiscard]] std::expected<void, Error> add_port(const PortKey& key, PortQueues queues);
  // On return no loop touches it and its queues are closed; one that is not there is no error.
  void remove_port(const PortKey& key);
  [[nodiscard]] bool has_port(const PortKey& key) const;
  [[nodiscard]] std::vector<PortKey> port_keys() const;

  // On return every loop forwards by it and the old one is gone; packets that wait in queues stay
  // there. On error the old one stays in force.
  [[nodiscard]] std::expected<void, Error> publish(std::unique_ptr<const Forwarding> forwarding);
  [[nodiscard]] std::uint64_t generation() const;

  // Changes the static leases, in this order. On return every loop answers by them; loops that look meanwhile
  // find each lease as it was or as it is. An Error: those before the one it names are in force.
  [[nodiscard]] std::expected<void, Error> change_static_leases(std::span<const StaticChange> changes);
  // The same for a table that is not in force yet, beside the one that is: first, or what was begun is
  // forgotten; any number of times; then in the place of the old one as a whole. An Error: it is forgotten.
  void begin_static_leases();
  [[nodiscard]] std::expected<void, Error> load_static_leases(std::span<const StaticChange> changes);
  [[nodiscard]] std::expected<void, Error> finish_static_leases();
  // Static leases in force, and the memory they take.
  [[nodiscard]] std::size_t static_lease_count() const;
  [[nodiscard]] std::size_t static_lease_bytes() const;

  // How the native engines are, and once those that have ended since the last call.
  [[nodiscard]] std::vector<NativeStatus> native_statuses();
  // The store has what the VRF's journal says up to a revision.
  void note_stored(VrfId vrf, std::uint64_t revision);
  // The lease of an address of a native engine ends; its journal says so.
  void forget_lease(VrfId vrf, Ip4 address);

  // Whether every loop begins a new iteration within that time: idle ones are woken for it.
  [[nodiscard]] bool moves(std::chrono::milliseconds at_most);

  // Has the loops count what the ports lost before rx_burst could see it. Call about every second.
  void count_port_losses();
  // Times the loops went to sleep; whether all of them are asleep now.
  [[nodiscard]] std::uint64_t sleeps() const;
  [[nodiscard]] bool asleep() const;

 private:
  explicit Pipeline(PipelineOptions options);
  [[nodiscard]] std::expected<void, Error> make_loops();
  void run_loop(std::size_t index);
  [[nodiscard]] std::unique_ptr<RuntimePort> make_runtime_port(
      const PortKey& key, std::vector<std::unique_ptr<PortQueue>> queues);
  [[nodiscard]] std::uint32_t next_loop(Stage stage);
  [[nodiscard]] std::size_t free_slot(std::size_t at) const;
  [[nodiscard]] std::expected<std::vector<VrfQueue*>, Error> arrange_queues(
      const Forwarding& forwarding, std::vector<QueuePool::Handle>& made);
  [[nodiscard]] std::vector<std::uint32_t> owners(const Forwarding& forwarding) const;
  [[nodiscard]] std::unique_ptr<Generation> make_generation(std::shared_ptr<const Forwarding> forwarding,
                                                            std::vector<VrfQueue*> queues,
                                                            SlotsOfServers servers) const;
  [[nodiscard]] std::expected<void, Error> watch(const RuntimePort& port);
  void close(std::vector<std::unique_ptr<RuntimePort>> ports);
  void put_in_force(std::unique_ptr<Generation> generation);
  void quiesce();
  // natives.cpp
  [[nodiscard]] NativeKeeper& keeper();
  [[nodiscard]] std::vector<std::shared_ptr<NativeHost>> arrange_natives(
      Generation& generation, const std::vector<std::uint32_t>& owner);
  void keep_stored(NativeHost& host) const;
  void replace_natives(std::vector<std::shared_ptr<NativeHost>> hosts);
  void carry_natives(Generation& to) const;
  bool find_losses(const RuntimePort& port) const;
  void drain(std::vector<QueuePool::Handle> queues);

  PipelineOptions options_;
  Shared shared_;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::vector<std::thread> threads_;
  std::unique_ptr<Generation> generation_;
  std::unique_ptr<StaticTable> static_leases_;  // in force; null: there never were any
  std::unique_ptr<StaticTable> loading_;
  ServerSlots server_slots_;
  QueuePool queue_pool_;
  std::vector<QueuePool::Handle> queues_;  // of the VRFs of the snapshot in force
  std::vector<std::unique_ptr<RuntimePort>> ports_;
  std::vector<std::shared_ptr<NativeHost>> native_hosts_;  // of the snapshot in force, in its order
  std::uint64_t plan_serials_ = 0;
  std::unique_ptr<NativeKeeper> keeper_;  // null: there never was a native engine
  std::uint32_t serials_ = 0;
  std::uint32_t assigned_[2] = {0, 0};  // receive and transmit queues given to loops so far
};

}  // namespace xk
