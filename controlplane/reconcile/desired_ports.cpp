// Ports, and the rows that steer packets to them.
#include <algorithm>

#include "controlplane/model/lookup.h"
#include "controlplane/reconcile/desired_builder.h"

namespace xk {
namespace {

// Two descriptors a queue go beside one message.
constexpr std::uint16_t kQueuesMax = ipc::kDescriptorsMax / 2;

xk_address_key address_key(AttachmentId attachment, Ip4 address) {
  xk_address_key key{};
  key.attachment_id = attachment.value;
  key.family = 4;
  for (int i = 0; i < 4; ++i) key.address[i] = static_cast<__u8>(address.value >> (24 - 8 * i));
  return key;
}

}  // namespace

std::expected<PortPlace, std::string> DesiredBuilder::find_place(const std::string& interface, VlanTag outer,
                                                                 VlanTag inner) const {
  const Port* configured = find_port(model_, interface);
  if (configured != nullptr && configured->kind != PortKind::af_xdp) {
    return PortPlace{.port = interface, .outer = outer, .inner = inner, .link = nullptr};
  }
  const LinkInfo* link = topology_.by_name(interface);
  if (link == nullptr) return std::unexpected("interface " + interface + " does not exist");
  const auto place = topology_.on_wire(*link, outer, inner);
  if (!place) return std::unexpected(place.error());
  return PortPlace{
      .port = place->link->name, .outer = place->outer, .inner = place->inner, .link = place->link};
}

DesiredBuilder::Places DesiredBuilder::client_places(const Attachment& attachment) const {
  Places found;
  const Port* configured = find_port(model_, attachment.interface);
  if (configured != nullptr && configured->kind != PortKind::af_xdp) {
    found.places.push_back({.port = attachment.interface,
                            .outer = attachment.outer,
                            .inner = attachment.inner,
                            .link = nullptr});
    found.direct = true;
    return found;
  }
  const LinkInfo* link = topology_.by_name(attachment.interface);
  if (link == nullptr) {
    found.gaps.push_back({attachment.interface, "does not exist"});
    return found;
  }
  Reach reach = topology_.reach(*link, attachment.outer, attachment.inner);
  for (const WirePlace& place : reach.places) {
    found.places.push_back(
        {.port = place.link->name, .outer = place.outer, .inner = place.inner, .link = place.link});
  }
  found.gaps = std::move(reach.gaps);
  found.direct = !reach.spread;
  return found;
}

// The port at a place, added if this is its first use. Borrowed until the next call.
Result<const DesiredPort*> DesiredBuilder::need_port(const PortPlace& place) {
  if (const auto known = ports_.find(place.port); known != ports_.end()) return &known->second;
  const Port* configured = find_port(model_, place.port);
  DesiredPort port;
  port.entry.name = place.port;
  if (configured != nullptr) {
    port.entry.kind = configured->kind;
    port.entry.device = configured->device;
    port.entry.exception = configured->exception;
    port.entry.exception_device = configured->exception_device;
    port.force_generic = configured->force_generic;
    port.entry.queues = std::max<std::uint16_t>(configured->queues, 1);
  }
  if (place.link != nullptr) {
    const LinkInfo& link = *place.link;
    port.entry.ifindex = link.ifindex;
    port.entry.mac = link.mac;
    port.entry.mtu = link.mtu;
    std::uint16_t queues = std::max<std::uint16_t>(link.rx_queues, 1);
    if (configured != nullptr && configured->queues != 0) queues = std::min(queues, configured->queues);
    if (queues > kQueuesMax) {
      out_.warnings.push_back("port " + place.port + " has " + std::to_string(queues) +
                              " receive queues, of which " + std::to_string(kQueuesMax) +
                              " are served; the kernel gets DHCP packets of the others");
      queues = kQueuesMax;
    }
    port.entry.queues = queues;
    port.xsk_count = queues;
  }
  const auto ids = out_.ids.port(place.port, port.xsk_count);
  if (!ids) return std::unexpected(ids.error());
  port.entry.id = ids->id;
  port.xsk_base = ids->xsk_base;
  return &(ports_[place.port] = std::move(port));
}

// The BPF row of an attachment and of each address that is ours there.
void DesiredBuilder::add_rows(const AttachmentEntry& entry, const DesiredPort& port) {
  if (port.entry.kind != PortKind::af_xdp) return;
  DesiredRow row;
  row.row.key = {.ifindex = port.entry.ifindex.value,
                 .outer_vid = entry.outer.vid.value,
                 .inner_vid = entry.inner.vid.value};
  row.row.value = {.attachment_id = entry.id.value,
                   .vrf_id = entry.vrf.value,
                   .xsk_base = port.xsk_base,
                   .xsk_count = port.xsk_count,
                   .role = static_cast<__u8>(entry.role),
                   .reserved = 0};
  row.port = port.entry.name;
  row.vrf = entry.vrf;
  out_.rows.push_back(row);

  const std::uint32_t arp = entry.answer_arp ? std::uint32_t{XK_ADDRESS_ARP} : 0u;
  add_address(entry, port, entry.server_identifier, XK_ADDRESS_LOCAL | arp);
  add_address(entry, port, entry.relay_address, XK_ADDRESS_LOCAL);
  if (entry.role == AttachmentRole::client && entry.subnet.length > 0 && entry.subnet.length < 31) {
    add_address(entry, port, entry.subnet.broadcast(), XK_ADDRESS_BROADCAST);
  }
  if (entry.role == AttachmentRole::client) add_probe_address(entry, port);
  for (const Ip4 address : entry.local_addresses) {
    add_address(entry, port, address, XK_ADDRESS_LOCAL | (entry.role == AttachmentRole::server ? arp : 0u));
  }
}

void DesiredBuilder::add_address(const AttachmentEntry& entry, const DesiredPort& port, Ip4 address,
                                 std::uint32_t flags) {
  if (address.is_zero()) return;
  const xk_address_key key = address_key(entry.id, address);
  for (auto known = out_.addresses.rbegin(); known != out_.addresses.rend(); ++known) {
    if (known->row.key.attachment_id != key.attachment_id) break;  // those of one attachment are together
    if (std::ranges::equal(known->row.key.address, key.address)) {
      known->row.flags |= flags;
      return;
    }
  }
  out_.addresses.push_back({.row = {.key = key, .flags = flags}, .port = port.entry.name, .vrf = entry.vrf});
}

}  // namespace xk
