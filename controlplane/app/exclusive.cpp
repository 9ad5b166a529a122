#include "controlplane/app/exclusive.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <system_error>

#include <cap-ng.h>

namespace xk::kead {
namespace {

struct Need {
  unsigned capability;
  const char* name;
};
// Beside its own work: what Kea's processes are started with and recognized by (kea/supervisor.h).
constexpr std::array<Need, 12> kNeeds{{{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
                                       {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
                                       {CAP_BPF, "CAP_BPF"},
                                       {CAP_NET_RAW, "CAP_NET_RAW"},
                                       {CAP_IPC_LOCK, "CAP_IPC_LOCK"},
                                       {CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE"},
                                       {CAP_SETUID, "CAP_SETUID"},
                                       {CAP_SETGID, "CAP_SETGID"},
                                       {CAP_CHOWN, "CAP_CHOWN"},
                                       {CAP_KILL, "CAP_KILL"},
                                       {CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"},
                                       {CAP_SYS_PTRACE, "CAP_SYS_PTRACE"}}};

std::string holder_of(int fd) {
  std::array<char, 32> text{};
  const ssize_t length = ::pread(fd, text.data(), text.size() - 1, 0);
  std::string pid(text.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
  while (!pid.empty() && pid.back() == '\n') pid.pop_back();
  return pid.empty() ? "an unknown process" : "pid " + pid;
}

}  // namespace

Result<> make_directories(const Appliance& appliance) {
  for (const std::string& directory : {appliance.state_dir, appliance.run_dir}) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) return std::unexpected(errno_error("cannot make directory " + directory, error.value()));
  }
  return {};
}

Result<Fd> take_lock(const std::string& run_dir) {
  const std::string path = run_dir + "/xdp-kead.lock";
  Fd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!lock) return std::unexpected(errno_error("cannot open " + path));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return std::unexpected(errno_error("cannot lock " + path));
    return std::unexpected(
        Error{"another xdp-kead is running: " + holder_of(lock.get()) + " holds " + path, EWOULDBLOCK});
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock.get(), 0) != 0 ||
      ::pwrite(lock.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return std::unexpected(errno_error("cannot write " + path));
  }
  return lock;
}

Result<> check_capabilities() {
  capng_clear(CAPNG_SELECT_BOTH);
  if (capng_get_caps_process() != 0) return std::unexpected(Error{"cannot read the process's capabilities"});
  std::string missing;
  for (const Need& need : kNeeds) {
    if (capng_have_capability(CAPNG_EFFECTIVE, need.capability) != 0) continue;
    missing += (missing.empty() ? "" : ", ") + std::string(need.name);
  }
  if (missing.empty()) return {};
  return std::unexpected(Error{"missing " + missing + ": start xdp-kead as root, or give it these", EPERM});
}

Result<> check_kernel() {
  const Fd socket(::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (socket) return {};
  if (errno == EAFNOSUPPORT) {
    return std::unexpected(Error{"this kernel has no AF_XDP sockets (CONFIG_XDP_SOCKETS)", EAFNOSUPPORT});
  }
  return std::unexpected(errno_error("cannot make an AF_XDP socket"));
}

}  // namespace xk::kead
