#include "controlplane/app/explain.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "controlplane/model/lookup.h"
#include "controlplane/model/names.h"
#include "controlplane/model/template.h"
#include "controlplane/reconcile/topology.h"
#include "dataplane/base/outcome.h"

namespace xk::kead {
namespace {

// "{mac}" for the place where the client's is put.
std::string shown(const std::string& circuit) { return with_mac(circuit, "{mac}"); }

std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + item;
  return text;
}

class Explainer {
 public:
  Explainer(const Reconciler& reconciler, const Machine& machine, const std::vector<LinkInfo>& links)
      : reconciler_(reconciler),
        machine_(machine),
        model_(*reconciler.model()),
        desired_(reconciler.desired()),
        topology_(links),
        views_(reconciler, machine) {}

  api::ExplainView run(const std::string& interface, VlanQuestion vlan) {
    view_.interface = interface;
    view_.vlan = vlan_text(vlan.outer, vlan.inner);
    follow(interface, vlan);
    return std::move(view_);
  }

 private:
  struct Place {
    std::string port;
    Vid outer{};
    Vid inner{};
    const LinkInfo* link = nullptr;  // none: a port of the dataplane's own drivers
  };

  void ok(const char* stage, std::string text) { view_.findings.push_back({stage, "ok", std::move(text)}); }
  void note(const char* stage, std::string text) {
    view_.findings.push_back({stage, "note", std::move(text)});
  }
  // The packet's way ends: what becomes of it there.
  void stop(const char* stage, std::string text, std::string verdict) {
    view_.findings.push_back({stage, "stop", std::move(text)});
    view_.verdict = std::move(verdict);
  }

  void follow(const std::string& interface, VlanQuestion vlan) {
    const auto place = place_of(interface, vlan);
    if (!place || !program(*place)) return;
    const AttachmentEntry* entry = attachment(*place);
    if (entry == nullptr || !vrf(*entry)) return;
    if (!dataplane(*place)) return;
    engine(*entry);
  }

  // ---- interface ----
  std::optional<Place> place_of(const std::string& interface, VlanQuestion vlan) {
    const Port* configured = find_port(model_, interface);
    if (configured != nullptr && configured->kind != PortKind::af_xdp) {
      ok("interface", interface + " is a port of the dataplane's own driver, " + configured->device +
                          ": no XDP program is before it");
      return Place{interface, vlan.outer, vlan.inner, nullptr};
    }
    const LinkInfo* link = topology_.by_name(interface);
    if (link == nullptr) {
      stop("interface", "there is no interface " + interface + " in xdp-kead's namespace", "no packet comes");
      return std::nullopt;
    }
    link = in_vrf(*link, vlan);
    if (link == nullptr) return std::nullopt;
    const Reach reach = reach_of(*link, vlan);
    std::vector<std::string> gaps;
    for (const Reach::Gap& gap : reach.gaps) gaps.push_back("interface " + gap.interface + " " + gap.reason);
    if (reach.places.empty()) {
      stop("interface", gaps.empty() ? link->name + " leads to no port" : joined(gaps),
           "passes to the kernel");
      return std::nullopt;
    }
    for (std::string& gap : gaps) note("interface", std::move(gap));
    const auto served =
        std::ranges::find_if(reach.places, [this](const WirePlace& each) { return is_served(each); });
    const WirePlace& wire = served == reach.places.end() ? reach.places.front() : *served;
    const LinkInfo& port = *wire.link;
    const Place place{port.name, wire.outer.vid, wire.inner.vid, &port};
    if (reach.places.size() > 1) {
      std::vector<std::string> names;
      for (const WirePlace& each : reach.places)
        names.push_back(attachment_text(each.link->name, each.outer.vid, each.inner.vid));
      note("interface", link->name + ": its packets come in by " + joined(names));
    }
    const std::string where = attachment_text(port.name, place.outer, place.inner);
    ok("interface", port.ifindex == link->ifindex
                        ? port.name + ", index " + std::to_string(port.ifindex.value)
                        : link->name + " (" + (link->kind.empty() ? "device" : link->kind) +
                              "): on the wire this is " + where);
    if (!port.up) note("interface", port.name + " is down: no packet comes until it is up");
    return place;
  }

