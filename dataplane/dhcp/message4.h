// The fixed part of a DHCPv4 message (RFC 2131 2, RFC 951) seen in place. Nothing is owned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>

#include "bpf/shared/walk.h"
#include "dataplane/base/bytes.h"
#include "dataplane/base/outcome.h"
#include "dataplane/base/types.h"

namespace xk {

// Offsets of the fields in the message, bytes.
namespace dhcp4 {
inline constexpr std::size_t kOp = 0;
inline constexpr std::size_t kHtype = 1;
inline constexpr std::size_t kHlen = 2;
inline constexpr std::size_t kHops = 3;
inline constexpr std::size_t kXid = 4;
inline constexpr std::size_t kSecs = 8;
inline constexpr std::size_t kFlags = 10;
inline constexpr std::size_t kCiaddr = 12;
inline constexpr std::size_t kYiaddr = 16;
inline constexpr std::size_t kSiaddr = 20;
inline constexpr std::size_t kGiaddr = 24;
inline constexpr std::size_t kChaddr = 28;
inline constexpr std::size_t kSname = 44;
inline constexpr std::size_t kSnameSize = 64;
inline constexpr std::size_t kFile = 108;
inline constexpr std::size_t kFileSize = 128;
inline constexpr std::size_t kCookie = 236;
inline constexpr std::size_t kOptions = 240;
// RFC 951 3: a message has 300 bytes at least; RFC 1542 2.1 wants relays to keep to it.
inline constexpr std::size_t kMessageMin = 300;

inline constexpr std::uint8_t kBootRequest = 1;
inline constexpr std::uint8_t kBootReply = 2;
inline constexpr std::uint8_t kEthernet = 1;                // htype
inline constexpr std::uint16_t kBroadcastFlag = 0x8000;     // RFC 1542 3.1.1
inline constexpr std::uint32_t kMagicCookie = 0x63825363u;  // RFC 2132 2
}  // namespace dhcp4

// Option 53 (RFC 2132 9.6, 3203, 4388).
enum class MessageType : std::uint8_t {
  none = 0,
  discover = 1,
  offer = 2,
  request = 3,
  decline = 4,
  ack = 5,
  nak = 6,
  release = 7,
  inform = 8,
  force_renew = 9,
  lease_query = 10,
  lease_unassigned = 11,
  lease_unknown = 12,
  lease_active = 13,
};

// A message that is at least as long as the fixed part and the magic cookie.
class Message4View {
 public:
  // Checks the length, then op, htype, hlen and the cookie. Errors: DHCP_TRUNCATED, DHCP_OP_BAD,
  // DHCP_HTYPE_BAD, DHCP_HLEN_BAD, DHCP_COOKIE_BAD.
  [[nodiscard]] static std::expected<Message4View, Outcome> parse(Bytes message, std::uint8_t op) {
    if (message.size() < dhcp4::kOptions) return std::unexpected(XK_DHCP_TRUNCATED);
    if (message[dhcp4::kOp] != op) return std::unexpected(XK_DHCP_OP_BAD);
    if (message[dhcp4::kHtype] != dhcp4::kEthernet) return std::unexpected(XK_DHCP_HTYPE_BAD);
    if (message[dhcp4::kHlen] != Mac{}.bytes.size()) return std::unexpected(XK_DHCP_HLEN_BAD);
    const Message4View view(message);
    if (view.u32(dhcp4::kCookie) != dhcp4::kMagicCookie) return std::unexpected(XK_DHCP_COOKIE_BAD);
    return view;
  }

  [[nodiscard]] Bytes bytes() const { return bytes_; }
  [[nodiscard]] std::uint8_t hops() const { return bytes_[dhcp4::kHops]; }
  [[nodiscard]] std::uint32_t xid() const { return u32(dhcp4::kXid); }
  [[nodiscard]] bool broadcast() const { return (u16(dhcp4::kFlags) & dhcp4::kBroadcastFlag) != 0; }
  [[nodiscard]] Ip4 ciaddr() const { return Ip4{u32(dhcp4::kCiaddr)}; }
  [[nodiscard]] Ip4 yiaddr() const { return Ip4{u32(dhcp4::kYiaddr)}; }
  [[nodiscard]] Ip4 giaddr() const { return Ip4{u32(dhcp4::kGiaddr)}; }
  [[nodiscard]] Mac chaddr() const {
    Mac mac;
    std::copy_n(bytes_.begin() + dhcp4::kChaddr, mac.bytes.size(), mac.bytes.begin());
    return mac;
  }

 private:
  explicit Message4View(Bytes bytes) : bytes_(bytes) {}
  [[nodiscard]] std::uint16_t u16(std::size_t at) const { return xk_load_be16(bytes_.data() + at); }
  [[nodiscard]] std::uint32_t u32(std::size_t at) const { return std::uint32_t{u16(at)} << 16 | u16(at + 2); }
  Bytes bytes_;
};

}  // namespace xk
