// Log lines as the journal wants them.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

namespace xk {

// Whether standard error is the stream that systemd connected to the journal (systemd.exec(5)).
inline bool stderr_is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat file{};
  if (stream == nullptr || fstat(STDERR_FILENO, &file) != 0) return false;
  return std::to_string(file.st_dev) + ":" + std::to_string(file.st_ino) == stream;
}

// The priority in front of a line (sd-daemon(3)), by spdlog's name of its level.
inline std::string_view journal_priority(std::string_view level) {
  if (level == "critical") return "<2>";
  if (level == "error") return "<3>";
  if (level == "warning") return "<4>";
  return level == "info" ? "<6>" : "<7>";
}

}  // namespace xk
