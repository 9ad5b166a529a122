#include <algorithm>
#include <vector>

#include "controlplane/config/config.h"
#include "controlplane/config/keys.h"
#include "controlplane/config/pool_rule.h"
#include "controlplane/config/vss.h"
#include "controlplane/config/write_value.h"
#include "controlplane/model/option_bytes.h"

namespace xk {
namespace config {
namespace {

constexpr Position kShown{1, 1};  // marks what is to be written

template <typename T>
Given<T> shown(T value) {
  return {std::move(value), kShown};
}

template <typename T>
Given<T> shown_if(bool condition, T value) {
  return condition ? shown(std::move(value)) : Given<T>{};
}

template <typename Enum>
Given<Choice> shown_choice(Enum value) {
  return shown(Choice{static_cast<std::uint8_t>(value)});
}

template <typename T>
Given<List<T>> shown_list(const std::vector<T>& values) {
  List<T> list;
  for (const T& value : values) list.push_back(shown(value));
  return shown(std::move(list));
}

Given<Ip4> shown_address(Ip4 address) { return shown_if(!address.is_zero(), address); }

FileAppliance file_of(const Appliance& appliance) {
  FileAppliance file;
  file.name = shown(appliance.name);
  file.hostname = shown(appliance.hostname);
  file.state_dir = shown(appliance.state_dir);
  file.run_dir = shown(appliance.run_dir);
  file.bpf_dir = shown(appliance.bpf_dir);
  file.api_socket = shown(appliance.api_socket);
  file.api_socket_mode = shown(FileMode{appliance.api_socket_mode});
  file.api_group = shown(appliance.api_group);
  file.metrics_address = shown(appliance.metrics_address);
  for (std::size_t i = 0; i < kLogLevels.size(); ++i) {
    if (kLogLevels[i] == appliance.log_level) file.log_level = shown_choice(i);
  }
  file.handoff_prefix = shown(appliance.handoff_prefix);
  return file;
}

FileDataplane file_of(const DataplaneSettings& settings) {
  FileDataplane file;
  file.user = shown(settings.user);
  file.buffers = shown(settings.buffers);
  file.queue_depth = shown(std::uint32_t{settings.queue_depth});
  file.quantum_bytes = shown(settings.quantum_bytes);
  file.idle_spin_us = shown(settings.idle_spin_us);
  file.memory_mib = shown(settings.memory_mib);
  return file;
}

FileStore file_of(const StoreSettings& store) {
  FileStore file;
  file.backend = shown_choice(store.backend);
  file.lease_grace_s = shown(store.lease_grace_s);
  return file;
}

FileEtcd etcd_of(const StoreSettings& store) {
  FileEtcd file;
  file.endpoints = shown_list(store.endpoints);
  file.ca_file = shown(store.ca_file);
  file.certificate_file = shown(store.certificate_file);
  file.key_file = shown(store.key_file);
  file.user = shown(store.user);
  file.password_file = shown(store.password_file);
  return file;
}

FileHa file_of(const HaSettings& ha) {
  FileHa file;
  file.enabled = shown(ha.enabled);
  file.name = shown(ha.name);
  file.ttl_s = shown(ha.ttl_s);
  return file;
}

FileLcore file_of(const LcorePlan& lcore) {
  FileLcore file;
  file.cpu = shown(lcore.cpu);
  List<Choice> loops;
  for (const LoopRole role : lcore.roles) loops.push_back(shown_choice(role));
  file.loops = shown(std::move(loops));
  return file;
}

FilePort file_of(const Port& port) {
  FilePort file;
  file.name = shown(port.name);
  file.driver = shown_choice(port.kind);
  file.device = shown_if(!port.device.empty(), port.device);
  file.queues = shown(std::uint32_t{port.queues});
  file.exception = shown_choice(port.exception);
  file.exception_device = shown_if(!port.exception_device.empty(), port.exception_device);
  file.generic = shown_if(port.kind == PortKind::af_xdp, port.force_generic);
  return file;
}

FileSubnet file_of(const Subnet& subnet, Engine engine) {
  FileSubnet file;
  file.prefix = shown(subnet.prefix);
  file.gateway = shown_address(subnet.gateway);
  file.server_identifier = shown_address(subnet.server_identifier);
  if (engine == Engine::relay) return file;
  std::vector<Range4> pools = subnet.pools;
  std::erase_if(pools, [&](const Range4& pool) {
    return std::ranges::find(subnet.terms, pool, &PoolTerms::pool) != subnet.terms.end();
  });
  file.pools = shown_list(pools);
  file.exclude = shown_list(subnet.exclude);
  file.dns = shown_list(subnet.dns);
  file.domain = shown(subnet.domain);
  file.ntp = shown_list(subnet.ntp);
  file.lease_time_s = shown(subnet.lease_time_s);
  if (engine != Engine::native) return file;
  file.lease_time_max_s = shown_if(subnet.lease_time_max_s != 0, subnet.lease_time_max_s);
  file.network = shown(subnet.network);
  file.next_server = shown_address(subnet.next_server);
  file.boot_file = shown(subnet.boot_file);
  return file;
}

FilePool file_of(const PoolTerms& terms) {
  FilePool file;
  file.range = shown(terms.pool);
  file.classes = shown_list(terms.classes);
  return file;
}

FileClass file_of(const ClientClass& one) {
  FileClass file;
  file.name = shown(one.name);
  file.lease_time_s = shown_if(one.lease_time_s != 0, one.lease_time_s);
  file.next_server = shown_address(one.next_server);
  file.boot_file = shown(one.boot_file);
  return file;
}

// As text where that says the same bytes.
std::string match_text(const NativeCondition& condition) {
  const std::string& bytes = condition.value;
  if (condition.kind == ConditionKind::mac) {
    std::string text;
    for (const char byte : bytes) text += (text.empty() ? "" : ":") + hex_of_bytes({&byte, 1});
    return text;
  }
  const bool printable = std::ranges::all_of(bytes, [](char c) { return c >= ' ' && c <= '~'; });
  return printable && !bytes.starts_with("0x") ? bytes : "0x" + hex_of_bytes(bytes);
}

FileMatch file_of(const NativeCondition& condition) {
  FileMatch file;
  file.key = shown_choice(condition.kind);
  file.code = shown_if(condition.kind == ConditionKind::option, std::uint32_t{condition.code});
  const auto text = [&](ConditionMatch match) {
    return condition.match == match ? shown(match_text(condition)) : Given<std::string>{};
  };
  file.equals = text(ConditionMatch::equals);
  file.begins = text(ConditionMatch::begins);
  file.contains = text(ConditionMatch::contains);
  file.present = shown_if(condition.match == ConditionMatch::present, true);
  return file;
}

FileNative file_of(const NativeSettings& native) {
  FileNative file;
  file.durability = shown_choice(native.reply_after);
  file.on_failure = shown_choice(native.available);
  file.allocate = shown_choice(native.allocate);
  file.conflict_check = shown(native.probe);
  file.rapid_commit = shown(native.rapid_commit);
  file.bootp = shown(native.bootp);
  file.authoritative = shown(native.authoritative);
  file.offer_hold_s = shown(native.offer_hold_s);
  file.decline_s = shown(native.decline_s);
  file.circuit_leases_max = shown(native.circuit_leases_max);
  file.attachment_leases_max = shown(native.attachment_leases_max);
  file.query_requestors = shown_list(native.query_requestors);
  return file;
}

FileOption file_of(const OptionData& option) {
  FileOption file;
  file.name = shown_if(!option.name.empty(), option.name);
  file.code = shown_if(option.name.empty(), std::uint32_t{option.code});
  file.data = shown_if(!option.hex, option.data);
  file.type = option.type == OptionType::defined ? Given<Choice>{} : shown_choice(option.type);
  file.hex = shown_if(option.hex, option.data);
  return file;
}

FileAttachment file_of(const Attachment& attachment, Engine engine) {
  FileAttachment file;
  file.interface = shown(attachment.interface);
  file.vlan = shown(VlanIds{attachment.outer.vid, attachment.inner.vid});
  file.outer_tpid = shown_if(attachment.outer.vid.value != 0, Tpid{attachment.outer.tpid});
  file.inner_tpid = shown_if(attachment.inner.vid.value != 0, Tpid{attachment.inner.tpid});
  file.subnet = shown(attachment.subnet);
  file.address = shown_if(engine == Engine::relay && !attachment.address.is_zero(), attachment.address);
  file.circuit_id = shown(attachment.circuit_id_template);
  file.remote_id = shown(attachment.remote_id_template);
  file.policy = shown_choice(attachment.option82_policy);
  file.trusted = shown(attachment.trusted);
  return file;
}

FileRelay file_of(const RelaySettings& relay, Engine engine) {
  FileRelay file;
  file.hops_max = shown(std::uint32_t{relay.hops_max});
  file.server_id_override = shown(relay.server_id_override);
  file.relay_flags = shown(relay.relay_flags);
  file.vss = shown(vss_text(relay.vss));
  if (engine != Engine::relay) return file;
  file.servers = shown_list(relay.servers);
  file.server_mode = shown_choice(relay.server_mode);
  file.dead_after_s = shown(std::uint32_t{relay.dead_after_s});
  file.probe_interval_s = shown(std::uint32_t{relay.probe_interval_s});
  file.server_vrf = shown(relay.server_vrf);
  file.server_interface = shown(relay.server_interface);
  file.server_vlan = shown(VlanIds{relay.server_outer.vid, relay.server_inner.vid});
  file.server_outer_tpid = shown_if(relay.server_outer.vid.value != 0, Tpid{relay.server_outer.tpid});
  file.server_inner_tpid = shown_if(relay.server_inner.vid.value != 0, Tpid{relay.server_inner.tpid});
  file.next_hop = shown_if(!relay.next_hop.is_zero(), relay.next_hop);
  file.source = shown_address(relay.source);
  file.link_selection = shown(relay.link_selection);
  return file;
}

FileDiscovery file_of(const Discovery& discovery) {
  FileDiscovery file;
  file.enabled = shown(discovery.enabled);
  file.include = shown_list(discovery.include);
  file.exclude = shown_list(discovery.exclude);
  file.interfaces = shown_list(discovery.interfaces);
  file.exclude_interfaces = shown_list(discovery.exclude_interfaces);
  file.engine = shown_choice(discovery.vrf.engine);
  if (discovery.vrf.engine == Engine::relay) return file;
  file.pool = shown(pool_rule_text(discovery.pool));
  file.dns = shown_list(discovery.subnet.dns);
  file.domain = shown(discovery.subnet.domain);
  file.ntp = shown_list(discovery.subnet.ntp);
  file.lease_time_s = shown(discovery.subnet.lease_time_s);
  return file;
}

FileOption82 option82_of(const Attachment& attachment) {
  FileOption82 file;
  file.circuit_id = shown(attachment.circuit_id_template);
  file.remote_id = shown(attachment.remote_id_template);
  file.policy = shown_choice(attachment.option82_policy);
  file.trusted = shown(attachment.trusted);
  return file;
}

FileVrf file_of(const Vrf& vrf) {
  FileVrf file;
  file.name = shown(vrf.name);
  file.device = shown(vrf.device);
  file.discover = shown(vrf.discover);
  file.engine = shown_choice(vrf.engine);
  file.queue_depth = shown(std::uint32_t{vrf.queue_depth});
  file.static_by = shown_choice(vrf.static_by);
  file.paused_renewals = shown_choice(vrf.paused_renewals);
  return file;
}

FileKea file_of(const KeaSettings& kea) {
  FileKea file;
  file.user = shown(kea.user);
  file.template_file = shown(kea.template_file);
  file.binary = shown(kea.binary);
  file.durability = shown_choice(kea.durability);
  return file;
}

template <typename S>
void write_section(const Section<S>& section, const S& values, std::string& out) {
  const std::string path(section.info.path);
  out += (out.empty() ? "" : "\n") + (section.info.repeated ? "[[" + path + "]]" : "[" + path + "]") + "\n";
  for (const Key<S>& key : section.keys) {
    std::visit(
        [&](auto member) {
          const auto& given = values.*member;
          if (!given.given()) return;
          out += std::string(key.info.name) + " = " + write_value(given.value, key.info) + "\n";
        },
        key.member);
  }
}

void write_options(const Section<FileOption>& section, const std::vector<OptionData>& options,
                   std::string& out) {
  for (const OptionData& option : options) write_section(section, file_of(option), out);
}

void write_discovery(const Discovery& discovery, std::string& out) {
  write_section(discovery_section(), file_of(discovery), out);
  write_options(discovery_option_section(), discovery.subnet.options, out);
  const Vrf& vrf = discovery.vrf;
  if (vrf.engine == Engine::native) {
    write_section(discovery_native_section(), file_of(vrf.native), out);
    return;
  }
  write_section(discovery_relay_section(), file_of(vrf.relay, vrf.engine), out);
  if (vrf.engine == Engine::kea) write_section(discovery_kea_section(), file_of(vrf.kea), out);
}

void write_vrf(const Vrf& vrf, std::string& out) {
  write_section(vrf_section(), file_of(vrf), out);
  write_options(vrf_option_section(), vrf.options, out);
  for (const ClientClass& one : vrf.classes) {
    write_section(class_section(), file_of(one), out);
    for (const NativeCondition& condition : one.conditions)
      write_section(match_section(), file_of(condition), out);
    write_options(class_option_section(), one.options, out);
  }
  for (const Subnet& subnet : vrf.subnets) {
    write_section(subnet_section(), file_of(subnet, vrf.engine), out);
    write_options(option_section(), subnet.options, out);
    for (const PoolTerms& terms : subnet.terms) {
      write_section(pool_section(), file_of(terms), out);
      write_options(pool_option_section(), terms.options, out);
    }
  }
  for (const Attachment& attachment : vrf.attachments) {
    write_section(attachment_section(), file_of(attachment, vrf.engine), out);
  }
  if (vrf.engine == Engine::native) return write_section(native_section(), file_of(vrf.native), out);
  write_section(relay_section(), file_of(vrf.relay, vrf.engine), out);
  if (vrf.engine == Engine::kea) write_section(kea_section(), file_of(vrf.kea), out);
}

}  // namespace
}  // namespace config

// [option82] is there for discovery only: every attachment has its own settings spelled out.
std::vector<ConfigSection> config_sections(const Model& model) {
  std::vector<ConfigSection> sections;
  const auto section = [&sections](std::string name) -> std::string& {
    return sections.emplace_back(ConfigSection{std::move(name), {}}).toml;
  };
  config::write_section(config::appliance_section(), config::file_of(model.appliance),
                        section("[appliance]"));
  std::string& dataplane = section("[dataplane]");
  config::write_section(config::dataplane_section(), config::file_of(model.dataplane), dataplane);
  for (const LcorePlan& lcore : model.dataplane.lcores) {
    config::write_section(config::lcore_section(), config::file_of(lcore), dataplane);
  }
  std::string& store = section("[store]");
  config::write_section(config::store_section(), config::file_of(model.store), store);
  if (model.store.backend == StoreBackend::etcd)
    config::write_section(config::etcd_section(), config::etcd_of(model.store), store);
  if (!(model.ha == HaSettings{}))
    config::write_section(config::ha_section(), config::file_of(model.ha), section("[ha]"));
  for (const Port& port : model.ports)
    config::write_section(config::port_section(), config::file_of(port), section("[[port]] " + port.name));
  if (!model.options.empty())
    config::write_options(config::global_option_section(), model.options, section("[[options]]"));
  if (!(model.discovery == Discovery{})) {
    config::write_section(config::option82_section(), config::option82_of(model.discovery.attachment),
                          section("[option82]"));
    config::write_discovery(model.discovery, section("[discovery]"));
  }
  for (const Vrf& vrf : model.vrfs) config::write_vrf(vrf, section("[[vrf]] " + vrf.name));
  return sections;
}

std::string show_config(const Model& model) {
  std::string out;
  for (const ConfigSection& section : config_sections(model)) out += (out.empty() ? "" : "\n") + section.toml;
  return out;
}

}  // namespace xk
