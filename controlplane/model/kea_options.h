// The DHCPv4 options that Kea has a definition for, and those that have a key of their own here.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace xk {

// What the text of an option's data means to Kea, as far as we render it too.
enum class OptionType : std::uint8_t {
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
  bytes,
  other,  // records and what has sub-options
};

struct KeaOption {
  std::uint8_t code;
  std::string_view name;
  OptionType type;
};

// Kea's own definitions (2.2 and later), by ascending code.
[[nodiscard]] std::span<const KeaOption> kea_options();

// nullptr: Kea has no definition for it.
[[nodiscard]] const KeaOption* kea_option(std::string_view name);
[[nodiscard]] const KeaOption* kea_option(std::uint8_t code);

// Why an option cannot be in a subnet's list ("has its own key, gateway"), or "".
[[nodiscard]] std::string_view reserved_option(std::uint8_t code);

}  // namespace xk
