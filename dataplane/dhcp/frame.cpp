#include "dataplane/dhcp/frame.h"

#include <cassert>

#include "dataplane/dhcp/checksum.h"

namespace xk {
namespace {

constexpr std::uint8_t kUdp = 17;
constexpr std::uint16_t kChecksumRight = 0xffff;
constexpr std::uint8_t kTimeToLive = 64;

std::uint32_t load_be32(const std::uint8_t* at) {
  return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 | at[3];
}

void store_be16(std::uint8_t* at, std::size_t number) {
  at[0] = static_cast<std::uint8_t>(number >> 8);
  at[1] = static_cast<std::uint8_t>(number);
}

void store_be32(std::uint8_t* at, std::uint32_t number) {
  store_be16(at, number >> 16);
  store_be16(at + 2, number & 0xffffu);
}

void store_word(std::uint8_t* at, std::uint16_t word) { std::memcpy(at, &word, sizeof word); }

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

  Datagram4 datagram{.source = Ip4{load_be32(ip + 12)},
                     .destination = Ip4{load_be32(ip + 16)},
                     .source_port = xk_load_be16(udp),
                     .destination_port = xk_load_be16(udp + 2),
                     .payload = {udp + kUdpHeader, udp_length - kUdpHeader}};
  std::uint16_t checksum = 0;
  std::memcpy(&checksum, udp + 6, sizeof checksum);
  if (checksum != 0) {
    const std::uint64_t pseudo = pseudo_sum(ip + 12, udp_length);
    if (checksum_fold(checksum_add(pseudo, {udp, udp_length})) != kChecksumRight) {
      if (checksum != checksum_fold(pseudo)) return std::unexpected(XK_UDP_CHECKSUM_BAD);
      datagram.checksum_partial = true;
    }
  }
  return datagram;
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
  const std::size_t udp_length = frame.size() - l3 - kIp4Header;
  ip[0] = 0x45;
  ip[1] = 0;
  store_be16(ip + 2, kIp4Header + udp_length);
  store_be16(ip + 4, headers.identification);
  store_be16(ip + 6, 0);
  ip[8] = kTimeToLive;
  ip[9] = kUdp;
  store_be16(ip + 10, 0);
  store_be32(ip + 12, headers.source.value);
  store_be32(ip + 16, headers.destination.value);
  store_word(ip + 10, static_cast<std::uint16_t>(~checksum_fold(checksum_add(0, {ip, kIp4Header}))));

  std::uint8_t* udp = ip + kIp4Header;
  store_be16(udp, headers.source_port);
  store_be16(udp + 2, headers.destination_port);
  store_be16(udp + 4, udp_length);
  store_be16(udp + 6, 0);
  const std::uint64_t sum = checksum_add(pseudo_sum(ip + 12, udp_length), {udp, udp_length});
  const auto checksum = static_cast<std::uint16_t>(~checksum_fold(sum));
  // RFC 768: a checksum that comes out as zero is sent as all ones, zero means none.
  store_word(udp + 6, checksum == 0 ? std::uint16_t{0xffff} : checksum);
}

}  // namespace xk
