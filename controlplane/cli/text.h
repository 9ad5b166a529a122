// Values as a person reads them in a table.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace xk::cli {

// Safe for a terminal: control characters and bytes that are no UTF-8 as \xNN. Host names and
// client ids come from clients, who must not be able to move an operator's cursor.
[[nodiscard]] std::string safe_text(std::string_view text);
// Code points; exact for what we print ourselves, near enough for names.
[[nodiscard]] std::size_t display_width(std::string_view utf8);

[[nodiscard]] std::string duration_text(std::uint64_t seconds);  // "45s", "2h 5m", "3d 4h"
[[nodiscard]] std::string utc_text(std::uint64_t unix_s);        // "2026-01-31 23:59:59Z"
[[nodiscard]] std::string or_dash(std::string_view text);        // "-" for nothing
[[nodiscard]] std::string count_text(std::size_t n, std::string_view singular, std::string_view plural);

}  // namespace xk::cli
