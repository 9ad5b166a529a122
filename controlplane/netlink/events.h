// The kernel's notifications. Private to netlink/.
#pragma once

#include <linux/netlink.h>

#include <functional>

#include "controlplane/reconcile/ports.h"

namespace xk::netlink {

// A socket subscribed to links, IPv4 addresses, routes and rules, and neighbours.
[[nodiscard]] Result<Fd> open_events();
// Hands every waiting notification to take, at most kDrainMax datagrams (the rest stays readable).
// False if the kernel dropped some: then everything may have changed.
inline constexpr int kDrainMax = 4096;
[[nodiscard]] Result<bool> drain(const Fd& events, const std::function<void(const nlmsghdr&)>& take);

}  // namespace xk::netlink
