#include "controlplane/reconcile/topology.h"

#include <algorithm>

#include "bpf/shared/limits.h"

namespace xk {
namespace {

constexpr int kStackMax = 8;  // interfaces on one another: the kernel's own bound (MAX_NEST_DEV)

const BridgeVlans* vlans_of(const LinkInfo& link, Vid vid) {
  const auto found = std::ranges::find_if(link.vlans, [vid](const BridgeVlans& vlans) {
    return vlans.first.value <= vid.value && vid.value <= vlans.last.value;
  });
  return found == link.vlans.end() ? nullptr : &*found;
}

}  // namespace

Topology::Topology(const std::vector<LinkInfo>& links) {
  for (const LinkInfo& link : links) {
    by_name_.emplace(link.name, &link);
    by_index_.emplace(link.ifindex, &link);
    if (link.kind == "vlan") vlans_on_.emplace(link.parent, &link);
    if (link.master.value != 0) members_[link.master].push_back(&link);
  }
}

const LinkInfo* Topology::by_name(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

const LinkInfo* Topology::by_index(IfIndex ifindex) const {
  const auto found = by_index_.find(ifindex);
  return found == by_index_.end() ? nullptr : found->second;
}

std::vector<const LinkInfo*> Topology::members(const LinkInfo& master) const {
  const auto found = members_.find(master.ifindex);
  return found == members_.end() ? std::vector<const LinkInfo*>{} : found->second;
}

std::expected<WirePlace, std::string> Topology::on_wire(const LinkInfo& link, VlanTag outer,
                                                        VlanTag inner) const {
  std::vector<VlanTag> tags;  // outermost first
  if (outer.vid.value != 0) tags.push_back(outer);
  if (inner.vid.value != 0) tags.push_back(inner);
  const LinkInfo* at = &link;
  while (at->kind == "vlan") {
    tags.insert(tags.begin(), VlanTag{at->vid, at->tpid == 0 ? std::uint16_t{0x8100} : at->tpid});
    if (tags.size() > XK_VLAN_TAGS_MAX) {
      return std::unexpected(link.name +
                             " is a VLAN device: with the configured tags there are more than two");
    }
    const LinkInfo* parent = by_index(at->parent);
    if (parent == nullptr) {
      return std::unexpected("the interface under VLAN device " + at->name + " is not in this namespace");
    }
    at = parent;
  }
  if (at->name == "lo") return std::unexpected("the loopback interface carries no port");
  WirePlace place{.link = at, .outer = {}, .inner = {}};
  if (!tags.empty()) place.outer = tags[0];
  if (tags.size() > 1) place.inner = tags[1];
  return place;
}

// ---- down to the wire ------------------------------------------------------------------------------

Reach Topology::reach(const LinkInfo& link, VlanTag outer, VlanTag inner) const {
  Reach reach;
  std::vector<VlanTag> tags;  // outermost first
  if (outer.vid.value != 0) tags.push_back(outer);
  if (inner.vid.value != 0) tags.push_back(inner);
  descend(link, std::move(tags), 0, reach);
  return reach;
}

void Topology::descend(const LinkInfo& link, std::vector<VlanTag> tags, int depth, Reach& reach) const {
  const auto gap = [&](std::string reason) { reach.gaps.push_back({link.name, std::move(reason)}); };
  if (depth > kStackMax) return gap("is stacked on more than " + std::to_string(kStackMax) + " others");
  if (!link.up) return gap("is down");
  if (link.kind == "vlan") {
    const LinkInfo* parent = by_index(link.parent);
    if (parent == nullptr) return gap("the interface under this VLAN device is not in this namespace");
    tags.insert(tags.begin(), VlanTag{link.vid, link.tpid == 0 ? std::uint16_t{0x8100} : link.tpid});
    return descend(*parent, std::move(tags), depth + 1, reach);
  }
  if (link.kind == "bond") return descend_bond(link, tags, depth, reach);
  if (link.kind == "bridge") return descend_bridge(link, tags, depth, reach);
  if (link.kind == "vrf") return gap("is a VRF device: clients are on the interfaces in it");
  if (link.kind == "team") return gap("is a team device, which is not served; a bond is");
  if (link.name == "lo" || !link.ethernet) return gap("is no Ethernet interface");
  if (tags.size() > XK_VLAN_TAGS_MAX) return gap("there are more than two tags on the wire");
  WirePlace place{.link = &link, .outer = {}, .inner = {}};
  if (!tags.empty()) place.outer = tags[0];
  if (tags.size() > 1) place.inner = tags[1];
  reach.places.push_back(place);
}

void Topology::descend_bond(const LinkInfo& bond, const std::vector<VlanTag>& tags, int depth,
                            Reach& reach) const {
  reach.spread = true;
  bool any = false;
  for (const LinkInfo* member : members(bond)) {
    if (bond.bond_reception == BondReception::active_only && member->ifindex != bond.active_member) continue;
    any = true;
    descend(*member, tags, depth + 1, reach);
  }
  if (any) return;
  reach.gaps.push_back(
      {bond.name, members(bond).empty() ? "the bond has no members" : "no member of the bond is active"});
}

// A VLAN-aware bridge puts each frame into a VLAN: the outermost tag of what reaches the bridge itself,
// or its own PVID. Its ports show that VLAN tagged or untagged, as each is set.
void Topology::descend_bridge(const LinkInfo& bridge, const std::vector<VlanTag>& tags, int depth,
                              Reach& reach) const {
  reach.spread = true;
  const std::vector<const LinkInfo*> ports = members(bridge);
  if (ports.empty()) reach.gaps.push_back({bridge.name, "the bridge has no ports"});
  if (!bridge.vlan_filtering) {
    for (const LinkInfo* port : ports) descend(*port, tags, depth + 1, reach);
    return;
  }
  VlanTag vlan{.vid = {}, .tpid = bridge.tpid == 0 ? std::uint16_t{0x8100} : bridge.tpid};
  std::vector<VlanTag> inside = tags;
  if (!inside.empty() && inside.front().tpid == vlan.tpid) {
    vlan.vid = inside.front().vid;
    inside.erase(inside.begin());
  } else {
    const auto pvid = std::ranges::find(bridge.vlans, true, &BridgeVlans::pvid);
    if (pvid == bridge.vlans.end())
      return reach.gaps.push_back({bridge.name, "the bridge itself has no PVID"});
    vlan.vid = pvid->first;
  }
  if (vlans_of(bridge, vlan.vid) == nullptr) {
    const std::string vid = std::to_string(vlan.vid.value);
    return reach.gaps.push_back({bridge.name, "the bridge itself is not in VLAN " + vid +
                                                  " (bridge vlan add dev " + bridge.name + " vid " + vid +
                                                  " self)"});
  }
  bool any = false;
  for (const LinkInfo* port : ports) {
    if (vlans_of(*port, vlan.vid) == nullptr) continue;
    any = true;
    descend_bridge_port(*port, vlan, inside, depth, reach);
  }
  if (any || ports.empty()) return;
  reach.gaps.push_back({bridge.name, "no port of the bridge is in VLAN " + std::to_string(vlan.vid.value)});
}

void Topology::descend_bridge_port(const LinkInfo& port, VlanTag vlan, const std::vector<VlanTag>& inside,
                                   int depth, Reach& reach) const {
  const BridgeVlans& here = *vlans_of(port, vlan.vid);
  std::vector<VlanTag> tagged{vlan};
  tagged.insert(tagged.end(), inside.begin(), inside.end());
  // Frames of either kind are let in where the port says PVID, and are answered in kind.
  if (here.pvid) descend(port, inside, depth + 1, reach);
  if (!here.untagged) descend(port, std::move(tagged), depth + 1, reach);
}

// ---- who has an address ----------------------------------------------------------------------------

// The link, and what it is a member of without being routed apart (a VRF is no such thing).
std::vector<const LinkInfo*> Topology::stacked_on(const LinkInfo& link) const {
  std::vector<const LinkInfo*> stack{&link};
  while (stack.size() < 4) {
    const LinkInfo* master = by_index(stack.back()->master);
    if (master == nullptr || master->kind == "vrf") break;
    stack.push_back(master);
  }
  return stack;
}

std::vector<const LinkInfo*> Topology::vlan_devices(const std::vector<const LinkInfo*>& parents,
                                                    Vid vid) const {
  std::vector<const LinkInfo*> devices;
  for (const LinkInfo* parent : parents) {
    const auto [first, last] = vlans_on_.equal_range(parent->ifindex);
    for (auto vlan = first; vlan != last; ++vlan) {
      if (vlan->second->vid != vid) continue;
      for (const LinkInfo* stacked : stacked_on(*vlan->second)) devices.push_back(stacked);
    }
  }
  return devices;
}

bool Topology::holds_address(const WirePlace& place, Ip4 address) const {
  std::vector<const LinkInfo*> devices = stacked_on(*place.link);
  if (place.outer.vid.value != 0) devices = vlan_devices(devices, place.outer.vid);
  if (place.inner.vid.value != 0) devices = vlan_devices(devices, place.inner.vid);
  return std::ranges::any_of(devices, [address](const LinkInfo* device) {
    return std::ranges::any_of(device->addresses,
                               [address](const Prefix4& held) { return held.network == address; });
  });
}

}  // namespace xk
