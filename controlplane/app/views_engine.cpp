// Who answers in the VRFs: Keas and servers elsewhere.
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "controlplane/app/event_loop.h"
#include "controlplane/app/views.h"
#include "controlplane/app/views_text.h"
#include "controlplane/model/names.h"

namespace xk::kead {
namespace {

using api::KeaView;
using api::NativeView;
using api::ServerView;

std::uint64_t unix_ms_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

// When that was, in Unix time; the dataplane's clock is the same as ours. 0: never.
std::uint64_t unix_s_of(std::uint64_t monotonic_ms) {
  const std::uint64_t now_ms = EventLoop::now_ms();
  if (monotonic_ms == 0 || monotonic_ms > now_ms) return 0;
  return (unix_ms_now() - (now_ms - monotonic_ms)) / 1000;
}

std::uint64_t uptime_s(std::uint64_t started_unix_ms) {
  const std::uint64_t now_ms = unix_ms_now();
  return started_unix_ms == 0 || started_unix_ms > now_ms ? 0 : (now_ms - started_unix_ms) / 1000;
}

std::string state_text(ServerState state) {
  switch (state) {
    case ServerState::live:
      return "live";
    case ServerState::dead:
      return "dead";
    case ServerState::unknown:
      break;
  }
  return "unknown";
}

}  // namespace

std::vector<KeaView> Views::keas() const {
  std::vector<KeaView> views;
  for (const Vrf& vrf : model_.vrfs) {
    const VrfId id = id_of(vrf.name);
    if (vrf.engine != Engine::kea || !desired_.keas.contains(id)) continue;
    KeaView view;
    view.vrf = vrf.name;
    view.durability = name_of(vrf.kea.durability);
    if (const auto handoff = desired_.handoffs.find(id); handoff != desired_.handoffs.end()) {
      view.netns = handoff->second.netns;
    }
    if (const auto wanted = desired_.keas.find(id); wanted != desired_.keas.end()) {
      view.directory = wanted->second.spec.directory;
    }
    const auto trouble = reconciler_.vrf_troubles().find(id);
    if (const KeaStatus* status = kea(id)) {
      view.state = state_text(status->state);
      view.pid = status->pid;
      view.uptime_s = uptime_s(status->started_unix_ms);
      view.restarts = status->restarts;
      view.socket_drops = status->socket_drops;
      view.version = status->version;
      view.last_error = status->last_error;
    } else {
      view.state = ::access(vrf.kea.binary.c_str(), X_OK) == 0 ? "stopped" : "missing";
    }
    if (view.last_error.empty() && trouble != reconciler_.vrf_troubles().end()) {
      view.last_error = trouble->second.reason;
    }
    views.push_back(std::move(view));
  }
  return views;
}

std::vector<NativeView> Views::natives() const {
  std::vector<NativeView> views;
  for (const auto& [id, spec] : desired_.natives) {
    NativeView view;
    view.vrf = spec.vrf_name;
    view.directory = spec.directory;
    const auto vrf = std::ranges::find(model_.vrfs, spec.vrf_name, &Vrf::name);
    if (vrf != model_.vrfs.end()) view.durability = name_of(vrf->native.reply_after);
    view.state = dataplane_.connected ? state_text(NativeState::recovering) : "unknown";
    if (const auto report = natives_.find(id); report != natives_.end()) {
      view.state = state_text(report->second.state);
      view.leases = report->second.leases;
      view.declined = report->second.declined;
      view.table_bytes = report->second.bytes;
      view.journal = report->second.journal;
      view.durable_revision = report->second.revision;
      view.last_error = report->second.error;
    }
    const auto trouble = reconciler_.vrf_troubles().find(id);
    if (view.last_error.empty() && trouble != reconciler_.vrf_troubles().end())
      view.last_error = trouble->second.reason;
    views.push_back(std::move(view));
  }
  std::ranges::sort(views, {}, &NativeView::vrf);
  return views;
}

void add_journals(const std::map<std::string, NativeStatus>& all, std::vector<NativeView>& natives) {
  for (NativeView& view : natives) {
    const auto status = all.find(view.vrf);
    if (status == all.end() || !status->second.journal) continue;
    const natives::Status& journal = *status->second.journal;
    view.followed = journal.stored.has_value();
    view.stored_revision = journal.stored.value_or(0);
    view.behind = status->second.behind().value_or(0);
    if (view.last_error.empty()) view.last_error = journal.trouble;
  }
}

std::vector<ServerView> Views::servers() const {
  std::vector<ServerView> views;
  for (const VrfEntry& vrf : desired_.snapshot.vrfs) {
    if (vrf.engine != Engine::relay) continue;
    for (const ServerEntry& entry : vrf.servers) {
      ServerView view;
      view.vrf = vrf.name;
      view.address = to_string(entry.address);
      view.mode = std::string(name_of(vrf.server_mode));
      view.state = "unknown";
      if (const ServerStatus* status = server(vrf.id, entry.address)) {
        view.state = state_text(status->state);
        if (status->state != ServerState::unknown) view.since_unix_s = unix_s_of(status->since_ms);
        view.requests = status->requests;
        view.replies = status->replies;
        view.last_reply_unix_s = unix_s_of(status->last_reply_ms);
        view.deaths = status->deaths;
      }
      if (entry.via.value == 0 || entry.next_hop.is_zero()) {
        view.state = "unreachable";
        view.since_unix_s = 0;
      }
      views.push_back(std::move(view));
    }
  }
  return views;
}

}  // namespace xk::kead
