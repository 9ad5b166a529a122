#include "dataplane/serve/arp_probe.h"

#include <algorithm>

#include "dataplane/dhcp/frame.h"

namespace xk {
namespace {

constexpr std::size_t kArpSize = 28;  // RFC 826 for Ethernet and IPv4
constexpr std::size_t kSenderOffset = 14;
constexpr std::size_t kTargetOffset = 24;
constexpr std::uint16_t kEthernet = 1;
constexpr std::uint16_t kRequest = 1;
constexpr std::uint16_t kReply = 2;
constexpr std::size_t kFrameMin = 60;  // without the frame check sequence

}  // namespace

std::size_t write_arp_probe(const AttachmentEntry& attachment, const PortEntry& port, Ip4 address,
                            MutableBytes out) {
  const std::size_t ethernet =
      write_ethernet(out, Mac::broadcast(), port.mac, attachment.outer, attachment.inner, XK_ETHERTYPE_ARP);
  ByteWriter writer(out.subspan(ethernet));
  writer.u16(kEthernet);
  writer.u16(XK_ETHERTYPE_IP4);
  writer.u8(6);
  writer.u8(4);
  writer.u16(kRequest);
  writer.mac(port.mac);
  writer.ip4(Ip4{});
  writer.mac(Mac{});
  writer.ip4(address);
  const std::size_t length = std::max(kFrameMin, ethernet + kArpSize);
  writer.zeros(length - ethernet - kArpSize);
  return length;
}

bool is_arp_probe_reply(Bytes frame, std::size_t l3) {
  if (l3 + kArpSize > frame.size()) return false;
  ByteReader reader(frame.subspan(l3, kArpSize));
  const bool fits = reader.u16() == kEthernet && reader.u16() == XK_ETHERTYPE_IP4 && reader.u8() == 6 &&
                    reader.u8() == 4 && reader.u16() == kReply;
  return fits && ByteReader(frame.subspan(l3 + kTargetOffset, 4)).ip4().is_zero();
}

Ip4 arp_sender(Bytes frame, std::size_t l3) {
  return l3 + kArpSize > frame.size() ? Ip4{} : ByteReader(frame.subspan(l3 + kSenderOffset, 4)).ip4();
}

}  // namespace xk
