// xdp-kead while it runs: events in, reconciliation out.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/api/api_server.h"
#include "controlplane/api/scrape_server.h"
#include "controlplane/app/adapters.h"
#include "controlplane/app/event_log.h"
#include "controlplane/app/event_loop.h"
#include "controlplane/app/event_watch.h"
#include "controlplane/app/ha_service.h"
#include "controlplane/app/lease_service.h"
#include "controlplane/app/link_watch.h"
#include "controlplane/app/loop_control.h"
#include "controlplane/app/native_service.h"
#include "controlplane/app/options.h"
#include "controlplane/app/pause_service.h"
#include "controlplane/app/pool_watch.h"
#include "controlplane/app/purges.h"
#include "controlplane/app/server_watch.h"
#include "controlplane/app/static_service.h"
#include "controlplane/reconcile/reconciler.h"

namespace xk::kead {

class Daemon {
 public:
  Daemon(Options options, Model model) : options_(std::move(options)), first_model_(std::move(model)) {}

  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Blocks until a signal ends it. SIGTERM, SIGINT and SIGHUP must be blocked. What it served is
  // served on afterwards.
  [[nodiscard]] Result<> run();
  // Whether that ended because everything was taken off the machine.
  [[nodiscard]] bool torn_down() const { return torn_down_; }

 private:
  [[nodiscard]] Result<> set_up();
  [[nodiscard]] unsigned kea_group(const std::string& vrf) const;
  [[nodiscard]] Result<> watch();
  void start_serving();
  void stop_stray_keas();
  [[nodiscard]] api::Answer<api::ReloadView> reload();
  [[nodiscard]] api::Answer<api::ConfigDiffView> config_diff(const std::optional<api::ConfigText>& text);
  [[nodiscard]] api::Answer<api::ReloadView> act_on_vrf(const std::string& vrf, api::VrfAction action,
                                                        bool purge);
  [[nodiscard]] std::string act_on_leases(const std::string& vrf, api::VrfAction action, bool purge,
                                          const std::optional<std::string>& directory);
  [[nodiscard]] api::Answer<api::TeardownView> teardown();
  void purge_what_ended();
  void refresh(bool retry_now);
  void pauses_changed(const std::set<std::string>& vrfs);
  void refresh_soon(std::uint64_t delay_ms);
  void after_change(const ChangeReport& report);
  void set_retry_timer();
  void still_moving();
  void watch_dataplane();
  void on_dataplane();
  void on_links();
  void on_keas();
  void housekeeping();
  void restart_keas(const std::set<std::string>& vrfs);
  [[nodiscard]] Result<> set_up_ha();
  [[nodiscard]] Result<> set_up_natives();
  void look_at_dataplane();
  void look_at_ha();
  void look_at_keas();
  void look_at_servers();
  void look_at_pools();

  Options options_;
  Model first_model_;
  std::uint64_t started_ms_ = EventLoop::now_ms();
  std::atomic<std::uint64_t> moved_ms_{started_ms_};

  EventLog events_;
  EventWatch event_watch_{events_};
  std::set<std::pair<VrfId, std::int64_t>> running_keas_;  // at the last look, with their pids
  std::unique_ptr<EventLoop> loop_;
  std::optional<Adapters> adapters_;
  std::unique_ptr<HaService> ha_;         // null: this appliance is alone; stopped before what follows goes
  std::unique_ptr<LeaseService> leases_;  // after the adapters: it tells them when a Kea may start
  std::unique_ptr<NativeService> natives_;
  std::optional<Machine> machine_;
  std::optional<KeaRenderer> renderer_;
  std::optional<Reconciler> reconciler_;
  std::optional<PauseService> pauses_;
  std::optional<StaticService> statics_;
  std::optional<LoopControl> control_;
  std::optional<api::ApiServer> api_;
  std::optional<api::ScrapeServer> scrape_;

  std::vector<EventSource> sources_;            // for life
  std::vector<EventSource> dataplane_sources_;  // as connections come and go
  EventSource refresh_timer_, retry_timer_, housekeeping_timer_;
  bool refresh_pending_ = false;
  bool strays_stopped_ = false;
  bool torn_down_ = false;
  LinkWatch link_watch_;
  std::uint64_t watchdog_us_ = 0;  // systemd's limit; 0: it does not watch
  std::uint64_t watchdog_told_ms_ = 0;
  Purges purges_;
  std::set<std::string> keas_to_restart_;                    // not possible yet
  std::pair<bool, std::uint32_t> dataplane_seen_{false, 0};  // connected, connects
  ServerWatch server_watch_;
  PoolWatch pool_watch_;
};

}  // namespace xk::kead
