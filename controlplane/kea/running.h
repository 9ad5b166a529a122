// Finding a Kea that an earlier xdp-kead started, and being sure that it is that one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "controlplane/kea/process.h"

namespace xk::kea {

struct RunningKea {
  Child child;
  std::uint64_t started_unix_ms = 0;
  NetnsId netns;  // where it lives
};

// The process that the directory's pid files name, if it runs as this user, executes this binary
// (or one deleted by an upgrade since) and was started with the directory's configuration file.
// Anybody else's process, a recycled pid and a forged pid file give nothing.
[[nodiscard]] std::optional<RunningKea> find_running(int directory, const std::string& directory_path,
                                                     const std::string& binary, uid_t uid);

// The text for the directory's record of what we started: "pid start-time".
[[nodiscard]] std::string started_record(pid_t pid);

}  // namespace xk::kea
