#include "dataplane/dhcp/frame.h"

#include <cassert>

#include "dataplane/dhcp/checksum.h"

namespace xk {
namespace {

constexpr std::uint16_t kUdp = 17;
constexpr std::uint16_t kChecksumRight = 0xffff;
constexpr std::uint16_t kTimeToLive = 64;

std::uint32_t load_be32(const std::uint8_t* at) {
  return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 | at[3];
}

void store_be16(std::uint8_t* at, std::uint16_t number) {
  const std::uint16_t word = network_word(number);
  std::memcpy(at, &word, sizeof word);
}

void store_be32(std::uint8_t* at, std::uint32_t number) {
  const std::uint32_t word = std::endian::native == std::endian::little ? std::byteswap(number) : number;
  std::memcpy(at, &word, sizeof word);
}

// Adds the two words of a number in network order to a sum of numbers, not of words in memory.
std::uint64_t words_of(Ip4 address) { return (address.value >> 16) + (address.value & 0xffffu); }

// The sum of the UDP pseudo-header (RFC 768); addresses are the eight bytes in the IPv4 header.
std::uint64_t pseudo_sum(const std::uint8_t* addresses, std::size_t udp_length) {
  return checksum_add(
      std::uint64_t{network_word(kUdp)} + network_word(static_cast<std::uint16_t>(udp_length)),
      {addresses, 8});
}

}  // namespace

std::expected<Datagram4, Outcome> check_datagram4(Bytes frame, const xk_headers& headers) {
  const std::size_t l3 = headers.l3_offset;
  if (headers.ip_version != 4 || headers.udp_offset == 0) return std::unexpected(XK_NOT_DHCP);
  if (l3 + kIp4Header > frame.size()) return std::unexpected(XK_IP_HEADER_BAD);
  const std::uint8_t* ip = frame.data() + l3;
  const std::size_t header_length = (ip[0] & 0x0fu) * 4u;
  const std::size_t total_length = xk_load_be16(ip + 2);
  if (ip[0] >> 4 != 4 || header_length < kIp4Header || l3 + header_length != headers.udp_offset ||
      total_length < header_length || l3 + total_length > frame.size())
    return std::unexpected(XK_IP_HEADER_BAD);
  if (checksum_fold(checksum_add(0, {ip, header_length})) != kChecksumRight)
    return std::unexpected(XK_IP_CHECKSUM_BAD);
  if ((xk_load_be16(ip + 6) & 0x3fffu) != 0) return std::unexpected(XK_FIRST_FRAGMENT);
  if (ip[9] != kUdp) return std::unexpected(XK_NOT_DHCP);

  const std::size_t udp_space = total_length - header_length;
  if (udp_space < kUdpHeader) return std::unexpected(XK_UDP_LENGTH_BAD);
  const std::uint8_t* udp = ip + header_length;
  const std::size_t udp_length = xk_load_be16(udp + 4);
  if (udp_length < kUdpHeader || udp_length > udp_space) return std::unexpected(XK_UDP_LENGTH_BAD);

  bool partial = false;
  std::uint16_t checksum = 0;
  std::memcpy(&checksum, udp + 6, sizeof checksum);
  if (checksum != 0) {
    const std::uint64_t pseudo = pseudo_sum(ip + 12, udp_length);
    if (checksum_fold(checksum_add(pseudo, {udp, udp_length})) != kChecksumRight) {
      if (checksum != checksum_fold(pseudo)) return std::unexpected(XK_UDP_CHECKSUM_BAD);
      partial = true;
    }
  }
  // Made where it is returned: a copy would wait for the stores.
  return std::expected<Datagram4, Outcome>(std::in_place, Ip4{load_be32(ip + 12)}, Ip4{load_be32(ip + 16)},
                                           xk_load_be16(udp), xk_load_be16(udp + 2), partial,
                                           Bytes(udp + kUdpHeader, udp_length - kUdpHeader));
}

std::size_t write_ethernet(MutableBytes out, const Mac& destination, const Mac& source, const VlanTag& outer,
                           const VlanTag& inner, std::uint16_t ether_type) {
  assert(out.size() >= kEthernetHeader + 2 * kVlanTagSize);
  std::uint8_t* at = out.data();
  std::memcpy(at, destination.bytes.data(), 6);
  std::memcpy(at + 6, source.bytes.data(), 6);
  at += 12;
  const auto push = [&at](const VlanTag& tag) {
    store_be16(at, tag.tpid);
    store_be16(at + 2, tag.vid.value);
    at += kVlanTagSize;
  };
  if (outer.vid.value != 0) push(outer);
  if (outer.vid.value != 0 && inner.vid.value != 0) push(inner);
  store_be16(at, ether_type);
  return static_cast<std::size_t>(at + 2 - out.data());
}

void write_headers4(MutableBytes frame, const FrameHeaders4& headers) {
  const std::size_t size = headers_size(headers.outer, headers.inner);
  assert(frame.size() >= size && frame.size() - size + kIp4Header + kUdpHeader <= 0xffff);
  const std::size_t l3 = write_ethernet(frame, headers.destination_mac, headers.source_mac, headers.outer,
                                        headers.inner, XK_ETHERTYPE_IP4);
  std::uint8_t* ip = frame.data() + l3;
  const auto total_length = static_cast<std::uint16_t>(frame.size() - l3);
  const auto udp_length = static_cast<std::uint16_t>(total_length - kIp4Header);
  // The headers are summed as numbers: reading them back would wait for the stores.
  const std::uint64_t addresses = words_of(headers.source) + words_of(headers.destination);
  const std::uint64_t ip_sum =
      0x4500u + std::uint64_t{total_length} + headers.identification + (kTimeToLive << 8 | kUdp) + addresses;
  store_be16(ip, 0x4500);
  store_be16(ip + 2, total_length);
  store_be16(ip + 4, headers.identification);
  store_be16(ip + 6, 0);
  store_be16(ip + 8, kTimeToLive << 8 | kUdp);
  store_be16(ip + 10, static_cast<std::uint16_t>(~checksum_fold(ip_sum)));
  store_be32(ip + 12, headers.source.value);
  store_be32(ip + 16, headers.destination.value);

  std::uint8_t* udp = ip + kIp4Header;
  const std::uint64_t pseudo = addresses + kUdp + udp_length;
  const std::uint64_t header = std::uint64_t{headers.source_port} + headers.destination_port + udp_length;
  const std::uint16_t payload = checksum_fold(checksum_add(0, Bytes(frame).subspan(size)));
  const auto checksum = static_cast<std::uint16_t>(~checksum_fold(pseudo + header + network_word(payload)));
  store_be16(udp, headers.source_port);
  store_be16(udp + 2, headers.destination_port);
  store_be16(udp + 4, udp_length);
  // RFC 768: a checksum that comes out as zero is sent as all ones, zero means none.
  store_be16(udp + 6, checksum == 0 ? std::uint16_t{0xffff} : checksum);
}

}  // namespace xk
