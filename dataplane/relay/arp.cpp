#include <algorithm>

#include "bpf/shared/walk.h"
#include "dataplane/dhcp/frame.h"
#include "dataplane/relay/relay.h"

namespace xk {
namespace {

constexpr std::size_t kArpSize = 28;  // RFC 826 for Ethernet and IPv4
constexpr std::uint16_t kEthernet = 1;
constexpr std::uint16_t kRequest = 1;
constexpr std::uint16_t kReply = 2;
constexpr std::size_t kFrameMin = 60;  // without the frame check sequence

struct Arp {
  std::uint16_t hardware_type = 0;
  std::uint16_t protocol_type = 0;
  std::uint8_t hardware_size = 0;
  std::uint8_t protocol_size = 0;
  std::uint16_t operation = 0;
  Mac sender_mac{};
  Ip4 sender{};
  Ip4 target{};
};

// Whether a request that we may answer: for Ethernet and IPv4, from one station. A sender address of
// zero is a probe (RFC 5227) and is answered.
bool parse_arp(Bytes bytes, Arp& arp) {
  ByteReader reader(bytes);
  arp.hardware_type = reader.u16();
  arp.protocol_type = reader.u16();
  arp.hardware_size = reader.u8();
  arp.protocol_size = reader.u8();
  arp.operation = reader.u16();
  arp.sender_mac = reader.mac();
  arp.sender = reader.ip4();
  reader.mac();
  arp.target = reader.ip4();
  return reader.ok() && arp.hardware_type == kEthernet && arp.protocol_type == XK_ETHERTYPE_IP4 &&
         arp.hardware_size == 6 && arp.protocol_size == 4 && arp.operation == kRequest &&
         arp.sender_mac.is_unicast();
}

bool answers_for(const AttachmentEntry& attachment, Ip4 address) {
  if (!attachment.answer_arp || address.is_zero()) return false;
  switch (attachment.role) {
    case AttachmentRole::client:
      return address == attachment.server_identifier;
    case AttachmentRole::server:
      return std::ranges::find(attachment.local_addresses, address) != attachment.local_addresses.end();
    case AttachmentRole::handoff:
      break;  // the neighbour entry in the namespace is permanent
  }
  return false;
}

}  // namespace

Verdict answer_arp(const Received& received, const Forwarding& forwarding, MutableBytes out,
                   Emission& emission) {
  const AttachmentEntry& attachment = *received.attachment;
  const std::size_t offset = received.headers.l3_offset;
  if (received.headers.ether_type != XK_ETHERTYPE_ARP || offset > received.frame.size())
    return Verdict::drop(XK_ARP_BAD);
  Arp arp;
  if (!parse_arp(received.frame.subspan(offset), arp)) return Verdict::drop(XK_ARP_BAD);
  if (!answers_for(attachment, arp.target)) return Verdict::drop(XK_ARP_NOT_OURS);

  const PortEntry& port = *forwarding.port(attachment.port);
  const std::size_t ethernet =
      write_ethernet(out, arp.sender_mac, port.mac, attachment.outer, attachment.inner, XK_ETHERTYPE_ARP);
  ByteWriter writer(out.subspan(ethernet));
  writer.u16(kEthernet);
  writer.u16(XK_ETHERTYPE_IP4);
  writer.u8(6);
  writer.u8(4);
  writer.u16(kReply);
  writer.mac(port.mac);
  writer.ip4(arp.target);
  writer.mac(arp.sender_mac);
  writer.ip4(arp.sender);
  const std::size_t length = std::max(kFrameMin, ethernet + kArpSize);
  writer.zeros(length - ethernet - kArpSize);
  emission = Emission{attachment.id, attachment.port, length};
  return {};
}

}  // namespace xk
