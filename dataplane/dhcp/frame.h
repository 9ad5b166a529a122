// Ethernet frames with an IPv4/UDP datagram in them: the checks on the way in that the header walk
// (bpf/shared/walk.h) leaves, and the headers on the way out. Nothing is owned or allocated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>

#include "bpf/shared/walk.h"
#include "dataplane/base/bytes.h"
#include "dataplane/base/outcome.h"
#include "dataplane/base/types.h"

namespace xk {

inline constexpr std::size_t kEthernetHeader = 14;
inline constexpr std::size_t kVlanTagSize = 4;
inline constexpr std::size_t kIp4Header = 20;  // without options
inline constexpr std::size_t kUdpHeader = 8;

// A UDP datagram over IPv4 whose lengths and checksums were found right.
struct Datagram4 {
  Ip4 source{};
  Ip4 destination{};
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  bool checksum_partial = false;  // the UDP checksum is the pseudo-header's sum only
  Bytes payload;                  // borrowed from the frame; ends where the UDP length says
};

// Checks a frame whose walk ended at UDP over IPv4: version, header and total length (RFC 791 3.1)
// and header checksum, no fragment, UDP length and checksum (RFC 768). Bytes after the total length
// are Ethernet padding; bytes after the UDP length belong to nobody. A UDP checksum of zero means
// none; one that is the sum of the pseudo-header only was left to an offload by a neighbour on the
// same host (Linux's CHECKSUM_PARTIAL over a veth) and is taken.
// Errors: NOT_DHCP (headers of something else), FIRST_FRAGMENT, IP_HEADER_BAD, IP_CHECKSUM_BAD,
// UDP_LENGTH_BAD, UDP_CHECKSUM_BAD.
[[nodiscard]] std::expected<Datagram4, Outcome> check_datagram4(Bytes frame, const xk_headers& headers);

// The headers of a frame to send. A tag with VID 0 is left out; inner only stands behind outer.
struct FrameHeaders4 {
  Mac destination_mac{};
  Mac source_mac{};
  VlanTag outer{};
  VlanTag inner{};
  Ip4 source{};
  Ip4 destination{};
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint16_t identification = 0;
};

// Bytes from the start of the frame to the UDP payload.
[[nodiscard]] constexpr std::size_t headers_size(const VlanTag& outer, const VlanTag& inner) {
  std::size_t size = kEthernetHeader + kIp4Header + kUdpHeader;
  if (outer.vid.value != 0) size += kVlanTagSize;
  if (outer.vid.value != 0 && inner.vid.value != 0) size += kVlanTagSize;
  return size;
}

// Writes the headers in front of a payload that is in place already: frame is exactly
// headers_size() + payload. Time to live is 64 (RFC 1340). "Don't fragment" stays clear: on the way
// to a distant server some link may be smaller, we do not listen for the ICMP that would say so,
// and RFC 1542 wants the message to arrive; hence the identification. Both checksums are right, and
// the UDP one is never zero.
void write_headers4(MutableBytes frame, const FrameHeaders4& headers);

// Ethernet and tags alone; returns the bytes written. out has room for two tags.
std::size_t write_ethernet(MutableBytes out, const Mac& destination, const Mac& source, const VlanTag& outer,
                           const VlanTag& inner, std::uint16_t ether_type);

}  // namespace xk
