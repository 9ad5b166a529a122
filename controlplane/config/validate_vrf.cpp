// [vrf.relay]
#include <algorithm>
#include <unordered_map>

#include "controlplane/config/validate.h"
#include "controlplane/config/vss.h"

namespace xk::config {
namespace {

void check_servers(const FileRelay& file, const FileVrf& vrf, Mistakes& mistakes) {
  std::unordered_map<Ip4, Position> seen;
  for (const Given<Ip4>& server : file.servers.value) {
    const auto [other, fresh] = seen.emplace(server.value, server.at);
    if (!fresh) {
      mistakes.add(server.at, "servers: " + quoted(to_string(server.value)) + " is there already, in " +
                                  line_text(other->second) + "; each server is allowed once");
    }
    if (file.source.good() && server.value == file.source.value) {
      mistakes.add(server.at, "servers: " + quoted(to_string(server.value)) +
                                  " is our own source address; a server must be another host");
    }
  }
  // A VRF without clients may be there for its name only.
  if (file.servers.value.empty() && !file.servers.bad && (!vrf.attachments.empty() || vrf.discover.value)) {
    const Position at = file.servers.given() ? file.servers.at : file.at.line != 0 ? file.at : vrf.at;
    mistakes.add(at, "engine = \"relay\" needs [vrf.relay] servers, as in servers = [\"192.0.2.10\"]");
  }
}

void check_server_vrf(const FileConfig& config, const FileRelay& file, Mistakes& mistakes) {
  if (!file.server_vrf.good() || file.server_vrf.value.empty()) return;
  std::vector<std::string_view> names;
  for (const FileVrf& vrf : config.vrfs) {
    if (vrf.name.value == file.server_vrf.value) return;
    if (vrf.name.good()) names.push_back(vrf.name.value);
  }
  mistakes.add(file.server_vrf.at, "server_vrf: there is no VRF " + quoted(file.server_vrf.value) +
                                       did_you_mean(file.server_vrf.value, names) +
                                       "; it must be one of the file");
}

void check_way_out(const FileRelay& file, Mistakes& mistakes) {
  if (file.server_interface.given() && (file.server_interface.bad || !file.server_interface.value.empty()))
    return;
  if (file.next_hop.good()) {
    mistakes.add(file.next_hop.at, "next_hop: needs server_interface, to know where it is");
  }
  if (file.server_vlan.good() && file.server_vlan.value.outer.value != 0) {
    mistakes.add(file.server_vlan.at, "server_vlan: needs server_interface, to know where it is");
  }
}

// Sub-option 11 holds the address that clients know us by.
void check_override(const FileVrf& file, Mistakes& mistakes) {
  if (!file.relay.server_id_override.good() || !file.relay.server_id_override.value) return;
  for (const FileSubnet& subnet : file.subnets) {
    if (subnet.gateway.given() || subnet.server_identifier.given() || !subnet.prefix.good()) continue;
    mistakes.add(file.relay.server_id_override.at,
                 "server_id_override: the subnet " + to_string(subnet.prefix.value) + " in " +
                     line_text(subnet.at) +
                     " has neither gateway nor server_identifier; one is needed for sub-option 11");
  }
}

// Servers and the way to them: the relay engine's only.
void validate_servers(const FileConfig& config, const FileVrf& file, RelaySettings& out, Mistakes& mistakes) {
  const FileRelay& relay = file.relay;
  const Tags tags = tags_of(relay.server_vlan, relay.server_outer_tpid, relay.server_inner_tpid,
                            "server_outer_tpid", "server_inner_tpid", mistakes);
  for (const Given<Ip4>& server : relay.servers.value) out.servers.push_back(server.value);
  out.server_mode = static_cast<ServerMode>(relay.server_mode.value.index);
  out.dead_after_s = static_cast<std::uint16_t>(relay.dead_after_s.value);
  out.probe_interval_s = static_cast<std::uint16_t>(relay.probe_interval_s.value);
  out.server_vrf = relay.server_vrf.value;
  out.server_interface = relay.server_interface.value;
  out.server_outer = tags.outer;
  out.server_inner = tags.inner;
  out.next_hop = relay.next_hop.value;
  out.source = relay.source.value;
  out.link_selection = relay.source.given() || relay.link_selection.value;
  for (const Given<Ip4>& server : relay.servers.value) {
    check_not_handoff(server, "servers", config.appliance.handoff_prefix, mistakes);
  }
  check_not_handoff(relay.source, "source", config.appliance.handoff_prefix, mistakes);
  check_servers(relay, file, mistakes);
  check_server_vrf(config, relay, mistakes);
  check_way_out(relay, mistakes);
  if (relay.source.given() && relay.link_selection.good() && !relay.link_selection.value) {
    mistakes.add(
        relay.link_selection.at,
        "link_selection: false with source: the servers could not tell the client's subnet; leave one out");
  }
}

}  // namespace

void validate_relay(const FileConfig& config, const FileVrf& file, Vrf& vrf, Mistakes& mistakes) {
  vrf.relay.hops_max = static_cast<std::uint8_t>(file.relay.hops_max.value);
  vrf.relay.server_id_override = file.relay.server_id_override.value;
  vrf.relay.relay_flags = file.relay.relay_flags.value;
  vrf.relay.vss = parse_vss(file.relay.vss.value).value_or(VssEntry{});
  vrf.relay.link_selection = true;  // Kea finds the client's subnet by it
  if (vrf.engine != Engine::relay) return;
  validate_servers(config, file, vrf.relay, mistakes);
  check_override(file, mistakes);
}

}  // namespace xk::config
