#include "dataplane/pipeline/server_slots.h"

#include <string>
#include <unordered_set>

namespace xk {

std::expected<SlotsOfServers, Error> ServerSlots::assign(const Snapshot& snapshot, std::uint64_t now_ms) {
  std::size_t servers = 0;
  std::uint32_t id_max = 0;
  for (const VrfEntry& vrf : snapshot.vrfs) {
    if (vrf.engine != Engine::relay) continue;
    servers += vrf.servers.size();
    id_max = std::max(id_max, vrf.id.value);
  }
  if (servers > XK_SERVERS_MAX)
    return std::unexpected(
        Error{"more than " + std::to_string(XK_SERVERS_MAX) + " servers over all VRFs of the relay engine"});
  SlotsOfServers assigned;
  assigned.slots_.reserve(servers);
  assigned.first_.resize(id_max + std::size_t{1});
  for (const VrfEntry& vrf : snapshot.vrfs) {
    if (vrf.engine != Engine::relay) continue;
    assigned.first_[vrf.id.value] = static_cast<std::uint32_t>(assigned.slots_.size());
    for (const ServerEntry& server : vrf.servers)
      assigned.slots_.push_back(slot_of(server_key(vrf.id, server.address), now_ms));
  }
  return assigned;
}

ServerSlot* ServerSlots::slot_of(std::uint64_t key, std::uint64_t now_ms) {
  const std::uint32_t used = header_.servers_used.load(std::memory_order_relaxed);
  const auto [known, fresh] = by_key_.try_emplace(key, free_.empty() ? used : free_.back());
  ServerSlot& slot = slots_[known->second];
  if (!fresh) return &slot;
  if (free_.empty())
    header_.servers_used.store(used + 1, std::memory_order_release);
  else
    free_.pop_back();
  slot.state.store(ServerState::unknown, std::memory_order_relaxed);
  slot.deaths.store(0, std::memory_order_relaxed);
  for (Counter* value :
       {&slot.requests, &slot.replies, &slot.unanswered_since_ms, &slot.last_try_ms, &slot.last_reply_ms})
    value->set(0);
  slot.since_ms.set(now_ms);
  slot.key.store(key, std::memory_order_release);
  return &slot;
}

void ServerSlots::retain(const Snapshot& snapshot) {
  std::unordered_set<std::uint64_t> named;
  for (const VrfEntry& vrf : snapshot.vrfs) {
    if (vrf.engine != Engine::relay) continue;
    for (const ServerEntry& server : vrf.servers) named.insert(server_key(vrf.id, server.address));
  }
  std::erase_if(by_key_, [&](const auto& known) {
    if (named.contains(known.first)) return false;
    slots_[known.second].key.store(0, std::memory_order_release);
    free_.push_back(known.second);
    return true;
  });
}

}  // namespace xk
