// One way for every change: configuration, netlink event, API call and retry all make a new desired
// state, plan it against what is observed, and run the steps.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/reconcile/admin.h"
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

// How long looks and changes took.
inline constexpr std::array<std::uint64_t, 10> kReconcileBucketsMs{1,   5,    10,   50,     100,
                                                                   500, 1000, 5000, 10'000, 60'000};
struct ReconcileStats {
  std::uint64_t count = 0;
  std::uint64_t errors = 0;  // that failed, and steps that were not possible
  std::uint64_t sum_ms = 0;
  std::array<std::uint64_t, kReconcileBucketsMs.size()>
      buckets{};  // up to that long, and over the one before
};

class Reconciler {
 public:
  struct Setup {
    Machine machine;
    RenderKea render_kea;
    std::string ids_path;
    std::string admin_path;
    std::string hostname;
    // What operators have paused, by VRF; refresh() after a change of it.
    std::function<std::map<std::string, Paused>()> paused = {};
  };
  explicit Reconciler(Setup setup) : setup_(std::move(setup)), executor_(setup_.machine) {}

  // Reads the ids and what operators decided. Call once, before the first change.
  [[nodiscard]] Result<> load();

  // Takes a new configuration. The first one is served as far as the machine allows. A later one is
  // refused whole when a VRF that did not fail before fails, or the dataplane refuses: everything is
  // then as it was. A port that cannot be had (a foreign XDP program) is no reason: it is left as
  // trouble, like an interface that is not there.
  [[nodiscard]] std::expected<ChangeReport, std::vector<std::string>> change(const Model& model);

  // The same configuration on a changed machine. What cannot be done is left as trouble and retried.
  // retry_now: try what failed lately again as well.
  ChangeReport refresh(bool retry_now);

  // What an operator decides of a VRF; nullopt: as configured. Remembered first, then done as far as the
  // machine allows; the rest is retried. Errors: no such VRF (ENOENT), others depend on it, it cannot be
  // remembered; nothing has changed then.
  [[nodiscard]] Result<ChangeReport> set_admin(const std::string& vrf, std::optional<AdminState> state);
  [[nodiscard]] const AdminTable& admin() const { return admin_; }
  // VRFs with such a decision that were not there since load(): their interfaces may still come.
  [[nodiscard]] const std::set<std::string>& awaited() const { return awaited_; }
  // Routing table of a kernel VRF device, as it was looked at last; 0: there is none of that name.
  [[nodiscard]] std::uint32_t vrf_table(const std::string& device) const;
  // VRFs that would be served, had no operator deleted them.
  [[nodiscard]] const std::vector<Vrf>& deleted() const { return deleted_; }

  // Where the Kea or the native engine of a VRF, served or deleted, keeps its leases; nullopt: there is no
  // such VRF, it has neither, or it is not known.
  [[nodiscard]] std::optional<std::string> lease_directory(const std::string& vrf) const;

  // The steps a configuration would need now, none of them run.
  [[nodiscard]] std::expected<std::vector<std::string>, std::vector<std::string>> preview(const Model& model);

  // When refresh() has something to try again or to take away (monotonic ms); nullopt: never by itself.
  [[nodiscard]] std::optional<std::uint64_t> next_retry_ms() const;
  // A VRF's Kea that failed has come up: refresh() tries it at once.
  void retry(VrfId vrf);

  [[nodiscard]] const ReconcileStats& stats() const { return stats_; }
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
  // What is known by the names of VRFs, under the names of now.
  struct Named {
    IdTable ids;
    AdminTable admin;
  };
  [[nodiscard]] Named follow(const Discovered& discovered) const;
  [[nodiscard]] std::map<std::string, std::string> renames(const Discovered& discovered) const;
  [[nodiscard]] const Vrf* find(const std::string& vrf) const;
  [[nodiscard]] Result<Desired> desire(const Observed& observed, const Named& named,
                                       const std::vector<Vrf>& deleted) const;
  // Takes what is deleted out of what was found.
  [[nodiscard]] static std::vector<Vrf> take_deleted(Discovered& discovered, const AdminTable& admin);
  void forget_admin(RunReport& report);
  using SeenLink = std::pair<IfIndex, bool>;  // and whether it is up
  [[nodiscard]] std::map<std::string, SeenLink> troubled_links(const Observed& observed) const;
  void retry_changed_ports(const Observed& observed);
  [[nodiscard]] Result<RunReport> measured(const Model& model, RunPolicy policy, bool skip_waiting);
  [[nodiscard]] Result<RunReport> reconcile(const Model& model, RunPolicy policy, bool skip_waiting);
  void note(const RunReport& report, const Scopes& skipped);
  void note_general(std::vector<std::string> troubles);
  [[nodiscard]] std::set<VrfId> weak_vrfs(const Desired& desired) const;
  [[nodiscard]] Scopes waiting_scopes() const;

  Setup setup_;
  Executor executor_;
  ReconcileStats stats_;
  IdTable ids_;
  AdminTable admin_;
  bool admin_unsaved_ = false;
  std::set<std::string> awaited_;
  std::vector<Vrf> deleted_;
  std::optional<Model> model_;
  Model served_;
  std::map<IfIndex, VrfDevice> devices_;
  std::map<std::string, std::uint32_t> tables_;  // of all VRF devices
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
