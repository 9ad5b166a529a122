// What the supervisor knows of one Kea. Inside kea/ only.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "controlplane/kea/control_socket.h"
#include "controlplane/kea/health.h"
#include "controlplane/kea/process.h"
#include "controlplane/kea/supervisor.h"

namespace xk::kea {

// What is made before a start. Shared with the thread that makes it.
struct Preparation {
  std::mutex mutex;
  std::optional<Result<>> outcome;
};

struct Instance {
  KeaSpec spec;  // wanted; what it runs with unless it is about to be replaced
  Child child;   // pid 0: no process
  KeaState state = KeaState::stopped;
  std::shared_ptr<Preparation> preparation;  // under way: no process yet
  bool terminating = false;                  // SIGTERM was sent
  bool config_uncertain = false;             // config-set got no answer
  NetnsId netns;                             // where the process lives
  std::size_t log_size = 0;                  // of Kea's own log when the process was started or found

  // When tick() has to do the next thing: kill, probe, start again. Unset: at the next tick, which
  // knows what time it is.
  std::optional<std::uint64_t> deadline_ms;
  std::optional<Exchange> probe;
  std::uint64_t probe_deadline_ms = 0;
  std::optional<std::uint64_t> ready_ms;  // first answer of this process
  Liveness liveness;
  std::string hung;  // was found hanging: SIGKILL was sent, and this says why

  std::uint64_t started_unix_ms = 0;
  bool died = false;          // the last process, by itself: starting again is a restart
  bool start_failed = false;  // the last start; trouble says why
  std::uint32_t restarts = 0;
  std::uint32_t failures = 0;  // deaths and failed starts in a row
  SocketLosses losses;
  std::string version;
  std::string trouble;  // why it did not start, or died last
  std::string silence;  // why the last probe says that it does not serve
  std::string refusal;  // the configuration that was not taken

  [[nodiscard]] bool alive() const { return child.pid != 0; }
};

}  // namespace xk::kea
