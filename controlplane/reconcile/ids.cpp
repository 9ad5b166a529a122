#include "controlplane/reconcile/ids.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

namespace xk {
namespace {

constexpr std::uint32_t kPortsMax = 65535;

// The next number of the circle 1..max that is free, from `next` on; 0 if none is.
std::uint32_t next_free(std::uint32_t next, std::uint32_t max, const std::set<std::uint32_t>& taken) {
  for (std::uint32_t tried = 0; tried < max; ++tried) {
    const std::uint32_t id = (next - 1 + tried) % max + 1;
    if (!taken.contains(id)) return id;
  }
  return 0;
}

// First fit of `count` indexes among the stretches in use; nullopt if none is left.
std::optional<std::uint32_t> find_stretch(const std::map<std::string, PortIds>& ports, std::uint16_t count) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> used;
  for (const auto& [name, ids] : ports) used.emplace_back(ids.xsk_base, ids.xsk_base + ids.xsk_count);
  std::ranges::sort(used);
  std::uint32_t base = 0;
  for (const auto& [first, end] : used) {
    if (base + count <= first) break;
    base = std::max(base, end);
  }
  if (base + count > XK_XSKS_MAX) return std::nullopt;
  return base;
}

VrfId id_after(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return {};
  const std::string_view digits = text.substr(prefix.size());
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  if (error != std::errc{} || end != digits.data() + digits.size()) return {};
  return id <= XK_VRFS_MAX ? VrfId{id} : VrfId{};
}

}  // namespace

Result<VrfId> IdTable::vrf(const std::string& name, std::uint32_t vrf_id_max) {
  used_vrfs_.insert(name);
  if (const auto known = vrfs_.find(name); known != vrfs_.end()) {
    if (known->second.value <= vrf_id_max) return known->second;
    taken_vrfs_.erase(known->second.value);
    vrfs_.erase(known);  // the handoff prefix has become smaller
  }
  const std::uint32_t id = next_free(next_vrf_, vrf_id_max, taken_vrfs_);
  if (id == 0) {
    return std::unexpected(Error{"vrf " + name + ": all " + std::to_string(vrf_id_max) +
                                 " ids of VRFs are taken; appliance.handoff_prefix bounds them too"});
  }
  next_vrf_ = id % XK_VRFS_MAX + 1;
  std::string directory = name;
  while (directory_taken(directory)) directory += "-" + std::to_string(id);
  if (directory != name) directories_[name] = directory;
  vrfs_[name] = VrfId{id};
  taken_vrfs_.insert(id);
  return VrfId{id};
}

Result<AttachmentId> IdTable::attachment(const AttachmentName& name) {
  used_attachments_.insert(name);
  if (const auto known = attachments_.find(name); known != attachments_.end()) return known->second;
  const std::uint32_t id = next_free(next_attachment_, XK_ATTACHMENTS_MAX, taken_attachments_);
  if (id == 0) {
    return std::unexpected(
        Error{"vrf " + name.vrf + ": all " + std::to_string(XK_ATTACHMENTS_MAX) + " attachments are taken"});
  }
  next_attachment_ = id % XK_ATTACHMENTS_MAX + 1;
  attachments_[name] = AttachmentId{id};
  taken_attachments_.insert(id);
  return AttachmentId{id};
}

Result<PortIds> IdTable::port(const std::string& name, std::uint16_t queues) {
  used_ports_.insert(name);
  const auto known = ports_.find(name);
  if (known != ports_.end() && known->second.xsk_count == queues) return known->second;

  PortIds ids{.id = {}, .xsk_base = 0, .xsk_count = queues};
  if (queues > 0) {
    const auto base = find_stretch(ports_, queues);
    if (!base) {
      return std::unexpected(Error{"port " + name + ": no room for " + std::to_string(queues) + " sockets; " +
                                   std::to_string(XK_XSKS_MAX) + " is the most"});
    }
    ids.xsk_base = *base;
  }
  if (known != ports_.end()) {
    ids.id = known->second.id;
  } else {
    std::set<std::uint32_t> taken;
    for (const auto& [other, port] : ports_) taken.insert(port.id.value);
    std::uint32_t id = 0;
    while (taken.contains(id)) ++id;
    if (id >= kPortsMax) return std::unexpected(Error{"port " + name + ": too many ports"});
    ids.id = PortId{static_cast<std::uint16_t>(id)};
  }
  ports_[name] = ids;
  return ids;
}

bool IdTable::directory_taken(const std::string& directory) const {
  const auto same = [&directory](const auto& entry) { return entry.second == directory; };
  return std::ranges::any_of(directories_, same) ||
         (vrfs_.contains(directory) && !directories_.contains(directory));
}

std::string IdTable::directory(const std::string& vrf) const {
  const auto own = directories_.find(vrf);
  return own == directories_.end() ? vrf : own->second;
}

void IdTable::rename_vrf(const std::string& from, const std::string& to) {
  const auto known = vrfs_.find(from);
  if (known == vrfs_.end() || vrfs_.contains(to)) return;
  const std::string kept = directory(from);
  vrfs_[to] = known->second;
  vrfs_.erase(from);
  directories_.erase(from);
  if (kept != to) directories_[to] = kept;
  std::map<AttachmentName, AttachmentId> attachments;
  for (const auto& [name, id] : attachments_) {
    AttachmentName renamed = name;
    if (renamed.vrf == from) renamed.vrf = to;
    attachments.emplace(std::move(renamed), id);
  }
  attachments_ = std::move(attachments);
}

void IdTable::avoid_vrf(VrfId id) {
  if (id.value != 0) taken_vrfs_.insert(id.value);
}

void IdTable::find_taken() {
  taken_vrfs_.clear();
  taken_attachments_.clear();
  for (const auto& [name, id] : vrfs_) taken_vrfs_.insert(id.value);
  for (const auto& [name, id] : attachments_) taken_attachments_.insert(id.value);
}

void IdTable::settle() {
  std::erase_if(vrfs_, [this](const auto& entry) { return !used_vrfs_.contains(entry.first); });
  std::erase_if(directories_, [this](const auto& entry) { return !vrfs_.contains(entry.first); });
  std::erase_if(attachments_, [this](const auto& entry) { return !used_attachments_.contains(entry.first); });
  std::erase_if(ports_, [this](const auto& entry) { return !used_ports_.contains(entry.first); });
  used_vrfs_.clear();
  used_attachments_.clear();
  used_ports_.clear();
  find_taken();
}

std::string handoff_host_name(const Appliance& appliance, VrfId vrf) {
  return appliance.name.substr(0, 8) + "-h" + std::to_string(vrf.value);
}
std::string handoff_peer_name(VrfId vrf) { return "kea" + std::to_string(vrf.value); }
std::string netns_name(const Appliance& appliance, VrfId vrf) {
  return appliance.name + "-" + std::to_string(vrf.value);
}
std::string mark_prefix(const Appliance& appliance) { return "xdp-kea:" + appliance.name + ":"; }
std::string ownership_mark(const Appliance& appliance, VrfId vrf) {
  return mark_prefix(appliance) + "vrf:" + std::to_string(vrf.value);
}
VrfId vrf_of_mark(const Appliance& appliance, std::string_view mark) {
  return id_after(mark, mark_prefix(appliance) + "vrf:");
}
VrfId vrf_of_netns(const Appliance& appliance, std::string_view netns) {
  return id_after(netns, appliance.name + "-");
}

}  // namespace xk
