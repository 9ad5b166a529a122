// [discovery]: what VRFs that are found are made of.
#include <algorithm>

#include "controlplane/config/keys.h"
#include "controlplane/config/pool_rule.h"
#include "controlplane/config/validate.h"

namespace xk::config {
namespace {

std::vector<std::string> globs(const Given<List<std::string>>& file, std::vector<std::string> otherwise) {
  if (!file.given()) return otherwise;
  std::vector<std::string> out;
  for (const Given<std::string>& glob : file.value) out.push_back(glob.value);
  return out;
}

std::vector<Ip4> addresses(const Given<List<Ip4>>& list) {
  std::vector<Ip4> out;
  for (const Given<Ip4>& address : list.value) out.push_back(address.value);
  return out;
}

Subnet subnet_of(const FileDiscovery& file, Mistakes& mistakes) {
  Subnet subnet;
  subnet.dns = addresses(file.dns);
  subnet.domain = file.domain.value;
  subnet.ntp = addresses(file.ntp);
  subnet.lease_time_s = file.lease_time_s.value;
  const bool native = static_cast<Engine>(file.engine.value.index) == Engine::native;
  subnet.options = validate_options(file.options, {.native = native, .subnet = true}, mistakes);
  return subnet;
}

Attachment attachment_of(const FileOption82& file) {
  Attachment attachment;
  attachment.trusted = file.trusted.value;
  attachment.option82_policy = static_cast<Option82Policy>(file.policy.value.index);
  attachment.circuit_id_template = file.circuit_id.value;
  attachment.remote_id_template = file.remote_id.value;
  return attachment;
}

void check_servers_given(const FileDiscovery& file, Mistakes& mistakes) {
  if (!file.enabled.value || !file.relay.servers.value.empty() || file.relay.servers.bad) return;
  const Position at = file.relay.servers.given() ? file.relay.servers.at : file.engine.at;
  mistakes.add(at, "engine = \"relay\" needs [discovery.relay] servers, as in servers = [\"192.0.2.10\"]");
}

}  // namespace

void validate_discovery(const FileConfig& config, Model& model, Mistakes& mistakes) {
  const FileDiscovery& file = config.discovery;
  const bool used = file.at.line != 0 ||
                    std::ranges::any_of(config.vrfs, [](const FileVrf& vrf) { return vrf.discover.value; });
  if (!used) return;
  Discovery& out = model.discovery;
  out.enabled = file.enabled.value;
  out.include = globs(file.include, {"*"});
  out.exclude = globs(file.exclude, {});
  out.interfaces = globs(file.interfaces, {"*"});
  out.exclude_interfaces = globs(file.exclude_interfaces, {});
  out.pool = parse_pool_rule(file.pool.value).value_or(PoolRule{});
  out.subnet = subnet_of(file, mistakes);
  out.attachment = attachment_of(config.option82);

  // A VRF like one of the file, without a name and places.
  FileVrf vrf;
  vrf.at = file.at;
  vrf.relay = file.relay;
  out.vrf.engine = static_cast<Engine>(file.engine.value.index);
  out.vrf.queue_depth = static_cast<std::uint16_t>(config.dataplane.queue_depth.value);
  out.vrf.kea = kea_settings_of(file.kea, config.ha.enabled.value);
  out.vrf.native = native_settings_of(file.native);
  if (out.vrf.engine != Engine::relay) out.vrf.options = model.options;
  if (file.engine.bad) return;
  if (out.vrf.engine == Engine::native) check_native_allowed(config, file.engine.at, mistakes);
  check_discovery_uses(file, out.vrf.engine, mistakes);
  validate_relay(config, vrf, out.vrf, mistakes);
  if (out.vrf.engine == Engine::relay) check_servers_given(file, mistakes);
}

}  // namespace xk::config
