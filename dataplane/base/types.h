// Distinct types for what must never be swapped: an IfIndex is no VrfId, and neither is an integer.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>

#include "dataplane/base/error.h"

namespace xk {

// An integer with a name. Explicit both ways, ordered, hashable; no arithmetic.
template <typename Tag, typename Rep>
struct Strong {
  Rep value{};
  friend constexpr auto operator<=>(const Strong&, const Strong&) = default;
};

using IfIndex = Strong<struct IfIndexTag, std::uint32_t>;            // kernel interface index, 0 = none
using VrfId = Strong<struct VrfIdTag, std::uint32_t>;                // 1..XK_VRFS_MAX, 0 = none
using AttachmentId = Strong<struct AttachmentIdTag, std::uint32_t>;  // 1..XK_ATTACHMENTS_MAX, 0 = none
using PortId = Strong<struct PortIdTag, std::uint16_t>;              // index of a port in the dataplane
using Vid = Strong<struct VidTag, std::uint16_t>;                    // 1..4094, 0 = untagged

// A VLAN tag to push or match: VID and tag protocol identifier (0x8100 or 0x88a8).
struct VlanTag {
  Vid vid{};
  std::uint16_t tpid = 0x8100;
  friend constexpr auto operator<=>(const VlanTag&, const VlanTag&) = default;
};

struct Mac {
  std::array<std::uint8_t, 6> bytes{};
  // The address as a number of 48 bits, first byte highest.
  [[nodiscard]] constexpr std::uint64_t number() const {
    const std::uint32_t high = std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
                               std::uint32_t{bytes[2]} << 8 | bytes[3];
    return std::uint64_t{high} << 16 | static_cast<std::uint32_t>(bytes[4] << 8 | bytes[5]);
  }
  friend constexpr bool operator==(const Mac& one, const Mac& other) {
    return one.number() == other.number();
  }
  friend constexpr auto operator<=>(const Mac& one, const Mac& other) {
    return one.number() <=> other.number();
  }
  [[nodiscard]] static constexpr Mac broadcast() { return Mac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}; }
  [[nodiscard]] constexpr bool is_zero() const { return *this == Mac{}; }
  // Whether one station can have it: neither zero nor a group address (IEEE 802 8.2).
  [[nodiscard]] constexpr bool is_unicast() const { return !is_zero() && (bytes[0] & 1u) == 0; }
};

// An IPv4 address in host byte order: 10.0.0.1 is 0x0a000001.
struct Ip4 {
  std::uint32_t value = 0;
  friend constexpr auto operator<=>(const Ip4&, const Ip4&) = default;
  [[nodiscard]] constexpr bool is_zero() const { return value == 0; }
  // Whether a host can have it: not 0/8, 127/8, 224/4 (multicast) or 240/4 (RFC 6890).
  [[nodiscard]] constexpr bool is_unicast() const {
    const std::uint32_t first = value >> 24;
    return first != 0 && first != 127 && first < 224;
  }
  [[nodiscard]] static constexpr Ip4 limited_broadcast() { return Ip4{0xffffffffu}; }
};

// An IPv6 address in network byte order.
struct Ip6 {
  std::array<std::uint8_t, 16> bytes{};
  friend constexpr auto operator<=>(const Ip6&, const Ip6&) = default;
};

// An IPv4 prefix whose host bits are zero.
struct Prefix4 {
  Ip4 network{};
  std::uint8_t length = 0;  // 0..32
  friend constexpr auto operator<=>(const Prefix4&, const Prefix4&) = default;
  [[nodiscard]] constexpr std::uint32_t mask() const {
    return length == 0 ? 0u : 0xffffffffu << (32u - length);
  }
  [[nodiscard]] constexpr bool contains(Ip4 address) const {
    return (address.value & mask()) == network.value;
  }
  [[nodiscard]] constexpr bool overlaps(const Prefix4& other) const {
    return contains(other.network) || other.contains(network);
  }
  [[nodiscard]] constexpr Ip4 broadcast() const { return Ip4{network.value | ~mask()}; }
};

// An inclusive address range, first <= last.
struct Range4 {
  Ip4 first{};
  Ip4 last{};
  friend constexpr auto operator<=>(const Range4&, const Range4&) = default;
  [[nodiscard]] constexpr bool contains(Ip4 address) const { return address >= first && address <= last; }
  [[nodiscard]] constexpr std::uint64_t size() const { return std::uint64_t{last.value} - first.value + 1; }
};

inline constexpr std::size_t kMacTextLength = 17;
// The text of a MAC without an allocation: "02:00:00:00:00:01", not terminated.
[[nodiscard]] constexpr std::array<char, kMacTextLength> mac_text(const Mac& mac) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<char, kMacTextLength> text{};
  for (std::size_t i = 0; i < mac.bytes.size(); ++i) {
    text[3 * i] = kDigits[mac.bytes[i] >> 4];
    text[3 * i + 1] = kDigits[mac.bytes[i] & 0x0f];
    if (i + 1 < mac.bytes.size()) text[3 * i + 2] = ':';
  }
  return text;
}

[[nodiscard]] std::string to_string(const Mac& mac);         // "02:00:00:00:00:01"
[[nodiscard]] std::string to_string(Ip4 address);            // "10.0.0.1"
[[nodiscard]] std::string to_string(const Prefix4& prefix);  // "10.0.0.0/24"
[[nodiscard]] std::string to_string(const Range4& range);    // "10.0.0.10-10.0.0.20"
// "-" for no tag, "100", or "200.300"
[[nodiscard]] std::string vlan_text(Vid outer, Vid inner);

// Strict parsers: the whole text or an Error that quotes it.
[[nodiscard]] std::expected<Mac, Error> parse_mac(std::string_view text);
[[nodiscard]] std::expected<Ip4, Error> parse_ip4(std::string_view text);
[[nodiscard]] std::expected<Prefix4, Error> parse_prefix4(std::string_view text);
[[nodiscard]] std::expected<Range4, Error> parse_range4(std::string_view text);

}  // namespace xk

template <typename Tag, typename Rep>
struct std::hash<xk::Strong<Tag, Rep>> {
  std::size_t operator()(const xk::Strong<Tag, Rep>& id) const noexcept { return std::hash<Rep>{}(id.value); }
};
template <>
struct std::hash<xk::Ip4> {
  std::size_t operator()(const xk::Ip4& address) const noexcept {
    return std::hash<std::uint32_t>{}(address.value);
  }
};
