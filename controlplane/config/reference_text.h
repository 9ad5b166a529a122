// The prose of docs/configuration.md around the generated tables.
#pragma once

#include <string_view>

namespace xk::config {

[[nodiscard]] std::string_view reference_introduction();
[[nodiscard]] std::string_view reference_explanations();

}  // namespace xk::config