  [[nodiscard]] Reach reach_of(const LinkInfo& link, VlanQuestion vlan) const {
    return topology_.reach(link, VlanTag{vlan.outer, 0x8100}, VlanTag{vlan.inner, 0x8100});
  }

  // Of several interfaces in a VRF one that is served.
  const LinkInfo* in_vrf(const LinkInfo& device, VlanQuestion vlan) {
    if (device.kind != "vrf") return &device;
    const LinkInfo* chosen = nullptr;
    std::vector<std::string> names;
    for (const LinkInfo* member : topology_.members(device)) {
      names.push_back(member->name);
      const auto places = reach_of(*member, vlan).places;
      const bool served =
          std::ranges::any_of(places, [this](const WirePlace& each) { return is_served(each); });
      if (chosen == nullptr || served) chosen = member;
    }
    if (chosen == nullptr) {
      stop("interface", device.name + " is a VRF device without interfaces", "no packet comes");
      return nullptr;
    }
    note("interface",
         device.name + " is a VRF device: in it are " + joined(names) + "; looking at " + chosen->name);
    return chosen;
  }

  [[nodiscard]] bool is_served(const WirePlace& wire) const {
    return find_entry(wire.link->name, wire.outer.vid, wire.inner.vid) != nullptr;
  }

  // ---- XDP ----
  bool program(const Place& place) {
    if (place.link == nullptr) return true;
    const auto all = machine_.classifier.attached();
    const auto port = std::ranges::find(all, place.link->ifindex, &AttachedPort::ifindex);
    if (port != all.end()) {
      ok("xdp", std::string("the program runs in ") +
                    (port->mode == AttachMode::native ? "native" : "generic") + " mode" +
                    (port->warning.empty() ? "" : ": " + port->warning));
      return true;
    }
    const auto trouble = reconciler_.port_troubles().find(place.port);
    std::string why =
        trouble != reconciler_.port_troubles().end() ? trouble->second.reason : waiting_on(place);
    if (why.empty()) why = deleted_at(place);
    stop("xdp",
         "no program of ours is on " + place.port + (why.empty() ? ": no attachment needs one" : ": " + why),
         "passes to the kernel, uncounted");
    return false;
  }

  // Whether an attachment of that interface and those tags is, or is among others, at the place.
  [[nodiscard]] bool leads_to(const Place& place, const std::string& interface, VlanQuestion tags) const {
    if (place.link == nullptr)
      return interface == place.port && tags.outer == place.outer && tags.inner == place.inner;
    const LinkInfo* link = topology_.by_name(interface);
    if (link == nullptr) return false;
    const Reach reach = reach_of(*link, tags);
    return std::ranges::any_of(reach.places, [&place](const WirePlace& wire) {
      return wire.link->name == place.port && wire.outer.vid == place.outer && wire.inner.vid == place.inner;
    });
  }

  // Why a place that is asked for waits; empty: it is not asked for.
  [[nodiscard]] std::string waiting_on(const Place& place) const {
    for (const Pending& pending : desired_.pending) {
      if (leads_to(place, pending.interface, {pending.outer, pending.inner})) return pending.reason;
    }
    return {};
  }

  // Who is not served there, as an operator deleted it; empty: nobody.
  [[nodiscard]] std::string deleted_at(const Place& place) const {
    for (const Vrf& vrf : reconciler_.deleted()) {
      for (const Attachment& each : vrf.attachments) {
        if (leads_to(place, each.interface, {each.outer.vid, each.inner.vid}))
          return "VRF " + vrf.name + " of this place was deleted by an operator; xdp-keactl vrf resume " +
                 vrf.name + " brings it back";
      }
    }
    return {};
  }

  // ---- attachment ----
  [[nodiscard]] const AttachmentEntry* find_entry(const std::string& port, Vid outer, Vid inner) const {
    const auto on = std::ranges::find_if(
        desired_.ports, [&port](const DesiredPort& candidate) { return candidate.entry.name == port; });
    if (on == desired_.ports.end()) return nullptr;
    const auto entry = std::ranges::find_if(desired_.snapshot.attachments, [&](const AttachmentEntry& each) {
      return each.port == on->entry.id && each.outer.vid == outer && each.inner.vid == inner;
    });
    return entry == desired_.snapshot.attachments.end() ? nullptr : &*entry;
  }

