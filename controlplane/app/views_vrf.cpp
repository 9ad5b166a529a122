// VRFs and how they do.
#include "controlplane/app/views.h"
#include "controlplane/app/views_text.h"
#include "controlplane/model/names.h"

namespace xk::kead {

using api::VrfView;

std::string Views::kea_trouble(VrfId id) const {
  const KeaStatus* status = kea(id);
  if (status == nullptr) return "Kea is not started";
  if (status->state == KeaState::running) return {};
  return "Kea is " + state_text(status->state) +
         (status->last_error.empty() ? "" : ": " + status->last_error);
}

std::string Views::native_trouble(const Vrf& vrf, VrfId id) const {
  const auto report = natives_.find(id);
  if (report == natives_.end()) return "the dataplane has not said anything of its native engine yet";
  const std::string why = report->second.error.empty() ? "" : ": " + report->second.error;
  switch (report->second.state) {
    case NativeState::recovering:
      return "its native engine reads its journal";
    case NativeState::failing:
      return "its native engine cannot write its journal" + why;
    case NativeState::closed:
      return "its native engine has given it up";
    case NativeState::broken:
      return "its native engine cannot read its journal" + why;
    case NativeState::serving:
      break;
  }
  const auto trouble = native_troubles_.find(vrf.name);
  return trouble == native_troubles_.end() ? std::string()
                                           : "its leases do not get into the store: " + trouble->second;
}

// With server_mode "all" a silent server may be meant so (a stand-by one): it is trouble if all are.
std::string Views::server_trouble(const Vrf& vrf, VrfId id) const {
  std::string first;
  std::size_t dead = 0;
  for (const Ip4 address : vrf.relay.servers) {
    const ServerStatus* status = server(id, address);
    if (status == nullptr || status->state != ServerState::dead) continue;
    ++dead;
    if (first.empty()) first = to_string(address);
  }
  if (dead == 0 || (vrf.relay.server_mode == ServerMode::all && dead < vrf.relay.servers.size())) return {};
  return dead == 1 ? "server " + first + " does not answer"
                   : std::to_string(dead) + " servers do not answer, " + first + " is the first";
}

// The worst that is true of it.
Views::VrfHealth Views::health(const Vrf& vrf, VrfId id, const Tally& tally) const {
  VrfHealth health{.state = "serving", .reason = {}};
  const auto become = [&health](const char* state, std::string reason, bool shared = false) {
    health.state = state;
    health.reason = std::move(reason);
    health.shared = shared;
    return health;
  };
  if (const auto trouble = reconciler_.vrf_troubles().find(id); trouble != reconciler_.vrf_troubles().end()) {
    return become("degraded", trouble->second.reason);
  }
  if (tally.serving == 0 && !vrf.attachments.empty()) {
    const auto& general = reconciler_.general_troubles();
    if (tally.waiting.empty() && !general.empty()) return become("pending", general.front(), true);
    return become("pending", tally.waiting);
  }
  if (vrf.engine == Engine::kea && desired_.keas.contains(id)) {
    if (std::string trouble = kea_trouble(id); !trouble.empty())
      return become("degraded", std::move(trouble));
  }
  if (!dataplane_.connected) return become("degraded", "the dataplane is not connected", true);
  if (dataplane_.silent) return become("degraded", "the dataplane does not answer", true);
  if (dataplane_.generation != reconciler_.generation()) {
    return become("degraded", "the dataplane has not taken the configuration yet", true);
  }
  if (vrf.engine == Engine::native && desired_.natives.contains(id)) {
    if (std::string trouble = native_trouble(vrf, id); !trouble.empty())
      return become("degraded", std::move(trouble));
  }
  if (!tally.waiting.empty()) return become("degraded", tally.waiting);
  if (const auto impaired = desired_.impaired.find(id); impaired != desired_.impaired.end()) {
    return become("degraded", impaired->second.front());
  }
  if (std::string trouble = server_trouble(vrf, id); !trouble.empty())
    return become("degraded", std::move(trouble));
  return health;
}

Views::Tally Views::tally_of(VrfId id) const {
  const auto counted = tallies_.find(id);
  return counted == tallies_.end() ? Tally{} : counted->second;
}

// As an operator sees it: what he has decided comes before what is true of it.
Views::VrfHealth Views::shown_health(const Vrf& vrf, VrfId id) const {
  VrfHealth now = health(vrf, id, tally_of(id));
  if (reconciler_.admin().find(vrf.name) != AdminState::draining) return now;
  now.reason = now.state == "serving" ? kTakesNoNewClients : now.state + ": " + now.reason;
  now.state = "draining";
  return now;
}

std::vector<VrfState> Views::vrf_states() const {
  std::vector<VrfState> states;
  for (const Vrf& vrf : model_.vrfs) {
    const VrfId id = id_of(vrf.name);
    VrfHealth now = shown_health(vrf, id);
    states.push_back({.id = id,
                      .name = vrf.name,
                      .engine = std::string(name_of(vrf.engine)),
                      .state = std::move(now.state),
                      .reason = std::move(now.reason),
                      .shared = now.shared});
  }
  return states;
}

std::vector<VrfView> Views::vrfs() const {
  std::vector<VrfView> views;
  for (const Vrf& vrf : model_.vrfs) {
    const VrfId id = id_of(vrf.name);
    const Tally tally = tally_of(id);
    const VrfHealth now = shown_health(vrf, id);
    VrfView view{.name = vrf.name,
                 .id = id.value,
                 .origin = origin_text(vrf.found),
                 .device = vrf.device,
                 .table = reconciler_.vrf_table(vrf.device),
                 .engine = std::string(name_of(vrf.engine)),
                 .state = now.state,
                 .reason = now.reason,
                 .netns = {},
                 .handoff = {},
                 .giaddr = {},
                 .attachments = tally.clients,
                 .attachments_serving = tally.serving,
                 .subnets = {},
                 .servers = {},
                 .queue_capacity = vrf.queue_depth};
    for (const Subnet& subnet : vrf.subnets) view.subnets.push_back(to_string(subnet.prefix));
    for (const Ip4 server : vrf.relay.servers) view.servers.push_back(to_string(server));
    if (const auto handoff = desired_.handoffs.find(id); handoff != desired_.handoffs.end()) {
      view.netns = handoff->second.netns;
      view.handoff = handoff->second.host_name;
      view.giaddr = to_string(handoff->second.host_ip);
      view.servers = {to_string(handoff->second.peer_ip)};
    } else if (!vrf.relay.source.is_zero()) {
      view.giaddr = to_string(vrf.relay.source);
    }
    views.push_back(std::move(view));
  }
  for (const Vrf& vrf : reconciler_.deleted()) {
    VrfView view;
    view.name = vrf.name;
    view.origin = origin_text(vrf.found);
    view.device = vrf.device;
    view.table = reconciler_.vrf_table(vrf.device);
    view.engine = std::string(name_of(vrf.engine));
    view.state = "deleted";
    view.reason = "deleted by an operator; xdp-keactl vrf resume brings it back";
    views.push_back(std::move(view));
  }
  for (const std::string& name : reconciler_.awaited()) {
    const auto state = reconciler_.admin().find(name);
    if (!state) continue;
    VrfView view;
    view.name = name;
    view.origin = "awaited";
    view.state = *state == AdminState::deleted ? "deleted" : "draining";
    view.reason =
        "by an operator; it was not there since xdp-kead started; xdp-keactl vrf resume forgets this";
    views.push_back(std::move(view));
  }
  return views;
}

}  // namespace xk::kead
