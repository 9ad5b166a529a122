#include "controlplane/app/views.h"

#include <algorithm>

#include "controlplane/model/lookup.h"

namespace xk::kead {

Views::Views(const Reconciler& reconciler, const Machine& machine)
    : reconciler_(reconciler),
      machine_(machine),
      model_(*reconciler.model()),
      desired_(reconciler.desired()),
      dataplane_(machine.dataplane.status()) {
  for (const KeaStatus& status : machine.keas.status()) keas_.emplace(status.vrf, status);
  for (ipc::NativeReport& report : machine.dataplane.natives()) natives_[report.vrf] = std::move(report);
  if (machine.natives != nullptr) native_troubles_ = machine.natives->troubles();
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

}  // namespace xk::kead
