#include "controlplane/kea/process.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/magic.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace xk::kea {

namespace {

constexpr std::size_t kOutputBytesMax = 64 << 10;
constexpr std::size_t kUserRecordBytes = 16 << 10;

// What the child does between fork and execve, in order.
enum class Step : int { session, output, namespace_, groups, user, capabilities, directory, execute };

constexpr const char* kStepTexts[] = {
    "cannot start a session",
    "cannot set its standard input and output",
    "cannot enter the network namespace",
    "cannot set its groups",
    "cannot become its user",
    "cannot keep CAP_NET_BIND_SERVICE",
    "its user cannot enter its directory",
    "cannot execute it",
};

struct ChildFailure {
  Step step;
  int number;
};

// Everything the child needs, made before fork: it must not allocate.
struct Prepared {
  std::vector<char*> argv;
  std::vector<char*> envp;
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (const std::string& text : texts) list.push_back(const_cast<char*>(text.c_str()));
  list.push_back(nullptr);
  return list;
}

// Before the user changes: that takes CAP_SETPCAP away. A daemon that has not got it may not do
// this, and with no_new_privs the bounding set grants nothing anyway.
void shrink_bounding_set() {
  for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
    if (capability != CAP_NET_BIND_SERVICE) (void)::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  }
}

bool keep_only_bind_service() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> data{};
  constexpr std::uint32_t bind_service = 1u << CAP_NET_BIND_SERVICE;
  data[0] = {.effective = bind_service, .permitted = bind_service, .inheritable = bind_service};
  if (::syscall(SYS_capset, &header, data.data()) != 0) return false;
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) != 0) return false;
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

void reset_signals() {
  for (int number = 1; number < NSIG; ++number) (void)::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// stdin from null, stdout and stderr to output; everything else closes on execve.
bool set_descriptors(int output, int null) {
  return ::dup2(null, STDIN_FILENO) >= 0 && ::dup2(output, STDOUT_FILENO) >= 0 &&
         ::dup2(output, STDERR_FILENO) >= 0 && ::close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) == 0;
}

// Runs in the child: only async-signal-safe calls. Returns the step that failed.
Step become(const Launch& launch, const Prepared& prepared, int null) {
  if (::setsid() < 0) return Step::session;
  reset_signals();
  ::umask(0027);
  if (!set_descriptors(launch.output, null)) return Step::output;
  if (launch.netns >= 0 && ::setns(launch.netns, CLONE_NEWNET) != 0) return Step::namespace_;
  shrink_bounding_set();
  if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return Step::user;
  // The library's wrappers of these tell all threads, for which they take locks.
  const RunAs& user = launch.user;
  if (::syscall(SYS_setgroups, user.groups.size(), user.groups.data()) != 0) return Step::groups;
  if (::syscall(SYS_setresgid, user.gid, user.gid, user.gid) != 0) return Step::groups;
  if (::syscall(SYS_setresuid, user.uid, user.uid, user.uid) != 0) return Step::user;
  if (!keep_only_bind_service()) return Step::capabilities;
  if (::chdir(launch.directory.c_str()) != 0) return Step::directory;
  ::execve(prepared.argv[0], prepared.argv.data(), prepared.envp.data());
  return Step::execute;
}

// Reads what the child could not do; nothing once execve has closed the pipe.
bool read_failure(int pipe, ChildFailure& failure) {
  ssize_t n = 0;
  do {
    n = ::read(pipe, &failure, sizeof failure);
  } while (n < 0 && errno == EINTR);
  return n == static_cast<ssize_t>(sizeof failure);
}

}  // namespace

Result<RunAs> find_user(const std::string& name) {
  std::string buffer(kUserRecordBytes, '\0');
  passwd record{};
  passwd* found = nullptr;
  const int number = ::getpwnam_r(name.c_str(), &record, buffer.data(), buffer.size(), &found);
  if (number != 0) return std::unexpected(errno_error("cannot look up the user '" + name + "'", number));
  if (found == nullptr)
    return std::unexpected(Error{"the user '" + name +
                                 "' that Kea shall run as does not exist; the package kea-dhcp4-server "
                                 "creates _kea, or name another in kea.user"});
  RunAs user{.uid = record.pw_uid, .gid = record.pw_gid, .groups = std::vector<gid_t>(16)};
  int count = static_cast<int>(user.groups.size());
  if (::getgrouplist(name.c_str(), user.gid, user.groups.data(), &count) < 0) {
    user.groups.resize(static_cast<std::size_t>(count));
    if (::getgrouplist(name.c_str(), user.gid, user.groups.data(), &count) < 0)
      return std::unexpected(Error{"cannot read the groups of the user '" + name + "'"});
  }
  user.groups.resize(static_cast<std::size_t>(count));
  return user;
}

