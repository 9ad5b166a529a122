// A user's own Kea configuration with placeholders (docs/kea-template.md).
#pragma once

#include <string>
#include <string_view>

#include "controlplane/kea/render.h"

namespace xk::kea {

// Takes comments out, puts values in, and imposes what running it depends on:
// - control socket, and the memfile lease file: always those of place.directory;
// - interfaces-config, loggers, the lease_cmds hook, store-extended-info: added where missing;
// - in a subnet4 entry of one of the VRF's prefixes: id and dhcp-server-identifier, where missing.
// The result is JSON without comments, for kea-dhcp4 -t and config-set alike. Errors say
// "file:line:col: what is wrong", with columns in bytes from 1; all bad placeholders at once.
[[nodiscard]] Result<std::string> render_kea_template(std::string_view text, const std::string& file,
                                                      const Vrf& vrf, const Place& place);

}  // namespace xk::kea
