// Runs one kea-dhcp4 a VRF: starts, watches, restarts, reconfigures, stops, and takes over those
// that an earlier xdp-kead left running (destroying a Supervisor stops none of them).
//
// It needs CAP_SYS_ADMIN (setns), CAP_SETUID, CAP_SETGID, CAP_CHOWN, CAP_KILL, CAP_DAC_OVERRIDE,
// CAP_SYS_PTRACE (/proc/PID/exe and ns/net of a Kea, which runs as another user) and CAP_NET_BIND_SERVICE
// (to pass it on); CAP_SETPCAP shrinks the children's bounding set too.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/reconcile/ports.h"
#include "dataplane/base/fd.h"

namespace xk::kea {

inline constexpr std::uint64_t kBackoffFirstMs = 100;
inline constexpr std::uint64_t kBackoffMaxMs = 30'000;
inline constexpr std::uint64_t kRanWellMs = 60'000;   // after so long a death counts as the first again
inline constexpr std::uint64_t kKillAfterMs = 5'000;  // SIGTERM to SIGKILL

// Makes what a Kea is to start with, in another thread: its lease file. done is called once, from any
// thread; with an Error the Kea is not started, and the start is tried again.
struct Start {
  KeaSpec spec;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};
using Prepare = std::function<void(Start start, std::function<void(Result<>)> done)>;

struct Instance;
struct RunAs;
struct RunningKea;

class Supervisor final : public KeaServers {
 public:
  // Whatever prepare has under way must have ended before the supervisor does. Empty: nothing to prepare.
  [[nodiscard]] static Result<std::unique_ptr<Supervisor>> make(Prepare prepare = {});
  ~Supervisor() override;

  // Blocks while Kea tests, about 20 ms for a small configuration, at most 10 s. A refused
  // configuration is left in the directory as kea-dhcp4.test.conf, to which Kea's words refer.
  [[nodiscard]] Result<> test(const KeaSpec& spec) override;
  // Does not wait until a started Kea is ready: status() turns to running then. After an Error
  // - from config-set (at most 5 s each for config-test and config-set): the old configuration runs
  //   on and stays the wanted one;
  // - from a start: the spec is wanted, status() says why it does not run, and tick() tries again.
  // A spec with another namespace, directory, user or binary replaces the process.
  [[nodiscard]] Result<> apply(const KeaSpec& spec) override;
  // Waits up to 90 ms for a quick end; else tick() sees to the rest. An unknown VRF is no error.
  [[nodiscard]] Result<> stop(VrfId vrf) override;
  // An epoll descriptor: readable when a Kea has died and when tick() has something to do.
  [[nodiscard]] int events_fd() const override { return epoll_.get(); }
  // now_ms: any clock that only goes forward, the same in all calls.
  void tick(std::uint64_t now_ms) override;
  // VRFs that are wanted or still stopping, by id.
  [[nodiscard]] std::vector<KeaStatus> status() const override;
  [[nodiscard]] bool restart(VrfId vrf) override;
  [[nodiscard]] Result<std::string> command(VrfId vrf, const std::string& json) override;

  // `kea-dhcp4 -v` of a binary, kept until the file changes; empty if it cannot be run.
  [[nodiscard]] std::string version_of(const KeaSettings& settings);
  // Stops Keas left running in subdirectories of root that no spec has applied, as stop() does:
  // those of VRFs that were removed while xdp-kead was not there. Call once all specs are applied.
  // Returns the directories.
  [[nodiscard]] std::vector<std::string> stop_strays(const std::string& root, const KeaSettings& settings);
  // The same of one directory: whether one runs there.
  [[nodiscard]] bool stop_stray(const std::string& directory, const KeaSettings& settings);

 private:
  Supervisor(Fd epoll, Fd timer, Prepare prepare);

  // supervisor.cpp: processes
  Result<> change(Instance& instance, const KeaSpec& spec);
  Result<> start(Instance& instance);
  Result<> finish_start(Instance& instance, Result<> started);
  Result<> spawn_or_adopt(Instance& instance);
  void prepare(Instance& instance, const RunAs& user);
  Result<> spawn(Instance& instance);
  Result<> adopt(Instance& instance, RunningKea running, int directory);
  Result<> reconfigure(Instance& instance, const KeaSpec& spec);
  void take(Instance& instance, RunningKea running);
  void terminate(Instance& instance);
  // Reads what its sockets have lost, before they are closed and now and then.
  void count_losses(Instance& instance);
  // If its namespace was made anew: a process stays in the old one, which nothing leads to.
  void replace_if_displaced(Instance& instance);
  void forget_process(Instance& instance);
  void watch(Instance& instance);
  void wake_at(std::uint64_t now_ms);
  void wake_soon();
  // supervisor_tick.cpp
  void step(Instance& instance, std::uint64_t now_ms);
  void step_prepared(Instance& instance, std::uint64_t now_ms);
  void step_leaving(Instance& instance, std::uint64_t now_ms);
  void kill_if_late(Instance& instance, std::uint64_t now_ms);
  void on_death(Instance& instance, std::uint64_t now_ms);
  void probe(Instance& instance, std::uint64_t now_ms);
  void on_probe(Instance& instance, const Result<>& outcome, std::uint64_t now_ms);
  void kill_if_hung(Instance& instance, std::uint64_t now_ms);

  struct KnownVersion {
    std::string version;
    std::uint64_t stamp = 0;  // of the file
  };

  Fd epoll_;
  Fd timer_;
  Prepare prepare_;
  std::map<VrfId, std::unique_ptr<Instance>> instances_;
  std::vector<std::unique_ptr<Instance>> leaving_;  // stopping, wanted by nobody
  std::map<std::string, KnownVersion> versions_;
};

}  // namespace xk::kea
