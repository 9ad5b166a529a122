// Bytes as hex digits, and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace xk {

inline constexpr char kHexDigits[] = "0123456789abcdef";

// -1: it is none.
[[nodiscard]] constexpr int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

inline void append_hex(std::string& out, std::string_view bytes, bool colons = false) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (colons && i != 0) out += ':';
    const auto byte = static_cast<std::uint8_t>(bytes[i]);
    out += kHexDigits[byte >> 4];
    out += kHexDigits[byte & 15];
  }
}

// aa:bb:cc
[[nodiscard]] inline std::string colon_hex(std::string_view bytes) {
  std::string out;
  append_hex(out, bytes, true);
  return out;
}

// Two digits a byte, with a colon between two of them or not; nothing: it is something else.
[[nodiscard]] inline std::optional<std::string> read_hex(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    if (text[i] == ':' && i != 0) ++i;
    const int high = i < text.size() ? hex_digit(text[i]) : -1;
    const int low = i + 1 < text.size() ? hex_digit(text[i + 1]) : -1;
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}

}  // namespace xk
