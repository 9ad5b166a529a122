#include "controlplane/app/announce.h"

#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/base/fd.h"
#include "dataplane/dhcp/frame.h"

namespace xk::kead {
namespace {

constexpr std::size_t kArpBytes = 28;  // Ethernet and IPv4
constexpr std::uint16_t kArpEthernet = 1;
constexpr std::uint16_t kArpRequest = 1;

std::vector<std::uint8_t> announcement(const AttachmentEntry& at, const Mac& mac) {
  const std::size_t headers = 14 + 4 * static_cast<std::size_t>(at.outer.vid.value != 0) +
                              4 * static_cast<std::size_t>(at.inner.vid.value != 0);
  std::vector<std::uint8_t> frame(headers + kArpBytes, 0);
  write_ethernet(frame, Mac::broadcast(), mac, at.outer, at.inner, XK_ETHERTYPE_ARP);
  ByteWriter arp(MutableBytes(frame).subspan(headers));
  arp.u16(kArpEthernet);
  arp.u16(XK_ETHERTYPE_IP4);
  arp.u8(6);
  arp.u8(4);
  arp.u16(kArpRequest);
  arp.mac(mac);
  arp.ip4(at.server_identifier);
  arp.zeros(6);
  arp.ip4(at.server_identifier);
  return frame;
}

}  // namespace

void announce_identifiers(const Snapshot& snapshot, VrfId vrf) {
  const Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return;
  for (const AttachmentEntry& at : snapshot.attachments) {
    if (at.vrf != vrf || at.role != AttachmentRole::client || !at.answer_arp ||
        at.server_identifier.is_zero())
      continue;
    const auto port = std::ranges::find(snapshot.ports, at.port, &PortEntry::id);
    if (port == snapshot.ports.end() || port->ifindex.value == 0) continue;
    const auto frame = announcement(at, port->mac);
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(port->ifindex.value);
    (void)::sendto(socket.get(), frame.data(), frame.size(), 0, reinterpret_cast<const sockaddr*>(&to),
                   sizeof to);
  }
}

}  // namespace xk::kead
