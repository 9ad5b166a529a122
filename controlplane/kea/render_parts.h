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
// The hooks that we need, each in its place in the list; settings: the VRF's. decline_period_s is
// Kea's decline-probation-period.
[[nodiscard]] Json hooks_part(const Place& place, const KeaSettings& settings, std::int64_t decline_period_s);
// Seconds that a declined address rests, unless a template says otherwise (Kea's default).
inline constexpr std::int64_t kDeclinePeriodS = 86'400;
// Packets that may wait for their lease to be durable.
inline constexpr std::uint32_t kParkedPacketsMax = 8192;
[[nodiscard]] Json loggers_part(const Place& place);
[[nodiscard]] Json static_hook_part(const Place& place);
[[nodiscard]] Json static_identifiers_part();
// In an entry of subnet4.
void set_excludes(Json& entry, const Subnet& subnet);
void set_expiry(Json& dhcp4, const Place& place);
[[nodiscard]] Json server_identifier_option(Ip4 address);

// Puts the control socket under the name that this version of Kea gives it, whatever was there.
void set_control_socket(Json& dhcp4, const Place& place);

// Text of a document for a file; bytes that are no UTF-8 are replaced.
[[nodiscard]] std::string file_text(const Json& document);

}  // namespace xk::kea
