#include "controlplane/reconcile/topology.h"

#include <algorithm>

namespace xk {

Topology::Topology(const std::vector<LinkInfo>& links) {
  for (const LinkInfo& link : links) {
    by_name_.emplace(link.name, &link);
    by_index_.emplace(link.ifindex, &link);
    if (link.kind == "vlan") vlans_on_.emplace(link.parent, &link);
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
