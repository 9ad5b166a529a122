#include "controlplane/reconcile/desired.h"

#include <algorithm>

#include "controlplane/model/lookup.h"
#include "controlplane/model/option_bytes.h"
#include "controlplane/model/template.h"
#include "controlplane/reconcile/desired_builder.h"

namespace xk {

Result<Desired> make_desired(const DesiredInput& input) { return DesiredBuilder(input).build(); }

Result<Desired> DesiredBuilder::build() {
  out_.ids = input_.ids;
  out_.mark_prefix = mark_prefix(model_.appliance);
  assign_vrfs();
  if (auto added = add_configured_ports(); !added) return std::unexpected(added.error());
  // Clients first: where a server's way out is a client attachment, the clients keep it.
  for (const Vrf& vrf : model_.vrfs) add_clients(vrf);
  for (const Vrf& vrf : model_.vrfs) {
    if (id_of(vrf.name).value == 0) continue;
    // Without subnets it is only a name, or a device that has no clients yet.
    if (vrf.engine == Engine::kea && !vrf.subnets.empty()) add_handoff(vrf);
    if (vrf.engine == Engine::relay) add_servers(vrf);
  }
  for (const Vrf& vrf : model_.vrfs) {
    if (id_of(vrf.name).value != 0) add_vrf_entry(vrf);
  }
  tell_not_served();
  finish();
  return std::move(out_);
}

// Numbers every VRF. Ids that something of ours in the kernel still carries are not given to new
// names, even if ids.json was lost: a leftover Kea must never get another VRF's traffic.
void DesiredBuilder::assign_vrfs() {
  for (const LinkInfo& link : input_.observed.links) {
    out_.ids.avoid_vrf(vrf_of_mark(model_.appliance, link.alias));
  }
  for (const std::string& netns : input_.observed.namespaces) {
    out_.ids.avoid_vrf(vrf_of_netns(model_.appliance, netns));
  }
  // Before the first new id: nobody gets one that another is about to ask for.
  for (const Vrf& vrf : model_.vrfs) out_.ids.use_vrf(vrf.name);
  for (const std::string& vrf : input_.kept) out_.ids.keep_vrf(vrf);
  for (const Vrf& vrf : model_.vrfs) {
    // One that goes frees its id when it is gone: whoever had to wait for it is served then.
    if (const auto id = out_.ids.vrf(vrf.name, vrf_id_max(model_.appliance))) {
      vrf_ids_[vrf.name] = *id;
      if (vrf.engine == Engine::native && vrf.native.probe) probing_.insert(*id);
    } else {
      out_.without_id.push_back(id.error().message);
    }
  }
}

// What discovery found and left out.
void DesiredBuilder::tell_not_served() {
  for (const NotServed& one : input_.observed.discovered.not_served) {
    const bool device = one.interface.empty();
    out_.pending.push_back({.vrf = id_of(one.vrf),
                            .role = AttachmentRole::client,
                            .interface = device ? one.vrf : one.interface,
                            .outer = {},
                            .inner = {},
                            .subnet = {},
                            .reason = device ? "this VRF device is not served: " + one.reason : one.reason,
                            .found = true,
                            .trouble = one.trouble});
  }
}

// The dataplane opens its own drivers' ports when it starts, whether an attachment uses them or not.
Result<> DesiredBuilder::add_configured_ports() {
  for (const Port& port : model_.ports) {
    if (port.kind == PortKind::af_xdp) continue;
    if (const auto added = need_port(PortPlace{.port = port.name, .outer = {}, .inner = {}, .link = nullptr});
        !added) {
      return std::unexpected(added.error());
    }
  }
  return {};
}

void DesiredBuilder::add_clients(const Vrf& vrf) {
  if (id_of(vrf.name).value == 0) return;
  for (const Attachment& attachment : vrf.attachments) add_client(vrf, attachment);
}

void DesiredBuilder::pend_client(const Vrf& vrf, const Attachment& attachment, std::string reason) {
  out_.pending.push_back({.vrf = id_of(vrf.name),
                          .role = AttachmentRole::client,
                          .interface = attachment.interface,
                          .outer = attachment.outer.vid,
                          .inner = attachment.inner.vid,
                          .subnet = attachment.subnet,
                          .reason = std::move(reason),
                          .found = attachment.found,
                          .trouble = true});
}

void DesiredBuilder::add_client(const Vrf& vrf, const Attachment& attachment) {
  const Places found = client_places(attachment);
  if (found.places.empty()) {
    // The id is kept while the attachment is configured, whether its interface is there or not.
    static_cast<void>(out_.ids.attachment({.vrf = vrf.name,
                                           .role = AttachmentRole::client,
                                           .interface = attachment.interface,
                                           .outer = attachment.outer.vid,
                                           .inner = attachment.inner.vid}));
  }
  for (const PortPlace& place : found.places) add_client_at(vrf, attachment, place, found.direct);
  for (const Reach::Gap& gap : found.gaps) {
    const std::string where = gap.interface == attachment.interface ? "interface " : "behind it, interface ";
    pend_client(vrf, attachment, where + gap.interface + " " + gap.reason);
  }
}

AttachmentEntry DesiredBuilder::client_entry(const Vrf& vrf, const Attachment& attachment,
                                             const PortPlace& place) const {
  AttachmentEntry entry;
  entry.outer = place.outer;
  entry.inner = place.inner;
  entry.vrf = id_of(vrf.name);
  entry.role = AttachmentRole::client;
  entry.trusted = attachment.trusted;
  entry.policy = attachment.option82_policy;
  entry.subnet = attachment.subnet;
  entry.link_address = attachment.subnet.network;
  if (vrf.engine == Engine::relay) entry.relay_address = attachment.address;
  if (const Subnet* subnet = find_subnet(vrf, attachment.subnet)) {
    entry.server_identifier =
        subnet->server_identifier.is_zero() ? subnet->gateway : subnet->server_identifier;
  }
  entry.answer_arp = !entry.server_identifier.is_zero() && !kernel_holds(attachment, place, entry);
  entry.circuit_id = render(attachment.circuit_id_template, place, vrf);
  entry.remote_id = render(attachment.remote_id_template, place, vrf);
  return entry;
}

// Whether the kernel answers ARP for the server identifier there: then the dataplane does not.
bool DesiredBuilder::kernel_holds(const Attachment& attachment, const PortPlace& place,
                                  const AttachmentEntry& entry) const {
  if (place.link == nullptr) return false;
  if (topology_.holds_address(WirePlace{place.link, place.outer, place.inner}, entry.server_identifier))
    return true;
  const LinkInfo* named = topology_.by_name(attachment.interface);
  return attachment.outer.vid.value == 0 && named != nullptr &&
         std::ranges::find(named->addresses, entry.server_identifier, &Prefix4::network) !=
             named->addresses.end();
}

void DesiredBuilder::add_client_at(const Vrf& vrf, const Attachment& attachment, const PortPlace& place,
                                   bool direct) {
  const VrfId vrf_id = id_of(vrf.name);
  const auto id = out_.ids.attachment({.vrf = vrf.name,
                                       .role = AttachmentRole::client,
                                       .interface = direct ? attachment.interface : place.port,
                                       .outer = direct ? attachment.outer.vid : place.outer.vid,
                                       .inner = direct ? attachment.inner.vid : place.inner.vid});
  const auto pend = [&](std::string reason) { pend_client(vrf, attachment, std::move(reason)); };
  if (!id) return pend(id.error().message);
  if (const auto taken = occupants_.find(place.key()); taken != occupants_.end()) {
    return pend("the same place on the wire as " + taken->second.what);
  }
  AttachmentEntry entry = client_entry(vrf, attachment, place);
  entry.id = *id;
  const VrfId server_vrf = vrf.relay.server_vrf.empty() ? vrf_id : id_of(vrf.relay.server_vrf);
  const std::string what =
      "vrf " + vrf.name + " " +
      (direct ? attachment_text(attachment.interface, attachment.outer.vid, attachment.inner.vid)
              : attachment_text(place.port, place.outer.vid, place.inner.vid));
  if (!entry.circuit_id.empty()) {
    const auto [holder, fresh] = circuit_ids_.try_emplace({server_vrf, entry.circuit_id}, what);
    if (!fresh)
      return pend("its circuit-id is that of " + holder->second + ": replies could not be told apart");
  }
  const auto port = need_port(place);
  if (!port) return pend(port.error().message);
  entry.port = (*port)->entry.id;
  occupants_[place.key()] = Occupant{AttachmentRole::client, vrf_id, what, out_.snapshot.attachments.size()};
  out_.sources[*id] = {.interface = attachment.interface, .found = attachment.found};
  add_rows(entry, **port);
  out_.snapshot.attachments.push_back(std::move(entry));
}

// A template that cannot be rendered was refused by the configuration already: what is left here
// is a text without placeholders.
std::string DesiredBuilder::render(const std::string& text, const PortPlace& place, const Vrf& vrf) const {
  const auto rendered = render_template(text, TemplateValues{.port = place.port,
                                                             .outer = place.outer.vid,
                                                             .inner = place.inner.vid,
                                                             .vrf = vrf.name,
                                                             .hostname = input_.hostname});
  return rendered.value_or(std::string());
}

// What the dataplane's own replies say, by network. The error: what cannot be said in bytes.
std::expected<std::vector<SubnetEntry>, std::string> DesiredBuilder::subnet_entries(const Vrf& vrf) {
  std::vector<SubnetEntry> entries;
  for (const Subnet& subnet : vrf.subnets) {
    auto options = subnet_options_bytes(vrf, subnet);
    if (options && options->size() > kSubnetOptionsMax)
      options = std::unexpected(Error{"all options together are over 4096 bytes"});
    if (!options)
      return std::unexpected("subnet " + to_string(subnet.prefix) + ": " + options.error().message);
    SubnetEntry made;
    made.prefix = subnet.prefix;
    made.server_identifier = subnet.server_identifier.is_zero() ? subnet.gateway : subnet.server_identifier;
    made.lease_time_s = subnet.lease_time_s;
    made.renew_s = subnet.lease_time_s / 2;
    made.rebind_s = static_cast<std::uint32_t>(std::uint64_t{subnet.lease_time_s} * 7 / 8);
    made.options = std::move(*options);
    entries.push_back(std::move(made));
  }
  std::ranges::sort(entries, {}, &SubnetEntry::prefix);
  return entries;
}

// What the dataplane needs to answer clients with a static lease by itself. Where that cannot be said in
// bytes, Kea answers them.
void DesiredBuilder::add_static_answers(const Vrf& vrf, VrfEntry& entry) {
  if (vrf.static_by == StaticBy::kea) return;
  auto subnets = subnet_entries(vrf);
  if (!subnets) {
    out_.impaired[entry.id].push_back("static leases are answered by its Kea, not by the dataplane: " +
                                      subnets.error());
    return;
  }
  entry.subnets = std::move(*subnets);
  entry.static_leases = true;
}

void DesiredBuilder::add_vrf_entry(const Vrf& vrf) {
  VrfEntry entry;
  entry.id = id_of(vrf.name);
  entry.name = vrf.name;
  entry.engine = vrf.engine;
  entry.server_vrf = entry.id;
  entry.hops_max = vrf.relay.hops_max;
  entry.server_id_override = vrf.relay.server_id_override;
  entry.relay_flags = vrf.relay.relay_flags;
  entry.vss = vrf.relay.vss;
  entry.queue_depth = vrf.queue_depth;
  entry.quantum_bytes = model_.dataplane.quantum_bytes;
  entry.fenced = model_.ha.enabled;
  entry.draining = input_.draining.contains(vrf.name);
  if (vrf.engine == Engine::kea) {
    // giaddr is the handoff's own address, so the clients' subnet must be said (RFC 3527).
    if (const auto handoff = out_.handoffs.find(entry.id); handoff != out_.handoffs.end())
      entry.giaddr = handoff->second.host_ip;
    entry.link_selection = true;
    add_static_answers(vrf, entry);
  } else if (vrf.engine == Engine::native) {
    add_native(vrf, entry);
  } else {
    const VrfId elsewhere = id_of(vrf.relay.server_vrf);
    if (elsewhere.value != 0) entry.server_vrf = elsewhere;
    entry.server_mode = vrf.relay.server_mode;
    entry.dead_after_s = vrf.relay.dead_after_s;
    entry.probe_interval_s = vrf.relay.probe_interval_s;
    entry.giaddr = vrf.relay.source;
    entry.link_selection = vrf.relay.link_selection || !vrf.relay.source.is_zero();
  }
  entry.servers = servers_[entry.id];
  out_.snapshot.vrfs.push_back(std::move(entry));
}

void DesiredBuilder::finish() {
  for (auto& [name, port] : ports_) out_.ports.push_back(std::move(port));
  std::ranges::sort(out_.ports, {}, [](const DesiredPort& port) { return port.entry.id; });
  for (const DesiredPort& port : out_.ports) out_.snapshot.ports.push_back(port.entry);
  std::ranges::sort(out_.snapshot.attachments, {}, &AttachmentEntry::id);
  std::ranges::sort(out_.snapshot.vrfs, {}, &VrfEntry::id);
  std::ranges::sort(out_.snapshot.natives, {}, &NativeVrf::vrf);
  finish_server_side();
  out_.ids.settle();
}

}  // namespace xk
