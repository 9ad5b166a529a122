// How xdp-kead writes its log: one line an event, key=value.
#pragma once

#include <string>

namespace xk::kead {

// Text inside the quotes of a value: quotes and line ends would end it early.
[[nodiscard]] std::string quoted(std::string text);

}  // namespace xk::kead
