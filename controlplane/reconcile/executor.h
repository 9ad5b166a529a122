// Runs steps against the machine and remembers how to undo them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controlplane/reconcile/observed.h"
#include "controlplane/reconcile/plan.h"
#include "controlplane/reconcile/ports.h"

namespace xk {

// All that is driven. Borrowed.
struct Machine {
  Links& links;
  Namespaces& namespaces;
  KeaServers& keas;
  Classifier& classifier;
  PacketSockets& sockets;
  DataplaneLink& dataplane;
  std::function<std::uint64_t()> now_ms;        // monotonic
  std::function<void(std::uint64_t ms)> pause;  // between two looks at a starting Kea
  std::function<void()> moved = {};             // called before each step of a run, if there is one
  // Called before a snapshot goes to the dataplane, if there is one.
  std::function<void(const Snapshot&)> before_publish = {};
  NativeLeases* natives = nullptr;  // null: no VRF is of the native engine
};

// VRFs and ports, by which failures are kept apart.
struct Scopes {
  std::set<VrfId> vrfs;
  std::set<std::string> ports;
  [[nodiscard]] bool covers(const Step& step) const {
    return vrfs.contains(step.vrf) || (!step.port.empty() && ports.contains(step.port));
  }
};

struct RunPolicy {
  bool strict = true;    // a failure of a VRF undoes everything; one of a port never does
  std::set<VrfId> weak;  // but for these: failing already before this change
  Scopes skip;           // failed lately: left alone until their retry
  // For Keas to come up; else their VRFs are left for a later run, and one that is its VRF's first is started
  // untested: what it refuses it says then, and testing it would take as long again as starting it.
  bool wait = true;
  std::set<VrfId> failed;  // whose first Kea is tested all the same
};

struct StepFailure {
  VrfId vrf{};       // of a VRF,
  std::string port;  // or else of a port
  std::string reason;
  bool waiting = false;  // for a Kea that is starting: nothing is wrong
};

struct RunReport {
  std::vector<std::string> done;       // texts, in order
  std::vector<StepFailure> failures;   // passed over
  std::vector<std::string> leftovers;  // what could not be taken away: errors
};

class Executor {
 public:
  explicit Executor(Machine machine) : machine_(std::move(machine)) {}

  // Looks at everything.
  [[nodiscard]] Result<Observed> observe(const Model& configured);

  // Runs the steps in order. On failure of a step that the policy does not pass over, everything
  // done in this run is undone and the error returned. What only takes its time (EINPROGRESS) is left for a
  // later run. Blocks for each Kea's test, then at most 5 s and 250 ms each for those that start, and 10 s
  // for the leases of each native engine.
  [[nodiscard]] Result<RunReport> run(const std::vector<Step>& steps, const RunPolicy& policy);

  // Of the last snapshot sent, or of what the dataplane had when it was more.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  // For a change that no dataplane was there to take.
  void count_generation() { ++generation_; }

  // Fills in what the last run made.
  void bind(Desired& desired) const;

 private:
  using Undo = std::function<Result<>()>;

  // One for each kind of step. Each may add undos.
  [[nodiscard]] Result<> perform(const step::EnsureNamespace& step);
  [[nodiscard]] Result<> perform(const step::EnsureHandoff& step);
  [[nodiscard]] Result<> perform(const step::TestKea& step);
  [[nodiscard]] Result<> perform(const step::ApplyKea& step);
  [[nodiscard]] Result<> perform(const step::RefreshKea& step);
  [[nodiscard]] Result<> perform(const step::AwaitKea& step);
  [[nodiscard]] Result<> perform(const step::Attach& step);
  [[nodiscard]] Result<> perform(const step::RemoveRow& step);
  [[nodiscard]] Result<> perform(const step::RemoveAddress& step);
  [[nodiscard]] Result<> perform(const step::Give& step);
  [[nodiscard]] Result<> perform(const step::Release& step);
  [[nodiscard]] Result<> perform(const step::Publish& step);
  [[nodiscard]] Result<> perform(const step::PutAddress& step);
  [[nodiscard]] Result<> perform(const step::PutRow& step);
  [[nodiscard]] Result<> perform(const step::Detach& step);
  [[nodiscard]] Result<> perform(const step::StopKea& step);
  [[nodiscard]] Result<> perform(const step::RemoveHandoff& step);
  [[nodiscard]] Result<> perform(const step::RemoveNamespace& step);
  [[nodiscard]] Result<> perform(const step::EnsureNative& step);
  [[nodiscard]] Result<> perform(const step::EndNative& step);

  // What doing and undoing share; each keeps what is remembered below in step with the machine.
  [[nodiscard]] Result<> make_handoff(VrfId vrf, const HandoffSpec& spec);
  [[nodiscard]] Result<> take_handoff_away(const std::string& host_name, const std::string& mark);
  [[nodiscard]] Result<> start_kea(const KeaSpec& spec);
  void ready_kea(VrfId vrf);
  [[nodiscard]] Result<> end_kea(VrfId vrf);
  [[nodiscard]] Result<> ensure_native(const NativeSpec& spec);
  [[nodiscard]] Result<> finish_native(const std::string& vrf_name);
  // Asks again and again until it is done or has failed, or time is up.
  [[nodiscard]] Result<> await_native(const std::function<Result<>()>& ask);
  [[nodiscard]] Result<> attach(IfIndex ifindex, const std::string& name, bool force_generic);
  [[nodiscard]] Result<> detach(IfIndex ifindex, const std::string& name);
  [[nodiscard]] Result<> give(IfIndex ifindex, const GivenPort& port);
  [[nodiscard]] Result<> release(IfIndex ifindex);
  [[nodiscard]] Result<> send_snapshot(Snapshot snapshot);

  [[nodiscard]] static bool says_it_itself(const Step& step, const RunPolicy& policy);
  void observe_dataplane(Observed& observed);
  void forget_what_is_gone(const Observed& observed);
  [[nodiscard]] IfIndex bound(IfIndex ifindex, const std::string& port) const;
  [[nodiscard]] Snapshot bound(Snapshot snapshot) const;
  void undo_with(Undo undo) { undos_.push_back(std::move(undo)); }
  [[nodiscard]] Error undo_all(Error cause);

  Machine machine_;
  std::vector<Undo> undos_;  // of the run under way
  bool wait_ = true;         // policy of the run under way
  std::size_t keas_awaited_ = 0;
  std::optional<std::uint64_t> kea_deadline_ms_;  // from the first that is awaited

  // What this process has made or checked.
  std::map<VrfId, HandoffSpec> handoffs_;
  std::map<std::string, IfIndex> handoff_links_;  // host end's name -> ifindex
  std::map<VrfId, KeaSpec> keas_, unready_keas_;
  std::set<VrfId> deaf_keas_;
  std::map<IfIndex, bool> checked_;  // attached here -> forced generic
  std::map<IfIndex, GivenPort> given_;
  std::optional<Snapshot> published_;
  std::uint32_t dataplane_pid_ = 0;
  std::uint32_t dataplane_connects_ = 0;
  std::uint64_t generation_ = 0;
};

}  // namespace xk
