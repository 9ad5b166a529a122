// Ports that a DPDK driver serves: a NIC bound to vfio-pci, or a virtual device (net_af_packet,
// net_memif, net_tap). Opened before privileges are dropped.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/base/error.h"
#include "dataplane/port/port.h"

struct rte_mempool;

namespace xk {

// A started device with one queue pair. Closed on destruction, after its queue.
class Ethdev {
 public:
  // device is an EAL device string, "net_af_packet0,iface=eth1". pool outlives the device.
  [[nodiscard]] static std::expected<std::unique_ptr<Ethdev>, Error> open(const std::string& device,
                                                                          bool promiscuous,
                                                                          rte_mempool* pool);
  ~Ethdev();
  Ethdev(const Ethdev&) = delete;
  Ethdev& operator=(const Ethdev&) = delete;

  [[nodiscard]] Mac mac() const;
  [[nodiscard]] bool link_up() const;
  // The one queue, which must be gone before the device.
  [[nodiscard]] std::unique_ptr<PortQueue> queue();

 private:
  Ethdev(std::uint16_t port, rte_mempool* pool) : port_(port), pool_(pool) {}
  [[nodiscard]] std::expected<void, Error> start(bool promiscuous);
  [[nodiscard]] std::expected<void, Error> configure(bool interrupts);

  std::uint16_t port_;
  rte_mempool* pool_;
};

}  // namespace xk
