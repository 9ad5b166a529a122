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

// Of the idle names the one whose id comes next in the circle; end() if there is none.
template <typename Names, typename Ids>
auto next_idle(const Names& idle, const Ids& ids, std::uint32_t next, std::uint32_t max,
               const std::set<std::uint32_t>& avoided) {
  auto best = idle.end();
  std::uint32_t nearest = max;
  for (auto name = idle.begin(); name != idle.end(); ++name) {
    const std::uint32_t id = ids.at(*name).value;
    if (id > max || avoided.contains(id)) continue;
    const std::uint32_t distance = (id - 1 + max - (next - 1) % max) % max;
    if (distance >= nearest) continue;
    nearest = distance;
    best = name;
  }
  return best;
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
  use_vrf(name);
  if (const auto known = vrfs_.find(name); known != vrfs_.end()) {
    if (known->second.value <= vrf_id_max) return known->second;
    taken_vrfs_.erase(known->second.value);
    vrfs_.erase(known);  // the handoff prefix has become smaller
  }
  std::uint32_t id = next_free(next_vrf_, vrf_id_max, taken_vrfs_);
  if (id == 0) id = take_idle_vrf(vrf_id_max);
  if (id == 0) {
    return std::unexpected(Error{"vrf " + name + ": all " + std::to_string(vrf_id_max) +
                                 " ids of VRFs are taken; appliance.handoff_prefix bounds them too"});
  }
  next_vrf_ = id % XK_VRFS_MAX + 1;
  choose_directory(name, VrfId{id});
  vrfs_[name] = VrfId{id};
  taken_vrfs_.insert(id);
  return VrfId{id};
}

Result<AttachmentId> IdTable::attachment(const AttachmentName& name) {
  used_attachments_.insert(name);
  idle_attachments_.erase(name);
  if (const auto known = attachments_.find(name); known != attachments_.end()) return known->second;
  std::uint32_t id = next_free(next_attachment_, XK_ATTACHMENTS_MAX, taken_attachments_);
  if (id == 0) id = take_idle_attachment();
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

void IdTable::choose_directory(const std::string& vrf, VrfId id) {
  if (directories_.contains(vrf)) return;
  std::string directory = vrf;
  while (directory_taken(directory)) directory += "-" + std::to_string(id.value);
  if (directory != vrf) directories_[vrf] = directory;
}

std::string IdTable::directory(const std::string& vrf) const {
  const auto own = directories_.find(vrf);
  return own == directories_.end() ? vrf : own->second;
}

std::optional<std::string> IdTable::find_directory(const std::string& vrf) const {
  if (!vrfs_.contains(vrf) && directory_taken(vrf)) return std::nullopt;
  return directory(vrf);
}

void IdTable::forget_vrf(const std::string& name) {
  const auto of_it = [&name](const AttachmentName& attachment) { return attachment.vrf == name; };
  vrfs_.erase(name);
  directories_.erase(name);
  idle_vrfs_.erase(name);
  std::erase_if(attachments_, [&of_it](const auto& entry) { return of_it(entry.first); });
  std::erase_if(idle_attachments_, of_it);
}

void IdTable::rename_vrfs(const std::map<std::string, std::string>& names) {
  if (names.empty()) return;
  const IdTable before = *this;
  for (const auto& [from, to] : names) {
    forget_vrf(from);
    forget_vrf(to);
  }
  for (const auto& [from, to] : names) {
    const auto known = before.vrfs_.find(from);
    if (known == before.vrfs_.end()) continue;
    vrfs_[to] = known->second;
    if (std::string kept = before.directory(from); kept != to) directories_[to] = std::move(kept);
  }
  for (const auto& [name, id] : before.attachments_) {
    const auto renamed = names.find(name.vrf);
    if (renamed == names.end()) continue;
    AttachmentName now = name;
    now.vrf = renamed->second;
    if (before.idle_attachments_.contains(name)) idle_attachments_.insert(now);
    attachments_[std::move(now)] = id;
  }
  find_taken();
}

void IdTable::use_vrf(const std::string& name) {
  used_vrfs_.insert(name);
  idle_vrfs_.erase(name);
}

void IdTable::keep_vrf(const std::string& name) {
  use_vrf(name);
  AttachmentName first;
  first.vrf = name;
  for (auto each = attachments_.lower_bound(first); each != attachments_.end() && each->first.vrf == name;
       ++each) {
    used_attachments_.insert(each->first);
    idle_attachments_.erase(each->first);
  }
}

std::uint32_t IdTable::take_idle_vrf(std::uint32_t max) {
  const auto name = next_idle(idle_vrfs_, vrfs_, next_vrf_, max, avoided_vrfs_);
  if (name == idle_vrfs_.end()) return 0;
  const std::string gone = *name;
  const std::uint32_t id = vrfs_.at(gone).value;
  forget_vrf(gone);
  return id;
}

std::uint32_t IdTable::take_idle_attachment() {
  const auto name = next_idle(idle_attachments_, attachments_, next_attachment_, XK_ATTACHMENTS_MAX, {});
  if (name == idle_attachments_.end()) return 0;
  const std::uint32_t id = attachments_.at(*name).value;
  attachments_.erase(*name);
  idle_attachments_.erase(name);
  return id;
}

void IdTable::avoid_vrf(VrfId id) {
  if (id.value == 0) return;
  taken_vrfs_.insert(id.value);
  avoided_vrfs_.insert(id.value);
}

void IdTable::find_taken() {
  taken_vrfs_.clear();
  taken_attachments_.clear();
  for (const auto& [name, id] : vrfs_) taken_vrfs_.insert(id.value);
  for (const auto& [name, id] : attachments_) taken_attachments_.insert(id.value);
}

void IdTable::all_idle() {
  for (const auto& [name, id] : vrfs_) idle_vrfs_.insert(name);
  for (const auto& [name, id] : attachments_) idle_attachments_.insert(name);
}

void IdTable::settle() {
  std::erase_if(directories_, [this](const auto& entry) { return !vrfs_.contains(entry.first); });
  for (const auto& [vrf, directory] : directories_) {
    if (!used_vrfs_.contains(vrf)) idle_vrfs_.insert(vrf);
  }
  std::erase_if(vrfs_, [this](const auto& entry) {
    return !used_vrfs_.contains(entry.first) && !idle_vrfs_.contains(entry.first);
  });
  std::erase_if(attachments_, [this](const auto& entry) {
    return !used_attachments_.contains(entry.first) && !idle_attachments_.contains(entry.first);
  });
  std::erase_if(ports_, [this](const auto& entry) { return !used_ports_.contains(entry.first); });
  used_vrfs_.clear();
  used_attachments_.clear();
  used_ports_.clear();
  avoided_vrfs_.clear();
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
