// Calls of the kea-dhcp4 program: as a server, as a tester of configurations, for its version.
#pragma once

#include <string>
#include <string_view>

#include "controlplane/kea/process.h"

namespace xk::kea {

// Arguments and environment so that every file of it lies in the directory.
[[nodiscard]] Launch kea_launch(const std::string& binary, const std::string& directory, const RunAs& user,
                                std::vector<std::string> arguments);

// kea-dhcp4 -t of a file, in the namespace and as the user; at most 10 s. The Error holds Kea's words.
[[nodiscard]] Result<> test_configuration(const std::string& binary, const std::string& directory,
                                          const RunAs& user, int netns, const std::string& file);

// "2.2.0"; empty if the program does not say.
[[nodiscard]] std::string ask_version(const std::string& binary, const RunAs& user);

// The line of Kea's output that says best what went wrong, without time and logger; at most 1,000
// bytes; empty if there is none.
[[nodiscard]] std::string explain(std::string_view output);

}  // namespace xk::kea
