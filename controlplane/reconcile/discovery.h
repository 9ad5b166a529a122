// What the kernel has, as VRFs, subnets and attachments: VRF devices, the interfaces in them and their
// addresses. Pure.
#pragma once

#include <string>
#include <vector>

#include "controlplane/model/model.h"
#include "controlplane/reconcile/ports.h"

namespace xk {

// An interface in a VRF that is not served, or (interface empty) a whole VRF device.
struct NotServed {
  std::string vrf;  // name of the VRF, or of the VRF device that is none
  std::string interface;
  std::string reason;
  bool trouble = true;  // false: nothing is wrong, there are no clients for us
  friend bool operator==(const NotServed&, const NotServed&) = default;
};

// A VRF that was found is the same one as long as its device is, whatever that is called. A configured one
// is known by its name.
struct VrfDevice {
  std::string vrf;
  IfIndex ifindex{};
  bool found = false;
};

struct Discovered {
  Model model;  // the configured one, and what was found
  std::vector<NotServed> not_served;
  std::vector<VrfDevice> devices;  // that were made VRFs, or fill one
};

// Adds to the configured model
// - for each VRF device that [discovery] asks for and no configured VRF has: a VRF of the device's name;
// - for each of these, and each configured VRF with discover = true: an attachment for each interface
//   in the device that no configured attachment has, in the subnet of its first address, which is the
//   gateway. A configured subnet with that prefix is used as it is.
// Interfaces whose alias starts with mark_prefix are our own and left out. Never fails: what cannot be
// served is told with the reason.
[[nodiscard]] Discovered discover(const Model& configured, const std::vector<LinkInfo>& links,
                                  const std::string& mark_prefix);

// Ranges of the prefix by the rule, without network and broadcast address and without the taken ones.
[[nodiscard]] std::vector<Range4> pools_of(const PoolRule& rule, const Prefix4& prefix,
                                           std::vector<Ip4> taken);

}  // namespace xk
