#include "controlplane/kea/running.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <filesystem>
#include <string_view>

#include "controlplane/kea/directory.h"
#include "controlplane/kea/paths.h"
#include "controlplane/kea/proc.h"

namespace xk::kea {

namespace {

constexpr std::size_t kPidFileBytesMax = 64;
constexpr std::size_t kCommandLineBytesMax = 64 << 10;

struct Record {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;  // 0: not known
};

template <typename Number>
Number take_number(std::string_view& text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return 0;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

std::optional<Record> read_record(int directory, const char* name) {
  const auto content = read_file_at(directory, name, kPidFileBytesMax);
  if (!content) return std::nullopt;
  std::string_view text(*content);
  Record record{.pid = take_number<pid_t>(text)};
  record.start_ticks = take_number<std::uint64_t>(text);
  if (record.pid <= 1) return std::nullopt;
  return record;
}

std::string link_target(int process, const char* name) {
  std::array<char, 4096> buffer;
  const ssize_t n = ::readlinkat(process, name, buffer.data(), buffer.size());
  return n < 0 ? std::string() : std::string(buffer.data(), static_cast<std::size_t>(n));
}

bool executes(int process, const std::string& binary) {
  std::error_code error;
  const std::string resolved = std::filesystem::canonical(binary, error).string();
  const std::string wanted = error ? binary : resolved;
  const std::string exe = link_target(process, "exe");
  return exe == wanted || exe == wanted + " (deleted)";
}

// Was started as "... -c <directory>/kea-dhcp4.conf".
bool has_our_configuration(int process, const std::string& directory) {
  const auto command_line = read_file_at(process, "cmdline", kCommandLineBytesMax);
  if (!command_line) return false;
  using namespace std::string_literals;
  const std::string wanted = "\0-c\0"s + path_in(directory, kConfigName) + "\0"s;
  return command_line->find(wanted) != std::string::npos;
}

std::uint64_t started_at(std::uint64_t ticks) {
  timespec now{};
  timespec since_boot{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  ::clock_gettime(CLOCK_BOOTTIME, &since_boot);
  const auto ms = [](const timespec& t) {
    return static_cast<std::uint64_t>(t.tv_sec) * 1000 + static_cast<std::uint64_t>(t.tv_nsec) / 1'000'000;
  };
  const auto hertz = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return ms(now) - ms(since_boot) + ticks * 1000 / hertz;
}

}  // namespace

std::string started_record(pid_t pid) {
  const Fd process(::open(("/proc/" + std::to_string(pid)).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return std::to_string(pid) + " " + std::to_string(process ? start_ticks(process.get()) : 0) + "\n";
}

std::optional<RunningKea> find_running(int directory, const std::string& directory_path,
                                       const std::string& binary, uid_t uid) {
  for (const char* name : {kStartedName, kPidName}) {
    const auto record = read_record(directory, name);
    if (!record) continue;
    // The descriptors first: what is checked through them is one process, even if the pid is reused.
    Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, record->pid, 0)));
    if (!pidfd) continue;
    const std::string path = "/proc/" + std::to_string(record->pid);
    const Fd process(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat owner{};
    if (!process || ::fstat(process.get(), &owner) != 0) continue;
    const std::uint64_t ticks = start_ticks(process.get());
    if (record->start_ticks != 0 && record->start_ticks != ticks) continue;
    if (owner.st_uid != uid || !executes(process.get(), binary) ||
        !has_our_configuration(process.get(), directory_path))
      continue;
    const Fd netns(::openat(process.get(), "ns/net", O_RDONLY | O_CLOEXEC));
    if (!netns) continue;
    if (has_exited(pidfd.get())) continue;
    return RunningKea{.child = Child{.pid = record->pid, .pidfd = std::move(pidfd)},
                      .started_unix_ms = started_at(ticks),
                      .netns = netns_id(netns.get())};
  }
  return std::nullopt;
}

}  // namespace xk::kea
