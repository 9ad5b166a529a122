// AF_XDP sockets that xdp-kead made (linux/if_xdp.h): the dataplane only maps their rings and their
// frame memory, which needs no privilege. Frames are copied into mbufs and mbufs into frames, so a
// frame is back in the kernel's hands at once and no slow consumer can starve a port.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "dataplane/base/error.h"
#include "dataplane/base/fd.h"
#include "dataplane/base/types.h"
#include "dataplane/port/port.h"

struct rte_mempool;

namespace xk {

// Frame i of the memory starts at i * frame_size. Frames [0, rx_frames) receive, the rest send. Ring
// sizes are entries, powers of two, as set on the socket.
struct AfXdpGeometry {
  std::uint32_t frame_size = 2048;
  std::uint32_t frame_count = 8192;
  std::uint32_t rx_frames = 4096;
  std::uint32_t fill_size = 4096;
  std::uint32_t completion_size = 4096;
  std::uint32_t rx_size = 4096;
  std::uint32_t tx_size = 2048;
};

// The receive queue a socket belongs to. Kernels before 6.4 map no rings of a bound socket: there it
// comes unbound, and is bound here once its rings are mapped, which needs no privilege.
struct AfXdpPlace {
  IfIndex ifindex{};
  std::uint16_t queue = 0;
  bool zero_copy = false;
};

// Takes an AF_XDP socket and the memfd that is its UMEM; both are checked, and closed on failure.
// Gives all receive frames to the kernel. pool outlives the queue. name is for errors. May wait up to
// 500 ms for the queue's former socket to be gone.
[[nodiscard]] std::expected<std::unique_ptr<PortQueue>, Error> open_af_xdp(const std::string& name, Fd socket,
                                                                           const Fd& memory,
                                                                           const AfXdpGeometry& geometry,
                                                                           const AfXdpPlace& place,
                                                                           rte_mempool* pool);

// Frames the kernel dropped for want of room in the rings, since the socket was made; 0 for a queue
// that is no AF_XDP socket. Any thread.
[[nodiscard]] std::uint64_t af_xdp_lost(const PortQueue& queue);

}  // namespace xk
