// The real xdp-kea-dataplane as a child, and this test in the place of xdp-kead.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/base/counters.h"
#include "dataplane/ipc/channel.h"
#include "tests/bpf/sandbox.h"

namespace xk::test {

// The dataplane's program. Killed at the end if it still runs. Its log goes to log_path.
class Process {
 public:
  // as_user: an id to become before the program starts, 0 = stay root.
  Process(const std::string& control_path, const std::string& log_path, uid_t as_user = 0);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  void signal(int number) const;
  // Stops it; when this returns, every thread stands still.
  void stop() const;
  // Its exit status, or -1 if it did not exit by itself within 10 s.
  [[nodiscard]] int wait();
  // The values of a field of /proc/<pid>/task/*/status, by thread.
  [[nodiscard]] std::vector<std::string> status(const std::string& field) const;
  // Processor time it has used, all threads.
  [[nodiscard]] double cpu_seconds() const;

 private:
  pid_t pid_ = -1;
  std::optional<int> exit_;
};

// xdp-kead's end. Messages are waited for 10 s; a missing one fails the test and is a nullopt.
class Kead {
 public:
  explicit Kead(const std::string& path);
  // The next dataplane that connects, and its Hello; the counters' memory is mapped, the fence's has been.
  [[nodiscard]] std::optional<ipc::Hello> accept();
  void send(const ipc::Message& message, const std::vector<int>& fds = {});
  // The answer to a snapshot, or to settings that cannot be.
  [[nodiscard]] std::optional<ipc::Applied> publish(const Snapshot& snapshot);
  template <typename Wanted>
  [[nodiscard]] std::optional<Wanted> receive() {
    auto received = next();
    if (!received || !std::holds_alternative<Wanted>(received->message)) return std::nullopt;
    return std::get<Wanted>(received->message);
  }
  void hang_up() { channel_.reset(); }
  // The dataplane closed the connection.
  [[nodiscard]] bool sees_the_end();
  [[nodiscard]] int counters_fd() const { return counters_fd_.get(); }
  // Sums over the writers, of the memory the last Hello brought.
  [[nodiscard]] std::uint64_t count(std::uint32_t vrf, Counter VrfCounters::* counter) const;
  [[nodiscard]] std::uint64_t count(std::uint32_t vrf, Outcome outcome) const;

 private:
  [[nodiscard]] std::optional<ipc::Received> next();
  [[nodiscard]] CountersLayout counters_layout() const;
  Fd listening_;
  std::optional<ipc::Channel> channel_;
  Fd counters_fd_;
  void* counters_ = nullptr;  // read-only
};

}  // namespace xk::test
