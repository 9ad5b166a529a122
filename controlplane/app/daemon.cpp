#include "controlplane/app/daemon.h"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include <systemd/sd-daemon.h>

#include "controlplane/app/announce.h"
#include "controlplane/app/log.h"
#include "controlplane/app/teardown.h"
#include "controlplane/config/config.h"
#include "controlplane/kea/render.h"
#include "controlplane/model/lookup.h"
#include "controlplane/natives/position.h"

namespace xk::kead {
namespace {

constexpr std::uint64_t kNextHopCheckMs = 30'000;  // next hops are looked at again without an event

std::string static_directory(const Appliance& appliance) { return appliance.run_dir + "/static"; }
std::string paused_directory(const Appliance& appliance) { return appliance.run_dir + "/paused"; }

void notify(const std::string& state) { sd_notify(0, state.c_str()); }

std::vector<std::string> texts_of(const std::vector<ConfigError>& errors) {
  std::vector<std::string> texts;
  for (const ConfigError& error : errors) texts.push_back(error.text());
  return texts;
}

}  // namespace

Daemon::~Daemon() {
  if (ha_) ha_->stop();
}

Result<> Daemon::run() {
  if (auto ready = set_up(); !ready) return ready;
  if (auto watching = watch(); !watching) return watching;
  // The first change runs on the loop like all others; API calls wait for it.
  loop_->post([this] { start_serving(); });
  const auto ended = loop_->run();
  notify("STOPPING=1");
  if (ha_) ha_->stop();
  events_.close();  // API calls that wait for events end
  leases_->close();
  if (scrape_) scrape_->stop();
  api_->stop();
  return ended;
}

// Everything that may refuse to start, before the machine is touched.
Result<> Daemon::set_up() {
  const Appliance& appliance = first_model_.appliance;
  auto loop = EventLoop::make();
  if (!loop) return std::unexpected(loop.error());
  loop_ = std::move(*loop);
  auto opened = open_store(first_model_);
  if (!opened) return std::unexpected(opened.error());
  auto leases = LeaseService::make(
      appliance, std::move(*opened), first_model_.store.lease_grace_s, [this](LeaseService::Told told) {
        events_.record({.level = told.warning ? EventLevel::warning : EventLevel::info,
                        .kind = event::kLeases,
                        .vrf = std::move(told.vrf),
                        .interface = {},
                        .text = std::move(told.text)});
      });
  if (!leases) return std::unexpected(leases.error());
  leases_ = std::move(*leases);
  auto adapters = Adapters::make(
      appliance, [this](const kea::Start& start, auto done) { leases_->prepare(start, std::move(done)); });
  if (!adapters) return std::unexpected(adapters.error());
  adapters_ = std::move(*adapters);
  if (auto shared = set_up_ha(); !shared) return shared;
  if (auto natives = set_up_natives(); !natives) return natives;
  machine_.emplace(adapters_->machine());
  machine_->natives = natives_.get();
  if (sd_watchdog_enabled(0, &watchdog_us_) <= 0) watchdog_us_ = 0;
  machine_->moved = [this] { still_moving(); };
  pauses_.emplace(
      PauseService::Parts{.loop = *loop_,
                          .events = events_,
                          .directory = paused_directory(appliance),
                          .kea_group = [this](const std::string& vrf) { return kea_group(vrf); },
                          .model = [this] { return reconciler_->model(); },
                          .changed = [this](const leases::Pause& pause) { statics_->pause_changed(pause); },
                          .put_in_force = [this](const auto& vrfs) { pauses_changed(vrfs); }});
  statics_.emplace(StaticService::Parts{
      .loop = *loop_,
      .dataplane = *adapters_->dataplane,
      .events = events_,
      .snapshot = [this] { return reconciler_->model() ? &reconciler_->desired().snapshot : nullptr; },
      .moved = [this] { still_moving(); },
      .paused =
          [this](const StaticEntry& entry) {
            if (entry.kind == StaticKind::circuit) return false;
            return pauses_->paused(
                entry.vrf,
                entry.kind == StaticKind::mac ? leases::PauseKind::mac : leases::PauseKind::client_id,
                entry.identity);
          },
      .kea_directory = static_directory(appliance),
      .kea_group = [this](const std::string& vrf) { return kea_group(vrf); }});
  machine_->before_publish = [this](const Snapshot& snapshot) { statics_->sync(snapshot); };
  renderer_.emplace(
      *adapters_->keas,
      KeaRenderer::Facts{.static_directory = static_directory(appliance),
                         .paused_directory = paused_directory(appliance),
                         .lease_grace_s = first_model_.store.lease_grace_s},
      [this](const KeaSpec& spec, Durability durability) { return leases_->hook_of(spec, durability); });
  reconciler_.emplace(Reconciler::Setup{
      .machine = *machine_,
      .render_kea = [this](const Vrf& vrf, const KeaSpec& spec,
                           const HandoffSpec& handoff) { return renderer_->render(vrf, spec, handoff); },
      .ids_path = appliance.state_dir + "/ids.json",
      .admin_path = appliance.state_dir + "/admin.json",
      .hostname = hostname_of(appliance),
      .paused = [this] { return pauses_->all(); }});
  if (auto loaded = reconciler_->load(); !loaded) return loaded;

  control_.emplace(
      LoopControl::Parts{.loop = *loop_,
                         .leases = *leases_,
                         .ha = ha_.get(),
                         .reconciler = *reconciler_,
                         .machine = *machine_,
                         .events = events_,
                         .statics = *statics_,
                         .pauses = *pauses_,
                         .natives = *natives_,
                         .config_path = options_.config,
                         .started_ms = started_ms_,
                         .moved_ms = moved_ms_,
                         .reload = [this] { return reload(); },
                         .act_on_vrf = [this](const std::string& vrf, api::VrfAction action,
                                              bool purge) { return act_on_vrf(vrf, action, purge); },
                         .teardown = [this] { return teardown(); },
                         .config_diff = [this](const auto& text) { return config_diff(text); }});
  api_.emplace(*control_);
  auto serving = api_->start(
      {.path = appliance.api_socket, .mode = appliance.api_socket_mode, .group = appliance.api_group});
  if (!serving) return std::unexpected(std::move(serving.error()).in("API socket " + appliance.api_socket));
  if (!appliance.metrics_address.empty()) {
    scrape_.emplace(*control_);
    if (auto scraped = scrape_->start(appliance.metrics_address); !scraped)
      return std::unexpected(std::move(scraped.error()).in("appliance.metrics_address"));
  }
  const std::string socket = appliance.run_dir + "/dataplane.sock";
  auto listening = adapters_->dataplane->listen(socket, first_model_.dataplane.user);
  if (!listening) return std::unexpected(std::move(listening.error()).in("dataplane socket " + socket));
  return {};
}

// A connection of its own, which nothing else holds up, and whose answers come in time or not at all.
Result<> Daemon::set_up_ha() {
  const HaSettings& settings = first_model_.ha;
  if (!settings.enabled) return {};
  auto store = open_store(first_model_, std::chrono::milliseconds(500 * settings.ttl_s));
  if (!store) return std::unexpected(store.error());
  std::string name = settings.name.empty() ? hostname_of(first_model_.appliance) : settings.name;
  ha_ = std::make_unique<HaService>(HaService::Parts{
      .settings = settings,
      .name = std::move(name),
      .store = std::move(*store),
      .gate = leases_->gate(),
      .events = events_,
      .renew_kea = [this](const std::string& vrf) { loop_->post([this, vrf] { restart_keas({vrf}); }); },
      .serves =
          [this](VrfId vrf) {
            loop_->post([this, vrf] { announce_identifiers(reconciler_->desired().snapshot, vrf); });
          }});
  leases_->set_sharing(
      {.starting = [this](const std::string& vrf) { ha_->kea_starting(vrf); },
       .prepared = [this](const std::string& vrf, store::Revision at) { ha_->kea_prepared(vrf, at); },
       .active = [this](const std::string& vrf) { return ha_->active(vrf); }});
  return {};
}

Result<> Daemon::set_up_natives() {
  auto natives = NativeService::make(
      {.loop = *loop_,
       .dataplane = *adapters_->dataplane,
       .events = events_,
       .store = leases_->store(),
       .user = first_model_.dataplane.user,
       .grace_s = first_model_.store.lease_grace_s,
       .stop_stray =
           [this](const std::string& directory) {
             const Model* model = reconciler_->model();
             return std::ranges::any_of(
                 kea_kinds(model != nullptr ? *model : first_model_),
                 [&](const KeaSettings& kind) { return adapters_->keas->stop_stray(directory, kind); });
           },
       .progress =
           [this](const std::string& vrf) {
             const auto& vrfs = reconciler_->desired().snapshot.vrfs;
             const auto entry = std::ranges::find(vrfs, vrf, &VrfEntry::name);
             if (entry != vrfs.end()) reconciler_->retry(entry->id);
             refresh_soon(0);
           }});
  if (!natives) return std::unexpected(natives.error());
  natives_ = std::move(*natives);
  return {};
}

// What this appliance can do for each VRF, for the election.
void Daemon::look_at_ha() {
  if (!ha_ || reconciler_->model() == nullptr) return;
  ha_->attach(adapters_->dataplane->fence());
  const Desired& desired = reconciler_->desired();
  const DataplaneStatus dataplane = adapters_->dataplane->status();
  std::set<VrfId> running;
  for (const KeaStatus& status : adapters_->keas->status())
    if (status.state == KeaState::running) running.insert(status.vrf);
  std::map<std::string, HaService::Vrf> vrfs;
  for (const VrfEntry& entry : desired.snapshot.vrfs) {
    HaService::Vrf& vrf = vrfs[entry.name];
    vrf.id = entry.id;
    vrf.ability = {.fit = dataplane.connected && !dataplane.silent &&
                          (entry.engine != Engine::kea || running.contains(entry.id)),
                   .drained = entry.draining,
                   .has_leases = entry.engine == Engine::kea};
    if (const auto kea = desired.keas.find(entry.id); kea != desired.keas.end()) {
      vrf.directory = kea->second.spec.directory;
      vrf.facts = facts_of(kea->second.spec);
    }
  }
  ha_->set_vrfs(std::move(vrfs));
}

// Of the user that the VRF's Kea runs as.
unsigned Daemon::kea_group(const std::string& vrf) const {
  const Model& model = reconciler_->model() != nullptr ? *reconciler_->model() : first_model_;
  const Vrf* known = find_vrf(model, vrf);
  return kea::group_of_user(known == nullptr ? KeaSettings{}.user : known->kea.user);
}

Result<> Daemon::watch() {
  const auto keep = [this](Result<EventSource> source) -> Result<> {
    if (!source) return std::unexpected(source.error());
    sources_.push_back(std::move(*source));
    return {};
  };
  const std::array<Result<>, 5> kept{
      keep(loop_->on_signal(SIGTERM, [this] { loop_->stop(); })),
      keep(loop_->on_signal(SIGINT, [this] { loop_->stop(); })),
      keep(loop_->on_signal(SIGHUP, [this] { static_cast<void>(reload()); })),
      keep(loop_->on_readable(adapters_->links->events_fd(), [this] { on_links(); })),
      keep(loop_->on_readable(adapters_->keas->events_fd(), [this] { on_keas(); }))};
  for (const Result<>& each : kept) {
    if (!each) return each;
  }
  return {};
}

// For systemd's watchdog and /healthz: from the loop, and between the steps of a long change.
void Daemon::still_moving() {
  const std::uint64_t now_ms = EventLoop::now_ms();
  moved_ms_ = now_ms;
  if (watchdog_us_ == 0 || (now_ms - watchdog_told_ms_) * 1000 < watchdog_us_ / 4) return;
  watchdog_told_ms_ = now_ms;
  notify("WATCHDOG=1");
}

void Daemon::start_serving() {
  pauses_->start(leases_->store());
  statics_->start(leases_->store());
  auto report = reconciler_->change(first_model_);
  watch_dataplane();
  if (report) after_change(*report);  // the first change is never refused
  housekeeping();
  leases_->start_keeping(
      [this](const std::set<std::string>& vrfs) { loop_->post([this, vrfs] { restart_keas(vrfs); }); });
  events_.record({.level = EventLevel::info,
                  .kind = event::kStarted,
                  .vrf = {},
                  .interface = {},
                  .text = "xdp-kead " XK_VERSION ", pid " + std::to_string(::getpid()) + ", serves " +
                          std::to_string(first_model_.vrfs.size()) + " VRFs of " + options_.config + " at " +
                          first_model_.appliance.api_socket});
  notify("READY=1\nSTATUS=serving " + std::to_string(first_model_.vrfs.size()) + " VRFs");
}

// Keas of VRFs that were removed while no xdp-kead was there. One that runs while its new configuration
// is refused is none of them: it serves on with the old one.
void Daemon::stop_stray_keas() {
  if (strays_stopped_ || !reconciler_->vrf_troubles().empty() || !reconciler_->general_troubles().empty())
    return;
  strays_stopped_ = true;
  const Model& model = *reconciler_->model();
  for (const KeaSettings& kind : kea_kinds(model)) {
    for (const std::string& directory :
         adapters_->keas->stop_strays(model.appliance.state_dir + "/kea", kind)) {
      spdlog::info("msg=\"stopped the Kea of a VRF that is gone\" directory={}", directory);
    }
  }
}

// ---- changes ---------------------------------------------------------------------------------------

api::Answer<api::ReloadView> Daemon::reload() {
  const auto refuse = [this](std::vector<std::string> messages) {
    for (const std::string& message : messages) {
      events_.record({.level = EventLevel::error,
                      .kind = event::kReloadRefused,
                      .vrf = {},
                      .interface = {},
                      .text = "configuration refused, the old one stays: " + message});
    }
    notify("READY=1");
    return std::unexpected(api::Failure{409, std::move(messages)});
  };
  if (reconciler_->model() == nullptr) return refuse({"xdp-kead is still starting"});
  if (torn_down_) return refuse({"xdp-kead was torn down and is ending"});
  notify("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(EventLoop::now_ms() * 1000));
  const auto model = load_config(options_.config);
  if (!model) {
    return refuse(texts_of(model.error()));
  }
  static_cast<void>(renderer_->forget());
  auto report = reconciler_->change(*model);
  watch_dataplane();
  if (!report) return refuse(std::move(report.error()));
  if (options_.log_level.empty()) spdlog::set_level(spdlog::level::from_str(model->appliance.log_level));
  after_change(*report);
  events_.record({.level = EventLevel::info,
                  .kind = event::kReloaded,
                  .vrf = {},
                  .interface = {},
                  .text = "configuration in force, generation " + std::to_string(reconciler_->generation()) +
                          ", steps: " + std::to_string(report->steps.size())});
  notify("READY=1\nSTATUS=serving " + std::to_string(model->vrfs.size()) + " VRFs");
  api::ReloadView view{.generation = reconciler_->generation(), .steps = std::move(report->steps)};
  for (const std::string& failure : report->failures)
    view.steps.push_back("not done, tried again: " + failure);
  return view;
}

// The same up to the plan, which is not run.
api::Answer<api::ConfigDiffView> Daemon::config_diff(const std::optional<api::ConfigText>& text) {
  const auto refuse = [](std::vector<std::string> messages) {
    return std::unexpected(api::Failure{409, std::move(messages)});
  };
  const auto model = text ? parse_config(text->toml, text->name) : load_config(options_.config);
  if (!model) return refuse(texts_of(model.error()));
  KeaRenderer::Kept kept = renderer_->forget();
  auto steps = reconciler_->preview(*model);
  renderer_->put_back(std::move(kept));
  if (!steps) return refuse(std::move(steps.error()));
  api::ConfigDiffView view{
      .generation = reconciler_->generation(), .changes = {}, .steps = std::move(*steps)};
  for (ConfigChange& change : diff_config(*reconciler_->configured(), *model))
    view.changes.push_back({std::move(change.section), std::move(change.change), std::move(change.lines)});
  return view;
}

api::Answer<api::ReloadView> Daemon::act_on_vrf(const std::string& vrf, api::VrfAction action, bool purge) {
  const auto state = action == api::VrfAction::drain    ? std::optional(AdminState::draining)
                     : action == api::VrfAction::remove ? std::optional(AdminState::deleted)
                                                        : std::nullopt;
  if (torn_down_) return std::unexpected(api::Failure{503, {"xdp-kead was torn down and is ending"}});
  const auto directory = reconciler_->lease_directory(vrf);
  auto report = reconciler_->set_admin(vrf, state);
  watch_dataplane();
  if (!report) {
    const int status = report.error().system_errno == ENOENT ? 404 : 409;
    return std::unexpected(api::Failure{status, {std::move(report.error().message)}});
  }
  const auto kind = action == api::VrfAction::drain    ? event::kVrfDraining
                    : action == api::VrfAction::remove ? event::kVrfDeleted
                                                       : event::kVrfResumed;
  const char* text = action == api::VrfAction::drain    ? "an operator has it take no new clients"
                     : action == api::VrfAction::remove ? "an operator has it taken off the machine"
                                                        : "an operator has it served as it is configured";
  events_.record({.level = EventLevel::info, .kind = kind, .vrf = vrf, .interface = {}, .text = text});
  after_change(*report);
  api::ReloadView view{.generation = reconciler_->generation(), .steps = std::move(report->steps)};
  for (const std::string& failure : report->failures)
    view.steps.push_back("not done, tried again: " + failure);
  if (std::string done = act_on_leases(vrf, action, purge, directory); !done.empty())
    view.steps.push_back("vrf " + vrf + ": " + done);
  purge_what_ended();
  return view;
}

// What is to become of its leases; empty: they stay, as nobody ever wanted otherwise.
std::string Daemon::act_on_leases(const std::string& vrf, api::VrfAction action, bool purge,
                                  const std::optional<std::string>& directory) {
  if (action == api::VrfAction::remove) {
    if (!purge) return {};
    if (!directory) return "it has no leases of its own on this machine: none are deleted";
    purges_.ask(*directory, vrf);
    return "delete its leases in " + *directory + " when nobody writes them any more";
  }
  if (!directory || !purges_.take_back(*directory)) return {};
  const std::string text = "its leases in " + *directory + " were to be deleted and are kept";
  events_.record(
      {.level = EventLevel::warning, .kind = event::kVrfPurged, .vrf = vrf, .interface = {}, .text = text});
  return text;
}

void Daemon::purge_what_ended() {
  const auto outcomes = purges_.look(adapters_->keas->status(), natives_->directories(),
                                     reconciler_->desired(), reconciler_->admin());
  for (const Purges::Outcome& outcome : outcomes) {
    std::string error =
        outcome.error.empty() ? "" : outcome.directory + " cannot be deleted: " + outcome.error;
    if (!outcome.kept) {
      if (const auto purged = leases::purge_leases(leases_->store(), outcome.vrf); !purged)
        error += (error.empty() ? "" : "; ") + purged.error().message;
      if (const auto erased = natives::erase_position(leases_->store(), outcome.vrf); !erased)
        error += (error.empty() ? "" : "; ") + erased.error().error.message;
    }
    const bool failed = !error.empty();
    std::string text = "its leases in " + outcome.directory + " and in the store are deleted";
    if (failed) text = error;
    if (outcome.kept)
      text = "its leases in " + outcome.directory + " were to be deleted and are kept: they are served again";
    events_.record({.level = failed         ? EventLevel::error
                             : outcome.kept ? EventLevel::warning
                                            : EventLevel::info,
                    .kind = event::kVrfPurged,
                    .vrf = outcome.vrf,
                    .interface = {},
                    .text = std::move(text)});
  }
}

api::Answer<api::TeardownView> Daemon::teardown() {
  TeardownReport report = tear_down(*reconciler_->model(), *adapters_, [this] { still_moving(); });
  torn_down_ = true;
  for (const std::string& line : report.removed) spdlog::info("msg=\"torn down\" step=\"{}\"", quoted(line));
  for (const std::string& line : report.failures)
    spdlog::error("msg=\"not torn down\" error=\"{}\"", quoted(line));
  events_.record({.level = report.failures.empty() ? EventLevel::info : EventLevel::error,
                  .kind = event::kTornDown,
                  .vrf = {},
                  .interface = {},
                  .text = "an operator had everything taken off the machine; xdp-kead ends"});
  loop_->stop();
  return api::TeardownView{.removed = std::move(report.removed), .failures = std::move(report.failures)};
}

void Daemon::refresh(bool retry_now) {
  if (torn_down_) return;
  const ChangeReport report = reconciler_->refresh(retry_now);
  watch_dataplane();
  after_change(report);
}

// Kea reads it from its file; the native engine has it in its snapshot.
void Daemon::pauses_changed(const std::set<std::string>& vrfs) {
  if (reconciler_->model() == nullptr) return;
  const bool native = std::ranges::any_of(vrfs, [this](const std::string& name) {
    const Vrf* vrf = find_vrf(*reconciler_->model(), name);
    return vrf != nullptr && vrf->engine == Engine::native;
  });
  if (native) refresh(false);
}

void Daemon::refresh_soon(std::uint64_t delay_ms) {
  if (refresh_pending_) return;
  auto timer = loop_->at(EventLoop::now_ms() + delay_ms, [this] {
    refresh_pending_ = false;
    refresh(false);
  });
  if (!timer) {
    spdlog::error("msg=\"no timer, looking at once\" error=\"{}\"", quoted(timer.error().message));
    refresh(false);
    return;
  }
  refresh_timer_ = std::move(*timer);
  refresh_pending_ = true;
}

void Daemon::after_change(const ChangeReport& report) {
  for (const std::string& step : report.steps) spdlog::info("msg=\"done\" step=\"{}\"", quoted(step));
  event_watch_.changed(*reconciler_, *machine_, report);
  renderer_->keep_only(reconciler_->desired().keas);
  statics_->sync(reconciler_->desired().snapshot);
  pauses_->write_all();
  leases_->follow(reconciler_->desired());
  look_at_ha();
  stop_stray_keas();
  set_retry_timer();
}

void Daemon::set_retry_timer() {
  std::uint64_t when_ms = EventLoop::now_ms() + kNextHopCheckMs;
  if (const auto retry = reconciler_->next_retry_ms()) when_ms = std::min(when_ms, *retry);
  if (auto timer = loop_->at(when_ms, [this] { refresh(false); })) retry_timer_ = std::move(*timer);
}

// With leases from the store. One whose start is being prepared has its turn at the next housekeeping.
void Daemon::restart_keas(const std::set<std::string>& vrfs) {
  keas_to_restart_.insert(vrfs.begin(), vrfs.end());
  std::erase_if(keas_to_restart_, [this](const std::string& vrf) {
    return std::ranges::none_of(reconciler_->desired().keas,
                                [&](const auto& kea) { return kea.second.spec.vrf_name == vrf; });
  });
  for (const auto& [id, kea] : reconciler_->desired().keas) {
    if (keas_to_restart_.contains(kea.spec.vrf_name) && adapters_->keas->restart(id))
      keas_to_restart_.erase(kea.spec.vrf_name);
  }
}

}  // namespace xk::kead