Result<Fd> open_netns(const std::string& name) {
  const std::string path = "/run/netns/" + name;
  if (name.empty() || name.find('/') != std::string::npos || name.starts_with('.'))
    return std::unexpected(Error{"'" + name + "' is not a name of a network namespace"});
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return std::unexpected(errno_error("cannot open the network namespace " + path));
  struct statfs info{};
  if (::fstatfs(fd.get(), &info) != 0 || info.f_type != NSFS_MAGIC)
    return std::unexpected(Error{path + " is not a network namespace"});
  return fd;
}

NetnsId netns_id(int netns) {
  struct stat info{};
  if (::fstat(netns, &info) != 0) return {};
  return NetnsId{.device = info.st_dev, .inode = info.st_ino};
}

NetnsId netns_id_of(const std::string& name) {
  const auto netns = open_netns(name);
  return netns ? netns_id(netns->get()) : NetnsId{};
}

Result<> check_binary(const std::string& binary) {
  struct stat info{};
  if (::stat(binary.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR)
      return std::unexpected(
          Error{"Kea is not installed: " + binary + " does not exist; install the package kea-dhcp4-server",
                ENOENT});
    return std::unexpected(errno_error(binary));
  }
  if (!S_ISREG(info.st_mode) || (info.st_mode & 0111) == 0)
    return std::unexpected(Error{binary + " is not a program; kea.binary names kea-dhcp4 of the package "
                                          "kea-dhcp4-server"});
  return {};
}

Result<Child> launch(const Launch& launch) {
  std::vector<std::string> arguments{launch.binary};
  arguments.insert(arguments.end(), launch.arguments.begin(), launch.arguments.end());
  const Prepared prepared{.argv = pointers(arguments), .envp = pointers(launch.environment)};
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  std::array<int, 2> ends{};
  if (!null || ::pipe2(ends.data(), O_CLOEXEC) != 0)
    return std::unexpected(errno_error("cannot start " + launch.binary));
  const Fd from_child(ends[0]);
  Fd to_parent(ends[1]);

  const pid_t pid = ::fork();
  if (pid < 0) return std::unexpected(errno_error("cannot start " + launch.binary));
  if (pid == 0) {
    const Step step = become(launch, prepared, null.get());
    const ChildFailure failure{step, errno};
    (void)!::write(to_parent.get(), &failure, sizeof failure);
    ::_exit(127);
  }
  to_parent.reset();
  ChildFailure failure{};
  if (read_failure(from_child.get(), failure)) {
    (void)::waitpid(pid, nullptr, 0);
    return std::unexpected(errno_error(
        "cannot start " + launch.binary + ": " + kStepTexts[static_cast<int>(failure.step)], failure.number));
  }
  // Nobody else reaps our children, so the pid is still its.
  Child child{.pid = pid, .pidfd = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)))};
  if (!child.pidfd) {
    const Error error = errno_error("cannot watch " + launch.binary);
    (void)::kill(pid, SIGKILL);
    (void)::waitpid(pid, nullptr, 0);
    return std::unexpected(error);
  }
  return child;
}

bool has_exited(int pidfd, std::chrono::milliseconds timeout) {
  pollfd waited{.fd = pidfd, .events = POLLIN, .revents = 0};
  return ::poll(&waited, 1, static_cast<int>(timeout.count())) == 1;
}

std::string reap(int pidfd) {
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0)
    return "ended";
  if (info.si_code == CLD_EXITED) return "exited with status " + std::to_string(info.si_status);
  return "was killed by signal " + std::to_string(info.si_status);
}

Result<> send_signal(int pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) != 0 && errno != ESRCH)
    return std::unexpected(errno_error("cannot signal Kea"));
  return {};
}

Result<Finished> run(Launch launch_as, std::chrono::milliseconds timeout) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + timeout;
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::unexpected(errno_error("cannot make a pipe"));
  const Fd reading(ends[0]);
  Fd writing(ends[1]);
  launch_as.output = writing.get();
  const auto child = launch(launch_as);
  if (!child) return std::unexpected(child.error());
  writing.reset();

  Finished finished;
  std::array<char, 4096> buffer;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd waited{.fd = reading.get(), .events = POLLIN, .revents = 0};
    if (left.count() <= 0 || ::poll(&waited, 1, static_cast<int>(left.count())) == 0) {
      (void)send_signal(child->pidfd.get(), SIGKILL);
      (void)has_exited(child->pidfd.get(), std::chrono::seconds(1));
      (void)reap(child->pidfd.get());
      return std::unexpected(
          Error{launch_as.binary + " did not end within " + std::to_string(timeout.count()) + " ms"});
    }
    const ssize_t n = ::read(reading.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    const std::size_t room = kOutputBytesMax - finished.output.size();
    finished.output.append(buffer.data(), std::min(room, static_cast<std::size_t>(n)));
  }
  // It may have closed its output and live on.
  if (!has_exited(child->pidfd.get(), std::chrono::seconds(1))) {
    (void)send_signal(child->pidfd.get(), SIGKILL);
    (void)has_exited(child->pidfd.get(), std::chrono::seconds(1));
  }
  finished.how = reap(child->pidfd.get());
  finished.succeeded = finished.how == "exited with status 0";
  return finished;
}

}  // namespace xk::kea
