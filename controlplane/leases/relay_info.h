// What Kea keeps of option 82 in a lease's user context (store-extended-info): {"ISC": {"relay-agent-info":
// "0x0104..."}} in 2.2, {"ISC": {"relay-agent-info": {"sub-options": "0x0104...", ...}}} from 2.4 on.
#pragma once

#include <string>
#include <string_view>

namespace xk::leases {

struct RelayInfo {
  std::string circuit_id;  // bytes of sub-option 1 (RFC 3046 2.0)
  std::string remote_id;   // bytes of sub-option 2
};

// Empty where there is none, or it is of an unknown shape.
[[nodiscard]] RelayInfo relay_info_of(std::string_view user_context);

}  // namespace xk::leases
