// A static lease in the store: /xdp-kea/v1/static/<vrf>/<kind>/<identity in hex>, the value one line of JSON.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "controlplane/model/static_entry.h"

namespace xk::statics {

inline constexpr std::string_view kPrefix = "/xdp-kea/v1/static/";

[[nodiscard]] std::string key_of(const StaticEntry& entry);
[[nodiscard]] std::string value_of(const StaticEntry& entry);
// Who the key says it is; address and all else empty. Errors: it is no such key.
[[nodiscard]] std::expected<StaticEntry, Error> parse_key(std::string_view key);
// Errors name the key and what is wrong with the value: another wrote it.
[[nodiscard]] std::expected<StaticEntry, Error> parse_record(std::string_view key, std::string_view value);

}  // namespace xk::statics
