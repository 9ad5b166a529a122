#include "dataplane/pipeline/classify.h"

#include <algorithm>

#include "dataplane/serve/arp_probe.h"

namespace xk {
namespace {

constexpr std::size_t kIp4DestinationOffset = 16;
constexpr std::size_t kArpLength = 28;
constexpr std::size_t kArpTargetOffset = 24;

Ip4 ip4_at(const std::uint8_t* at) {
  return Ip4{static_cast<std::uint32_t>(xk_load_be16(at)) << 16 | xk_load_be16(at + 2)};
}

void foreign(Classified& classified, Outcome reason) {
  classified.drop_reason = reason;
  classified.is_foreign = true;
}

// Broadcasts are heard from clients only; a server or a Kea speaks to an address of ours.
bool is_ours(const Forwarding& forwarding, const AttachmentEntry& attachment, Ip4 destination) {
  if (attachment.role == AttachmentRole::client &&
      (destination == Ip4::limited_broadcast() || Forwarding::is_subnet_broadcast(attachment, destination)))
    return true;
  return forwarding.is_local(attachment, destination);
}

// RFC 826: an Ethernet/IPv4 request for an address that only we answer for.
void classify_arp(Bytes frame, const Forwarding& forwarding, Classified& classified) {
  const std::uint8_t* arp = frame.data() + classified.headers.l3_offset;
  if (forwarding.probes(classified.attachment->vrf) &&
      is_arp_probe_reply(frame, classified.headers.l3_offset))
    return;
  if (frame.size() < classified.headers.l3_offset + kArpLength) {
    foreign(classified, XK_FRAME_TRUNCATED);
  } else if (xk_load_be16(arp) != 1 || xk_load_be16(arp + 2) != XK_ETHERTYPE_IP4 || arp[4] != 6 ||
             arp[5] != 4 || xk_load_be16(arp + 6) != 1) {
    foreign(classified, XK_ARP_BAD);
  } else if (!answers_arp(*classified.attachment, ip4_at(arp + kArpTargetOffset))) {
    foreign(classified, XK_ARP_NOT_OURS);
  }
}

void classify_dhcp(Bytes frame, const Forwarding& forwarding, Classified& classified) {
  const xk_headers& headers = classified.headers;
  const std::uint16_t server_port = headers.ip_version == 4 ? XK_DHCP4_SERVER_PORT : XK_DHCP6_SERVER_PORT;
  const AttachmentEntry* attachment = classified.attachment;
  const bool from_kea = attachment != nullptr && attachment->role == AttachmentRole::handoff &&
                        headers.source_port == server_port;
  if (!from_kea) {
    if (headers.destination_port != server_port) {
      foreign(classified, XK_NOT_DHCP);
      return;
    }
    if (attachment == nullptr) {
      foreign(classified, XK_UNMAPPED);
      return;
    }
    if (headers.ip_version == 4 &&
        !is_ours(forwarding, *attachment, ip4_at(frame.data() + headers.l3_offset + kIp4DestinationOffset))) {
      foreign(classified, XK_NOT_OURS);
      return;
    }
  }
  if (headers.ip_version != 4)
    classified.drop_reason = XK_DHCP6_NOT_SERVED;
  else if (classified.walk == XK_WALK_FIRST_FRAGMENT)
    classified.drop_reason = XK_FIRST_FRAGMENT;
}

}  // namespace

bool answers_arp(const AttachmentEntry& attachment, Ip4 address) {
  if (!attachment.answer_arp || address.is_zero()) return false;
  if (attachment.role == AttachmentRole::client) return address == attachment.server_identifier;
  return attachment.role == AttachmentRole::server &&
         std::ranges::find(attachment.local_addresses, address) != attachment.local_addresses.end();
}

Classified walk_frame(Bytes frame) {
  Classified classified;
  classified.walk =
      static_cast<xk_walk_result>(xk_walk(frame.data(), frame.data() + frame.size(), &classified.headers));
  return classified;
}

void decide(Bytes frame, const Forwarding& forwarding, Classified& classified) {
  switch (classified.walk) {
    case XK_WALK_MALFORMED:
      foreign(classified, XK_FRAME_TRUNCATED);
      return;
    case XK_WALK_OTHER:
    case XK_WALK_LATER_FRAGMENT:
      foreign(classified, XK_NOT_DHCP);
      return;
    case XK_WALK_ARP:
    case XK_WALK_UDP:
    case XK_WALK_FIRST_FRAGMENT:
      break;
  }
  if (classified.walk != XK_WALK_ARP)
    classify_dhcp(frame, forwarding, classified);
  else if (classified.attachment == nullptr)
    foreign(classified, XK_UNMAPPED);
  else
    classify_arp(frame, forwarding, classified);
}

Classified classify(Bytes frame, PortId port, const Forwarding& forwarding) {
  Classified classified = walk_frame(frame);
  if (classified.has_place())
    classified.attachment =
        forwarding.attachment(port, classified.headers.outer_vid, classified.headers.inner_vid);
  decide(frame, forwarding, classified);
  return classified;
}

}  // namespace xk
