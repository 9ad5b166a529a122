// A port: bursts of packets in and out, whatever stands behind it. One backend a file.
#pragma once

#include <cstdint>
#include <span>

#include "dataplane/base/types.h"

struct rte_mbuf;

namespace xk {

inline constexpr std::uint16_t kBurstMax = 64;

// One receive/transmit queue pair of a port. The receive side (rx_burst, pressed, arm, disarm,
// buffer_none)
// and the transmit side (tx_burst, flush) share no state that changes: each is used by one loop at a
// time, and the two loops may differ.
class PortQueue {
 public:
  virtual ~PortQueue() = default;

  // Up to out.size() received frames, each in an mbuf the caller then owns. Never blocks. Frames
  // lost because the pool was empty are added to buffer_none().
  [[nodiscard]] virtual std::uint16_t rx_burst(std::span<rte_mbuf*> out) = 0;

  // So many frames wait that some may be lost soon: they are better taken before anything else is
  // done. Asked after a full burst only.
  [[nodiscard]] virtual bool pressed() const { return false; }

  // Takes the first n of packets and returns n; the caller keeps the rest.
  [[nodiscard]] virtual std::uint16_t tx_burst(std::span<rte_mbuf*> packets) = 0;

  // Hands on what tx_burst took and the device has not; true if nothing of it is left. Called before
  // a loop sleeps.
  [[nodiscard]] virtual bool flush() { return true; }

  // A file descriptor that becomes readable when frames are waiting, or -1 if the queue must be
  // polled. Borrowed.
  [[nodiscard]] virtual int wait_fd() const = 0;

  // Around a sleep on wait_fd(). arm() is false if the queue cannot be waited for just now.
  [[nodiscard]] virtual bool arm() { return true; }
  virtual void disarm() {}

  // Frames that arrived while no mbuf was free, since the queue was made.
  [[nodiscard]] virtual std::uint64_t buffer_none() const = 0;

  // The device is gone for good; what is sent here is lost. Any thread.
  [[nodiscard]] virtual bool gone() const { return false; }
};

}  // namespace xk
