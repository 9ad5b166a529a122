// [[vrf.attachment]]: each by itself, then all together.
#include <algorithm>
#include <optional>
#include <set>
#include <unordered_map>

#include "bpf/shared/limits.h"
#include "controlplane/config/validate.h"
#include "controlplane/model/lookup.h"

namespace xk::config {
namespace {

// "[[vrf.attachment]] eth1 vlan 100", as far as it is known.
std::string named(const FileAttachment& attachment) {
  const std::string place = place_text(attachment);
  return "[[vrf.attachment]]" + (place.empty() ? "" : " " + place);
}

// The subnet that the attachment names, or the VRF's only one.
const FileSubnet* subnet_of(const FileAttachment& attachment, const FileVrf& vrf, Mistakes& mistakes) {
  if (attachment.subnet.bad) return nullptr;
  if (attachment.subnet.given()) {
    const auto found = std::ranges::find_if(vrf.subnets, [&](const FileSubnet& subnet) {
      return subnet.prefix.good() && subnet.prefix.value == attachment.subnet.value;
    });
    if (found != vrf.subnets.end()) return &*found;
    std::string known;
    std::size_t listed = 0;
    for (const FileSubnet& subnet : vrf.subnets) {
      if (subnet.prefix.bad) return nullptr;  // it may have been meant
      if (++listed <= 8) known += (known.empty() ? "" : ", ") + to_string(subnet.prefix.value);
    }
    if (listed > 8) known += " and others";
    mistakes.add(attachment.subnet.at,
                 "subnet: the VRF has no subnet " + quoted(to_string(attachment.subnet.value)) +
                     "; allowed: " + (known.empty() ? "none, it has no subnets" : known));
    return nullptr;
  }
  if (vrf.subnets.size() == 1) return &vrf.subnets.front();
  mistakes.add(attachment.at,
               vrf.subnets.empty()
                   ? named(attachment) + " in a VRF without a subnet; it needs a [[vrf.subnet]]"
                   : named(attachment) + " has no subnet, and the VRF has " +
                         std::to_string(vrf.subnets.size()) + "; say which");
  return nullptr;
}

Ip4 relay_address(const FileAttachment& attachment, const FileSubnet& subnet, const FileVrf& vrf,
                  Engine engine, Mistakes& mistakes) {
  if (!attachment.address.given()) {
    if (engine == Engine::relay && !subnet.gateway.given() && !vrf.relay.source.given()) {
      mistakes.add(attachment.at,
                   named(attachment) +
                       " has no giaddr; it needs an address, its subnet a gateway, or the VRF a "
                       "relay.source");
    }
    return subnet.gateway.value;
  }
  const Ip4 address = attachment.address.value;
  const Prefix4& prefix = subnet.prefix.value;
  if (engine == Engine::relay && attachment.address.good() && subnet.prefix.good() &&
      (!prefix.contains(address) || address == prefix.network || address == prefix.broadcast())) {
    mistakes.add(attachment.address.at, "address: " + quoted(to_string(address)) + " is no host address of " +
                                            to_string(prefix) +
                                            ", by which servers find the client's subnet");
  }
  return address;
}

template <typename T>
const T& given_or(const Given<T>& own, const Given<T>& common) {
  return own.given() ? own.value : common.value;
}

// (interface, tags) -> what is there
struct Place {
  Position at;
  bool to_servers = false;
  std::size_t server_vrf = 0;  // of a way to servers
};
using Places = std::unordered_map<std::string, Place>;

void check_place(const FileAttachment& attachment, Places& places, Mistakes& mistakes) {
  if (!attachment.interface.good() || attachment.vlan.bad) return;
  const auto [other, fresh] = places.emplace(place_text(attachment), Place{attachment.at});
  if (fresh) return;
  mistakes.add(attachment.at, named(attachment) + " is there already, in " + line_text(other->second.at) +
                                  "; interface and tags together are allowed once in all VRFs");
}

// The way to the servers is an attachment too: no clients' one, and of one server VRF only.
void check_way_to_servers(const FileRelay& relay, std::size_t server_vrf, Places& places,
                          Mistakes& mistakes) {
  if (!relay.server_interface.good() || relay.server_interface.value.empty() || relay.server_vlan.bad) return;
  const VlanIds& vlan = relay.server_vlan.value;
  const std::string text = attachment_text(relay.server_interface.value, vlan.outer, vlan.inner);
  const auto [other, fresh] = places.emplace(text, Place{relay.server_interface.at, true, server_vrf});
  if (fresh) return;
  if (!other->second.to_servers) {
    mistakes.add(relay.server_interface.at, "server_interface: " + text + " is the clients' attachment in " +
                                                line_text(other->second.at) +
                                                "; servers and clients need different ones");
  } else if (other->second.server_vrf != server_vrf) {
    mistakes.add(relay.server_interface.at, "server_interface: " + text + " leads to another server VRF in " +
                                                line_text(other->second.at) + "; it can be in one VRF only");
  }
}

// Attachments of all kinds in the file; reports the one too many.
void check_limits(const FileConfig& config, const Model& model, std::size_t ways_to_servers,
                  Mistakes& mistakes) {
  std::size_t used = ways_to_servers;
  for (const Vrf& vrf : model.vrfs) used += vrf.engine == Engine::kea && !vrf.subnets.empty() ? 1 : 0;
  const std::size_t others = used;
  for (const FileVrf& vrf : config.vrfs) {
    for (const FileAttachment& attachment : vrf.attachments) {
      if (++used != XK_ATTACHMENTS_MAX + 1) continue;
      mistakes.add(attachment.at, named(attachment) + " is one too many; at most " +
                                      std::to_string(XK_ATTACHMENTS_MAX) + " are allowed, " +
                                      std::to_string(others) +
                                      " of them taken by VRFs with a Kea and by ways to servers");
    }
  }
}

// One receive queue at least for each AF_XDP port, and one for each VRF's handoff.
void check_sockets(const FileConfig& config, const Model& model, Mistakes& mistakes) {
  std::unordered_map<std::string_view, std::size_t> queues;
  for (const Port& port : model.ports) {
    queues.emplace(port.name, port.kind == PortKind::af_xdp ? std::max<std::size_t>(port.queues, 1) : 0);
  }
  std::size_t used = 0;
  for (std::size_t i = 0; i < model.vrfs.size(); ++i) {
    if (model.vrfs[i].engine == Engine::kea && !model.vrfs[i].subnets.empty()) ++used;
    for (const FileAttachment& attachment : config.vrfs[i].attachments) {
      const auto [port, fresh] = queues.emplace(attachment.interface.value, 1);
      const std::size_t before = used;
      used += port->second;
      port->second = 0;
      if (before > XK_XSKS_MAX || used <= XK_XSKS_MAX) continue;
      mistakes.add(attachment.at, named(attachment) + " needs a socket too many; at most " +
                                      std::to_string(XK_XSKS_MAX) +
                                      " receive queues of AF_XDP ports and VRFs with a Kea are allowed");
      return;
    }
  }
}

}  // namespace

std::string place_text(const FileAttachment& attachment) {
  if (!attachment.interface.good() || attachment.vlan.bad) return "";
  const VlanIds& vlan = attachment.vlan.value;
  return attachment_text(attachment.interface.value, vlan.outer, vlan.inner);
}

void validate_vrf_attachments(const FileConfig& config, const FileVrf& file, Vrf& vrf, Mistakes& mistakes) {
  for (const FileAttachment& one : file.attachments) {
    Attachment& attachment = vrf.attachments.emplace_back();
    const Tags tags = tags_of(one.vlan, one.outer_tpid, one.inner_tpid, "outer_tpid", "inner_tpid", mistakes);
    attachment.interface = one.interface.value;
    attachment.outer = tags.outer;
    attachment.inner = tags.inner;
    if (const FileSubnet* subnet = subnet_of(one, file, mistakes)) {
      attachment.subnet = subnet->prefix.value;
      attachment.address = relay_address(one, *subnet, file, vrf.engine, mistakes);
    }
    attachment.trusted = given_or(one.trusted, config.option82.trusted);
    attachment.option82_policy =
        static_cast<Option82Policy>(given_or(one.policy, config.option82.policy).index);
    attachment.circuit_id_template = given_or(one.circuit_id, config.option82.circuit_id);
    attachment.remote_id_template = given_or(one.remote_id, config.option82.remote_id);
    attachment.origin = mistakes.origin(one.at);
  }
}

void validate_attachments(const FileConfig& config, const Model& model, Mistakes& mistakes) {
  Places places;
  for (const FileVrf& vrf : config.vrfs) {
    for (const FileAttachment& attachment : vrf.attachments) check_place(attachment, places, mistakes);
  }
  const std::size_t client_places = places.size();
  const std::vector<std::size_t> server_vrfs = server_vrfs_of(model);
  for (std::size_t i = 0; i < model.vrfs.size(); ++i) {
    if (model.vrfs[i].engine != Engine::relay) continue;
    check_way_to_servers(config.vrfs[i].relay, server_vrfs[i], places, mistakes);
  }
  check_limits(config, model, places.size() - client_places, mistakes);
  check_sockets(config, model, mistakes);
}

}  // namespace xk::config
