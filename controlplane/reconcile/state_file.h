// Small files of state_dir: read whole with a bound, written so that a crash leaves the old or the new one.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "controlplane/reconcile/ports.h"

namespace xk {

// nullopt: there is no such file. One longer than bytes_max is read up to one byte more, for the parser
// to refuse.
[[nodiscard]] Result<std::optional<std::string>> read_state_file(const std::string& path,
                                                                 std::size_t bytes_max);
// Written beside it, synced and renamed over it; mode 0600.
[[nodiscard]] Result<> write_state_file(const std::string& path, std::string_view bytes);

// What is in a file of state_dir is not what is written there.
[[nodiscard]] Error damaged(const std::string& what);

}  // namespace xk
