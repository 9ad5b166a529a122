// The options of a DHCPv4 message (RFC 2131 3 and 4.1, RFC 2132, RFC 3396), walked in place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>

#include "dataplane/base/bytes.h"
#include "dataplane/base/outcome.h"
#include "dataplane/dhcp/message4.h"

namespace xk {

namespace option4 {
inline constexpr std::uint8_t kPad = 0;
inline constexpr std::uint8_t kOverload = 52;
inline constexpr std::uint8_t kMessageType = 53;
inline constexpr std::uint8_t kServerIdentifier = 54;
inline constexpr std::uint8_t kClientIdentifier = 61;
inline constexpr std::uint8_t kRelayAgentInformation = 82;
inline constexpr std::uint8_t kEnd = 255;
}  // namespace option4

// Where in the message an option stands: also the order in which RFC 3396 5 joins its parts.
enum class OptionField : std::uint8_t { options = 0, file = 1, sname = 2 };

// One option, or one part of a split one: code, length, value.
struct OptionPart {
  std::uint16_t offset = 0;  // of the code, bytes from the start of the message
  std::uint8_t length = 0;   // bytes of the value
  OptionField field = OptionField::options;
  [[nodiscard]] std::size_t value() const { return offset + std::size_t{2}; }
  [[nodiscard]] std::size_t size() const { return length + std::size_t{2}; }
};

// Walks one field [begin, end) of the message and calls visit(code, part) for each option; visit
// returns XK_OUTCOME_COUNT to go on, or the reason to stop. Options end at the first END (RFC 2132
// 3.2): what follows it is padding whatever it says. Returns the offset of that END.
// Errors: OPTION_TRUNCATED, OPTION_END_MISSING, what visit returned.
template <typename Visit>
[[nodiscard]] std::expected<std::size_t, Outcome> walk_option_field(Bytes message, std::size_t begin,
                                                                    std::size_t end, OptionField field,
                                                                    Visit&& visit) {
  const std::uint8_t* bytes = message.data();
  for (std::size_t at = begin; at < end;) {
    const std::uint8_t code = bytes[at];
    if (code == option4::kPad) {
      ++at;
      continue;
    }
    if (code == option4::kEnd) return at;
    if (at + 1 >= end || at + 2 + bytes[at + 1] > end) return std::unexpected(XK_OPTION_TRUNCATED);
    const OptionPart part{static_cast<std::uint16_t>(at), bytes[at + 1], field};
    if (const Outcome stop = visit(code, part); stop != XK_OUTCOME_COUNT) return std::unexpected(stop);
    at += part.size();
  }
  return std::unexpected(XK_OPTION_END_MISSING);
}

inline constexpr std::size_t kOptionPartsMax = 8;  // parts of one option we join
inline constexpr std::size_t kOptionJoinedMax = kOptionPartsMax * 255;

// What a relay wants to know of the options, from one pass.
struct Options4 {
  MessageType type = MessageType::none;
  std::uint8_t overload = 0;  // option 52: bit 0 file, bit 1 sname
  std::uint16_t end = 0;      // offset of END in the options field
  Ip4 server_id{};            // option 54, 0: none that is one address
  OptionPart client_id{};     // option 61, of several the first; length 0: none
  std::uint8_t agent_count = 0;
  std::array<OptionPart, kOptionPartsMax> agent;  // parts of option 82, in the order they are joined
  [[nodiscard]] std::span<const OptionPart> agent_parts() const { return {agent.data(), agent_count}; }
};

// Walks all options, overloaded file and sname included (RFC 2131 4.1). The message has its fixed
// part. Errors: OPTION_TRUNCATED, OPTION_END_MISSING (any field), OPTION_OVERLOAD_BAD (also when
// option 52 is given twice or inside a field it overloads), OPTION_MESSAGE_TYPE_BAD (option 53
// missing, given twice, not one byte), OPTION82_BAD (more than kOptionPartsMax parts).
[[nodiscard]] std::expected<Options4, Outcome> scan_options4(Bytes message);

// The parts of an option joined (RFC 3396 7): in place if there is one, else copied into scratch.
[[nodiscard]] Bytes join_option4(Bytes message, std::span<const OptionPart> parts,
                                 std::span<std::uint8_t, kOptionJoinedMax> scratch);

}  // namespace xk
