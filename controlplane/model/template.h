// Templates of option 82's circuit-id and remote-id.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "dataplane/base/error.h"
#include "dataplane/base/snapshot.h"
#include "dataplane/base/types.h"

namespace xk {

// What the placeholders stand for. Borrowed for the call.
struct TemplateValues {
  std::string_view port;  // "{port}"
  Vid outer{};            // "{svlan}", 0 where there is no tag
  Vid inner{};            // "{cvlan}"
  std::string_view vrf;   // "{vrf}"
  std::string_view hostname;
};

// The text with every placeholder replaced; "{mac}" becomes kMacPlaceholder, which the dataplane
// replaces per packet. "{{" and "}}" are a plain brace. Errors: an unknown placeholder, a brace
// without its partner, a character that is not printable ASCII.
[[nodiscard]] std::expected<std::string, Error> render_template(std::string_view text,
                                                                const TemplateValues& values);
// The rendered text with the client's MAC ("02:00:00:00:00:01") where it belongs.
[[nodiscard]] std::string with_mac(std::string_view rendered, std::string_view mac);

}  // namespace xk
