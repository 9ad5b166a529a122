// JSON as YAML that reads back as the same values: strings that look like anything else are quoted.
#pragma once

#include <string>

#include "controlplane/api/views_json.h"

namespace xk::cli {

[[nodiscard]] std::string to_yaml(const api::Json& json);  // ends with a newline

}  // namespace xk::cli
