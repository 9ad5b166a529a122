// AF_XDP sockets by linux/if_xdp.h alone: the privileged half of what libxdp does in one process.
#pragma once

#include <memory>

#include "controlplane/reconcile/ports.h"

namespace xk {

// Sockets of this process's network namespace. Attach the XDP program first: a port in generic mode
// gets copying sockets, any other gets zero copy where its driver can. Registering frame memory
// needs CAP_IPC_LOCK (or RLIMIT_MEMLOCK to spare), binding CAP_NET_RAW. make() waits up to 500 ms for
// a former socket of the same queue, whose teardown the kernel finishes in the background.
[[nodiscard]] std::unique_ptr<PacketSockets> make_packet_sockets();

}  // namespace xk
