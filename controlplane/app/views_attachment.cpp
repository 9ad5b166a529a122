// Ports and attachments.
#include <algorithm>

#include "controlplane/app/views.h"
#include "controlplane/app/views_text.h"
#include "controlplane/model/lookup.h"
#include "controlplane/model/names.h"
#include "controlplane/model/template.h"

namespace xk::kead {
namespace {

using api::AttachmentView;
using api::PortView;

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

}  // namespace

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

std::string attachment_of_circuit(const Desired& desired, VrfId vrf, const std::string& circuit_id,
                                  const std::string& mac) {
  if (circuit_id.empty()) return {};
  for (const AttachmentEntry& entry : desired.snapshot.attachments) {
    if (entry.vrf != vrf || entry.role != AttachmentRole::client) continue;
    if (with_mac(entry.circuit_id, mac) == circuit_id) return attachment_name(desired, entry);
  }
  return {};
}

std::string attachment_name(const Desired& desired, const AttachmentEntry& entry) {
  const auto on = std::ranges::lower_bound(desired.ports, entry.port, {},
                                           [](const DesiredPort& candidate) { return candidate.entry.id; });
  if (on == desired.ports.end() || on->entry.id != entry.port) return {};
  const std::string vlan = vlan_text(entry.outer.vid, entry.inner.vid);
  return vlan == "-" ? on->entry.name : on->entry.name + " " + vlan;
}

}  // namespace xk::kead
