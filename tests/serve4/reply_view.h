// A server's reply as a test reads it, by code of its own: nothing of xk_dhcp or xk_serve.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/base/types.h"
#include "tests/packets/packet_text.h"

namespace xk::test {

struct ReplyPart {
  std::uint8_t code = 0;
  std::vector<std::uint8_t> value;
  char field = 'o';  // options, file or sname
};

struct ReplyView {
  Mac destination_mac{}, source_mac{};
  std::vector<VlanTag> tags;
  Ip4 source{}, destination{};
  std::uint16_t source_port = 0, destination_port = 0;
  std::vector<std::uint8_t> message;
  std::vector<ReplyPart> parts;  // in the order in which they are joined: options, file, sname
  std::uint8_t overload = 0;

  [[nodiscard]] std::uint8_t op() const { return message[0]; }
  [[nodiscard]] std::uint32_t u32(std::size_t at) const;
  [[nodiscard]] std::uint16_t u16(std::size_t at) const;
  [[nodiscard]] Ip4 ip4(std::size_t at) const { return Ip4{u32(at)}; }
  [[nodiscard]] std::uint8_t type() const;
  // The value of all parts of the option; nothing: it is not there.
  [[nodiscard]] std::optional<std::vector<std::uint8_t>> option(std::uint8_t code) const;
};

// Offsets in the message, and the codes that a test names.
inline constexpr std::size_t kCiaddrAt = 12, kYiaddrAt = 16, kSiaddrAt = 20, kGiaddrAt = 24, kSnameAt = 44,
                             kFileAt = 108, kOptionsAt = 240;

// A frame that wrong_with_frame() takes. Else what is wrong with it.
[[nodiscard]] std::expected<ReplyView, std::string> view_reply(Bytes frame);

// A DHCP message in a frame, whoever sent it; nothing: there is none.
[[nodiscard]] std::optional<ReplyView> read_reply(Bytes frame);

// What in an OFFER, ACK or NAK to the request is not as RFC 2131 table 3 and RFC 6842 3 have it; empty:
// nothing. A BOOTP reply and the answers to a lease query have rules of their own.
[[nodiscard]] std::string wrong_with_reply(const ReplyView& reply, const Packet& request);

// Numbers of the message types of replies by their names, 0 for a "bootreply"; 255: there is none of it.
[[nodiscard]] std::uint8_t message_type_named(std::string_view name);
[[nodiscard]] std::string message_type_name(std::uint8_t type);

}  // namespace xk::test
