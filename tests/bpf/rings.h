// The user side of an AF_XDP socket that somebody else made: what the dataplane does, in miniature.
#pragma once

#include <cstdint>
#include <optional>

#include "dataplane/ipc/messages.h"
#include "tests/bpf/frames.h"

namespace xk::test {

// Binds the socket if its maker could not (xsk/packet_sockets.h); false if that fails.
[[nodiscard]] bool ensure_bound(int socket, std::uint32_t ifindex, std::uint16_t queue);

// Descriptors are borrowed. Needs no privilege. Unmaps nothing: its process is about to end.
class Rings {
 public:
  // nullopt if a mapping fails.
  [[nodiscard]] static std::optional<Rings> map(int socket, int memory, const ipc::UmemGeometry& geometry);

  // Gives all receive frames to the kernel.
  void fill();
  // The next received frame, within timeout_ms.
  [[nodiscard]] std::optional<Frame> receive(int timeout_ms);
  // Sends it from the first transmit frame; true once the kernel has completed it.
  [[nodiscard]] bool send(const Frame& frame);

 private:
  struct Ring {
    std::uint32_t* producer = nullptr;
    std::uint32_t* consumer = nullptr;
    void* entries = nullptr;
    std::uint32_t mask = 0;
  };
  int socket_ = -1;
  std::uint8_t* memory_ = nullptr;
  ipc::UmemGeometry geometry_;
  Ring fill_, completion_, rx_, tx_;
};

}  // namespace xk::test
