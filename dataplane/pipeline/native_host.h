// One VRF's native engine and all that is between it and its journal. The loop that owns the VRF serves by
// it; the keeper (native_keeper.h) writes what it recorded; the control thread makes and ends it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dataplane/base/forwarding.h"
#include "dataplane/pipeline/packet.h"
#include "dataplane/pipeline/record_ring.h"
#include "dataplane/serve/native_engine.h"

namespace xk {

// An answer whose lease is not on stable storage yet.
struct WaitingReply {
  rte_mbuf* mbuf = nullptr;
  std::uint64_t revision = 0;
  std::uint64_t until_ms = 0;  // CLOCK_BOOTTIME: then nobody waits for it any more
  PortId port{};
  VrfId counted{};
};

// A request that is answered once it is known whether other hosts have the address.
struct Probe {
  rte_mbuf* request = nullptr;
  Ip4 address{};
  std::uint64_t next_ms = 0;  // engine clock: when the next question, or the answer, is due
  std::uint8_t sent = 0;
  bool heard = false;
};

// A plan with the snapshot it is of.
struct NativePlanInForce {
  std::shared_ptr<const Forwarding> forwarding;
  NativePlan plan;
  std::uint64_t serial = 0;  // no two plans have the same
};

struct NativeHost {
  static constexpr std::size_t kWaitingMax = 4096;
  static constexpr std::size_t kProbesMax = 256;

  NativeHost(VrfId id, std::string folder, HashKey key)
      : vrf(id), directory(std::move(folder)), engine(key) {}

  const VrfId vrf;
  const std::string directory;

  // recovering until the keeper says otherwise; serving and failing are the keeper's to say as well.
  std::atomic<NativeState> state{NativeState::recovering};
  std::atomic<std::uint64_t> durable{0};   // revision up to which the journal is on stable storage
  std::atomic<std::uint64_t> stored{0};    // and up to which the store has it
  std::atomic<std::uint64_t> clock_ms{0};  // the engine's clock less CLOCK_BOOTTIME; fixed once it serves

  // ---- the loop's, once it serves; the keeper's before ----
  NativeEngine engine;
  std::uint64_t plan_serial = 0;
  std::deque<WaitingReply> waiting;
  std::vector<Probe> probes;
  bool listed = false;  // something waits: it is in the loop's list

  // ---- from the loop to the keeper ----
  RecordRing records;

  // ---- from the control thread to the loop ----
  std::mutex forget_mutex;
  std::vector<Ip4> to_forget;
  std::atomic<bool> has_to_forget{false};

  // ---- what the loop has seen, for reports ----
  std::atomic<std::uint64_t> leased{0}, declined{0}, bytes{0};
};

// What a loop finds of a VRF of the native engine.
struct NativeLane {
  NativeHost* host = nullptr;  // null: none
  const NativePlanInForce* plan = nullptr;
};

}  // namespace xk
