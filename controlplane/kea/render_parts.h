// The parts of Kea's configuration that render.cpp writes and template.cpp adds where a template
// leaves them out. Inside kea/ only.
#pragma once

#include <nlohmann/json.hpp>

#include "controlplane/kea/render.h"

namespace xk::kea {

using Json = nlohmann::ordered_json;

[[nodiscard]] Json interfaces_part(const Place& place);
[[nodiscard]] Json control_socket_part(const Place& place);
[[nodiscard]] Json lease_database_part(const Place& place);
[[nodiscard]] Json loggers_part(const Place& place);
[[nodiscard]] Json static_hook_part(const Place& place);
[[nodiscard]] Json static_identifiers_part();
[[nodiscard]] Json server_identifier_option(Ip4 address);

// Puts the control socket under the name that this version of Kea gives it, whatever was there.
void set_control_socket(Json& dhcp4, const Place& place);

// Text of a document for a file; bytes that are no UTF-8 are replaced.
[[nodiscard]] std::string file_text(const Json& document);

}  // namespace xk::kea
