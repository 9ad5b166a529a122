#include "controlplane/kea/binary.h"

#include <algorithm>

namespace xk::kea {

namespace {

constexpr std::chrono::milliseconds kTestTimeout(10'000);
constexpr std::chrono::milliseconds kVersionTimeout(2'000);
constexpr std::size_t kExplanationBytesMax = 1000;

// How much a line explains: a higher rank wins, and the later of two equal ones.
int rank(std::string_view line) {
  // The last words of a failed start, of -t, and of a syntax check.
  for (const std::string_view verdict : {"Error encountered: ", "Syntax check failed with: ",
                                         "Fatal error during start up", "DHCP4_INIT_FAIL"})
    if (line.find(verdict) != std::string_view::npos) return 4;
  if (line.find(" FATAL ") != std::string_view::npos) return 3;
  if (line.find(" ERROR ") != std::string_view::npos) return 3;
  for (const std::string_view chatter : {" INFO ", " DEBUG ", " WARN "})
    if (line.find(chatter) != std::string_view::npos) return 1;
  return 2;
}

// "2026-11-21 01:31:59.537 ERROR [kea-dhcp4.dhcp4/1.2] DHCP4_X text" -> "DHCP4_X text".
std::string_view without_prefix(std::string_view line) {
  for (const std::string_view level : {" FATAL [", " ERROR [", " WARN  [", " INFO  ["}) {
    const std::size_t at = line.find(level);
    const std::size_t end = at == std::string_view::npos ? at : line.find("] ", at);
    if (end != std::string_view::npos) return line.substr(end + 2);
  }
  for (const std::string_view verdict : {"Error encountered: "})
    if (line.starts_with(verdict)) return line.substr(verdict.size());
  return line;
}

}  // namespace

Launch kea_launch(const std::string& binary, const std::string& directory, const RunAs& user,
                  std::vector<std::string> arguments) {
  Launch launch;
  launch.binary = binary;
  launch.arguments = std::move(arguments);
  launch.directory = directory;
  launch.user = user;
  // LOCKFILE, PIDFILE and LOGGER are for 2.2 and later; the others confine paths from 2.6 on.
  launch.environment = {
      "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
      "KEA_PIDFILE_DIR=" + directory,       "KEA_LOCKFILE_DIR=" + directory,
      "KEA_LOGGER_DESTINATION=stdout",      "KEA_CONTROL_SOCKET_DIR=" + directory,
      "KEA_DHCP_DATA_DIR=" + directory,     "KEA_LOG_FILE_DIR=" + directory,
  };
  return launch;
}

Result<> test_configuration(const std::string& binary, const std::string& directory, const RunAs& user,
                            int netns, const std::string& file) {
  Launch launch = kea_launch(binary, directory, user, {"-t", file});
  launch.netns = netns;
  const auto finished = run(std::move(launch), kTestTimeout);
  if (!finished) return std::unexpected(finished.error());
  if (finished->succeeded) return {};
  std::string words = explain(finished->output);
  if (words.empty()) words = binary + " -t " + finished->how;
  return std::unexpected(Error{"Kea refuses the configuration: " + words});
}

std::string ask_version(const std::string& binary, const RunAs& user) {
  const auto finished = run(kea_launch(binary, "/", user, {"-v"}), kVersionTimeout);
  if (!finished || !finished->succeeded) return {};
  const std::string_view first(finished->output.data(),
                               std::min(finished->output.find_first_of("\r\n"), finished->output.size()));
  return std::string(first.substr(0, 64));
}

std::string explain(std::string_view output) {
  std::string_view best;
  int best_rank = 0;
  while (!output.empty()) {
    const std::size_t end = std::min(output.find('\n'), output.size());
    const std::string_view line = output.substr(0, end);
    output.remove_prefix(std::min(end + 1, output.size()));
    if (line.empty() || rank(line) < best_rank) continue;
    best = line;
    best_rank = rank(line);
  }
  return std::string(without_prefix(best).substr(0, kExplanationBytesMax));
}

}  // namespace xk::kea
