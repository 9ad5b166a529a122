// A VRF's VSS-Information (RFC 6607) as one text: "" (none), "global", "name:TEXT" or
// "vpn-id:OUI:INDEX" (RFC 2685: 6 and 8 hex digits).
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "dataplane/base/error.h"
#include "dataplane/base/snapshot.h"

namespace xk::config {

[[nodiscard]] std::expected<VssEntry, Error> parse_vss(std::string_view text);
[[nodiscard]] std::string vss_text(const VssEntry& vss);

}  // namespace xk::config
