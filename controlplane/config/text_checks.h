// What the text values of keys may be. Each returns "" for a good text, else what is wrong with it
// and what is allowed, to follow the quoted text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace xk::config {

inline constexpr std::size_t kHostNameMax = 64;           // as sethostname
inline constexpr std::size_t kOptionBytesMax = 255;       // RFC 2132: one length octet
inline constexpr std::size_t kLongOptionBytesMax = 1020;  // in four parts (RFC 3396)

using TextCheck = std::string (*)(std::string_view text);

[[nodiscard]] std::string check_appliance_name(std::string_view text);
[[nodiscard]] std::string check_vrf_name(std::string_view text);
[[nodiscard]] std::string check_name(std::string_view text);  // of what only this file knows
[[nodiscard]] std::string check_boot_file(std::string_view text);
[[nodiscard]] std::string check_match(std::string_view text);
[[nodiscard]] std::string check_host_name(std::string_view text);
[[nodiscard]] std::string check_domain(std::string_view text);
[[nodiscard]] std::string check_directory(std::string_view text);
[[nodiscard]] std::string check_file(std::string_view text);
[[nodiscard]] std::string check_socket(std::string_view text);
[[nodiscard]] std::string check_endpoint(std::string_view text);
[[nodiscard]] std::string check_url(std::string_view text);
[[nodiscard]] std::string check_group(std::string_view text);
[[nodiscard]] std::string check_user(std::string_view text);  // any but root
[[nodiscard]] std::string check_interface(std::string_view text);
[[nodiscard]] std::string check_device(std::string_view text);
[[nodiscard]] std::string check_template(std::string_view text);
[[nodiscard]] std::string check_option_name(std::string_view text);
[[nodiscard]] std::string check_option_data(std::string_view text);
[[nodiscard]] std::string check_hex(std::string_view text);
[[nodiscard]] std::string check_glob(std::string_view text);
[[nodiscard]] std::string check_pool_rule(std::string_view text);
[[nodiscard]] std::string check_vss(std::string_view text);

}  // namespace xk::config
