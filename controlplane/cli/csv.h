// Fields of CSV files (RFC 4180).
#pragma once

#include <string>

namespace xk::cli {

// In quotes where it holds a comma, a quote or a line's end.
[[nodiscard]] std::string csv_field(const std::string& text);

}  // namespace xk::cli
