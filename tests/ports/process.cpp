#include "tests/ports/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "dataplane/ipc/fence_memory.h"

namespace xk::test {
namespace {

constexpr int kPatienceMs = 10'000;

bool readable(int fd, int timeout_ms = kPatienceMs) {
  pollfd waiting{fd, POLLIN, 0};
  return poll(&waiting, 1, timeout_ms) == 1;
}

}  // namespace

Process::Process(const std::string& control_path, const std::string& log_path, uid_t as_user) {
  pid_ = fork();
  if (pid_ != 0) return;
  const int log = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
  dup2(log, STDERR_FILENO);
  if (as_user != 0 && (setgid(as_user) != 0 || setuid(as_user) != 0)) _exit(125);
  execl(XK_DATAPLANE, "xdp-kea-dataplane", "--control", control_path.c_str(), static_cast<char*>(nullptr));
  _exit(126);
}

Process::~Process() {
  if (exit_) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Process::stop() const {
  signal(SIGSTOP);
  int status = 0;
  EXPECT_EQ(waitpid(pid_, &status, WUNTRACED), pid_);
  EXPECT_TRUE(WIFSTOPPED(status));
}

void Process::signal(int number) const { EXPECT_EQ(kill(pid_, number), 0); }

int Process::wait() {
  const Fd handle(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  if (!readable(handle.get())) return -1;
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) return -1;
  exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return *exit_;
}

std::vector<std::string> Process::status(const std::string& field) const {
  std::vector<std::string> values;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/task")) {
    std::ifstream file(thread.path() / "status");
    for (std::string line; std::getline(file, line);)
      if (line.starts_with(field + ":\t")) values.push_back(line.substr(field.size() + 2));
  }
  return values;
}

double Process::cpu_seconds() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

Kead::Kead(const std::string& path) {
  auto listening = ipc::listen_at(path, "nobody");
  EXPECT_TRUE(listening) << listening.error().message;
  if (listening) listening_ = std::move(*listening);
}

std::optional<ipc::Received> Kead::next() {
  if (!channel_ || !readable(channel_->fd())) {
    ADD_FAILURE() << "no message";
    return std::nullopt;
  }
  auto received = channel_->receive();
  if (!received) {
    ADD_FAILURE() << received.error().message;
    return std::nullopt;
  }
  return std::move(*received);
}

std::optional<ipc::Hello> Kead::accept() {
  if (!readable(listening_.get())) {
    ADD_FAILURE() << "nobody connects";
    return std::nullopt;
  }
  auto accepted = ipc::accept_from(listening_.get());
  if (!accepted || !*accepted) return std::nullopt;
  channel_ = std::move(**accepted);
  auto received = next();
  if (!received || !std::holds_alternative<ipc::Hello>(received->message) || received->fds.size() != 1)
    return std::nullopt;
  counters_fd_ = std::move(received->fds[0]);
  struct stat status{};
  EXPECT_EQ(fstat(counters_fd_.get(), &status), 0);
  void* at =
      mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_SHARED, counters_fd_.get(), 0);
  EXPECT_NE(at, MAP_FAILED);
  counters_ = at;
  auto fence = next();
  if (!fence || !std::holds_alternative<ipc::FenceMade>(fence->message) || fence->fds.size() != 1)
    return std::nullopt;
  EXPECT_TRUE(ipc::FenceMemory::map(std::move(fence->fds[0])));
  return std::get<ipc::Hello>(received->message);
}

void Kead::send(const ipc::Message& message, const std::vector<int>& fds) {
  const auto sent = channel_->send(message, fds);
  EXPECT_TRUE(sent) << sent.error().message;
}

std::optional<ipc::Applied> Kead::publish(const Snapshot& snapshot) {
  const auto bytes = ipc::encode_snapshot(snapshot);
  auto memory = ipc::sealed_memfd("test", bytes);
  EXPECT_TRUE(memory);
  send(ipc::Publish{snapshot.generation, bytes.size()}, {memory->get()});
  return receive<ipc::Applied>();
}

bool Kead::sees_the_end() { return readable(channel_->fd()) && !channel_->receive().has_value(); }

std::uint64_t Kead::count(std::uint32_t vrf, Counter VrfCounters::* counter) const {
  const CountersLayout layout = counters_layout();
  std::uint64_t total = 0;
  for (std::size_t lcore = 0; lcore < layout.lcore_slots; ++lcore)
    total += (layout.counters(counters_, lcore)[vrf].*counter).get();
  return total;
}

std::uint64_t Kead::count(std::uint32_t vrf, Outcome outcome) const {
  const CountersLayout layout = counters_layout();
  std::uint64_t total = 0;
  for (std::size_t lcore = 0; lcore < layout.lcore_slots; ++lcore)
    total += layout.outcomes(counters_, lcore)[vrf][static_cast<std::size_t>(outcome)].get();
  return total;
}

CountersLayout Kead::counters_layout() const {
  const auto* header = static_cast<const CountersHeader*>(counters_);
  return {header->lcore_slots, header->vrf_slots};
}

}  // namespace xk::test