  // Tags that are attached on the port.
  [[nodiscard]] std::string others_on(const std::string& port) const {
    constexpr std::size_t kShownMax = 8;
    const auto on = std::ranges::find_if(
        desired_.ports, [&port](const DesiredPort& candidate) { return candidate.entry.name == port; });
    std::vector<std::string> tags;
    std::size_t more = 0;
    for (const AttachmentEntry& each : desired_.snapshot.attachments) {
      if (on == desired_.ports.end() || each.port != on->entry.id) continue;
      const std::string text = vlan_text(each.outer.vid, each.inner.vid);
      tags.size() < kShownMax ? tags.push_back(text == "-" ? "untagged" : text) : void(++more);
    }
    if (tags.empty()) return "there is none on this port";
    return "on this port there are " + joined(tags) +
           (more > 0 ? " and " + std::to_string(more) + " more" : "");
  }

  const AttachmentEntry* attachment(const Place& place) {
    const std::string tags =
        place.outer.value == 0 ? "untagged" : "VLAN " + vlan_text(place.outer, place.inner);
    const AttachmentEntry* entry = find_entry(place.port, place.outer, place.inner);
    if (entry == nullptr) {
      const std::string why = waiting_on(place);
      const std::string deleted = deleted_at(place);
      stop("attachment",
           !why.empty()       ? "pending: " + why
           : !deleted.empty() ? deleted
                              : "no attachment is for " + tags + "; " + others_on(place.port),
           place.link == nullptr ? "dropped: unmapped" : "passes to the kernel: pass_unmapped");
      return nullptr;
    }
    if (place.link != nullptr && !in_map(place)) {
      stop("attachment",
           tags + ": attachment " + std::to_string(entry->id.value) + " is not in the classifier's map" +
               trouble_text(*entry),
           "passes to the kernel: pass_unmapped");
      return nullptr;
    }
    ok("attachment", tags + ": attachment " + std::to_string(entry->id.value));
    return entry;
  }

  [[nodiscard]] bool in_map(const Place& place) const {
    const auto rows = machine_.classifier.attachments();
    return rows && std::ranges::any_of(*rows, [&place](const AttachmentRow& row) {
             return row.key.ifindex == place.link->ifindex.value && row.key.outer_vid == place.outer.value &&
                    row.key.inner_vid == place.inner.value;
           });
  }

  [[nodiscard]] std::string trouble_text(const AttachmentEntry& entry) const {
    const auto trouble = reconciler_.vrf_troubles().find(entry.vrf);
    return trouble == reconciler_.vrf_troubles().end() ? "" : ": " + trouble->second.reason;
  }

  // ---- VRF ----
  bool vrf(const AttachmentEntry& entry) {
    const auto in_force = std::ranges::find(desired_.snapshot.vrfs, entry.vrf, &VrfEntry::id);
    if (in_force == desired_.snapshot.vrfs.end()) {
      stop("vrf", "VRF id " + std::to_string(entry.vrf.value) + " is being removed",
           "dropped: vrf_not_served");
      return false;
    }
    view_.vrf = in_force->name;
    view_.engine = std::string(name_of(in_force->engine));
    const auto states = views_.vrf_states();
    const auto state = std::ranges::find(states, in_force->id, &VrfState::id);
    const std::string how =
        state == states.end()
            ? ""
            : ", " + state->state + (state->reason.empty() ? "" : " (" + state->reason + ")");
    ok("vrf", "VRF " + in_force->name + ", id " + std::to_string(in_force->id.value) + how +
                  "; its queue holds " + std::to_string(in_force->queue_depth) + " packets");
    if (in_force->draining)
      note("vrf", "it is drained: a DISCOVER is dropped (vrf_draining), all else of its clients is served");
    if (entry.role == AttachmentRole::client) return true;
    stop("attachment",
         entry.role == AttachmentRole::server ? "servers are here, no clients: only their replies are taken"
                                              : "the VRF's Kea is here, no clients",
         "a request of a client is dropped");
    return false;
  }

