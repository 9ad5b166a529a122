// Ports without a device, for tests and benchmarks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/base/error.h"
#include "dataplane/port/port.h"

struct rte_mempool;

namespace xk {

// The wire of a simulated queue: what a test puts in is received, what is sent a test takes out. One
// test thread beside the loops. Outlives its queue, and pool outlives both.
class SimWire {
 public:
  // Frames that may wait in each direction.
  [[nodiscard]] static std::expected<std::unique_ptr<SimWire>, Error> make(std::uint32_t rx_depth,
                                                                           std::uint32_t tx_depth,
                                                                           rte_mempool* pool);
  ~SimWire();
  SimWire(const SimWire&) = delete;
  SimWire& operator=(const SimWire&) = delete;

  [[nodiscard]] std::unique_ptr<PortQueue> queue();

  // False: no room on the wire.
  [[nodiscard]] bool put(Bytes frame);
  // The next sent frame; empty if there is none.
  [[nodiscard]] std::vector<std::uint8_t> take();
  // Frames sent and not taken yet.
  [[nodiscard]] std::size_t sent() const;
  // From now on the device is gone, as when an interface is deleted.
  void unplug();

 private:
  friend class SimQueue;
  struct State;
  explicit SimWire(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Receives the given frames in turn, as often as asked, by copying each into an mbuf as a socket's
// port does; frees what is sent. For benchmarks; never blocks a loop and has no wait_fd().
class ReplayQueue final : public PortQueue {
 public:
  // frames are borrowed and outlive the queue; pool too.
  ReplayQueue(std::span<const std::vector<std::uint8_t>> frames, rte_mempool* pool)
      : frames_(frames), pool_(pool) {}
  // Receives this many more frames.
  void feed(std::uint64_t count) { left_ += count; }
  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  // The frame sent last, or empty.
  [[nodiscard]] const std::vector<std::uint8_t>& last_sent() const { return last_sent_; }

  [[nodiscard]] std::uint16_t rx_burst(std::span<rte_mbuf*> out) override;
  [[nodiscard]] std::uint16_t tx_burst(std::span<rte_mbuf*> packets) override;
  [[nodiscard]] int wait_fd() const override { return -1; }
  [[nodiscard]] std::uint64_t buffer_none() const override { return buffer_none_; }

 private:
  std::span<const std::vector<std::uint8_t>> frames_;
  rte_mempool* pool_;
  std::size_t next_ = 0;
  std::uint64_t left_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t buffer_none_ = 0;
  std::vector<std::uint8_t> last_sent_;
};

}  // namespace xk
