// The generator's end of a wire, on which frames go in and out.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "dataplane/base/bytes.h"

namespace xk::gen {

inline constexpr std::uint64_t kSecond = 1'000'000'000u;
inline constexpr std::uint32_t kMailBatch = 64;  // frames at a time

// What fails is a std::runtime_error.
class Mailbox {
 public:
  Mailbox() = default;
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  virtual ~Mailbox() = default;

  // Copies the frame; flush() sends it, or a later send() if there are many.
  virtual void send(Bytes frame) = 0;
  virtual void flush() = 0;
  // Some of the frames that have arrived; empty: none had. Borrowed until the next call.
  [[nodiscard]] virtual std::span<const Bytes> receive() = 0;
  // Until a frame is there or the time is over; now and then before.
  virtual void wait(std::uint64_t left_ns) = 0;

  // Frames that the wire did not take.
  [[nodiscard]] virtual std::uint64_t refused() const = 0;
  // Frames that arrived when there was no room for them.
  [[nodiscard]] virtual std::uint64_t missed() const = 0;
};

// "memif:SOCKET": see open_memif(); else an interface, see open_xdp().
[[nodiscard]] std::unique_ptr<Mailbox> open_mailbox(const std::string& wire);

// An AF_XDP socket on queue 0 of an interface. Takes the interface's DHCPv4 frames to clients (UDP port 68,
// up to two tags); the kernel sees the others as if it were not there, and these too as soon as it is gone.
// Its XDP program runs in the driver or, where that does not go, in generic mode.
[[nodiscard]] std::unique_ptr<Mailbox> open_xdp(const std::string& interface);

// The client of a DPDK memif device (net_memif, role=server), whose socket this is: shared memory, in which
// the kernel has no part. All frames are taken.
[[nodiscard]] std::unique_ptr<Mailbox> open_memif(const std::string& socket);

}  // namespace xk::gen