  // ---- dataplane ----
  bool dataplane(const Place& place) {
    const DataplaneStatus& status = views_.dataplane();
    if (!status.connected) {
      stop("dataplane", "none is connected" + (status.last_error.empty() ? "" : ": " + status.last_error),
           "passes to the kernel: pass_no_socket, unless a dataplane runs on that lost its connection");
      return false;
    }
    const bool held = place.link == nullptr ||
                      std::ranges::find(status.held_ports, place.link->ifindex) != status.held_ports.end();
    if (!held) {
      stop("dataplane", "it has no socket of " + place.port, "passes to the kernel: pass_no_socket");
      return false;
    }
    const bool current = status.generation == reconciler_.generation();
    ok("dataplane", "pid " + std::to_string(status.pid) + " has generation " +
                        std::to_string(status.generation) + (current ? "" : ", not the newest"));
    return true;
  }

  // ---- engine ----
  void engine(const AttachmentEntry& entry) {
    view_.subnet = to_string(entry.subnet);
    view_.option82_policy = std::string(name_of(entry.policy));
    view_.circuit_id = shown(entry.circuit_id);
    view_.remote_id = shown(entry.remote_id);
    ok("option82", "a request with option 82: " + view_.option82_policy +
                       (entry.trusted ? ", trusted also with giaddr zero" : ", dropped with giaddr zero") +
                       "; circuit-id " + (view_.circuit_id.empty() ? "none" : view_.circuit_id));
    const auto in_force = std::ranges::find(desired_.snapshot.vrfs, entry.vrf, &VrfEntry::id);
    const bool answered = in_force->engine == Engine::kea     ? kea(*in_force)
                          : in_force->engine == Engine::relay ? relay(*in_force)
                                                              : native(*in_force);
    if (!answered) return;
    view_.verdict = "served: VRF " + view_.vrf + ", subnet " + view_.subnet;
  }

  bool kea(const VrfEntry& vrf) {
    for (const KeaStatus& status : machine_.keas.status()) {
      if (status.vrf != vrf.id) continue;
      if (status.state == KeaState::running) {
        ok("engine", "Kea " + status.version + ", pid " + std::to_string(status.pid) + ", giaddr " +
                         to_string(vrf.giaddr));
        return true;
      }
      const std::string how = status.state == KeaState::silent ? "Kea does not answer" : "Kea does not run";
      stop("engine", how + (status.last_error.empty() ? "" : ": " + status.last_error),
           "handed to a Kea that does not answer");
      return false;
    }
    stop("engine", "Kea was not started", "handed to a Kea that is not there");
    return false;
  }

  bool native(const VrfEntry& vrf) {
    const std::vector<NativeVrf>& natives = desired_.snapshot.natives;
    const auto native = std::ranges::find(natives, vrf.id, &NativeVrf::vrf);
    if (native == natives.end()) {
      stop("engine", "the native engine has nothing to serve: the VRF has no subnet that it can", "dropped");
      return false;
    }
    const std::vector<ipc::NativeReport> reports = machine_.dataplane.natives();
    const auto report = std::ranges::find(reports, vrf.id, &ipc::NativeReport::vrf);
    if (report == reports.end()) {
      stop("engine", "the native engine has not been begun", "dropped: serve_recovering");
      return false;
    }
    if (!native_state(*native, *report)) return false;
    std::uint64_t addresses = 0;
    std::uint64_t paused = 0;
    for (const NativePool& pool : native->pools) {
      for (const Range4& range : pool.ranges) (pool.paused ? paused : addresses) += range.size();
    }
    ok("engine", "the native engine: " + std::to_string(report->leases) + " leases, pools of " +
                     std::to_string(addresses) + " addresses" +
                     (paused == 0 ? "" : ", " + std::to_string(paused) + " more are paused") +
                     "; an ACK waits for " + waited_for(native->reply_after));
    if (addresses == 0) note("engine", "no client gets a new lease: only those that have one are served");
    return true;
  }

