#include <bit>
#include <map>
#include <set>

#include "controlplane/config/keys.h"
#include "controlplane/config/validate.h"
#include "controlplane/model/names.h"

namespace xk::config {
namespace {

constexpr std::uint64_t kBufferBytes = 2560;  // of one packet buffer with its header and private area

void check_handoff_prefix(const Given<Prefix4>& given, std::size_t vrfs, Mistakes& mistakes) {
  if (!given.good()) return;
  const Prefix4& prefix = given.value;
  const std::string text = "handoff_prefix: " + quoted(to_string(prefix));
  const std::uint32_t first = prefix.network.value >> 24;
  if (prefix.length < 8 || first == 0 || first == 127 || first >= 224) {
    mistakes.add(given.at, text + " holds addresses no host may have; allowed: unicast, /8 to /30");
    return;
  }
  // VRF ids run from 1, and id n has the addresses 2n and 2n + 1.
  const std::uint64_t needed = 2 * (vrfs + 1);
  const std::uint64_t size = std::uint64_t{1} << (32 - prefix.length);
  if (size >= needed) return;
  mistakes.add(given.at, text + " has " + std::to_string(size) + " addresses; " + std::to_string(vrfs) +
                             " VRFs need " + std::to_string(needed));
}

void validate_appliance(const FileConfig& config, Model& model, Mistakes& mistakes) {
  const FileAppliance& file = config.appliance;
  model.appliance = {
      .name = file.name.value,
      .hostname = file.hostname.value,
      .state_dir = file.state_dir.value,
      .run_dir = file.run_dir.value,
      .bpf_dir = file.bpf_dir.value,
      .api_socket = file.api_socket.given() ? file.api_socket.value : file.run_dir.value + "/api.sock",
      .api_socket_mode = file.api_socket_mode.value.value,
      .api_group = file.api_group.value,
      .metrics_address = file.metrics_address.value,
      .log_level = std::string(kLogLevels[file.log_level.value.index]),
      .handoff_prefix = file.handoff_prefix.value};
  if (file.api_socket.good() && file.api_socket.value == file.run_dir.value + "/dataplane.sock") {
    mistakes.add(file.api_socket.at, "api_socket: " + quoted(file.api_socket.value) +
                                         " is the socket of the dataplane; choose another name");
  }
  check_handoff_prefix(file.handoff_prefix, config.vrfs.size(), mistakes);
}

LcorePlan validate_lcore(const FileLcore& file, std::map<std::uint32_t, Position>& cpus, Mistakes& mistakes) {
  LcorePlan plan{.cpu = file.cpu.value, .roles = {}};
  if (file.cpu.good()) {
    const auto [other, fresh] = cpus.emplace(file.cpu.value, file.cpu.at);
    if (!fresh) {
      mistakes.add(file.cpu.at, "cpu: " + std::to_string(file.cpu.value) + " has an lcore already, in " +
                                    line_text(other->second) + "; two busy loops must not share a CPU");
    }
  }
  std::set<std::uint8_t> seen;
  for (const Given<Choice>& loop : file.loops.value) {
    if (!seen.insert(loop.value.index).second) {
      mistakes.add(loop.at, "loops: " + quoted(kLoopRoleNames[loop.value.index]) +
                                " is there twice; each is allowed once an lcore");
    }
    plan.roles.push_back(static_cast<LoopRole>(loop.value.index));
  }
  return plan;
}

void validate_lcores(const FileDataplane& file, DataplaneSettings& out, Mistakes& mistakes) {
  std::map<std::uint32_t, Position> cpus;
  std::set<LoopRole> roles;
  bool all_good = true;
  for (const FileLcore& lcore : file.lcores) {
    out.lcores.push_back(validate_lcore(lcore, cpus, mistakes));
    roles.insert(out.lcores.back().roles.begin(), out.lcores.back().roles.end());
    all_good = all_good && lcore.loops.good();
  }
  if (file.lcores.empty() || !all_good) return;
  for (const LoopRole role : {LoopRole::rx, LoopRole::vrf, LoopRole::tx}) {
    if (roles.contains(role)) continue;
    mistakes.add(file.lcores.front().at, "no [[dataplane.lcore]] runs the loop " + quoted(name_of(role)) +
                                             "; \"rx\", \"vrf\" and \"tx\" must each be on at least one");
  }
}

void validate_dataplane(const FileDataplane& file, DataplaneSettings& out, Mistakes& mistakes) {
  out.user = file.user.value;
  out.buffers = file.buffers.value;
  out.queue_depth = static_cast<std::uint16_t>(file.queue_depth.value);
  out.quantum_bytes = file.quantum_bytes.value;
  out.idle_spin_us = file.idle_spin_us.value;
  out.memory_mib = file.memory_mib.value;
  if (!std::has_single_bit(file.queue_depth.value)) {
    mistakes.add(file.queue_depth.at, "queue_depth: " + std::to_string(file.queue_depth.value) +
                                          " is no power of two; allowed: 16, 32, 64 and so on to 32768");
  }
  const std::uint64_t buffer_mib = (file.buffers.value * kBufferBytes + (1 << 20) - 1) >> 20;
  if (!file.buffers.bad && !file.memory_mib.bad && buffer_mib > file.memory_mib.value) {
    const Position at = file.buffers.given() ? file.buffers.at : file.memory_mib.at;
    mistakes.add(at, "buffers: " + std::to_string(file.buffers.value) + " buffers take " +
                         std::to_string(buffer_mib) +
                         " MiB; memory_mib = " + std::to_string(file.memory_mib.value) + " allows " +
                         std::to_string((std::uint64_t{file.memory_mib.value} << 20) / kBufferBytes));
  }
  validate_lcores(file, out, mistakes);
}

void validate_store(const FileStore& file, StoreSettings& out, Mistakes& mistakes) {
  out.backend = static_cast<StoreBackend>(file.backend.value.index);
  out.lease_grace_s = file.lease_grace_s.value;
  const FileEtcd& etcd = file.etcd;
  // What is prepared for another backend changes nothing.
  if (out.backend == StoreBackend::etcd) {
    for (const Given<std::string>& endpoint : etcd.endpoints.value) out.endpoints.push_back(endpoint.value);
    out.ca_file = etcd.ca_file.value;
    out.certificate_file = etcd.certificate_file.value;
    out.key_file = etcd.key_file.value;
    out.user = etcd.user.value;
    out.password_file = etcd.password_file.value;
  }
  if (out.backend == StoreBackend::etcd && !etcd.endpoints.bad && out.endpoints.empty())
    mistakes.add(file.backend.at,
                 "backend: \"etcd\" needs endpoints in [store.etcd], as in endpoints = "
                 "[\"https://10.0.0.1:2379\"]");
  const auto together = [&](const Given<std::string>& one, const char* name, const Given<std::string>& other,
                            const char* needed) {
    if (one.good() && !one.value.empty() && !other.bad && other.value.empty())
      mistakes.add(one.at, std::string(name) + ": needs " + needed + " too");
  };
  together(etcd.certificate_file, "certificate_file", etcd.key_file, "key_file");
  together(etcd.key_file, "key_file", etcd.certificate_file, "certificate_file");
  together(etcd.user, "user", etcd.password_file, "password_file");
  together(etcd.password_file, "password_file", etcd.user, "user");
}

void validate_ha(const FileConfig& config, HaSettings& out, Mistakes& mistakes) {
  const FileHa& file = config.ha;
  out = {.enabled = file.enabled.value, .name = file.name.value, .ttl_s = file.ttl_s.value};
  if (!out.enabled) return;
  if (!config.store.backend.bad &&
      static_cast<StoreBackend>(config.store.backend.value.index) != StoreBackend::etcd)
    mistakes.add(file.enabled.at,
                 "enabled: [ha] needs backend = \"etcd\" in [store]: that is what the appliances share");
  const auto check_kea = [&](const FileKea& kea) {
    if (!kea.durability.good() || static_cast<Durability>(kea.durability.value.index) == Durability::strict)
      return;
    mistakes.add(
        kea.durability.at,
        "durability: with [ha] it is \"strict\": another appliance knows a lease only if etcd has it");
  };
  check_kea(config.discovery.kea);
  for (const FileVrf& vrf : config.vrfs) check_kea(vrf.kea);
}

void check_port(const FilePort& file, PortKind kind, Mistakes& mistakes) {
  const std::string driver = "driver = \"" + std::string(name_of(kind)) + "\"";
  if (kind != PortKind::af_xdp && !file.device.given()) {
    mistakes.add(file.at, "[[port]] with " + driver + " has no device, which it needs");
  }
  if (kind == PortKind::af_xdp && file.device.good()) {
    mistakes.add(file.device.at, "device: means nothing with " + driver +
                                     "; the name is the interface. It is for \"ethdev\" and \"pcap\"");
  }
  if (kind != PortKind::af_xdp && file.generic.good() && file.generic.value) {
    mistakes.add(file.generic.at, "generic: means nothing with " + driver + "; it is for \"af_xdp\"");
  }
  if (file.exception.bad) return;
  const bool to_port =
      static_cast<ExceptionPolicy>(file.exception.value.index) == ExceptionPolicy::exception_port;
  if (to_port && kind != PortKind::ethdev) {
    mistakes.add(file.exception.at,
                 "exception: \"port\" means nothing with " + driver +
                     "; it is for \"ethdev\"; XDP passes other traffic to the kernel by itself");
  } else if (to_port && !file.exception_device.given()) {
    mistakes.add(file.exception.at,
                 "exception: \"port\" needs exception_device, as in "
                 "exception_device = \"net_tap0,iface=exc0\"");
  }
  if (!to_port && file.exception_device.good()) {
    mistakes.add(file.exception_device.at, "exception_device: means nothing without exception = \"port\"");
  }
}

void validate_ports(const FileConfig& config, Model& model, Mistakes& mistakes) {
  std::map<std::string_view, Position> names;
  std::map<std::string_view, Position> devices;
  for (const FilePort& file : config.ports) {
    const auto kind = static_cast<PortKind>(file.driver.value.index);
    if (!file.driver.bad) check_port(file, kind, mistakes);
    if (file.name.good()) {
      const auto [other, fresh] = names.emplace(file.name.value, file.name.at);
      if (!fresh) {
        mistakes.add(file.name.at, "name: port " + quoted(file.name.value) + " is there already, in " +
                                       line_text(other->second) + "; each name is allowed once");
      }
    }
    for (const Given<std::string>* device : {&file.device, &file.exception_device}) {
      if (!device->good()) continue;
      const auto [other, fresh] = devices.emplace(device->value, device->at);
      if (!fresh) {
        mistakes.add(device->at, "device " + quoted(device->value) + " is used already, in " +
                                     line_text(other->second) + "; each is allowed once");
      }
    }
    model.ports.push_back({.name = file.name.value,
                           .kind = kind,
                           .device = file.device.value,
                           .queues = static_cast<std::uint16_t>(file.queues.value),
                           .exception = static_cast<ExceptionPolicy>(file.exception.value.index),
                           .exception_device = file.exception_device.value,
                           .force_generic = file.generic.value,
                           .origin = mistakes.origin(file.at)});
  }
}

}  // namespace

void validate_machine(const FileConfig& file, Model& model, Mistakes& mistakes) {
  validate_appliance(file, model, mistakes);
  validate_dataplane(file.dataplane, model.dataplane, mistakes);
  validate_store(file.store, model.store, mistakes);
  validate_ha(file, model.ha, mistakes);
  validate_ports(file, model, mistakes);
}

}  // namespace xk::config
