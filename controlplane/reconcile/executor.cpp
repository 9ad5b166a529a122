#include "controlplane/reconcile/executor.h"

#include <algorithm>
#include <cerrno>
#include <ranges>

namespace xk {
namespace {

// For a run's Keas together, once all are started: they share the machine's CPUs.
constexpr std::uint64_t kKeaWaitMs = 5000;
constexpr std::uint64_t kKeaWaitEachMs = 250;
constexpr std::uint64_t kKeaLookMs = 20;

// The error with the step in front. Adapters name the VRF as the step does: once is enough.
Error said_once(Error error, const std::string& step) {
  const std::string subject = step.substr(0, step.find(": ") + 2);
  if (error.message.starts_with(subject)) error.message.erase(0, subject.size());
  return std::move(error).in(step);
}

}  // namespace

// ---- looking ---------------------------------------------------------------------------------------

Result<Observed> Executor::observe(const Model& configured) {
  Observed observed;
  auto links = machine_.links.list();
  if (!links) return std::unexpected(std::move(links.error()).in("cannot list the interfaces"));
  observed.links = std::move(*links);
  const std::string mark = mark_prefix(configured.appliance);
  observed.discovered = discover(configured, observed.links, mark);
  auto namespaces = machine_.namespaces.list_marked(mark);
  if (!namespaces) return std::unexpected(std::move(namespaces.error()).in("cannot list the namespaces"));
  observed.namespaces = std::move(*namespaces);
  auto rows = machine_.classifier.attachments();
  if (!rows) return std::unexpected(std::move(rows.error()).in("cannot read the attachments in BPF"));
  observed.rows = std::move(*rows);
  auto addresses = machine_.classifier.addresses();
  if (!addresses) return std::unexpected(std::move(addresses.error()).in("cannot read the addresses in BPF"));
  observed.addresses = std::move(*addresses);
  for (const AttachedPort& port : machine_.classifier.attached()) observed.attached[port.ifindex] = port;
  for (const RouteQuestion& question : routes_wanted(observed.discovered.model)) {
    // No answer is no route: it is asked again when routes change.
    if (auto hop = machine_.links.next_hop(question.destination, question.vrf_device)) {
      observed.next_hops[question] = *hop;
    }
  }
  forget_what_is_gone(observed);
  observed.handoffs = handoffs_;
  observed.keas = keas_;
  observed.unready_keas = unready_keas_;
  observed.deaf_keas = deaf_keas_;
  observed.checked_ports = checked_;
  if (machine_.natives != nullptr) {
    for (NativeSpec& spec : machine_.natives->ready()) observed.natives[spec.vrf] = std::move(spec);
    for (std::string& name : machine_.natives->open()) observed.open_natives.insert(std::move(name));
  }
  observe_dataplane(observed);
  return observed;
}

// What others took away meanwhile is to be made again.
void Executor::forget_what_is_gone(const Observed& observed) {
  std::erase_if(handoffs_, [&](const auto& known) {
    const HandoffSpec& spec = known.second;
    const bool there = std::ranges::any_of(observed.links, [&](const LinkInfo& link) {
      return link.name == spec.host_name && link.alias == spec.mark &&
             link.ifindex == handoff_links_[spec.host_name];
    });
    if (there && std::ranges::find(observed.namespaces, spec.netns) != observed.namespaces.end())
      return false;
    deaf_keas_.insert(known.first);
    handoff_links_.erase(spec.host_name);
    return true;
  });
  std::erase_if(checked_, [&](const auto& port) { return !observed.attached.contains(port.first); });
}

void Executor::observe_dataplane(Observed& observed) {
  const DataplaneStatus status = machine_.dataplane.status();
  observed.dataplane = status.connected;
  if (!status.connected) return;
  if (status.pid != dataplane_pid_ || status.connects != dataplane_connects_) {
    // A new process, or a new acquaintance with the old one: it says itself what it holds.
    std::map<IfIndex, GivenPort> held;
    for (const IfIndex ifindex : status.held_ports) {
      const auto known = given_.find(ifindex);
      if (status.pid == dataplane_pid_ && known != given_.end()) {
        held[ifindex] = known->second;
        continue;
      }
      // Given by a former xdp-kead: its rows say where in the map its sockets are.
      GivenPort given;
      const auto row = std::ranges::find_if(observed.rows, [ifindex](const AttachmentRow& candidate) {
        return candidate.key.ifindex == ifindex.value;
      });
      if (row != observed.rows.end()) {
        given.xsk_base = row->value.xsk_base;
        given.xsk_count = row->value.xsk_count;
      }
      const auto link = std::ranges::find(observed.links, ifindex, &LinkInfo::ifindex);
      if (link != observed.links.end()) {
        given.name = link->name;
        if (!link->alias.empty()) given.geometry = handoff_geometry();
      }
      held[ifindex] = given;
    }
    given_ = std::move(held);
    if (status.pid != dataplane_pid_) published_.reset();
    dataplane_pid_ = status.pid;
    dataplane_connects_ = status.connects;
  }
  generation_ = std::max(generation_, status.generation);
  if (published_ && published_->generation != status.generation) published_.reset();
  observed.held = given_;
  observed.published = published_;
}

// The interface behind a name that the plan could not know yet.
IfIndex Executor::bound(IfIndex ifindex, const std::string& port) const {
  if (ifindex.value != 0) return ifindex;
  const auto made = handoff_links_.find(port);
  return made == handoff_links_.end() ? IfIndex{} : made->second;
}

// Fills in what was made in this run; what was not made is left out.
Snapshot Executor::bound(Snapshot snapshot) const {
  if (machine_.natives != nullptr && !snapshot.natives.empty()) {
    std::set<VrfId> ready;
    for (const NativeSpec& spec : machine_.natives->ready()) ready.insert(spec.vrf);
    std::erase_if(snapshot.natives, [&](const NativeVrf& native) { return !ready.contains(native.vrf); });
  }
  std::set<PortId> absent;
  for (PortEntry& port : snapshot.ports) {
    if (port.kind != PortKind::af_xdp) continue;
    port.ifindex = bound(port.ifindex, port.name);
    if (port.ifindex.value == 0) absent.insert(port.id);
  }
  if (absent.empty()) return snapshot;
  std::set<AttachmentId> unreachable;
  for (const AttachmentEntry& attachment : snapshot.attachments) {
    if (absent.contains(attachment.port)) unreachable.insert(attachment.id);
  }
  std::erase_if(snapshot.ports, [&](const PortEntry& port) { return absent.contains(port.id); });
  std::erase_if(snapshot.attachments,
                [&](const AttachmentEntry& attachment) { return unreachable.contains(attachment.id); });
  for (VrfEntry& vrf : snapshot.vrfs) {
    for (ServerEntry& server : vrf.servers) {
      if (unreachable.contains(server.via)) server.via = {};
    }
  }
  return snapshot;
}

void Executor::bind(Desired& desired) const {
  for (DesiredPort& port : desired.ports) {
    if (port.handoff_of.value != 0) port.entry.ifindex = bound(port.entry.ifindex, port.entry.name);
  }
  for (PortEntry& port : desired.snapshot.ports) {
    if (port.kind == PortKind::af_xdp) port.ifindex = bound(port.ifindex, port.name);
  }
}

// ---- running ---------------------------------------------------------------------------------------

Result<RunReport> Executor::run(const std::vector<Step>& steps, const RunPolicy& policy) {
  RunReport report;
  Scopes failed = policy.skip;
  undos_.clear();
  wait_ = policy.wait;
  keas_awaited_ = static_cast<std::size_t>(std::ranges::count_if(
      steps, [](const Step& step) { return std::holds_alternative<step::AwaitKea>(step.action); }));
  kea_deadline_ms_.reset();
  for (const Step& step : steps) {
    if (machine_.moved) machine_.moved();
    if (failed.covers(step) || says_it_itself(step, policy)) continue;
    auto result = std::visit([this](const auto& action) { return perform(action); }, step.action);
    if (result) {
      report.done.push_back(step.text);
      continue;
    }
    const bool waiting = result.error().system_errno == EINPROGRESS;
    Error error = said_once(std::move(result.error()), step.text);
    if (step.cleanup) {
      if (waiting) continue;
      report.leftovers.push_back(std::move(error.message));
      continue;
    }
    // A port in trouble is like an interface that is not there: what is on it waits, the rest goes on.
    const bool of_port = step.vrf.value == 0 && !step.port.empty();
    const bool passed_over =
        of_port || (step.vrf.value != 0 && (!policy.strict || waiting || policy.weak.contains(step.vrf)));
    if (!passed_over) return std::unexpected(undo_all(std::move(error)));
    // A VRF's own handoff is the VRF's trouble; a port that clients share is the port's.
    if (step.vrf.value != 0) {
      failed.vrfs.insert(step.vrf);
      report.failures.push_back(
          {.vrf = step.vrf, .port = {}, .reason = std::move(error.message), .waiting = waiting});
    } else {
      failed.ports.insert(step.port);
      report.failures.push_back(
          {.vrf = {}, .port = step.port, .reason = std::move(error.message), .waiting = false});
    }
  }
  undos_.clear();
  return report;
}

Error Executor::undo_all(Error cause) {
  for (const Undo& undo : std::views::reverse(undos_)) {
    if (machine_.moved) machine_.moved();
    if (auto undone = undo(); !undone) cause.message += "; and when undoing: " + undone.error().message;
  }
  undos_.clear();
  return cause;
}

// ---- namespaces and handoffs -----------------------------------------------------------------------

Result<> Executor::perform(const step::EnsureNamespace& step) {
  if (auto made = machine_.namespaces.ensure(step.name, step.mark); !made) return made;
  if (!step.adopt) undo_with([this, step] { return machine_.namespaces.remove(step.name, step.mark); });
  return {};
}

Result<> Executor::perform(const step::EnsureHandoff& step) {
  if (auto made = make_handoff(step.vrf, step.spec); !made) return made;
  if (step.before) {
    undo_with([this, step] { return make_handoff(step.vrf, *step.before); });
  } else if (!step.adopt) {
    undo_with([this, step] { return take_handoff_away(step.spec.host_name, step.spec.mark); });
  }
  return {};
}

Result<> Executor::make_handoff(VrfId vrf, const HandoffSpec& spec) {
  const auto link = machine_.links.ensure_handoff(spec);
  if (!link) return std::unexpected(link.error());
  handoffs_[vrf] = spec;
  handoff_links_[spec.host_name] = link->ifindex;
  return {};
}

Result<> Executor::take_handoff_away(const std::string& host_name, const std::string& mark) {
  if (auto removed = machine_.links.remove_handoff(host_name, mark); !removed) return removed;
  std::erase_if(handoffs_, [&](const auto& known) { return known.second.host_name == host_name; });
  handoff_links_.erase(host_name);
  return {};
}

Result<> Executor::perform(const step::RemoveHandoff& step) {
  return take_handoff_away(step.host_name, step.mark);
}

Result<> Executor::perform(const step::RemoveNamespace& step) {
  return machine_.namespaces.remove(step.name, step.mark);
}

// ---- Kea -------------------------------------------------------------------------------------------

// Whether the step tests what the next ones show.
bool Executor::says_it_itself(const Step& step, const RunPolicy& policy) {
  const auto* test = std::get_if<step::TestKea>(&step.action);
  return test != nullptr && !policy.wait && !policy.failed.contains(step.vrf) && !test->running &&
         test->kea.refusal.empty();
}

Result<> Executor::perform(const step::TestKea& step) {
  if (!step.kea.refusal.empty()) return std::unexpected(Error{step.kea.refusal});
  return machine_.keas.test(step.kea.spec);
}

Result<> Executor::perform(const step::ApplyKea& step) {
  // Undone even if it fails half way.
  if (step.before) {
    undo_with([this, step, was_ready = keas_.contains(step.spec.vrf)] {
      auto undone = start_kea(*step.before);
      if (undone && was_ready) ready_kea(step.before->vrf);
      return undone;
    });
  } else if (!step.adopt) {
    undo_with([this, step] { return end_kea(step.spec.vrf); });
  }
  return start_kea(step.spec);
}

Result<> Executor::start_kea(const KeaSpec& spec) {
  if (auto applied = machine_.keas.apply(spec); !applied) return applied;
  keas_.erase(spec.vrf);
  unready_keas_[spec.vrf] = spec;
  return {};
}

void Executor::ready_kea(VrfId vrf) {
  if (auto applied = unready_keas_.extract(vrf)) keas_[vrf] = std::move(applied.mapped());
  deaf_keas_.erase(vrf);
}

Result<> Executor::end_kea(VrfId vrf) {
  if (auto stopped = machine_.keas.stop(vrf); !stopped) return stopped;
  keas_.erase(vrf);
  unready_keas_.erase(vrf);
  deaf_keas_.erase(vrf);
  return {};
}

Result<> Executor::perform(const step::StopKea& step) {
  if (step.before) {
    undo_with([this, step, was_ready = keas_.contains(step.vrf)] {
      auto undone = start_kea(*step.before);
      if (undone && was_ready) ready_kea(step.vrf);
      return undone;
    });
  }
  return end_kea(step.vrf);
}

Result<> Executor::perform(const step::RefreshKea& step) {
  // config-reload closes and opens all sockets (Kea re-detects the interfaces).
  const auto answer = machine_.keas.command(step.vrf, R"({"command":"config-reload"})");
  if (!answer) return std::unexpected(answer.error());
  deaf_keas_.erase(step.vrf);
  return {};
}

Result<> Executor::perform(const step::AwaitKea& step) {
  if (!kea_deadline_ms_) kea_deadline_ms_ = machine_.now_ms() + kKeaWaitMs + keas_awaited_ * kKeaWaitEachMs;
  for (;;) {
    const std::vector<KeaStatus> all = machine_.keas.status();
    const auto status = std::ranges::find(all, step.vrf, &KeaStatus::vrf);
    if (status == all.end()) return std::unexpected(Error{"it was not started"});
    if (status->state == KeaState::running) break;
    const bool coming = status->state == KeaState::starting || status->state == KeaState::silent ||
                        status->state == KeaState::stopping;
    if (coming && !wait_) return std::unexpected(Error{"Kea is starting", EINPROGRESS});
    if (!coming || machine_.now_ms() >= *kea_deadline_ms_) {
      return std::unexpected(Error{status->last_error.empty() ? "it does not answer on its control socket"
                                                              : status->last_error});
    }
    if (machine_.moved) machine_.moved();
    machine_.pause(kKeaLookMs);
    machine_.keas.tick(machine_.now_ms());
  }
  ready_kea(step.vrf);
  return {};
}

// ---- ports -----------------------------------------------------------------------------------------

Result<> Executor::perform(const step::Attach& step) {
  const IfIndex ifindex = bound(step.ifindex, step.name);
  const auto known = checked_.find(ifindex);
  const bool was_checked = known != checked_.end();
  const bool forced_before = was_checked && known->second;
  if (auto attached = attach(ifindex, step.name, step.force_generic); !attached) return attached;
  if (!step.adopt) {
    undo_with([this, ifindex, name = step.name] { return detach(ifindex, name); });
  } else if (was_checked) {
    undo_with(
        [this, ifindex, name = step.name, forced_before] { return attach(ifindex, name, forced_before); });
  }
  return {};
}

Result<> Executor::attach(IfIndex ifindex, const std::string& name, bool force_generic) {
  if (const auto port = machine_.classifier.attach(ifindex, name, force_generic); !port) {
    return std::unexpected(port.error());
  }
  checked_[ifindex] = force_generic;
  return {};
}

Result<> Executor::detach(IfIndex ifindex, const std::string& name) {
  if (auto detached = machine_.classifier.detach(ifindex, name); !detached) return detached;
  checked_.erase(ifindex);
  return {};
}

Result<> Executor::perform(const step::Detach& step) { return detach(step.ifindex, step.name); }

Result<> Executor::perform(const step::Give& step) {
  const IfIndex ifindex = bound(step.port.entry.ifindex, step.port.entry.name);
  auto given = give(ifindex, GivenPort{.name = step.port.entry.name,
                                       .xsk_base = step.port.xsk_base,
                                       .xsk_count = step.port.xsk_count,
                                       .geometry = step.port.geometry});
  if (!given) return given;
  undo_with([this, ifindex] { return release(ifindex); });
  return {};
}

Result<> Executor::give(IfIndex ifindex, const GivenPort& port) {
  std::vector<PacketSocket> sockets;
  bool zero_copy = true;
  for (std::uint16_t queue = 0; queue < port.xsk_count; ++queue) {
    auto socket = machine_.sockets.make(ifindex, queue, port.geometry);
    if (!socket) return std::unexpected(std::move(socket.error()).in("queue " + std::to_string(queue)));
    zero_copy = zero_copy && socket->zero_copy;
    sockets.push_back(std::move(*socket));
  }
  // Ours leave the map with their last descriptor, should the dataplane not take them.
  for (std::uint16_t queue = 0; queue < port.xsk_count; ++queue) {
    if (auto put = machine_.classifier.put_socket(port.xsk_base + queue, sockets[queue].socket.get()); !put) {
      return put;
    }
  }
  const ipc::PortSockets message{.ifindex = ifindex,
                                 .name = port.name,
                                 .queues = port.xsk_count,
                                 .zero_copy = zero_copy,
                                 .geometry = port.geometry};
  if (auto gave = machine_.dataplane.give_port(message, std::move(sockets)); !gave) return gave;
  given_[ifindex] = port;
  return {};
}

Result<> Executor::release(IfIndex ifindex) {
  if (auto released = machine_.dataplane.release_ports({ifindex}); !released) return released;
  given_.erase(ifindex);
  return {};
}

Result<> Executor::perform(const step::Release& step) {
  if (auto released = release(step.ifindex); !released) return released;
  undo_with([this, step] { return give(step.ifindex, step.before); });
  return {};
}

// ---- snapshot and rows -----------------------------------------------------------------------------

Result<> Executor::perform(const step::Publish& step) {
  Snapshot snapshot = bound(step.snapshot);
  if (published_ && same_forwarding(*published_, snapshot)) return {};
  // A dataplane that did not answer in time may still take it: the old one is sent again even then.
  // Which one a dataplane has that an earlier xdp-kead knew, we cannot say: it keeps the newest.
  if (step.before) undo_with([this, before = *step.before] { return send_snapshot(before); });
  return send_snapshot(std::move(snapshot));
}

Result<> Executor::send_snapshot(Snapshot snapshot) {
  // Never a number twice: what is in force is told by its generation.
  snapshot.generation = ++generation_;
  if (machine_.before_publish) machine_.before_publish(snapshot);
  if (auto sent = machine_.dataplane.publish(snapshot); !sent) {
    published_.reset();
    return sent;
  }
  published_ = std::move(snapshot);
  return {};
}

Result<> Executor::perform(const step::RemoveRow& step) {
  if (auto removed = machine_.classifier.remove_attachment(step.row.key); !removed) return removed;
  undo_with([this, step] { return machine_.classifier.put_attachment(step.row); });
  return {};
}

Result<> Executor::perform(const step::RemoveAddress& step) {
  if (auto removed = machine_.classifier.remove_address(step.row.key); !removed) return removed;
  undo_with([this, step] { return machine_.classifier.put_address(step.row); });
  return {};
}

Result<> Executor::perform(const step::PutAddress& step) {
  if (auto put = machine_.classifier.put_address(step.row); !put) return put;
  undo_with([this, step] {
    return step.before ? machine_.classifier.put_address(*step.before)
                       : machine_.classifier.remove_address(step.row.key);
  });
  return {};
}

Result<> Executor::perform(const step::PutRow& step) {
  AttachmentRow row = step.row;
  row.key.ifindex = bound(IfIndex{row.key.ifindex}, step.port).value;
  if (row.key.ifindex == 0) return std::unexpected(Error{"interface " + step.port + " is not there"});
  if (auto put = machine_.classifier.put_attachment(row); !put) return put;
  undo_with([this, step, key = row.key] {
    return step.before ? machine_.classifier.put_attachment(*step.before)
                       : machine_.classifier.remove_attachment(key);
  });
  return {};
}

}  // namespace xk
