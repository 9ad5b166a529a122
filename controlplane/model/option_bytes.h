// DHCP options as bytes of a message, from what Kea takes as text: for replies that the dataplane makes
// itself.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "controlplane/model/model.h"

namespace xk {

// Code, length and value, in parts if the value is over 255 bytes (RFC 3396). An Error says which option it
// is and what is wrong with its data, or that it must be given as hex.
[[nodiscard]] std::expected<std::string, Error> option_bytes(const OptionData& option);
// Of several, in their order.
[[nodiscard]] std::expected<std::string, Error> options_bytes(const std::vector<OptionData>& options);
// Of one whose value is known.
[[nodiscard]] std::string option_of(std::uint8_t code, std::string_view value);
// The bytes that hex digits stand for; "0x" in front and colons between bytes are allowed.
[[nodiscard]] std::expected<std::string, Error> bytes_of_hex(std::string_view text);
[[nodiscard]] std::string hex_of_bytes(std::string_view bytes);

// All that replies in the subnet say, but for times and server identifier: subnet mask, gateway, dns, domain,
// ntp, then its options; an option takes the place of the key that says the same.
[[nodiscard]] std::expected<std::string, Error> subnet_options_bytes(const Subnet& subnet);

}  // namespace xk
