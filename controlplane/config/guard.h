// Bounds of a configuration text that hold before any of it is parsed.
#pragma once

#include <cstddef>
#include <string_view>

#include "controlplane/config/mistakes.h"

namespace xk::config {

inline constexpr std::size_t kFileBytesMax = 8 * 1024 * 1024;

// The TOML library makes a table for every dot in a key and destroys them recursively: dots in a
// line outside texts and comments are bounded, and with them the depth.
inline constexpr std::size_t kDotsPerLineMax = 16;

// False: a bound is passed, and reported.
[[nodiscard]] bool check_bounds(std::string_view toml, Mistakes& mistakes);

}  // namespace xk::config
