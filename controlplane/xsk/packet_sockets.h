// AF_XDP sockets by linux/if_xdp.h alone: the privileged half of what libxdp does in one process.
#pragma once

#include <memory>

#include "controlplane/reconcile/ports.h"

namespace xk {

// Sockets of this process's network namespace. Attach the XDP program first: a port in generic mode
// gets copying sockets, any other gets zero copy where its driver can. Registering frame memory
// needs CAP_IPC_LOCK (or RLIMIT_MEMLOCK to spare), binding CAP_NET_RAW. make() waits up to 500 ms for
// a former socket of the same queue, whose teardown the kernel finishes in the background.
//
// Older kernels (Debian 12's 6.1 among them) map no ring of a bound socket. There make() proves that the
// queue can be bound, but returns the socket unbound: who maps its rings binds it (no privilege is needed),
// with XDP_USE_NEED_WAKEUP, XDP_COPY unless zero_copy, and patience of 500 ms for EBUSY. Such a socket tells
// itself by ENXIO of recvfrom().
[[nodiscard]] std::unique_ptr<PacketSockets> make_packet_sockets();

}  // namespace xk
