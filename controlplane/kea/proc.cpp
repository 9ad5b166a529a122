#include "controlplane/kea/proc.h"

#include <fcntl.h>

#include <array>
#include <charconv>
#include <cstddef>
#include <string>

#include "controlplane/kea/directory.h"
#include "dataplane/base/fd.h"

namespace xk::kea {

namespace {

constexpr std::size_t kStatBytesMax = 4096;
constexpr std::size_t kUdpBytesMax = 1 << 20;
constexpr std::size_t kUdpColumns = 13;  // proc(5): sl local rem st queues timer retrnsmt uid timeout inode
                                         // ref pointer drops
constexpr std::size_t kUdpLocal = 1;
constexpr std::size_t kUdpInode = 9;
constexpr std::size_t kUdpDrops = 12;

Fd open_process(pid_t pid) {
  return Fd(::open(("/proc/" + std::to_string(pid)).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

template <typename Number>
std::optional<Number> number(std::string_view text, int base = 10) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Takes the next word off the text's front; empty at its end.
std::string_view take_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \n"), text.size()));
  const std::string_view word = text.substr(0, text.find_first_of(" \n"));
  text.remove_prefix(word.size());
  return word;
}

// A field of /proc/PID/stat from the third on, as proc(5) numbers them.
std::optional<std::uint64_t> stat_field(const std::string& stat, int wanted) {
  // The second field is the name in parentheses and may hold anything.
  const std::size_t after_name = stat.rfind(')');
  if (after_name == std::string::npos) return std::nullopt;
  std::string_view rest = std::string_view(stat).substr(after_name + 1);
  for (int field = 3; field < wanted; ++field) take_word(rest);
  return number<std::uint64_t>(take_word(rest));
}

}  // namespace

std::uint64_t start_ticks(int process) {
  const auto stat = read_file_at(process, "stat", kStatBytesMax);
  return stat ? stat_field(*stat, 22).value_or(0) : 0;
}

std::optional<std::uint64_t> cpu_ticks(pid_t pid) {
  const Fd process = open_process(pid);
  if (!process) return std::nullopt;
  const auto stat = read_file_at(process.get(), "stat", kStatBytesMax);
  if (!stat) return std::nullopt;
  const auto user = stat_field(*stat, 14);
  const auto system = stat_field(*stat, 15);
  if (!user || !system) return std::nullopt;
  return *user + *system;
}

SocketDrops parse_udp_drops(std::string_view table, std::uint16_t port) {
  SocketDrops drops;
  while (!table.empty()) {
    std::string_view line = table.substr(0, table.find('\n'));
    table.remove_prefix(std::min(line.size() + 1, table.size()));
    std::array<std::string_view, kUdpColumns> columns;
    for (std::string_view& column : columns) column = take_word(line);
    const std::string_view local = columns[kUdpLocal];
    const std::size_t colon = local.rfind(':');
    if (colon == std::string_view::npos) continue;
    const auto inode = number<std::uint64_t>(columns[kUdpInode]);
    const auto lost = number<std::uint64_t>(columns[kUdpDrops]);
    if (number<std::uint16_t>(local.substr(colon + 1), 16) == port && inode && lost) drops[*inode] = *lost;
  }
  return drops;
}

SocketDrops udp_drops(pid_t pid, std::uint16_t port) {
  const Fd process = open_process(pid);
  if (!process) return {};
  const auto table = read_file_at(process.get(), "net/udp", kUdpBytesMax);
  return table ? parse_udp_drops(*table, port) : SocketDrops{};
}

}  // namespace xk::kea
