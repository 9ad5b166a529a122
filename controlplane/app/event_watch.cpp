#include "controlplane/app/event_watch.h"

#include <utility>
namespace xk::kead {
namespace {

// State and reason of a VRF with which all is well.
constexpr const char* kAllServed = "serving: ";

std::string_view kind_of(const std::string& state) {
  if (state == "serving") return event::kVrfServing;
  if (state == "draining") return event::kVrfDraining;
  return state == "pending" ? event::kVrfPending : event::kVrfDegraded;
}

// Why something is not as desired, in one list that is easily compared.
std::vector<std::string> troubles_of(const Reconciler& reconciler) {
  std::vector<std::string> all = reconciler.general_troubles();
  for (const auto& [vrf, trouble] : reconciler.vrf_troubles()) all.push_back(trouble.reason);
  for (const auto& [port, trouble] : reconciler.port_troubles()) all.push_back(trouble.reason);
  return all;
}

}  // namespace

void EventWatch::dataplane(const DataplaneStatus& now) {
  if (now.connected && now.silent != dataplane_silent_) {
    log_.record({.level = now.silent ? EventLevel::error : EventLevel::info,
                 .kind = now.silent ? event::kDataplaneSilent : event::kDataplaneAnswers,
                 .vrf = {},
                 .interface = {},
                 .text = "the dataplane, pid " + std::to_string(now.pid) +
                         (now.silent ? ", does not answer: its packet loops stand still, or it does"
                                     : ", answers again")});
  }
  dataplane_silent_ = now.connected && now.silent;
  if (now.connected == dataplane_connected_ && now.connects == dataplane_connects_) return;
  if (now.connected) {
    log_.record({.level = EventLevel::info,
                 .kind = event::kDataplaneConnected,
                 .vrf = {},
                 .interface = {},
                 .text = "the dataplane, pid " + std::to_string(now.pid) +
                         ", is connected; it has generation " + std::to_string(now.generation) + " and " +
                         std::to_string(now.held_ports.size()) + " ports"});
  } else {
    log_.record({.level = EventLevel::warning,
                 .kind = event::kDataplaneGone,
                 .vrf = {},
                 .interface = {},
                 .text = "the dataplane is gone, the kernel gets the packets: " + now.last_error});
  }
  dataplane_connected_ = now.connected;
  dataplane_connects_ = now.connects;
}

void EventWatch::kea(KeaState before, SeenKea& now, const KeaStatus& status) {
  const std::string who = "Kea " + status.version + ", pid " + std::to_string(now.pid) + ",";
  const auto record = [&](EventLevel level, std::string_view kind, std::string text) {
    log_.record({.level = level, .kind = kind, .vrf = now.name, .interface = {}, .text = std::move(text)});
  };
  switch (now.state) {
    case KeaState::running:
      if (now.served == now.pid) {
        record(EventLevel::info, event::kKeaStarted, who + " answers again");
      } else if (now.served != 0 && !now.died) {
        record(EventLevel::warning, event::kKeaReplaced,
               who + " serves in the place of pid " + std::to_string(now.served));
      } else {
        record(EventLevel::info, event::kKeaStarted, who + " serves");
      }
      now.served = now.pid;
      now.died = false;
      return;
    case KeaState::silent:
      return record(EventLevel::warning, event::kKeaSilent,
                    "Kea, pid " + std::to_string(now.pid) + ", does not answer: " + status.last_error);
    case KeaState::starting:
      if (before != KeaState::running || now.served != now.pid) return;
      return record(
          EventLevel::warning, event::kKeaSilent,
          "Kea, pid " + std::to_string(now.pid) + ", does not serve any more: " + status.last_error);
    case KeaState::backoff:
    case KeaState::missing:
      now.died = true;
      return record(EventLevel::warning, event::kKeaDied,
                    "Kea does not run, restarts: " + std::to_string(status.restarts) +
                        (status.last_error.empty() ? "" : ": " + status.last_error));
    case KeaState::stopping:
    case KeaState::stopped:
      return;
  }
}

void EventWatch::losses(const SeenKea& before, const KeaStatus& status) {
  if (status.socket_drops <= before.socket_drops) return;
  log_.record(
      {.level = EventLevel::warning,
       .kind = event::kKeaLost,
       .vrf = status.vrf_name,
       .interface = {},
       .text = "Kea does not keep up: " + std::to_string(status.socket_drops - before.socket_drops) +
               " more datagrams found its socket's buffer full, " + std::to_string(status.socket_drops) +
               " in all; clients will ask again. A larger net.core.rmem_default helps against bursts"});
}

bool EventWatch::keas(const std::vector<KeaStatus>& now) {
  std::map<VrfId, SeenKea> seen;
  bool changed = false;
  for (const KeaStatus& status : now) {
    const auto known = keas_.find(status.vrf);
    SeenKea is = known == keas_.end() ? SeenKea{} : known->second;
    const KeaState before = is.state;
    if (known != keas_.end()) losses(is, status);
    is.socket_drops = status.socket_drops;  // at the first look: what an adopted one had lost before
    const bool same = known != keas_.end() && before == status.state && is.pid == status.pid;
    is.name = status.vrf_name;
    is.state = status.state;
    is.pid = status.pid;
    if (!same) {
      kea(before, is, status);
      changed = true;
    }
    seen[status.vrf] = std::move(is);
  }
  for (const auto& [vrf, before] : keas_) {
    if (seen.contains(vrf)) continue;
    changed = true;
    log_.record({.level = EventLevel::info,
                 .kind = event::kKeaStopped,
                 .vrf = before.name,
                 .interface = {},
                 .text = "Kea has ended, as nothing needs it any more"});
  }
  keas_ = std::move(seen);
  return changed;
}

void EventWatch::changed(const Reconciler& reconciler, const Machine& machine, const ChangeReport& report) {
  std::set<std::string> failures(report.failures.begin(), report.failures.end());
  for (const std::string& failure : failures) {
    if (failures_.contains(failure)) continue;
    log_.record({.level = EventLevel::warning,
                 .kind = event::kStepFailed,
                 .vrf = {},
                 .interface = {},
                 .text = "not done, tried again: " + failure});
  }
  if (!reconciler.next_retry_ms()) failures_.clear();
  failures_.merge(failures);

  // Looking at every attachment is dear where there are many: only when something has changed.
  std::vector<std::string> troubles = troubles_of(reconciler);
  const bool same =
      looked_ && report.steps.empty() && troubles == troubles_ && reconciler.desired().pending == pending_;
  if (same) return;
  troubles_ = std::move(troubles);
  pending_ = reconciler.desired().pending;
  served(reconciler, machine);
}

void EventWatch::served(const Reconciler& reconciler, const Machine& machine) {
  if (reconciler.model() == nullptr) return;
  const Views views(reconciler, machine);
  const bool first = !std::exchange(looked_, true);
  vrfs(views, first);
  attachments(views, first);
}

void EventWatch::vrfs(const Views& views, bool first) {
  std::map<std::string, std::string> seen;
  for (const VrfState& vrf : views.vrf_states()) {
    const auto record = [&](EventLevel level, std::string_view kind, std::string text) {
      log_.record({.level = level, .kind = kind, .vrf = vrf.name, .interface = {}, .text = std::move(text)});
    };
    const auto known = vrfs_.find(vrf.name);
    std::string before = known != vrfs_.end() ? known->second : std::string(first ? kAllServed : "");
    if (known == vrfs_.end() && !first)
      record(EventLevel::info, event::kVrfAdded,
             "engine " + vrf.engine + ", id " + std::to_string(vrf.id.value));
    // What is true of the whole appliance is said once, and not of each VRF.
    std::string is = vrf.shared ? before : vrf.state + ": " + vrf.reason;
    if (is != before) {
      record(
          vrf.state == "serving" || vrf.reason == kTakesNoNewClients ? EventLevel::info : EventLevel::warning,
          kind_of(vrf.state), vrf.reason.empty() ? "all of it is served" : vrf.reason);
    }
    seen[vrf.name] = std::move(is);
  }
  for (const auto& [name, state] : vrfs_) {
    if (seen.contains(name)) continue;
    log_.record({.level = EventLevel::info,
                 .kind = event::kVrfRemoved,
                 .vrf = name,
                 .interface = {},
                 .text = "it is not served any more"});
  }
  vrfs_ = std::move(seen);
}

void EventWatch::attachments(const Views& views, bool first) {
  std::map<std::pair<std::string, std::string>, std::string> seen;
  for (AttachmentState& attachment : views.attachment_states()) {
    const std::pair key{attachment.vrf, attachment.place};
    if (!seen.try_emplace(key, attachment.reason).second) continue;
    const auto before = attachments_.find(key);
    const bool serving = attachment.reason.empty();
    const bool news = before != attachments_.end() ? before->second != attachment.reason : !first || !serving;
    if (!news) continue;
    log_.record(
        {.level = serving ? EventLevel::info : EventLevel::warning,
         .kind = serving ? event::kAttachmentServing : event::kAttachmentPending,
         .vrf = std::move(attachment.vrf),
         .interface = std::move(attachment.place),
         .text = serving ? "its packets are steered to the dataplane" : std::move(attachment.reason)});
  }
  for (const auto& [key, reason] : attachments_) {
    // One that waited may be served under the name of its port now.
    if (seen.contains(key) || !reason.empty()) continue;
    log_.record({.level = EventLevel::info,
                 .kind = event::kAttachmentRemoved,
                 .vrf = key.first,
                 .interface = key.second,
                 .text = "it is not asked for any more"});
  }
  attachments_ = std::move(seen);
}

}  // namespace xk::kead
