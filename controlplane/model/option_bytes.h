// DHCP options as bytes of a message, from what Kea takes as text: for replies that the dataplane makes
// itself.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "controlplane/model/model.h"

namespace xk {

// Its code, by number or name; 0: it has none.
[[nodiscard]] std::uint8_t option_code(const OptionData& option);
// The value alone. Errors as option_bytes.
[[nodiscard]] std::expected<std::string, Error> option_value(const OptionData& option);
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

// Those of further whose codes none of said has.
[[nodiscard]] std::vector<OptionData> unsaid_options(const std::vector<OptionData>& said,
                                                     const std::vector<OptionData>& further);
// Those of the VRF that neither the subnet's options nor its keys take the place of.
[[nodiscard]] std::vector<OptionData> inherited_options(const Vrf& vrf, const Subnet& subnet);
// All that replies in the subnet say, but for times and server identifier: subnet mask, gateway, dns, domain,
// ntp, then its options and the VRF's; an option takes the place of the key that says the same.
[[nodiscard]] std::expected<std::string, Error> subnet_options_bytes(const Vrf& vrf, const Subnet& subnet);

}  // namespace xk
