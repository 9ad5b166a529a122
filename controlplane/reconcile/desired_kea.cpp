// A VRF with its own Kea: namespace, handoff, server.
#include <algorithm>

#include "controlplane/reconcile/desired_builder.h"

namespace xk {
namespace {

// Locally administered; the last two bytes are the VRF's id, the third but last the end.
Mac handoff_mac(VrfId vrf, std::uint8_t end) {
  return Mac{{0x02, 0x58, 0x4b, end, static_cast<std::uint8_t>(vrf.value >> 8),
              static_cast<std::uint8_t>(vrf.value)}};
}

}  // namespace

ipc::UmemGeometry handoff_geometry() {
  return {.frame_size = 2048,
          .frame_count = 1024,
          .rx_frames = 512,
          .fill_size = 512,
          .completion_size = 512,
          .rx_size = 512,
          .tx_size = 512};
}

std::uint32_t vrf_id_max(const Appliance& appliance) {
  // Id n has the addresses 2n and 2n+1 of the prefix.
  const std::uint64_t pairs = (std::uint64_t{1} << (32 - appliance.handoff_prefix.length)) / 2;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(pairs == 0 ? 0 : pairs - 1, XK_VRFS_MAX));
}

HandoffSpec handoff_spec(const Appliance& appliance, VrfId vrf) {
  const std::uint32_t host = appliance.handoff_prefix.network.value + 2 * vrf.value;
  return {.host_name = handoff_host_name(appliance, vrf),
          .peer_name = handoff_peer_name(vrf),
          .netns = netns_name(appliance, vrf),
          .mark = ownership_mark(appliance, vrf),
          .host_ip = Ip4{host},
          .peer_ip = Ip4{host + 1},
          .mtu = 1500,
          .host_mac = handoff_mac(vrf, 0),
          .peer_mac = handoff_mac(vrf, 1)};
}

void DesiredBuilder::add_handoff(const Vrf& vrf) {
  const VrfId vrf_id = id_of(vrf.name);
  const HandoffSpec spec = handoff_spec(model_.appliance, vrf_id);
  const auto id = out_.ids.attachment(
      {.vrf = vrf.name, .role = AttachmentRole::handoff, .interface = {}, .outer = {}, .inner = {}});
  const auto ids = out_.ids.port(spec.host_name, 1);
  if (!id || !ids) {
    out_.pending.push_back({.vrf = vrf_id,
                            .role = AttachmentRole::handoff,
                            .interface = spec.host_name,
                            .outer = {},
                            .inner = {},
                            .subnet = {},
                            .reason = id ? ids.error().message : id.error().message,
                            .found = false,
                            .trouble = true});
    return;
  }
  out_.handoffs[vrf_id] = spec;

  DesiredPort port;
  port.entry.id = ids->id;
  port.entry.name = spec.host_name;
  port.entry.mac = spec.host_mac;
  port.entry.mtu = spec.mtu;
  port.xsk_base = ids->xsk_base;
  port.xsk_count = ids->xsk_count;
  port.geometry = handoff_geometry();
  port.handoff_of = vrf_id;
  if (const LinkInfo* link = topology_.by_name(spec.host_name); link != nullptr && link->alias == spec.mark) {
    port.entry.ifindex = link->ifindex;
  }

  AttachmentEntry entry;
  entry.id = *id;
  entry.port = port.entry.id;
  entry.vrf = vrf_id;
  entry.role = AttachmentRole::handoff;
  entry.local_addresses = {spec.host_ip};
  add_rows(entry, port);
  out_.snapshot.attachments.push_back(std::move(entry));
  ports_[spec.host_name] = std::move(port);
  servers_[vrf_id] = {
      {.address = spec.peer_ip, .via = *id, .next_hop = spec.peer_mac, .source = spec.host_ip}};
  add_kea(vrf, spec);
}

void DesiredBuilder::add_kea(const Vrf& vrf, const HandoffSpec& handoff) {
  DesiredKea kea;
  kea.spec = {.vrf = id_of(vrf.name),
              .vrf_name = vrf.name,
              .netns = handoff.netns,
              .interface = handoff.peer_name,
              .interface_ip = to_string(handoff.peer_ip),
              // By name: leases stay with the VRF, whatever id it gets.
              .directory = model_.appliance.state_dir + "/kea/" + out_.ids.directory(vrf.name),
              .config_json = {},
              .settings = vrf.kea,
              .subnets = {}};
  for (const Subnet& subnet : vrf.subnets) kea.spec.subnets.emplace_back(subnet.id, subnet.prefix);
  if (auto rendered = input_.render_kea(vrf, kea.spec, handoff)) {
    kea.spec.config_json = std::move(*rendered);
  } else {
    kea.refusal = rendered.error().message;
  }
  out_.keas[kea.spec.vrf] = std::move(kea);
}

}  // namespace xk
