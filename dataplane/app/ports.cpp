#include "dataplane/app/ports.h"

#include <algorithm>

#include "dataplane/port/af_xdp.h"
#include "dataplane/port/pcap_port.h"

namespace xk {
namespace {

AfXdpGeometry geometry_of(const ipc::UmemGeometry& geometry) {
  return {.frame_size = geometry.frame_size,
          .frame_count = geometry.frame_count,
          .rx_frames = geometry.rx_frames,
          .fill_size = geometry.fill_size,
          .completion_size = geometry.completion_size,
          .rx_size = geometry.rx_size,
          .tx_size = geometry.tx_size};
}

PortKey key_of(IfIndex ifindex) { return PortKey{PortKind::af_xdp, ifindex, {}}; }

}  // namespace

std::expected<void, Error> Ports::open_ethdevs(const std::vector<ipc::EthdevSetting>& settings) {
  for (const ipc::EthdevSetting& setting : settings) {
    Device device;
    device.name = setting.name;
    const bool has_exception = !setting.exception_device.empty();
    // The exception port's traffic has a MAC of its own: the NIC must hear that one too.
    auto near = Ethdev::open(setting.device, has_exception, pool_);
    if (!near) return std::unexpected(std::move(near.error()).in("port " + setting.name));
    device.device = std::move(*near);
    if (has_exception) {
      auto far = Ethdev::open(setting.exception_device, false, pool_);
      if (!far) return std::unexpected(std::move(far.error()).in("exception port of " + setting.name));
      device.exception = std::move(*far);
    }
    devices_.push_back(std::move(device));
  }
  return {};
}

std::expected<void, Error> Ports::attach(Pipeline& pipeline) {
  for (const Device& device : devices_) {
    PortQueues queues;
    queues.queues.push_back(device.device->queue());
    if (device.exception != nullptr) queues.exception = device.exception->queue();
    if (auto added = pipeline.add_port(PortKey{PortKind::ethdev, {}, device.name}, std::move(queues)); !added)
      return added;
  }
  return {};
}

std::expected<void, Error> Ports::hold(Pipeline& pipeline, const ipc::PortSockets& port,
                                       std::vector<Fd> fds) {
  const auto attempt = [&]() -> std::expected<void, Error> {
    if (port.queues == 0 || fds.size() != 2u * port.queues)
      return std::unexpected(Error{"port " + port.name + ": " + std::to_string(fds.size()) +
                                   " descriptors for " + std::to_string(port.queues) + " queues"});
    PortQueues queues;
    for (std::size_t i = 0; i < fds.size(); i += 2) {
      const AfXdpPlace place{port.ifindex, static_cast<std::uint16_t>(i / 2), port.zero_copy};
      auto queue =
          open_af_xdp(port.name, std::move(fds[i]), fds[i + 1], geometry_of(port.geometry), place, pool_);
      if (!queue) return std::unexpected(std::move(queue.error()));
      queues.queues.push_back(std::move(*queue));
    }
    return pipeline.add_port(key_of(port.ifindex), std::move(queues));
  };
  auto opened = attempt();
  if (opened)
    failed_.erase(port.ifindex);
  else
    failed_[port.ifindex] = opened.error().message;
  return opened;
}

void Ports::release(Pipeline& pipeline, IfIndex ifindex) {
  failed_.erase(ifindex);
  pipeline.remove_port(key_of(ifindex));
}

std::vector<IfIndex> Ports::held(const Pipeline& pipeline) const {
  std::vector<IfIndex> ifindexes;
  for (const PortKey& key : pipeline.port_keys())
    if (key.kind == PortKind::af_xdp) ifindexes.push_back(key.ifindex);
  return ifindexes;
}

std::expected<void, Error> Ports::prepare(Pipeline& pipeline, Snapshot& snapshot) {
  for (PortEntry& entry : snapshot.ports) {
    const PortKey key = PortKey::of(entry);
    switch (entry.kind) {
      case PortKind::af_xdp:
        if (const auto failed = failed_.find(entry.ifindex); failed != failed_.end())
          return std::unexpected(Error{failed->second});
        break;
      case PortKind::ethdev: {
        const auto device = std::ranges::find(devices_, entry.name, &Device::name);
        if (device == devices_.end())
          return std::unexpected(
              Error{"port " + entry.name +
                    ": its device was not opened when xdp-kea-dataplane started: restart it"});
        if (entry.mac.is_zero()) entry.mac = device->device->mac();
        break;
      }
      case PortKind::pcap: {
        if (pipeline.has_port(key)) break;
        auto queue = open_pcap(entry.device, pool_);
        if (!queue) return std::unexpected(std::move(queue.error()).in("port " + entry.name));
        PortQueues queues;
        queues.queues.push_back(std::move(*queue));
        if (auto added = pipeline.add_port(key, std::move(queues)); !added) return added;
        break;
      }
      case PortKind::sim:
        return std::unexpected(Error{"port " + entry.name + ": a simulated port exists in tests only"});
    }
  }
  return {};
}

void Ports::tidy(Pipeline& pipeline, const Snapshot& snapshot) {
  for (const PortKey& key : pipeline.port_keys()) {
    const auto is_same = [&key](const PortEntry& entry) { return PortKey::of(entry) == key; };
    if (key.kind == PortKind::pcap && std::ranges::none_of(snapshot.ports, is_same))
      pipeline.remove_port(key);
  }
}

}  // namespace xk
