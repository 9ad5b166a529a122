// A lease's user context as Kea reads it.
#pragma once

#include <string_view>

namespace xk::leases {

// A JSON map that every Kea reads. Kea refuses a lease with any other: what is not sure to be one is none
// here, such as numbers of more than 18 digits, \u escapes of what is no byte, and more than 32 levels.
[[nodiscard]] bool is_user_context(std::string_view text);

}  // namespace xk::leases
