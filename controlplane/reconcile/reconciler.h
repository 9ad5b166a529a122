// One way for every change: configuration, netlink event, API call and retry all make a new desired
// state, plan it against what is observed, and run the steps.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/reconcile/executor.h"

namespace xk {

// Why a VRF or a port is not as desired, and when that is tried again.
struct Trouble {
  std::string reason;
  std::uint32_t attempts = 0;
  std::uint64_t retry_ms = 0;  // monotonic
};

struct ChangeReport {
  std::vector<std::string> steps;     // what was done, in order
  std::vector<std::string> failures;  // what was passed over
};

// The least and most time between two attempts at what failed.
inline constexpr std::uint64_t kRetryFirstMs = 1000;
inline constexpr std::uint64_t kRetryMaxMs = 60'000;

class Reconciler {
 public:
  struct Setup {
    Machine machine;
    RenderKea render_kea;
    std::string ids_path;
    std::string hostname;
  };
  explicit Reconciler(Setup setup) : setup_(std::move(setup)), executor_(setup_.machine) {}

  // Reads the ids. Call once, before the first change.
  [[nodiscard]] Result<> load();

  // Takes a new configuration. The first one is served as far as the machine allows. A later one is
  // refused whole when a VRF that did not fail before fails, or the dataplane refuses: everything is
  // then as it was. A port that cannot be had (a foreign XDP program) is no reason: it is left as
  // trouble, like an interface that is not there.
  [[nodiscard]] std::expected<ChangeReport, std::vector<std::string>> change(const Model& model);

  // The same configuration on a changed machine. What cannot be done is left as trouble and retried.
  // retry_now: try what failed lately again as well.
  ChangeReport refresh(bool retry_now);

  // The steps a configuration would need now, none of them run.
  [[nodiscard]] std::expected<std::vector<std::string>, std::vector<std::string>> preview(const Model& model);

  // When refresh() has something to try again (monotonic ms); nullopt: never by itself.
  [[nodiscard]] std::optional<std::uint64_t> next_retry_ms() const;
  // A VRF's Kea that failed has come up: refresh() tries it at once.
  void retry(VrfId vrf);

  // What is configured; nullptr before the first change.
  [[nodiscard]] const Model* configured() const { return model_ ? &*model_ : nullptr; }
  // What is served: the configured VRFs and those that were discovered.
  [[nodiscard]] const Model* model() const { return model_ ? &served_ : nullptr; }
  [[nodiscard]] const Desired& desired() const { return desired_; }
  [[nodiscard]] std::uint64_t generation() const { return executor_.generation(); }
  [[nodiscard]] const std::map<VrfId, Trouble>& vrf_troubles() const { return vrf_troubles_; }
  [[nodiscard]] const std::map<std::string, Trouble>& port_troubles() const { return port_troubles_; }
  // Of everything at once: a snapshot that the dataplane refused, leftovers that cannot be removed.
  [[nodiscard]] const std::vector<std::string>& general_troubles() const { return general_troubles_; }
  // The running dataplane was made with other settings than the configuration now has.
  [[nodiscard]] bool dataplane_settings_stale() const { return settings_stale_; }

 private:
  [[nodiscard]] Result<Desired> desire(const Observed& observed) const;
  [[nodiscard]] IdTable ids_for(const Discovered& discovered) const;
  using SeenLink = std::pair<IfIndex, bool>;  // and whether it is up
  [[nodiscard]] std::map<std::string, SeenLink> troubled_links(const Observed& observed) const;
  void retry_changed_ports(const Observed& observed);
  [[nodiscard]] Result<RunReport> reconcile(const Model& model, RunPolicy policy, bool skip_waiting);
  void note(const RunReport& report, const Scopes& skipped);
  void note_general(std::vector<std::string> troubles);
  [[nodiscard]] std::set<VrfId> weak_vrfs(const Desired& desired) const;
  [[nodiscard]] Scopes waiting_scopes() const;

  Setup setup_;
  Executor executor_;
  IdTable ids_;
  std::optional<Model> model_;
  Model served_;
  std::map<IfIndex, std::string> devices_;  // of discovered VRFs
  Desired desired_;
  bool settings_stale_ = false;
  std::map<VrfId, Trouble> vrf_troubles_;
  std::map<std::string, Trouble> port_troubles_;
  std::map<std::string, SeenLink> troubled_links_;  // when last tried
  std::vector<std::string> general_troubles_;
  std::uint32_t general_attempts_ = 0;
  std::uint64_t general_retry_ms_ = 0;
};

// What the dataplane process is made with, from the configuration.
[[nodiscard]] ipc::Settings dataplane_settings(const Model& model);

// Settings that a running xdp-kead cannot change; empty if there are none.
[[nodiscard]] std::vector<std::string> restart_needed(const Model& running, const Model& wanted);

}  // namespace xk
