// A parsed TOML document -> the file's shape, every value checked by itself.
#pragma once

#include <toml++/toml.h>

#include "controlplane/config/file_shape.h"
#include "controlplane/config/mistakes.h"

namespace xk::config {

[[nodiscard]] FileConfig read_file(const toml::table& root, Mistakes& mistakes);

}  // namespace xk::config
