#include "controlplane/app/loop_control.h"

#include <algorithm>
#include <chrono>

#include "controlplane/api/api_server.h"
#include "controlplane/app/explain.h"
#include "controlplane/app/loop_call.h"
#include "controlplane/app/metrics.h"
#include "controlplane/app/views.h"
#include "controlplane/config/config.h"
#include "controlplane/kea/leases.h"
#include "controlplane/model/lookup.h"

namespace xk::kead {
namespace {

using api::Answer;
using api::Failure;

constexpr std::size_t kPagesMax = 100'000;
constexpr std::size_t kStoredPage = 2'000;

std::uint64_t unix_s() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

}  // namespace

std::unexpected<Failure> LoopControl::failure(int status, std::string message) {
  return std::unexpected(Failure{status, {std::move(message)}});
}

std::unexpected<Failure> LoopControl::too_late(std::chrono::milliseconds waited, bool begun) {
  const std::string seconds =
      std::to_string(std::chrono::duration_cast<std::chrono::seconds>(waited).count());
  return failure(503, begun ? "xdp-kead is still at it after " + seconds +
                                  " s, and goes on: xdp-keactl events tells how it ends"
                            : "xdp-kead has been busy with another change for " + seconds +
                                  " s; this was not begun: try again later");
}

Answer<api::StatusView> LoopControl::status() {
  return on_loop<api::StatusView>([this]() -> Answer<api::StatusView> {
    const Views views(parts_.reconciler, parts_.machine);
    auto keas = views.keas();
    add_gates(parts_.leases.gates(), keas);
    return api::StatusView{.version = XK_VERSION,
                           .generation = parts_.reconciler.generation(),
                           .configuration = parts_.config_path,
                           .uptime_s = (EventLoop::now_ms() - parts_.started_ms) / 1000,
                           .dataplane_state = !views.dataplane_running() ? "not connected"
                                              : views.dataplane().silent ? "not answering"
                                                                         : "running",
                           .dataplane_pid = views.dataplane_running() ? views.dataplane().pid : 0,
                           .dataplane_generation = views.dataplane().generation,
                           .store = store_view(parts_.leases.health()),
                           .ha = parts_.ha == nullptr ? api::HaView{} : ha_view(parts_.ha->status()),
                           .warnings = views.warnings(),
                           .ports = views.ports(),
                           .vrfs = shown_vrfs(views),
                           .keas = std::move(keas),
                           .natives = shown_natives(views)};
  });
}

std::vector<api::VrfView> LoopControl::shown_vrfs(const Views& views) const {
  std::vector<api::VrfView> vrfs = views.vrfs();
  if (parts_.ha != nullptr) add_standings(parts_.ha->status(), vrfs);
  return vrfs;
}

Answer<api::HaDoneView> LoopControl::hand_over(const std::string& vrf, bool to_us) {
  if (parts_.ha == nullptr) return failure(409, "[ha] is not enabled: this appliance is alone");
  auto done = to_us ? parts_.ha->take_over(vrf) : parts_.ha->release(vrf);
  if (done) return api::HaDoneView{std::move(*done)};
  const int code = done.error().system_errno;
  return failure(code == ENOENT                          ? 404
                 : code == ETIMEDOUT || code == ENOTCONN ? 503
                                                         : 409,
                 std::move(done.error().message));
}

Answer<std::vector<api::VrfView>> LoopControl::vrfs() {
  return on_loop<std::vector<api::VrfView>>([this]() -> Answer<std::vector<api::VrfView>> {
    return shown_vrfs(Views(parts_.reconciler, parts_.machine));
  });
}

Answer<std::vector<api::AttachmentView>> LoopControl::attachments() {
  return on_loop<std::vector<api::AttachmentView>>([this]() -> Answer<std::vector<api::AttachmentView>> {
    auto views = Views(parts_.reconciler, parts_.machine).attachments();
    if (!views) return failure(500, std::move(views.error().message));
    return std::move(*views);
  });
}

Answer<api::AllCountersView> LoopControl::counters() {
  return on_loop<api::AllCountersView>([this]() -> Answer<api::AllCountersView> {
    auto views = Views(parts_.reconciler, parts_.machine).counters();
    if (!views) return failure(500, std::move(views.error().message));
    return std::move(*views);
  });
}

Answer<std::vector<api::KeaView>> LoopControl::keas() {
  return on_loop<std::vector<api::KeaView>>([this]() -> Answer<std::vector<api::KeaView>> {
    auto keas = Views(parts_.reconciler, parts_.machine).keas();
    add_gates(parts_.leases.gates(), keas);
    return keas;
  });
}

std::vector<api::NativeView> LoopControl::shown_natives(const Views& views) const {
  auto natives = views.natives();
  add_journals(parts_.natives.status(), natives);
  return natives;
}

Answer<std::vector<api::NativeView>> LoopControl::natives() {
  return on_loop<std::vector<api::NativeView>>([this]() -> Answer<std::vector<api::NativeView>> {
    return shown_natives(Views(parts_.reconciler, parts_.machine));
  });
}

Answer<std::vector<api::ServerView>> LoopControl::servers() {
  return on_loop<std::vector<api::ServerView>>([this]() -> Answer<std::vector<api::ServerView>> {
    return Views(parts_.reconciler, parts_.machine).servers();
  });
}

// On the loop.
Answer<VrfId> LoopControl::kea_of(const std::string& vrf) const {
  const Vrf* wanted = find_vrf(*parts_.reconciler.model(), vrf);
  if (wanted != nullptr && wanted->engine == Engine::native)
    return failure(409, "VRF '" + vrf + "' is served by the native engine: it has no Kea");
  return lessor_of(vrf);
}

Answer<VrfId> LoopControl::lessor_of(const std::string& vrf) const {
  const Vrf* wanted = find_vrf(*parts_.reconciler.model(), vrf);
  if (wanted == nullptr) return failure(404, "there is no VRF '" + vrf + "'");
  if (wanted->engine == Engine::relay) {
    return failure(409, "VRF '" + vrf + "' is relayed to servers elsewhere: it has no Kea here");
  }
  const auto& vrfs = parts_.reconciler.desired().snapshot.vrfs;
  const auto entry = std::ranges::find(vrfs, vrf, &VrfEntry::name);
  if (entry == vrfs.end()) return failure(503, "VRF '" + vrf + "' is not set up yet");
  return entry->id;
}

Answer<std::string> LoopControl::kea_command(const std::string& vrf, const std::string& json) {
  return on_loop<std::string>([this, vrf, json]() -> Answer<std::string> {
    const auto id = kea_of(vrf);
    if (!id) return std::unexpected(id.error());
    auto answer = parts_.machine.keas.command(*id, json);
    if (answer) return std::move(*answer);
    return failure(answer.error().system_errno == EINVAL ? 400 : 502, std::move(answer.error().message));
  });
}

// ---- static leases ---------------------------------------------------------------------------------

struct LoopControl::RawPage {
  kea::LeasePage page;
};

Answer<LoopControl::RawPage> LoopControl::raw_lease_page(const std::string& vrf, Ip4 from,
                                                         std::uint32_t limit) {
  return on_loop<RawPage>([this, vrf, from, limit]() -> Answer<RawPage> {
    const auto id = kea_of(vrf);
    if (!id) return std::unexpected(id.error());
    const auto answer = parts_.machine.keas.command(*id, kea::lease_page_request(from, limit));
    if (!answer) return failure(502, answer.error().message);
    auto page = kea::parse_lease_page(*answer, limit);
    if (!page) return failure(502, page.error().message);
    return RawPage{std::move(*page)};
  });
}

// Of a VRF of the native engine: the store has its leases.
Answer<bool> LoopControl::look_at_stored_leases(const std::string& vrf, const std::set<Ip4>& wanted,
                                                StaticService::Leased& leased) {
  const std::uint64_t now_s = unix_s();
  Ip4 behind{wanted.begin()->value - 1};
  while (behind < *wanted.rbegin()) {
    const auto page = parts_.leases.page(vrf, behind, kStoredPage);
    if (!page) return failure(502, page.error().message);
    for (const leases::Record& record : page->records) {
      behind = record.address;
      const api::LeaseView view = lease_view(record, now_s, parts_.leases.grace_s());
      if (view.state == "expired" || !wanted.contains(record.address)) continue;
      leased[{vrf, record.address}] = {.mac = view.mac,
                                       .client_id = view.client_id,
                                       .circuit_id = record.circuit_id,
                                       .remote_id = record.remote_id,
                                       .declined = record.state == leases::State::declined};
    }
    if (page->last || page->records.empty()) break;
  }
  return true;
}

// Few addresses are asked for one by one, many by reading all leases between the first and the last.
Answer<bool> LoopControl::look_at_leases(const std::string& vrf, const std::set<Ip4>& wanted,
                                         StaticService::Leased& leased) {
  constexpr std::size_t kFew = 8;
  const std::uint64_t now_s = unix_s();
  const auto keep = [&](const kea::Lease& lease) {
    const bool over = lease.state == kea::LeaseState::expired || lease.expires_unix_s() <= now_s;
    if (over || !wanted.contains(lease.address)) return;
    leased[{vrf, lease.address}] = {.mac = lease.mac,
                                    .client_id = lease.client_id,
                                    .circuit_id = lease.circuit_id,
                                    .remote_id = lease.remote_id,
                                    .declined = lease.state == kea::LeaseState::declined};
  };
  if (wanted.size() <= kFew) {
    for (const Ip4 address : wanted) {
      const auto raw = raw_lease_page(vrf, Ip4{address.value - 1}, 1);
      if (!raw) return std::unexpected(raw.error());
      std::ranges::for_each(raw->page.leases, keep);
    }
    return true;
  }
  Ip4 from{wanted.begin()->value - 1};
  for (std::size_t pages = 0; pages < kPagesMax && from < *wanted.rbegin(); ++pages) {
    const auto raw = raw_lease_page(vrf, from, kea::kLeasePageSize);
    if (!raw) return std::unexpected(raw.error());
    std::ranges::for_each(raw->page.leases, keep);
    if (raw->page.last) break;
    from = raw->page.next_from;
  }
  return true;
}

Answer<StaticService::Leased> LoopControl::leased_now(const api::StaticRequest& request) {
  std::map<std::string, std::set<Ip4>> wanted;
  for (const StaticTexts& texts : request.leases) {
    const auto entry = parse_static(texts);
    if (entry && !entry->address.is_zero()) wanted[entry->vrf].insert(entry->address);
  }
  StaticService::Leased leased;
  for (const auto& [vrf, addresses] : wanted) {
    const auto native = on_loop<bool>([this, &vrf]() -> Answer<bool> {
      const Vrf* known = find_vrf(*parts_.reconciler.model(), vrf);
      return known != nullptr && known->engine == Engine::native;
    });
    if (!native) return std::unexpected(native.error());
    const auto looked =
        *native ? look_at_stored_leases(vrf, addresses, leased) : look_at_leases(vrf, addresses, leased);
    // What is wrong with the VRF itself is said of each lease; of a silent Kea nobody can say what it leased.
    if (looked || looked.error().status == 404 || looked.error().status == 409 || request.force) continue;
    if (looked.error().status == 503) return std::unexpected(looked.error());
    return failure(502, "VRF " + vrf +
                            ": its Kea cannot be asked which addresses are leased now, --force does "
                            "without: " +
                            looked.error().messages.front());
  }
  return leased;
}

Answer<api::StaticPageView> LoopControl::static_leases(const api::StaticQuery& query) {
  return on_loop<api::StaticPageView>(
      [this, query] { return parts_.statics.page(query, *parts_.reconciler.model()); });
}

Answer<api::StaticDoneView> LoopControl::add_static_leases(const api::StaticRequest& request) {
  const std::scoped_lock one_at_a_time(static_mutex_);
  const auto turn = request.check ? Answer<std::unique_ptr<StaticTurn>>(nullptr) : parts_.statics.turn();
  if (!turn) return std::unexpected(turn.error());
  const auto leased = leased_now(request);
  if (!leased) return std::unexpected(leased.error());
  auto plan = on_loop<StaticService::Plan>([this, request, leased = *leased] {
    return parts_.statics.plan_add(request, *parts_.reconciler.model(), leased);
  });
  if (!plan) return std::unexpected(plan.error());
  if (request.check) return std::move(plan->done);
  return parts_.statics.commit(std::move(*plan), turn->get());
}

Answer<api::StaticDoneView> LoopControl::delete_static_leases(const api::StaticRequest& request) {
  const std::scoped_lock one_at_a_time(static_mutex_);
  const auto turn = request.check ? Answer<std::unique_ptr<StaticTurn>>(nullptr) : parts_.statics.turn();
  if (!turn) return std::unexpected(turn.error());
  auto plan = on_loop<StaticService::Plan>([this, request] { return parts_.statics.plan_delete(request); });
  if (!plan) return std::unexpected(plan.error());
  if (request.check) return std::move(plan->done);
  return parts_.statics.commit(std::move(*plan), turn->get());
}

// ---- configuration ---------------------------------------------------------------------------------

Answer<std::string> LoopControl::config_show() {
  return on_loop<std::string>(
      [this]() -> Answer<std::string> { return show_config(*parts_.reconciler.configured()); });
}

Answer<api::ExplainView> LoopControl::explain(const std::string& interface, const std::string& vlan) {
  const auto tags = parse_vlan_question(vlan);
  if (!tags) return failure(400, tags.error());
  return on_loop<api::ExplainView>([this, interface, tags]() -> Answer<api::ExplainView> {
    auto found = kead::explain(parts_.reconciler, parts_.machine, interface, *tags);
    if (!found) return failure(500, std::move(found.error().message));
    return std::move(*found);
  });
}

// Waiters leave workers free for everybody else.
static_assert(EventLog::kWaitersMax * 2 <= api::ApiServer::kWorkers);

Answer<api::EventsView> LoopControl::events(const api::EventsQuery& query) {
  if (query.wait_s == 0) return parts_.events.read(query.since, query.vrf);
  return parts_.events.wait(query.since, query.vrf, std::chrono::seconds(query.wait_s));
}

Answer<api::ConfigDiffView> LoopControl::config_diff(const std::optional<api::ConfigText>& text) {
  return on_loop<api::ConfigDiffView>(
      [this, text]() -> Answer<api::ConfigDiffView> { return parts_.config_diff(text); });
}

Answer<api::ReloadView> LoopControl::act_on_vrf(const std::string& vrf, api::VrfAction action, bool purge) {
  return on_loop<api::ReloadView>([this, vrf, action, purge]() -> Answer<api::ReloadView> {
    return parts_.act_on_vrf(vrf, action, purge);
  });
}

Answer<api::TeardownView> LoopControl::teardown() {
  return on_loop<api::TeardownView>([this]() -> Answer<api::TeardownView> { return parts_.teardown(); });
}

// ---- monitoring --------------------------------------------------------------------------------------

Answer<std::string> LoopControl::metrics() {
  return on_loop<std::string>(parts_.scrape_wait, [this]() -> Answer<std::string> {
    auto text =
        metrics_text({.reconciler = parts_.reconciler,
                      .machine = parts_.machine,
                      .uptime_ms = EventLoop::now_ms() - parts_.started_ms,
                      .store = parts_.leases.health(),
                      .gates = parts_.leases.gates(),
                      .pools = pools_now(""),
                      .natives = parts_.natives.status(),
                      .ha = parts_.ha == nullptr ? std::nullopt : std::optional(parts_.ha->status())});
    if (!text) return failure(500, std::move(text.error().message));
    return std::move(*text);
  });
}

Answer<bool> LoopControl::alive() {
  const std::uint64_t moved_ms = parts_.moved_ms;
  const std::uint64_t now_ms = EventLoop::now_ms();
  if (now_ms < moved_ms + kStandstillMs) return true;
  return failure(503,
                 "xdp-kead's loop has not moved for " + std::to_string((now_ms - moved_ms) / 1000) + " s");
}

Answer<api::ReadyView> LoopControl::ready() {
  return on_loop<api::ReadyView>(parts_.scrape_wait, [this]() -> Answer<api::ReadyView> {
    api::ReadyView view;
    for (VrfState& vrf : not_ready(Views(parts_.reconciler, parts_.machine)))
      view.not_ready.push_back({std::move(vrf.name), std::move(vrf.state), std::move(vrf.reason)});
    view.ready = view.not_ready.empty();
    return view;
  });
}

Answer<api::ReloadView> LoopControl::reload() {
  return on_loop<api::ReloadView>([this]() -> Answer<api::ReloadView> { return parts_.reload(); });
}

}  // namespace xk::kead
