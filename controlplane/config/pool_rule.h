// discovery.pool as text: "all", "none", "upper-half", "lower-half", or host numbers as in "10-200".
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "controlplane/model/model.h"

namespace xk::config {

[[nodiscard]] std::expected<PoolRule, Error> parse_pool_rule(std::string_view text);
[[nodiscard]] std::string pool_rule_text(const PoolRule& rule);

}  // namespace xk::config
