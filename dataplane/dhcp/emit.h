// The frame around a message that is sent, shared by all who send one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dataplane/base/bytes.h"
#include "dataplane/base/forwarding.h"
#include "dataplane/dhcp/frame.h"
#include "dataplane/dhcp/received.h"

namespace xk {

// Most bytes of a DHCP message that leaves by the attachment in a frame of out: the port's MTU
// bounds the IP packet, tags do not count in it (802.3 3.2.7). This is the only bound: the client's
// option 57 says what the client takes, not what a server does, and ours never reaches the client.
[[nodiscard]] inline std::size_t message_max(const VlanTag& outer, const VlanTag& inner,
                                             const PortEntry& port, MutableBytes out) {
  const std::size_t headers = headers_size(outer, inner);
  const std::size_t frame = std::min(out.size(), kFrameMax);
  return std::min(port.mtu - kIp4Header - kUdpHeader, frame < headers ? 0 : frame - headers);
}

// Whom the frame is for.
struct Destination {
  Mac mac{};
  Ip4 source{};
  Ip4 address{};
  std::uint16_t port = 0;  // UDP; the source port is always 67
};

// Writes the headers in front of the message, which is in place at headers_size(). Returns the frame's
// length.
[[nodiscard]] inline std::size_t write_frame(const VlanTag& outer, const VlanTag& inner,
                                             const PortEntry& port, const Destination& destination,
                                             std::uint32_t xid, std::size_t message_length,
                                             MutableBytes out) {
  const std::size_t length = headers_size(outer, inner) + message_length;
  write_headers4(out.first(length),
                 FrameHeaders4{.destination_mac = destination.mac,
                               .source_mac = port.mac,
                               .outer = outer,
                               .inner = inner,
                               .source = destination.source,
                               .destination = destination.address,
                               .source_port = XK_DHCP4_SERVER_PORT,
                               .destination_port = destination.port,
                               // Differs between packets in flight as far as xids do (RFC 6864 4.3).
                               .identification = static_cast<std::uint16_t>(xid ^ xid >> 16)});
  return length;
}

}  // namespace xk