  // Whether it answers.
  bool native_state(const NativeVrf& native, const ipc::NativeReport& report) {
    const std::string error = report.error.empty() ? "" : ": " + shown(report.error);
    switch (report.state) {
      case NativeState::serving:
        return true;
      case NativeState::failing:
        note("engine", "the native engine cannot write its journal" + error);
        if (native.available) return true;
        stop("engine", "there are no ACKs while the journal cannot be written", "dropped: serve_not_durable");
        return false;
      case NativeState::recovering:
        stop("engine", "the native engine still reads its journal", "dropped: serve_recovering");
        return false;
      case NativeState::closed:
      case NativeState::broken:
        break;
    }
    stop("engine",
         report.state == NativeState::broken ? "the native engine cannot read its journal" + error
                                             : "the native engine has ended",
         "dropped: serve_recovering");
    return false;
  }

  static std::string waited_for(ReplyAfter what) {
    switch (what) {
      case ReplyAfter::journal:
        return "its journal";
      case ReplyAfter::store:
        return "the store";
      case ReplyAfter::nothing:
        break;
    }
    return "nothing";
  }

  bool relay(const VrfEntry& vrf) {
    const std::vector<api::ServerView> states = views_.servers();
    std::vector<std::string> usable;
    std::size_t dead = 0;
    for (const ServerEntry& server : vrf.servers) {
      const std::string address = to_string(server.address);
      const std::string text = "server " + address + " by " + to_string(server.next_hop) + ": ";
      const auto view = std::ranges::find_if(states, [&](const api::ServerView& each) {
        return each.vrf == vrf.name && each.address == address;
      });
      const std::string state = view == states.end() ? "unknown" : view->state;
      if (server.via.value == 0 || server.next_hop.is_zero()) {
        note("engine",
             "server " + address +
                 (server.via.value == 0 ? ": no way to it" : ": its neighbour is not resolved yet"));
      } else if (state == "dead") {
        ++dead;
        note("engine",
             text + "dead, it has answered nothing for " + std::to_string(vrf.dead_after_s) + " s or more");
      } else {
        usable.push_back(address);
        ok("engine", text + (state == "live" ? "live" : "not asked long enough to say whether it lives"));
      }
    }
    if (usable.empty()) {
      dead > 0 ? stop("engine", "no server that can be reached answers", "sent to servers that do not answer")
               : stop("engine", "no server can be reached", "dropped: server_unresolved");
      return false;
    }
    if (vrf.servers.size() > 1) ok("engine", chosen_text(vrf.server_mode, usable));
    return true;
  }

  // Which servers a new client's request goes to.
  static std::string chosen_text(ServerMode mode, const std::vector<std::string>& usable) {
    switch (mode) {
      case ServerMode::failover:
        return "failover: a request goes to " + usable.front() + ", the first that lives";
      case ServerMode::hash:
        return "hash: a client's requests go to always the same of " + joined(usable);
      case ServerMode::all:
        break;
    }
    return "all: a request goes to every server";
  }

  const Reconciler& reconciler_;
  const Machine& machine_;
  const Model& model_;
  const Desired& desired_;
  Topology topology_;
  Views views_;
  api::ExplainView view_;
};

std::optional<Vid> parse_vid(std::string_view text) {
  std::uint16_t vid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), vid);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (vid == XK_VID_NONE || vid >= XK_VID_RESERVED) return std::nullopt;
  return Vid{vid};
}

}  // namespace

std::expected<VlanQuestion, std::string> parse_vlan_question(std::string_view text) {
  VlanQuestion vlan;
  if (text.empty() || text == "-") return vlan;
  const std::size_t dot = text.find('.');
  const auto outer = parse_vid(text.substr(0, dot));
  const auto inner = dot == std::string_view::npos ? std::optional(Vid{}) : parse_vid(text.substr(dot + 1));
  if (!outer || !inner) {
    return std::unexpected("vlan '" + std::string(text) +
                           "' is none of \"-\", \"100\", \"200.300\"; ids are 1 to 4094");
  }
  return VlanQuestion{*outer, *inner};
}

Result<api::ExplainView> explain(const Reconciler& reconciler, const Machine& machine,
                                 const std::string& interface, VlanQuestion vlan) {
  const auto links = machine.links.list();
  if (!links) return std::unexpected(links.error());
  return Explainer(reconciler, machine, *links).run(interface, vlan);
}

}  // namespace xk::kead
