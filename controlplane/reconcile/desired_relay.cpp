// A VRF whose servers are elsewhere: the ways to them, and the server side as attachments.
#include <algorithm>
#include <span>

#include "controlplane/model/lookup.h"
#include "controlplane/reconcile/desired_builder.h"

namespace xk {
namespace {

// The kernel VRF device in which the VRF's servers are; empty: the main table.
std::string server_device(const Model& model, const Vrf& vrf) {
  if (vrf.relay.server_vrf.empty()) return vrf.device;
  const Vrf* server_vrf = find_vrf(model, vrf.relay.server_vrf);
  return server_vrf == nullptr ? std::string() : server_vrf->device;
}

}  // namespace

std::vector<RouteQuestion> routes_wanted(const Model& model) {
  std::vector<RouteQuestion> questions;
  for (const Vrf& vrf : model.vrfs) {
    if (vrf.engine != Engine::relay) continue;
    if (!vrf.relay.next_hop.is_zero() && !vrf.relay.server_interface.empty()) continue;
    for (const Ip4 server : vrf.relay.servers) questions.push_back({server, server_device(model, vrf)});
  }
  std::ranges::sort(questions);
  const auto repeated = std::ranges::unique(questions);
  questions.erase(repeated.begin(), repeated.end());
  return questions;
}

// How the server is reached: as configured, else by the kernel's route and neighbour.
std::expected<DesiredBuilder::Way, std::string> DesiredBuilder::way_to(const Vrf& vrf, Ip4 server) const {
  const RelaySettings& relay = vrf.relay;
  if (!relay.server_vrf.empty() && id_of(relay.server_vrf).value == 0)
    return std::unexpected("VRF " + relay.server_vrf + ", where its servers are, is not served");
  const auto asked = input_.observed.next_hops.find({server, server_device(model_, vrf)});
  const NextHop hop = asked == input_.observed.next_hops.end() ? NextHop{} : asked->second;

  Way way{.place = {}, .next_hop = relay.next_hop, .source = relay.source};
  std::expected<PortPlace, std::string> place;
  if (!relay.server_interface.empty()) {
    place = find_place(relay.server_interface, relay.server_outer, relay.server_inner);
  } else if (const LinkInfo* link = topology_.by_index(hop.ifindex)) {
    place = find_place(link->name, {}, {});
  } else {
    place = std::unexpected("no route to server " + to_string(server));
  }
  if (!place) return std::unexpected(place.error());
  way.place = *place;
  if (way.next_hop.is_zero()) {
    // A neighbour found on another interface is of no use on the configured one.
    const LinkInfo* routed = topology_.by_index(hop.ifindex);
    const auto routed_place = routed == nullptr ? std::expected<PortPlace, std::string>(std::unexpected(""))
                                                : find_place(routed->name, {}, {});
    if (routed_place && routed_place->key() == way.place.key()) way.next_hop = hop.mac;
  }
  if (way.source.is_zero()) way.source = hop.source;
  if (way.source.is_zero() && way.place.link != nullptr && !way.place.link->addresses.empty()) {
    way.source = way.place.link->addresses.front().network;
  }
  if (way.source.is_zero() && !vrf.attachments.empty()) way.source = vrf.attachments.front().address;
  return way;
}

Result<AttachmentId> DesiredBuilder::server_attachment(const Vrf& vrf, Ip4 server, const Way& way) {
  const std::string& server_vrf = vrf.relay.server_vrf.empty() ? vrf.name : vrf.relay.server_vrf;
  const VrfId server_vrf_id = id_of(server_vrf);
  if (const auto taken = occupants_.find(way.place.key()); taken != occupants_.end()) {
    const Occupant& occupant = taken->second;
    if (occupant.role == AttachmentRole::server && occupant.vrf == server_vrf_id) {
      return out_.snapshot.attachments[occupant.attachment].id;
    }
    return std::unexpected(Error{"server " + to_string(server) + " is behind the place of " + occupant.what});
  }
  const auto id = out_.ids.attachment({.vrf = server_vrf,
                                       .role = AttachmentRole::server,
                                       .interface = way.place.port,
                                       .outer = way.place.outer.vid,
                                       .inner = way.place.inner.vid});
  if (!id) return std::unexpected(id.error());
  const auto port = need_port(way.place);
  if (!port) return std::unexpected(port.error());

  AttachmentEntry entry;
  entry.id = *id;
  entry.port = (*port)->entry.id;
  entry.outer = way.place.outer;
  entry.inner = way.place.inner;
  entry.vrf = server_vrf_id;
  entry.role = AttachmentRole::server;
  occupants_[way.place.key()] =
      Occupant{AttachmentRole::server, server_vrf_id,
               "vrf " + server_vrf + "'s servers on " +
                   attachment_text(way.place.port, way.place.outer.vid, way.place.inner.vid),
               out_.snapshot.attachments.size()};
  out_.snapshot.attachments.push_back(std::move(entry));
  return *id;
}

void DesiredBuilder::add_servers(const Vrf& vrf) {
  const VrfId vrf_id = id_of(vrf.name);
  const auto pend = [&](std::string reason) {
    out_.pending.push_back({.vrf = vrf_id,
                            .role = AttachmentRole::server,
                            .interface = vrf.relay.server_interface,
                            .outer = vrf.relay.server_outer.vid,
                            .inner = vrf.relay.server_inner.vid,
                            .subnet = {},
                            .reason = std::move(reason),
                            .found = false,
                            .trouble = true});
  };
  for (const Ip4 server : vrf.relay.servers) {
    // A server without a way stays in the list: replies from it are known, requests are counted.
    ServerEntry entry{.address = server, .via = {}, .next_hop = {}, .source = vrf.relay.source};
    const auto way = way_to(vrf, server);
    if (!way) {
      pend(way.error());
    } else if (const auto via = server_attachment(vrf, server, *way); !via) {
      pend(via.error().message);
    } else {
      entry = {.address = server, .via = *via, .next_hop = way->next_hop, .source = way->source};
      std::set<Ip4>& own = server_addresses_[*via];
      if (!way->source.is_zero()) own.insert(way->source);
      if (!vrf.relay.source.is_zero()) own.insert(vrf.relay.source);
      for (const Attachment& attachment : vrf.attachments) {
        if (vrf.relay.source.is_zero() && !attachment.address.is_zero()) own.insert(attachment.address);
      }
      if (entry.next_hop.is_zero()) {
        out_.impaired[vrf_id].push_back("server " + to_string(server) + ": its next hop on " +
                                        way->place.port + " does not answer");
      }
    }
    servers_[vrf_id].push_back(entry);
  }
}

// The server side is complete once all VRFs have said which addresses they use there.
void DesiredBuilder::finish_server_side() {
  for (AttachmentEntry& entry : out_.snapshot.attachments) {
    if (entry.role != AttachmentRole::server) continue;
    const std::set<Ip4>& own = server_addresses_[entry.id];
    entry.local_addresses.assign(own.begin(), own.end());
  }
  if (input_.before != nullptr)
    out_.late = late_answers(input_.before->snapshot, input_.before->late, out_.snapshot, input_.now_ms);
  for (VrfEntry& vrf : out_.snapshot.vrfs) {
    for (auto at = out_.late.servers.lower_bound({vrf.id, {}});
         at != out_.late.servers.end() && at->first.first == vrf.id; ++at)
      vrf.late_servers.push_back(at->first.second);
  }
  std::map<PortId, const DesiredPort*> ports;
  for (const DesiredPort& port : out_.ports) ports[port.entry.id] = &port;
  for (AttachmentEntry& entry : out_.snapshot.attachments) {
    if (entry.role == AttachmentRole::server) finish_server_attachment(entry, *ports.at(entry.port));
  }
}

// Addresses of before are local for the answers that are under way, and somebody else's in everything else.
void DesiredBuilder::finish_server_attachment(AttachmentEntry& entry, const DesiredPort& port) {
  const LinkInfo* link = topology_.by_index(port.entry.ifindex);
  const auto held = [&](Ip4 address) {
    return link != nullptr && topology_.holds_address(WirePlace{link, entry.outer, entry.inner}, address);
  };
  const std::set<Ip4>& own = server_addresses_[entry.id];
  entry.answer_arp = !std::ranges::all_of(own, held);
  for (auto at = out_.late.addresses.lower_bound({entry.id, {}});
       at != out_.late.addresses.end() && at->first.first == entry.id; ++at)
    entry.local_addresses.push_back(at->first.second);
  const std::size_t first = out_.addresses.size();
  add_rows(entry, port);
  // Only what is ours and no interface there holds is answered for.
  for (DesiredAddress& address : std::span(out_.addresses).subspan(first)) {
    const auto& bytes = address.row.key.address;
    const Ip4 ip{static_cast<std::uint32_t>(bytes[0]) << 24 | static_cast<std::uint32_t>(bytes[1]) << 16 |
                 static_cast<std::uint32_t>(bytes[2]) << 8 | bytes[3]};
    if (held(ip) || !own.contains(ip)) address.row.flags &= ~static_cast<std::uint32_t>(XK_ADDRESS_ARP);
  }
}

}  // namespace xk
