// The part of the daemon that hears what happens: to dataplanes, links, Keas, servers elsewhere and pools.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "controlplane/app/daemon.h"
#include "controlplane/app/log.h"

namespace xk::kead {
namespace {

constexpr std::uint64_t kDebounceMs = 50;  // events come in bursts
constexpr std::uint64_t kHousekeepingMs = 1000;

}  // namespace

// The descriptors change whenever a dataplane comes or goes, also while a change runs.
void Daemon::watch_dataplane() {
  dataplane_sources_.clear();
  for (const int fd : adapters_->dataplane->fds()) {
    auto source = loop_->on_readable(fd, [this] { on_dataplane(); });
    if (source) dataplane_sources_.push_back(std::move(*source));
  }
}

void Daemon::on_dataplane() {
  const bool changed = adapters_->dataplane->poll();
  watch_dataplane();
  if (changed) look_at_dataplane();
}

void Daemon::look_at_dataplane() {
  natives_->look();
  const DataplaneStatus status = adapters_->dataplane->status();
  const std::pair<bool, std::uint32_t> seen{status.connected, status.connects};
  if (seen == dataplane_seen_) return;
  event_watch_.dataplane(status);
  dataplane_seen_ = seen;
  refresh(true);
}

void Daemon::on_links() {
  const LinkWatch::News news = link_watch_.drain(*adapters_->links);
  if (!news.error.empty()) spdlog::error("msg=\"netlink events\" error=\"{}\"", quoted(news.error));
  if (news.lost) {
    events_.record({.level = EventLevel::warning,
                    .kind = event::kResync,
                    .vrf = {},
                    .interface = {},
                    .text = "netlink events were lost in a burst: everything is looked at anew"});
  }
  if (news.look) refresh_soon(kDebounceMs);
}

void Daemon::on_keas() {
  adapters_->keas->tick(EventLoop::now_ms());
  look_at_keas();
}

// Has those that came up at last served: once, what else is wrong with them is tried again in its time.
void Daemon::look_at_keas() {
  const std::vector<KeaStatus> keas = adapters_->keas->status();
  std::set<std::pair<VrfId, std::int64_t>> running;
  for (const KeaStatus& status : keas) {
    if (status.state != KeaState::running) continue;
    running.emplace(status.vrf, status.pid);
    if (running_keas_.contains({status.vrf, status.pid})) continue;
    if (!reconciler_->vrf_troubles().contains(status.vrf)) continue;
    reconciler_->retry(status.vrf);
    refresh_soon(0);
  }
  running_keas_ = std::move(running);
  look_at_ha();
  if (event_watch_.keas(keas)) event_watch_.served(*reconciler_, *machine_);
}

void Daemon::look_at_servers() {
  const auto changes = server_watch_.look(adapters_->dataplane->servers());
  for (const ServerWatch::Change& change : changes) {
    const auto& vrfs = reconciler_->desired().snapshot.vrfs;
    const auto vrf = std::ranges::find(vrfs, change.vrf, &VrfEntry::id);
    if (vrf == vrfs.end()) continue;
    const std::string server = "server " + to_string(change.address);
    events_.record({.level = change.died ? EventLevel::warning : EventLevel::info,
                    .kind = change.died ? event::kServerDead : event::kServerLive,
                    .vrf = vrf->name,
                    .interface = {},
                    .text = change.died ? server + " has answered nothing for " +
                                              std::to_string(vrf->dead_after_s) + " s"
                                        : server + " answers again"});
  }
  if (!changes.empty()) event_watch_.served(*reconciler_, *machine_);
}

void Daemon::look_at_pools() {
  const Snapshot& snapshot = reconciler_->desired().snapshot;
  if (snapshot.natives.empty()) return;
  const auto& vrfs = snapshot.vrfs;
  for (const auto& [id, requests] : pool_watch_.look(adapters_->dataplane->counters(), EventLoop::now_ms())) {
    const auto vrf = std::ranges::find(vrfs, id, &VrfEntry::id);
    if (vrf == vrfs.end()) continue;
    events_.record(
        {.level = EventLevel::warning,
         .kind = event::kPoolExhausted,
         .vrf = vrf->name,
         .interface = {},
         .text = "no address of its pools was free for " + std::to_string(requests) + " requests"});
  }
}

void Daemon::housekeeping() {
  adapters_->dataplane->tick(EventLoop::now_ms());
  event_watch_.dataplane(adapters_->dataplane->status());
  look_at_dataplane();  // it may have been heard while a change was made
  on_keas();
  if (!keas_to_restart_.empty()) restart_keas({});
  look_at_servers();
  look_at_pools();
  purge_what_ended();
  still_moving();
  if (auto timer = loop_->at(EventLoop::now_ms() + kHousekeepingMs, [this] { housekeeping(); })) {
    housekeeping_timer_ = std::move(*timer);
  }
}

}  // namespace xk::kead
