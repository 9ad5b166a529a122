// Network namespaces under /run/netns, as iproute2 keeps them: `ip netns` sees ours and we see its.
// The calling thread never changes its own namespace: short-lived threads do.
#pragma once

#include <memory>
#include <string>

#include "controlplane/reconcile/ports.h"

namespace xk {

// The mark is the alias of the namespace's lo. It is there before the name is: whatever interrupts
// us, no namespace of ours is ever without it. Needs CAP_SYS_ADMIN and CAP_NET_ADMIN.
[[nodiscard]] std::unique_ptr<Namespaces> make_namespaces(std::string directory = "/run/netns");

}  // namespace xk
