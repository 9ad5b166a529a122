// Processes in a VRF's namespace, without privileges. Nothing here outlives its child by force: a
// Kea survives xdp-kead, so there is no PR_SET_PDEATHSIG.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "controlplane/reconcile/ports.h"
#include "dataplane/base/fd.h"

namespace xk::kea {

struct RunAs {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

// Looks the user and its groups up; an Error says what to do if there is no such user.
[[nodiscard]] Result<RunAs> find_user(const std::string& name);
// /run/netns/<name>, opened; an Error if it is not a network namespace.
[[nodiscard]] Result<Fd> open_netns(const std::string& name);
// Tells namespaces apart: a name may come to mean another one.
struct NetnsId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;  // 0: none
  friend bool operator==(const NetnsId&, const NetnsId&) = default;
};
[[nodiscard]] NetnsId netns_id(int netns);
// Of what /run/netns/<name> is now.
[[nodiscard]] NetnsId netns_id_of(const std::string& name);
// The binary is there and may be executed; an Error names the package otherwise (ENOENT).
[[nodiscard]] Result<> check_binary(const std::string& binary);

struct Launch {
  std::string binary;
  std::vector<std::string> arguments;    // without argv[0]
  std::vector<std::string> environment;  // all of it
  std::string directory;                 // working directory, which the user must be able to enter
  RunAs user;
  int netns = -1;   // borrowed; -1: ours
  int output = -1;  // borrowed: stdout and stderr
};

struct Child {
  pid_t pid = 0;
  Fd pidfd;
};

// Forks and executes: own session, no signal blocked or ignored, no other descriptor, the user's
// ids, CAP_NET_BIND_SERVICE as its only (ambient) capability, no_new_privs. Returns once execve has
// succeeded, or an Error that names the step that failed. The caller reaps.
[[nodiscard]] Result<Child> launch(const Launch& launch);

// Whether the process behind pidfd is gone; waits at most this long for it.
[[nodiscard]] bool has_exited(int pidfd, std::chrono::milliseconds timeout = std::chrono::milliseconds(0));
// Reaps it and says how it ended: "exited with status 1", "was killed by signal 9". A process that
// is not our child: "ended".
[[nodiscard]] std::string reap(int pidfd);
[[nodiscard]] Result<> send_signal(int pidfd, int signal);

struct Finished {
  bool succeeded = false;  // exit status 0
  std::string how;         // as of reap()
  std::string output;      // stdout and stderr, the first 64 KiB
};
// Runs to the end; kills it and fails after the timeout. Launch::output is not used.
[[nodiscard]] Result<Finished> run(Launch launch, std::chrono::milliseconds timeout);

}  // namespace xk::kea
