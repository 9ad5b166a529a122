// Who runs what: the parts of Pipeline that lay out a generation.
#include <algorithm>
#include <iterator>
#include <numeric>

#include "dataplane/pipeline/pipeline.h"

namespace xk {

// The loops in turn, among those that have the stage; what is given stays with its loop for good.
std::uint32_t Pipeline::next_loop(Stage stage) {
  std::vector<std::uint32_t> having;
  for (std::uint32_t i = 0; i < loops_.size(); ++i)
    if ((loops_[i]->stages() & stage) != 0) having.push_back(i);
  std::uint32_t& turn = assigned_[stage == kStageRx ? 0 : 1];
  return having[turn++ % having.size()];
}

// The first place in the table of ports, from at on, that no port has.
std::size_t Pipeline::free_slot(std::size_t at) const {
  while (std::ranges::any_of(ports_, [at](const auto& port) { return port->slot == at; })) ++at;
  return at;
}

std::unique_ptr<RuntimePort> Pipeline::make_runtime_port(const PortKey& key,
                                                         std::vector<std::unique_ptr<PortQueue>> queues) {
  auto port = std::make_unique<RuntimePort>();
  port->key = key;
  port->serial = ++serials_;
  port->slot = static_cast<std::uint16_t>(free_slot(0));
  port->queues = std::move(queues);
  for (const auto& queue : port->queues) {
    auto state = std::make_unique<RxState>();
    state->loop = next_loop(kStageRx);
    port->rx.push_back(std::move(state));
    auto buffer = std::make_unique<TxBuffer>();
    buffer->queue = queue.get();
    buffer->loop = next_loop(kStageTx);
    port->tx.push_back(std::move(buffer));
  }
  return port;
}

std::expected<void, Error> Pipeline::add_port(const PortKey& key, PortQueues queues) {
  if (queues.queues.empty()) return std::unexpected(Error{"port " + key.name + " has no queue"});
  remove_port(key);
  std::vector<std::unique_ptr<RuntimePort>> added;
  added.push_back(make_runtime_port(key, std::move(queues.queues)));
  if (queues.exception != nullptr) {
    std::vector<std::unique_ptr<PortQueue>> far;
    far.push_back(std::move(queues.exception));
    added.push_back(make_runtime_port(PortKey{key.kind, {}, key.name + " (exception)"}, std::move(far)));
    added[1]->is_exception = true;
    added[1]->peer = added[0].get();
    added[0]->peer = added[1].get();
    added[1]->slot = static_cast<std::uint16_t>(free_slot(added[0]->slot + 1u));
  }
  for (const auto& port : added) {
    if (auto watched = watch(*port); !watched) {
      close(std::move(added));
      return std::unexpected(std::move(watched.error()).in("port " + key.name));
    }
  }
  for (auto& port : added) ports_.push_back(std::move(port));
  auto generation = make_generation(generation_->forwarding, generation_->queues, generation_->servers);
  carry_natives(*generation);
  put_in_force(std::move(generation));
  return {};
}

void Pipeline::remove_port(const PortKey& key) {
  std::vector<std::unique_ptr<RuntimePort>> removed;
  const auto goes = [&key](const std::unique_ptr<RuntimePort>& port) {
    return port->is_exception ? port->peer->key == key : port->key == key;
  };
  const auto first =
      std::partition(ports_.begin(), ports_.end(), [&](const auto& port) { return !goes(port); });
  std::move(first, ports_.end(), std::back_inserter(removed));
  ports_.erase(first, ports_.end());
  if (removed.empty()) return;
  // The loops count what was lost until now as they leave the old generation.
  for (const auto& port : removed) find_losses(*port);
  auto generation = make_generation(generation_->forwarding, generation_->queues, generation_->servers);
  carry_natives(*generation);
  put_in_force(std::move(generation));
  close(std::move(removed));
}

// Ports that no loop uses, now or yet.
void Pipeline::close(std::vector<std::unique_ptr<RuntimePort>> ports) {
  for (const auto& port : ports) {
    for (std::size_t i = 0; i < port->queues.size(); ++i) {
      const PortQueue* queue = port->queues[i].get();
      if (const int fd = queue->wait_fd(); fd >= 0) loops_[port->rx[i]->loop]->unwatch(fd);
    }
  }
}

// What ends the sleep of the loops that receive from the port.
std::expected<void, Error> Pipeline::watch(const RuntimePort& port) {
  for (std::size_t i = 0; i < port.queues.size(); ++i) {
    const int fd = port.queues[i]->wait_fd();
    if (fd < 0) continue;
    if (auto watched = loops_[port.rx[i]->loop]->watch(fd); !watched) return watched;
  }
  return {};
}

bool Pipeline::has_port(const PortKey& key) const {
  return std::ranges::any_of(ports_,
                             [&](const auto& port) { return port->key == key && !port->is_exception; });
}

std::vector<PortKey> Pipeline::port_keys() const {
  std::vector<PortKey> keys;
  for (const auto& port : ports_)
    if (!port->is_exception) keys.push_back(port->key);
  return keys;
}

// The vrf loop of each VRF, by id. VRFs whose servers are in one VRF belong together with it: what a
// request leaves behind (RecentRequests) must be where its reply is handled.
std::vector<std::uint32_t> Pipeline::owners(const Forwarding& forwarding) const {
  std::vector<std::uint32_t> having;
  for (std::uint32_t i = 0; i < loops_.size(); ++i)
    if ((loops_[i]->stages() & kStageVrf) != 0) having.push_back(i);
  std::vector<std::uint32_t> root(XK_VRFS_MAX + 1);
  std::iota(root.begin(), root.end(), 0u);
  const auto find = [&root](std::uint32_t id) {
    while (root[id] != id) id = root[id] = root[root[id]];
    return id;
  };
  for (const VrfEntry& vrf : forwarding.snapshot().vrfs) {
    if (vrf.server_vrf.value == 0) continue;
    const std::uint32_t one = find(vrf.id.value);
    const std::uint32_t other = find(vrf.server_vrf.value);
    root[std::max(one, other)] = std::min(one, other);
  }
  std::vector<std::uint32_t> owner(root.size());
  for (std::uint32_t id = 0; id < root.size(); ++id) owner[id] = having[find(id) % having.size()];
  return owner;
}

// The queue of each VRF, by id: the one it has if that still fits, else a new one, which made owns.
std::expected<std::vector<VrfQueue*>, Error> Pipeline::arrange_queues(const Forwarding& forwarding,
                                                                      std::vector<QueuePool::Handle>& made) {
  const auto rx_loops =
      std::ranges::count_if(loops_, [](const auto& loop) { return (loop->stages() & kStageRx) != 0; });
  const std::vector<std::uint32_t> owner = owners(forwarding);
  std::vector<VrfQueue*> queues(XK_VRFS_MAX + 1, nullptr);
  for (const VrfEntry& vrf : forwarding.snapshot().vrfs) {
    VrfQueue* old = vrf.id.value < generation_->queues.size() ? generation_->queues[vrf.id.value] : nullptr;
    if (old != nullptr && old->depth == vrf.queue_depth && old->loop == owner[vrf.id.value]) {
      queues[vrf.id.value] = old;
      continue;
    }
    auto queue = queue_pool_.make(vrf.id, vrf.queue_depth, owner[vrf.id.value], rx_loops > 1);
    if (!queue) return std::unexpected(std::move(queue.error()).in("VRF " + vrf.name));
    queues[vrf.id.value] = queue->get();
    made.push_back(std::move(*queue));
  }
  return queues;
}

void Generation::lay_lanes() {
  lanes.assign(XK_VRFS_MAX + 1, Lane{});
  if (forwarding == nullptr) return;
  for (const VrfEntry& vrf : forwarding->snapshot().vrfs) {
    Lane& lane = lanes[vrf.id.value];
    lane.vrf = &vrf;
    fenced = fenced || vrf.fenced;
    const std::span<const Way> ways = forwarding->ways(vrf);
    lane.server_count = static_cast<std::uint32_t>(ways.size());
    if (ways.size() == 1) lane.only_way = ways.front();
    const std::span<ServerSlot* const> slots = servers.of(vrf);
    if (slots.empty()) continue;
    lane.slots = slots.data();
    lane.first_slot = slots.front();
  }
}

std::unique_ptr<Generation> Pipeline::make_generation(std::shared_ptr<const Forwarding> forwarding,
                                                      std::vector<VrfQueue*> queues,
                                                      SlotsOfServers servers) const {
  auto generation = std::make_unique<Generation>();
  generation->forwarding = std::move(forwarding);
  generation->queues = std::move(queues);
  generation->servers = std::move(servers);
  generation->loops.resize(loops_.size());
  generation->lay_lanes();
  generation->port_of_id.assign(std::size_t{1} << 16, nullptr);
  const auto entry_of = [&](const RuntimePort& port) -> const PortEntry* {
    if (generation->forwarding == nullptr || port.is_exception) return nullptr;
    const auto& entries = generation->forwarding->snapshot().ports;
    const auto found =
        std::ranges::find_if(entries, [&](const PortEntry& entry) { return PortKey::of(entry) == port.key; });
    return found == entries.end() ? nullptr : &*found;
  };
  for (const auto& port : ports_) {
    if (port->slot >= generation->ports.size()) generation->ports.resize(port->slot + 1u, nullptr);
    generation->ports[port->slot] = port.get();
    const PortEntry* entry = entry_of(*port);
    const PortId id = entry != nullptr ? entry->id : PortId{};
    if (entry != nullptr) generation->port_of_id[id.value] = port.get();
    for (std::size_t i = 0; i < port->queues.size(); ++i) {
      PortQueue* queue = port->queues[i].get();
      LoopView& receiver = generation->loops[port->rx[i]->loop];
      receiver.rx.push_back(RxBinding{queue, port.get(), id, entry != nullptr, port->rx[i].get()});
      receiver.polled = receiver.polled || (queue->wait_fd() < 0 && !queue->gone());
      generation->loops[port->tx[i]->loop].tx.push_back(port->tx[i].get());
    }
  }
  return generation;
}

}  // namespace xk
