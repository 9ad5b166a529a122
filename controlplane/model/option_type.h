// What the text of a DHCP option's data means.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace xk {

enum class OptionType : std::uint8_t {
  defined,  // as the table of options says (kea_options.h)
  address,
  addresses,
  u8,
  u8s,
  u16,
  u16s,
  u32,
  i32,
  flag,
  text,
  domain,
  domains,
  search,  // RFC 3397: domain names, compressed
  routes,  // RFC 3442: "10.8.0.0/16 10.0.0.254, 0.0.0.0/0 10.0.0.1"
  bytes,
  other,  // records and what has sub-options
};

// The words for them, by value; "" for those that nobody can ask for.
inline constexpr std::array<std::string_view, 15> kOptionTypeNames{
    "defined", "address", "addresses", "u8",     "u8s",     "u16",    "u16s",  "u32",
    "i32",     "flag",    "text",      "domain", "domains", "search", "routes"};

}  // namespace xk
