// A veth whose near end is an AF_XDP port: what xdp-kead makes for the dataplane.
#pragma once

#include <memory>
#include <string>

#include "controlplane/bpfmaps/classifier.h"
#include "controlplane/xsk/packet_sockets.h"
#include "dataplane/port/af_xdp.h"
#include "tests/bpf/frames.h"
#include "tests/bpf/sandbox.h"
#include "tests/bpf/wire.h"

namespace xk::test {

inline constexpr ipc::UmemGeometry kSmallUmem{.frame_size = 2048,
                                              .frame_count = 128,
                                              .rx_frames = 64,
                                              .fill_size = 64,
                                              .completion_size = 64,
                                              .rx_size = 64,
                                              .tx_size = 64};

[[nodiscard]] AfXdpGeometry geometry_of(const ipc::UmemGeometry& geometry);

// The classifier on near, with every untagged DHCP frame of the role's direction going to its socket.
// Everything is in the sandbox and goes with it.
class XskPort {
 public:
  XskPort(const std::string& near, const std::string& far, std::uint8_t role = XK_ROLE_CLIENT);
  ~XskPort();
  XskPort(const XskPort&) = delete;
  XskPort& operator=(const XskPort&) = delete;

  [[nodiscard]] IfIndex ifindex() const { return ifindex_; }
  // A new socket, in the XSKMAP. Dies with its descriptors.
  [[nodiscard]] PacketSocket make_socket(const ipc::UmemGeometry& geometry = kSmallUmem);
  // Frames that XDP gave to the kernel because no socket was there.
  [[nodiscard]] std::uint64_t without_socket();

 private:
  std::string near_;
  IfIndex ifindex_{};
};

}  // namespace xk::test
