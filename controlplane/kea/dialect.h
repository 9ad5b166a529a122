// What differs between versions of Kea, in one place: names of configuration keys, where hooks lie.
#pragma once

#include <string>
#include <string_view>

namespace xk::kea {

// Written for 2.2; 3.0 renamed some keys.
struct Dialect {
  bool control_sockets = false;  // "control-sockets": [ {...} ] instead of "control-socket": {...}
  const char* output_options = "output_options";  // in "loggers"
};

// Of a version as `kea-dhcp4 -v` prints it ("2.2.0"); of an unknown text: that of 2.2.
[[nodiscard]] Dialect dialect_of(std::string_view version);

// Path of a hook library ("libdhcp_lease_cmds.so") that belongs to this server binary; empty if it
// is not there. Looks in lib/*/kea/hooks and lib/kea/hooks beside the binary's prefix.
[[nodiscard]] std::string find_hook(const std::string& binary, const std::string& library);

}  // namespace xk::kea
