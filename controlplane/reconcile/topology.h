// Questions about the machine's links, answered from one listing of them.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "controlplane/reconcile/ports.h"

namespace xk {

// A place on the wire: the interface that XDP can be attached to, and the tags in front of the packet.
struct WirePlace {
  const LinkInfo* link = nullptr;  // borrowed from the listing
  VlanTag outer{};
  VlanTag inner{};
};

class Topology {
 public:
  // Borrows the listing.
  explicit Topology(const std::vector<LinkInfo>& links);

  [[nodiscard]] const LinkInfo* by_name(std::string_view name) const;
  [[nodiscard]] const LinkInfo* by_index(IfIndex ifindex) const;

  // Where packets of (link, outer, inner) are on the wire: a VLAN device is its parent and a tag.
  // XDP sees no tags on a VLAN device, so its parent is where the program has to be. Errors: more
  // than two tags, a parent that is not there, the loopback interface.
  [[nodiscard]] std::expected<WirePlace, std::string> on_wire(const LinkInfo& link, VlanTag outer,
                                                              VlanTag inner) const;

  // Whether a kernel interface holds the address at that place: the interface itself (or the
  // bridge or bond it is in), or the VLAN device with those tags.
  [[nodiscard]] bool holds_address(const WirePlace& place, Ip4 address) const;

 private:
  [[nodiscard]] std::vector<const LinkInfo*> stacked_on(const LinkInfo& link) const;
  [[nodiscard]] std::vector<const LinkInfo*> vlan_devices(const std::vector<const LinkInfo*>& parents,
                                                          Vid vid) const;
  std::unordered_map<std::string_view, const LinkInfo*> by_name_;
  std::unordered_map<IfIndex, const LinkInfo*> by_index_;
  std::unordered_multimap<IfIndex, const LinkInfo*> vlans_on_;  // by parent
};

}  // namespace xk
