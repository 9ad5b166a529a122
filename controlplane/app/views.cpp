#include "controlplane/app/views.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "controlplane/app/event_loop.h"
#include "controlplane/model/lookup.h"
#include "controlplane/model/names.h"
#include "dataplane/base/outcome.h"

namespace xk::kead {
namespace {

using api::AllCountersView;
using api::AttachmentView;
using api::CountersView;
using api::KeaView;
using api::PortView;
using api::ServerView;
using api::VrfView;

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

std::string state_text(KeaState state) {
  switch (state) {
    case KeaState::missing:
      return "missing";
    case KeaState::starting:
      return "starting";
    case KeaState::running:
      return "running";
    case KeaState::silent:
      return "silent";
    case KeaState::backoff:
      return "backoff";
    case KeaState::stopping:
    case KeaState::stopped:
      break;
  }
  return "stopped";
}

std::string origin_text(bool found) { return found ? "discovered" : "configured"; }

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

std::string role_text(AttachmentRole role) {
  switch (role) {
    case AttachmentRole::client:
      return "client";
    case AttachmentRole::server:
      return "server";
    case AttachmentRole::handoff:
      break;
  }
  return "handoff";
}

void add_outcomes(const std::vector<std::uint64_t>& outcomes, CountersView& view) {
  for (std::size_t i = 0; i < std::min(outcomes.size(), kOutcomes.size()); ++i) {
    if (outcomes[i] == 0) continue;
    auto& list = kOutcomes[i].kind == OutcomeKind::note ? view.notes : view.drops;
    list.emplace_back(kOutcomes[i].name, outcomes[i]);
  }
}

}  // namespace

Views::Views(const Reconciler& reconciler, const Machine& machine)
    : reconciler_(reconciler),
      machine_(machine),
      model_(*reconciler.model()),
      desired_(reconciler.desired()),
      dataplane_(machine.dataplane.status()) {
  for (const KeaStatus& status : machine.keas.status()) keas_.emplace(status.vrf, status);
  for (const ServerStatus& status : machine.dataplane.servers())
    servers_.emplace(std::pair(status.vrf, status.address), status);
  for (const AttachedPort& port : machine.classifier.attached()) attached_[port.ifindex] = port;
  for (const VrfEntry& vrf : desired_.snapshot.vrfs) {
    ids_[vrf.name] = vrf.id;
    names_[vrf.id] = vrf.name;
  }
  for (const DesiredPort& each : desired_.ports) ports_[each.entry.id] = &each;
  count_attachments();
}

void Views::count_attachments() {
  for (const Pending& pending : desired_.pending) {
    if (!pending.trouble) continue;
    Tally& of = tallies_[pending.vrf];
    if (pending.role == AttachmentRole::client) ++of.clients;
    if (of.waiting.empty()) of.waiting = pending.reason;
  }
  for (const AttachmentEntry& entry : desired_.snapshot.attachments) {
    const DesiredPort* on = port(entry.port);
    if (on == nullptr) continue;
    Tally& of = tallies_[entry.vrf];
    if (entry.role == AttachmentRole::client) ++of.clients;
    std::string reason = obstacle(entry.vrf, *on);
    if (reason.empty() && entry.role == AttachmentRole::client) ++of.serving;
    if (of.waiting.empty()) of.waiting = std::move(reason);
  }
}

// ---- looking things up -----------------------------------------------------------------------------

const KeaStatus* Views::kea(VrfId id) const {
  const auto found = keas_.find(id);
  return found == keas_.end() ? nullptr : &found->second;
}

const ServerStatus* Views::server(VrfId id, Ip4 address) const {
  const auto found = servers_.find({id, address});
  return found == servers_.end() ? nullptr : &found->second;
}

VrfId Views::id_of(const std::string& name) const {
  const auto found = ids_.find(name);
  return found == ids_.end() ? VrfId{} : found->second;
}

std::string Views::vrf_name(VrfId id) const {
  if (id.value == 0) return "-";
  const auto found = names_.find(id);
  return found == names_.end() ? "(removed, id " + std::to_string(id.value) + ")" : found->second;
}

const DesiredPort* Views::port(PortId id) const {
  const auto found = ports_.find(id);
  return found == ports_.end() ? nullptr : found->second;
}

std::string Views::obstacle(VrfId vrf, const DesiredPort& on) const {
  if (const auto trouble = reconciler_.vrf_troubles().find(vrf);
      trouble != reconciler_.vrf_troubles().end()) {
    return trouble->second.reason;
  }
  const auto trouble = reconciler_.port_troubles().find(on.entry.name);
  return trouble == reconciler_.port_troubles().end() ? std::string() : trouble->second.reason;
}

// ---- VRFs ------------------------------------------------------------------------------------------

std::string Views::kea_trouble(VrfId id) const {
  const KeaStatus* status = kea(id);
  if (status == nullptr) return "Kea is not started";
  if (status->state == KeaState::running) return {};
  return "Kea is " + state_text(status->state) +
         (status->last_error.empty() ? "" : ": " + status->last_error);
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

std::vector<AttachmentState> Views::attachment_states() const {
  std::vector<AttachmentState> states;
  for (const AttachmentEntry& entry : desired_.snapshot.attachments) {
    const DesiredPort* on = port(entry.port);
    if (entry.role != AttachmentRole::client || on == nullptr) continue;
    states.push_back({.vrf = vrf_name(entry.vrf),
                      .place = attachment_text(on->entry.name, entry.outer.vid, entry.inner.vid),
                      .reason = obstacle(entry.vrf, *on)});
  }
  for (const Pending& pending : desired_.pending) {
    if (pending.role != AttachmentRole::client || !pending.trouble) continue;
    states.push_back({.vrf = vrf_name(pending.vrf),
                      .place = attachment_text(pending.interface, pending.outer, pending.inner),
                      .reason = pending.reason});
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
                 .engine = std::string(name_of(vrf.engine)),
                 .state = now.state,
                 .reason = now.reason,
                 .netns = {},
                 .handoff = {},
                 .giaddr = {},
                 .attachments = tally.clients,
                 .attachments_serving = tally.serving,
                 .subnets = {},
                 .servers = {}};
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
    view.engine = std::string(name_of(vrf.engine));
    view.state = "deleted";
    view.reason = "deleted by an operator; xdp-keactl vrf resume brings it back";
    views.push_back(std::move(view));
  }
  return views;
}

std::vector<KeaView> Views::keas() const {
  std::vector<KeaView> views;
  for (const Vrf& vrf : model_.vrfs) {
    const VrfId id = id_of(vrf.name);
    if (vrf.engine != Engine::kea || !desired_.keas.contains(id)) continue;
    KeaView view;
    view.vrf = vrf.name;
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

// ---- ports and attachments -------------------------------------------------------------------------

std::vector<PortView> Views::ports() const {
  std::vector<PortView> views;
  for (const DesiredPort& on : desired_.ports) {
    PortView view{.name = on.entry.name,
                  .ifindex = on.entry.ifindex.value,
                  .kind = std::string(name_of(on.entry.kind)),
                  .mode = "-",
                  .state = dataplane_.connected ? "serving" : "no dataplane",
                  .warning = {}};
    if (on.entry.kind == PortKind::af_xdp) {
      if (const auto attached = attached_.find(on.entry.ifindex); attached != attached_.end()) {
        view.mode = attached->second.mode == AttachMode::native ? "native" : "generic";
        view.warning = attached->second.warning;
      } else {
        view.state = "pending";
      }
    }
    if (std::string reason = obstacle(on.handoff_of, on); !reason.empty()) {
      view.state = "pending";
      view.warning = std::move(reason);
    }
    views.push_back(std::move(view));
  }
  for (const Pending& pending : desired_.pending) {
    if (pending.interface.empty() || pending.found ||
        std::ranges::find(views, pending.interface, &PortView::name) != views.end()) {
      continue;
    }
    views.push_back({.name = pending.interface,
                     .ifindex = 0,
                     .kind = "af_xdp",
                     .mode = "-",
                     .state = "pending",
                     .warning = pending.reason});
  }
  return views;
}

Result<std::vector<AttachmentView>> Views::attachments() const {
  const auto rows = machine_.classifier.attachments();
  if (!rows) return std::unexpected(rows.error());
  std::map<std::uint32_t, const AttachmentRow*> in_bpf;
  for (const AttachmentRow& row : *rows) in_bpf[row.value.attachment_id] = &row;

  std::vector<AttachmentView> views;
  for (const AttachmentEntry& entry : desired_.snapshot.attachments) {
    const DesiredPort* on = port(entry.port);
    if (on == nullptr) continue;
    AttachmentView view{.id = entry.id.value,
                        .vrf = vrf_name(entry.vrf),
                        .interface = on->entry.name,
                        .ifindex = on->entry.ifindex.value,
                        .vlan = vlan_text(entry.outer.vid, entry.inner.vid),
                        .role = role_text(entry.role),
                        .origin = {},
                        .on = {},
                        .subnet = entry.role == AttachmentRole::client ? to_string(entry.subnet) : "",
                        .state = "serving",
                        .reason = obstacle(entry.vrf, *on)};
    if (const auto source = desired_.sources.find(entry.id); source != desired_.sources.end()) {
      view.origin = origin_text(source->second.found);
      if (source->second.interface != view.interface) view.on = source->second.interface;
    }
    const auto row = in_bpf.find(entry.id.value);
    if (view.reason.empty() && on->entry.kind == PortKind::af_xdp && row == in_bpf.end()) {
      view.reason = "not in the classifier's map";
    }
    if (row != in_bpf.end()) view.ifindex = row->second->key.ifindex;
    if (view.reason.empty() && !dataplane_.connected) view.reason = "the dataplane is not connected";
    if (!view.reason.empty()) view.state = "pending";
    in_bpf.erase(entry.id.value);
    views.push_back(std::move(view));
  }
  for (const auto& [id, row] : in_bpf) {
    views.push_back({.id = id,
                     .vrf = vrf_name(VrfId{row->value.vrf_id}),
                     .interface = "",
                     .ifindex = row->key.ifindex,
                     .vlan = vlan_text(Vid{row->key.outer_vid}, Vid{row->key.inner_vid}),
                     .role = role_text(static_cast<AttachmentRole>(row->value.role)),
                     .origin = {},
                     .on = {},
                     .subnet = "",
                     .state = "pending",
                     .reason = "in the classifier's map, but not configured"});
  }
  for (const Pending& pending : desired_.pending) {
    views.push_back({.id = 0,
                     .vrf = vrf_name(pending.vrf),
                     .interface = pending.interface,
                     .ifindex = 0,
                     .vlan = vlan_text(pending.outer, pending.inner),
                     .role = role_text(pending.role),
                     .origin = pending.role == AttachmentRole::client ? origin_text(pending.found) : "",
                     .on = {},
                     .subnet = pending.subnet.length != 0 ? to_string(pending.subnet) : "",
                     .state = pending.trouble ? "pending" : "unserved",
                     .reason = pending.reason});
  }
  return views;
}

// ---- counters --------------------------------------------------------------------------------------

Result<AllCountersView> Views::counters() const {
  const auto xdp = machine_.classifier.counters();
  if (!xdp) return std::unexpected(xdp.error());
  AllCountersView all;
  all.total.vrf = "total";
  std::vector<std::uint64_t> total(kOutcomes.size());
  const auto add = [&](const VrfCounts& counts) {
    CountersView view{.vrf = vrf_name(counts.vrf),
                      .rx = counts.rx,
                      .copies = counts.copies,
                      .tx = counts.tx,
                      .requests = counts.requests,
                      .replies = counts.replies,
                      .arp = counts.arp,
                      .exceptions = counts.exceptions,
                      .queue_high_water = counts.queue_high_water,
                      .drops = {},
                      .notes = {}};
    add_outcomes(counts.outcomes, view);
    for (std::size_t i = 0; i < std::min(counts.outcomes.size(), total.size()); ++i)
      total[i] += counts.outcomes[i];
    all.total.rx += counts.rx;
    all.total.copies += counts.copies;
    all.total.tx += counts.tx;
    all.total.requests += counts.requests;
    all.total.replies += counts.replies;
    all.total.arp += counts.arp;
    all.total.exceptions += counts.exceptions;
    all.total.queue_high_water = std::max(all.total.queue_high_water, counts.queue_high_water);
    all.vrfs.push_back(std::move(view));
  };
  const std::vector<VrfCounts> counted = machine_.dataplane.counters();
  std::set<VrfId> seen;
  for (const VrfCounts& counts : counted) {
    add(counts);
    seen.insert(counts.vrf);
  }
  for (const VrfEntry& vrf : desired_.snapshot.vrfs) {
    if (seen.contains(vrf.id)) continue;
    VrfCounts none;
    none.vrf = vrf.id;
    add(none);
  }
  add_outcomes(total, all.total);
  for (std::size_t i = 0; i < std::min(xdp->size(), kOutcomes.size()); ++i) {
    const bool verdict = kOutcomes[i].kind == OutcomeKind::pass || kOutcomes[i].kind == OutcomeKind::redirect;
    if (verdict || i == XK_FIRST_FRAGMENT || (*xdp)[i] != 0)
      all.xdp.emplace_back(kOutcomes[i].name, (*xdp)[i]);
  }
  return all;
}

// ---- warnings --------------------------------------------------------------------------------------

std::vector<std::string> Views::warnings() const {
  std::vector<std::string> all = desired_.warnings;
  for (const auto& [ifindex, attached] : attached_) {
    if (attached.warning.empty()) continue;
    const auto on = std::ranges::find_if(
        desired_.ports, [&](const DesiredPort& candidate) { return candidate.entry.ifindex == ifindex; });
    const std::string name =
        on == desired_.ports.end() ? "ifindex " + std::to_string(ifindex.value) : on->entry.name;
    all.push_back("port " + name + ": " + attached.warning);
  }
  if (reconciler_.dataplane_settings_stale()) {
    all.emplace_back("the running dataplane was made with other settings: restart xdp-kea-dataplane");
  }
  if (dataplane_.silent) {
    all.push_back("the dataplane, pid " + std::to_string(dataplane_.pid) +
                  ", does not answer: its packet loops stand still, or it does");
  }
  if (!dataplane_.last_error.empty()) all.push_back("dataplane: " + dataplane_.last_error);
  for (const std::string& trouble : reconciler_.general_troubles()) all.push_back(trouble);
  for (const auto& [name, trouble] : reconciler_.port_troubles()) all.push_back(trouble.reason);
  for (const auto& [vrf, trouble] : reconciler_.vrf_troubles()) all.push_back(trouble.reason);
  for (const Pending& pending : desired_.pending) {
    if (!pending.trouble) continue;
    const std::string where = pending.interface.empty()
                                  ? ""
                                  : " " + attachment_text(pending.interface, pending.outer, pending.inner);
    const std::string whose = pending.vrf.value == 0 ? "no vrf" : "vrf " + vrf_name(pending.vrf);
    all.push_back(whose + where + ": " + pending.reason);
  }
  for (const auto& [vrf, reasons] : desired_.impaired) {
    for (const std::string& reason : reasons) all.push_back("vrf " + vrf_name(vrf) + ": " + reason);
  }
  return all;
}

std::string attachment_of_circuit(const Desired& desired, VrfId vrf, const std::string& circuit_id,
                                  const std::string& mac) {
  if (circuit_id.empty()) return {};
  for (const AttachmentEntry& entry : desired.snapshot.attachments) {
    if (entry.vrf != vrf || entry.role != AttachmentRole::client) continue;
    std::string text;
    for (const char c : entry.circuit_id) c == kMacPlaceholder ? text += mac : text += c;
    if (text != circuit_id) continue;
    const auto on = std::ranges::find_if(
        desired.ports, [&](const DesiredPort& candidate) { return candidate.entry.id == entry.port; });
    if (on == desired.ports.end()) return {};
    const std::string vlan = vlan_text(entry.outer.vid, entry.inner.vid);
    return vlan == "-" ? on->entry.name : on->entry.name + " " + vlan;
  }
  return {};
}

}  // namespace xk::kead
