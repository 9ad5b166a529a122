// What the loops read and the control thread replaces as a whole: one configuration generation and
// the ports there are. Immutable once published; freed when every loop has moved on.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/base/forwarding.h"
#include "dataplane/pipeline/native_host.h"
#include "dataplane/pipeline/runtime_port.h"
#include "dataplane/pipeline/server_slots.h"
#include "dataplane/pipeline/vrf_queue.h"

namespace xk {

// One receive queue of a loop.
struct RxBinding {
  PortQueue* queue = nullptr;
  RuntimePort* port = nullptr;
  PortId id{};          // of the port in the snapshot
  bool mapped = false;  // the snapshot has it
  RxState* state = nullptr;
};

// What one loop runs in this generation.
struct LoopView {
  std::vector<RxBinding> rx;
  std::vector<TxBuffer*> tx;
  std::vector<NativeLane> natives;  // of the VRFs that are this loop's
  bool polled = false;              // some rx queue has no descriptor to wait for
};

// What every packet of a VRF needs to be relayed, on one cache line: with thousands of VRFs each line is
// fetched for a single packet.
struct alignas(64) Lane {
  const VrfEntry* vrf = nullptr;       // null: the snapshot has no such VRF
  ServerSlot* const* slots = nullptr;  // of its servers; null: nothing is kept of them (SlotsOfServers)
  ServerSlot* first_slot = nullptr;
  std::uint32_t server_count = 0;
  Way only_way;  // of a VRF with one server
  [[nodiscard]] std::span<ServerSlot* const> server_slots() const {
    return {slots, slots == nullptr ? 0 : server_count};
  }
};
static_assert(sizeof(Lane) == 64);

struct Generation {
  std::shared_ptr<const Forwarding> forwarding;  // null: nothing published yet
  std::vector<VrfQueue*> queues;                 // by VRF id
  std::vector<RuntimePort*> ports;               // by slot; null: none there
  std::vector<RuntimePort*> port_of_id;          // by PortId; null: not here (yet, or any more)
  std::vector<LoopView> loops;
  SlotsOfServers servers;
  HugeVector<Lane> lanes;           // by VRF id, of the above
  bool fenced = false;              // some VRF is shared with another appliance
  std::vector<NativeLane> natives;  // by VRF id; empty: no VRF is of the native engine
  std::vector<std::shared_ptr<const NativePlanInForce>> plans;  // of those

  // Lays out the lanes, once forwarding, queues and servers are there.
  void lay_lanes();
};

}  // namespace xk
