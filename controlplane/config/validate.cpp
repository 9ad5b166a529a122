#include "controlplane/config/validate.h"

#include <bit>
#include <string>
#include <unordered_map>
#include <variant>

#include "bpf/shared/limits.h"
#include "controlplane/config/keys.h"
#include "controlplane/model/names.h"
#include "controlplane/model/option_bytes.h"

namespace xk::config {

bool fits(Use use, Engine engine) {
  switch (use) {
    case Use::any:
      return true;
    case Use::kea:
      return engine == Engine::kea;
    case Use::relay:
      return engine == Engine::relay;
    case Use::native:
      return engine == Engine::native;
    case Use::server:
      return engine != Engine::relay;
    case Use::upstream:
      return engine != Engine::native;
  }
  return false;
}

std::string engines_of(Use use, char quote) {
  std::string text;
  for (const Engine engine : {Engine::kea, Engine::relay, Engine::native}) {
    if (!fits(use, engine)) continue;
    text += (text.empty() ? "" : " or ") + (quote + std::string(name_of(engine)) + quote);
  }
  return text;
}

namespace {

std::string only_with(Use use, Engine engine) {
  return "; it is for engine = " + engines_of(use, '"') + ", and this VRF has engine = \"" +
         std::string(name_of(engine)) + "\"";
}

// Keys that mean nothing to the VRF's engine.
template <typename S>
void check_use(const Section<S>& section, const S& values, Engine engine, Mistakes& mistakes) {
  if (values.at.line == 0) return;
  if (!fits(section.info.use, engine)) {
    mistakes.add(values.at, "[" + std::string(section.info.path) + "] means nothing here" +
                                only_with(section.info.use, engine));
    return;
  }
  for (const Key<S>& key : section.keys) {
    const Position at = std::visit([&](auto member) { return (values.*member).at; }, key.member);
    if (at.line == 0 || fits(key.info.use, engine)) continue;
    mistakes.add(at, std::string(key.info.name) + ": means nothing here" + only_with(key.info.use, engine));
  }
}

template <typename S>
void check_each(const Section<S>& section, const std::vector<S>& all, Engine engine, Mistakes& mistakes) {
  for (const S& one : all) check_use(section, one, engine, mistakes);
}

void check_uses(const FileVrf& file, Engine engine, Mistakes& mistakes) {
  check_each(vrf_option_section(), file.options, engine, mistakes);
  check_each(class_section(), file.classes, engine, mistakes);
  for (const FileSubnet& subnet : file.subnets) {
    check_use(subnet_section(), subnet, engine, mistakes);
    check_each(option_section(), subnet.options, engine, mistakes);
    check_each(pool_section(), subnet.pool_tables, engine, mistakes);
  }
  for (const FileAttachment& attachment : file.attachments) {
    check_use(attachment_section(), attachment, engine, mistakes);
  }
  check_use(relay_section(), file.relay, engine, mistakes);
  check_use(kea_section(), file.kea, engine, mistakes);
  check_use(native_section(), file.native, engine, mistakes);
}

void check_discover(const FileVrf& file, Mistakes& mistakes) {
  if (!file.discover.good() || !file.discover.value || !file.device.value.empty() || file.device.bad) return;
  mistakes.add(file.discover.at, "discover: needs device, the VRF device whose interfaces are looked at");
}

std::uint16_t queue_depth_of(const FileConfig& config, const FileVrf& file, Mistakes& mistakes) {
  const Given<std::uint32_t>& depth =
      file.queue_depth.given() ? file.queue_depth : config.dataplane.queue_depth;
  if (file.queue_depth.good() && !std::has_single_bit(depth.value)) {
    mistakes.add(depth.at, "queue_depth: " + std::to_string(depth.value) +
                               " is no power of two; allowed: 16, 32, 64 and so on to 32768");
  }
  return static_cast<std::uint16_t>(depth.value);
}

}  // namespace

KeaSettings kea_settings_of(const FileKea& file, bool shared) {
  return {.user = file.user.value,
          .template_file = file.template_file.value,
          .binary = file.binary.value,
          .durability = shared ? Durability::strict : static_cast<Durability>(file.durability.value.index),
          .shared = shared};
}

namespace {

std::vector<OptionData> vrf_options(const FileVrf& file, Engine engine, const std::vector<OptionData>& global,
                                    Mistakes& mistakes) {
  std::vector<OptionData> options =
      validate_options(file.options, {.what = "VRF", .native = engine == Engine::native}, mistakes);
  if (engine == Engine::relay) return options;
  const std::vector<OptionData> inherited = unsaid_options(options, global);
  options.insert(options.end(), inherited.begin(), inherited.end());
  return options;
}

Vrf validate_vrf(const FileConfig& config, const FileVrf& file, const Model& model, Mistakes& mistakes) {
  Vrf vrf;
  vrf.name = file.name.value;
  vrf.device = file.device.value;
  vrf.discover = file.discover.value;
  check_discover(file, mistakes);
  vrf.engine = static_cast<Engine>(file.engine.value.index);
  vrf.queue_depth = queue_depth_of(config, file, mistakes);
  vrf.static_by = static_cast<StaticBy>(file.static_by.value.index);
  vrf.paused_renewals = static_cast<PausedRenewals>(file.paused_renewals.value.index);
  vrf.kea = kea_settings_of(file.kea, config.ha.enabled.value);
  vrf.native = native_settings_of(file.native);
  vrf.origin = mistakes.origin(file.at);
  if (!file.engine.bad) check_uses(file, vrf.engine, mistakes);
  vrf.options = vrf_options(file, vrf.engine, model.options, mistakes);
  validate_subnets(file, config.appliance.handoff_prefix, vrf, mistakes);
  if (!file.engine.bad) validate_relay(config, file, vrf, mistakes);
  validate_vrf_attachments(config, file, vrf, mistakes);
  if (vrf.engine == Engine::native) validate_native(config, file, vrf, mistakes);
  return vrf;
}

void check_vrf_names(const FileConfig& file, Mistakes& mistakes) {
  std::unordered_map<std::string_view, Position> names;
  std::unordered_map<std::string_view, Position> devices;
  for (const FileVrf& vrf : file.vrfs) {
    if (vrf.name.good()) {
      const auto [other, fresh] = names.emplace(vrf.name.value, vrf.name.at);
      if (!fresh) {
        mistakes.add(vrf.name.at, "name: VRF " + quoted(vrf.name.value) + " is there already, in " +
                                      line_text(other->second) + "; each name is allowed once");
      }
    }
    if (vrf.device.good() && !vrf.device.value.empty()) {
      const auto [other, fresh] = devices.emplace(vrf.device.value, vrf.device.at);
      if (!fresh) {
        mistakes.add(vrf.device.at, "device: " + quoted(vrf.device.value) + " is the device of the VRF in " +
                                        line_text(other->second) + " already; each is allowed once");
      }
    }
  }
}

// The dataplane keeps a place for each.
void check_server_count(const FileConfig& file, Mistakes& mistakes) {
  std::size_t servers = 0;
  for (const FileVrf& vrf : file.vrfs) {
    servers += vrf.relay.servers.value.size();
    if (servers <= XK_SERVERS_MAX) continue;
    mistakes.add(vrf.relay.servers.at, "servers: these are more than " + std::to_string(XK_SERVERS_MAX) +
                                           " over all VRFs; that many can be watched");
    return;
  }
}

}  // namespace

void check_discovery_uses(const FileDiscovery& file, Engine engine, Mistakes& mistakes) {
  check_use(discovery_section(), file, engine, mistakes);
  for (const FileOption& option : file.options) {
    check_use(discovery_option_section(), option, engine, mistakes);
  }
  check_use(discovery_relay_section(), file.relay, engine, mistakes);
  check_use(discovery_kea_section(), file.kea, engine, mistakes);
  check_use(discovery_native_section(), file.native, engine, mistakes);
}

Tags tags_of(const Given<VlanIds>& vlan, const Given<Tpid>& outer, const Given<Tpid>& inner,
             std::string_view outer_name, std::string_view inner_name, Mistakes& mistakes) {
  const VlanIds& ids = vlan.value;
  Tags tags{{ids.outer, 0x8100}, {ids.inner, 0x8100}};
  if (ids.outer.value != 0) tags.outer.tpid = outer.value.value;
  if (ids.inner.value != 0) tags.inner.tpid = inner.value.value;
  if (vlan.bad) return tags;
  if (outer.good() && ids.outer.value == 0) {
    mistakes.add(outer.at, std::string(outer_name) + ": there is no tag; it needs a VLAN beside it");
  }
  if (inner.good() && ids.inner.value == 0) {
    mistakes.add(inner.at,
                 std::string(inner_name) + ": there is no inner tag; it needs two, as in \"200.300\"");
  }
  return tags;
}

void check_not_handoff(const Given<Ip4>& address, std::string_view name, const Given<Prefix4>& handoff_prefix,
                       Mistakes& mistakes) {
  if (!address.good() || handoff_prefix.bad || !handoff_prefix.value.contains(address.value)) return;
  mistakes.add(address.at, std::string(name) + ": " + quoted(to_string(address.value)) +
                               " is inside appliance.handoff_prefix, " + to_string(handoff_prefix.value) +
                               "; choose another address or another handoff_prefix");
}

Model validate(const FileConfig& file, Mistakes& mistakes) {
  Model model;
  validate_machine(file, model, mistakes);
  check_vrf_names(file, mistakes);
  model.options = validate_options(file.options, {.what = "file", .native = true, .kea = true}, mistakes);
  for (const FileVrf& vrf : file.vrfs) model.vrfs.push_back(validate_vrf(file, vrf, model, mistakes));
  validate_discovery(file, model, mistakes);
  check_server_count(file, mistakes);
  validate_attachments(file, model, mistakes);
  validate_circuit_ids(file, model, mistakes);
  return model;
}

}  // namespace xk::config
