// Short texts that people and scripts give: VLAN tags of a question, the address to serve metrics at.
// What is accepted is in bounds.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "controlplane/app/explain.h"
#include "controlplane/model/endpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto vlan = xk::kead::parse_vlan_question(text)) {
    if (vlan->outer.value >= XK_VID_RESERVED || vlan->inner.value >= XK_VID_RESERVED) std::abort();
    if (vlan->inner.value != XK_VID_NONE && vlan->outer.value == XK_VID_NONE) std::abort();
  }
  if (const auto endpoint = xk::parse_endpoint(text)) {
    if (endpoint->port == 0 || endpoint->address.empty()) std::abort();
  }
  return 0;
}
