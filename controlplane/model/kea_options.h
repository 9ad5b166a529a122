// The DHCPv4 options that have a name, and those that have a key of their own here.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "controlplane/model/option_type.h"

namespace xk {

struct KeaOption {
  std::uint8_t code;
  std::string_view name;
  OptionType type;
};

// Kea's own definitions (2.2 and later), by ascending code.
[[nodiscard]] std::span<const KeaOption> kea_options();
// Names that only we know: options that Kea has none for, and other names of those that it has.
[[nodiscard]] std::span<const KeaOption> further_options();

// nullptr: Kea has no definition for it.
[[nodiscard]] const KeaOption* kea_option(std::string_view name);
[[nodiscard]] const KeaOption* kea_option(std::uint8_t code);
// Of either list; nullptr: it has no name.
[[nodiscard]] const KeaOption* named_option(std::string_view name);
[[nodiscard]] const KeaOption* named_option(std::uint8_t code);

// Why an option cannot be in a subnet's list ("has its own key, gateway"), or "".
[[nodiscard]] std::string_view reserved_option(std::uint8_t code);
// Whether that is because a subnet has a key for it which says nothing elsewhere.
[[nodiscard]] bool has_subnet_key(std::uint8_t code);
// Why the native engine makes it by itself, or "": beside the reserved ones.
[[nodiscard]] std::string_view native_option(std::uint8_t code);

}  // namespace xk
