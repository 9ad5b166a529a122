// Where the state of servers is kept (base/server_slot.h): a place for every server of every VRF of the
// relay engine, the same for as long as snapshots name it. The control thread's; loops only write the
// slots.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <unordered_map>
#include <vector>

#include "dataplane/base/counters.h"
#include "dataplane/base/error.h"
#include "dataplane/base/forwarding.h"

namespace xk {

// The slots of a snapshot's servers.
class SlotsOfServers {
 public:
  // In the order of the VRF's servers; none of a VRF that is not of the relay engine.
  [[nodiscard]] std::span<ServerSlot* const> of(const VrfEntry& vrf) const {
    if (vrf.engine != Engine::relay || vrf.id.value >= first_.size()) return {};
    return {slots_.data() + first_[vrf.id.value], vrf.servers.size()};
  }

 private:
  friend class ServerSlots;
  std::vector<ServerSlot*> slots_;
  std::vector<std::uint32_t> first_;  // by VRF id
};

class ServerSlots {
 public:
  ServerSlots(std::span<ServerSlot> slots, CountersHeader& header) : slots_(slots), header_(header) {}

  // The slots of all servers: those they had, or new ones. Fails when there are more than
  // XK_SERVERS_MAX; nothing has changed then.
  [[nodiscard]] std::expected<SlotsOfServers, Error> assign(const Snapshot& snapshot, std::uint64_t now_ms);
  // Frees the slots of servers that are not in the snapshot. No loop uses them any more.
  void retain(const Snapshot& snapshot);

 private:
  ServerSlot* slot_of(std::uint64_t key, std::uint64_t now_ms);

  std::span<ServerSlot> slots_;
  CountersHeader& header_;
  std::unordered_map<std::uint64_t, std::uint32_t> by_key_;
  std::vector<std::uint32_t> free_;
};

}  // namespace xk
