// How interfaces stand on one another, as the kernel lists them: where on which ports an interface's
// packets are on the wire, and who holds an address there.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "controlplane/reconcile/ports.h"

namespace xk {

// A place on the wire: a port, and the tags of its frames.
struct WirePlace {
  const LinkInfo* link = nullptr;  // the port, borrowed from the listing
  VlanTag outer{};
  VlanTag inner{};
};

// Where the packets of an interface are on the wire. A bond and a bridge have many places.
struct Reach {
  struct Gap {
    std::string interface;
    std::string reason;
  };
  std::vector<WirePlace> places;
  std::vector<Gap> gaps;  // where its packets are too, but cannot be taken
  bool spread = false;    // through a bond or a bridge: the places are their members'
};

class Topology {
 public:
  // Borrows the listing.
  explicit Topology(const std::vector<LinkInfo>& links);

  [[nodiscard]] const LinkInfo* by_name(std::string_view name) const;
  [[nodiscard]] const LinkInfo* by_index(IfIndex ifindex) const;
  // Those enslaved to it, by ifindex.
  [[nodiscard]] std::vector<const LinkInfo*> members(const LinkInfo& master) const;

  // A VLAN device is its parent and one more tag in front, down to a device that is none. The tags are
  // those inside the interface's own. Fails when there are more than XK_VLAN_TAGS_MAX, or when a
  // parent is not in this namespace.
  [[nodiscard]] std::expected<WirePlace, std::string> on_wire(const LinkInfo& link, VlanTag outer,
                                                              VlanTag inner) const;
  // The same for an interface that clients are on, down through bonds (their members, or the one that
  // takes frames) and bridges (their ports, with the VLANs they have there), however they are stacked.
  [[nodiscard]] Reach reach(const LinkInfo& link, VlanTag outer, VlanTag inner) const;

  // Whether a kernel interface that takes the packets of that place has the address: the port itself,
  // a VLAN device on it, or what they are members of (but for a VRF, which routes apart).
  [[nodiscard]] bool holds_address(const WirePlace& place, Ip4 address) const;

 private:
  [[nodiscard]] std::vector<const LinkInfo*> stacked_on(const LinkInfo& link) const;
  [[nodiscard]] std::vector<const LinkInfo*> vlan_devices(const std::vector<const LinkInfo*>& parents,
                                                          Vid vid) const;
  void descend(const LinkInfo& link, std::vector<VlanTag> tags, int depth, Reach& reach) const;
  void descend_bond(const LinkInfo& bond, const std::vector<VlanTag>& tags, int depth, Reach& reach) const;
  void descend_bridge(const LinkInfo& bridge, const std::vector<VlanTag>& tags, int depth,
                      Reach& reach) const;
  void descend_bridge_port(const LinkInfo& port, VlanTag vlan, const std::vector<VlanTag>& inside, int depth,
                           Reach& reach) const;
  std::unordered_map<std::string_view, const LinkInfo*> by_name_;
  std::unordered_map<IfIndex, const LinkInfo*> by_index_;
  std::unordered_multimap<IfIndex, const LinkInfo*> vlans_on_;         // by parent
  std::unordered_map<IfIndex, std::vector<const LinkInfo*>> members_;  // by master
};

}  // namespace xk
