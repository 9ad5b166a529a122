#include "dataplane/port/ethdev.h"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_interrupts.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "dataplane/base/fd.h"
#include "dataplane/port/mbuf.h"

namespace xk {
namespace {

constexpr std::uint16_t kDescriptors = 1024;
constexpr std::uint16_t kQueue = 0;
constexpr auto kAnySocket = static_cast<unsigned>(SOCKET_ID_ANY);

// A driver without the operation (net_tap) has its interrupt on always.
bool enable_interrupt(std::uint16_t port) {
  const int result = rte_eth_dev_rx_intr_enable(port, kQueue);
  return result == 0 || result == -ENOTSUP;
}

class EthdevQueue final : public PortQueue {
 public:
  // interrupts: an epoll descriptor that DPDK has the queue's interrupt in, or none.
  EthdevQueue(std::uint16_t port, Fd interrupts) : port_(port), interrupts_(std::move(interrupts)) {}
  ~EthdevQueue() override {
    if (interrupts_)
      (void)rte_eth_dev_rx_intr_ctl_q(port_, kQueue, interrupts_.get(), RTE_INTR_EVENT_DEL, nullptr);
  }

  [[nodiscard]] std::uint16_t rx_burst(std::span<rte_mbuf*> out) override;
  [[nodiscard]] bool pressed() const override {
    return rte_eth_rx_queue_count(port_, kQueue) > kDescriptors / 2;
  }
  [[nodiscard]] std::uint16_t tx_burst(std::span<rte_mbuf*> packets) override {
    return rte_eth_tx_burst(port_, kQueue, packets.data(), static_cast<std::uint16_t>(packets.size()));
  }
  [[nodiscard]] int wait_fd() const override { return interrupts_.get(); }
  [[nodiscard]] bool arm() override;
  void disarm() override;
  [[nodiscard]] std::uint64_t buffer_none() const override;

 private:
  std::uint16_t port_;
  Fd interrupts_;
  std::uint64_t unusable_ = 0;  // frames no one buffer could hold
};

std::uint16_t EthdevQueue::rx_burst(std::span<rte_mbuf*> out) {
  const std::uint16_t count =
      rte_eth_rx_burst(port_, kQueue, out.data(), static_cast<std::uint16_t>(out.size()));
  std::uint16_t kept = 0;
  for (std::uint16_t i = 0; i < count; ++i) {
    rte_mbuf* mbuf = out[i];
    // Some drivers (net_af_packet) take the outer tag out of the frame: classification needs it there.
    // A frame in several segments (net_memif may) goes into one, or is longer than any we handle.
    if (rte_pktmbuf_linearize(mbuf) != 0 ||
        ((mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 && rte_vlan_insert(&mbuf) != 0)) {
      ++unusable_;
      rte_pktmbuf_free(mbuf);
      continue;
    }
    mbuf->ol_flags = 0;
    out[kept++] = mbuf;
  }
  return kept;
}

bool EthdevQueue::arm() {
  // A driver that cannot count answers with an error; its interrupt tells of waiting frames then.
  return interrupts_ && enable_interrupt(port_) && rte_eth_rx_queue_count(port_, kQueue) <= 0;
}

void EthdevQueue::disarm() {
  if (!interrupts_) return;
  // DPDK acknowledges the interrupt in its own way when it reports it.
  rte_epoll_event event{};
  (void)rte_epoll_wait(interrupts_.get(), &event, 1, 0);
  (void)rte_eth_dev_rx_intr_disable(port_, kQueue);
}

std::uint64_t EthdevQueue::buffer_none() const {
  rte_eth_stats statistics{};
  return rte_eth_stats_get(port_, &statistics) == 0 ? statistics.rx_nombuf + unusable_ : unusable_;
}

Error device_error(const char* what, int result) {
  return Error{std::string(what) + ": " + rte_strerror(-result), -result};
}

}  // namespace

std::expected<std::unique_ptr<Ethdev>, Error> Ethdev::open(const std::string& device, bool promiscuous,
                                                           rte_mempool* pool) {
  const std::string context = "ethdev device " + device;
  const int probed = rte_dev_probe(device.c_str());
  if (probed < 0 && probed != -EEXIST)
    return std::unexpected(device_error("no DPDK driver takes it", probed).in(context));
  std::string name = device.substr(0, device.find(','));
  if (name.starts_with("pci:")) name.erase(0, 4);
  std::uint16_t port = 0;
  if (const int found = rte_eth_dev_get_port_by_name(name.c_str(), &port); found != 0)
    return std::unexpected(device_error("no Ethernet device came of it", found).in(context));
  std::unique_ptr<Ethdev> ethdev(new Ethdev(port, pool));
  if (auto started = ethdev->start(promiscuous); !started)
    return std::unexpected(std::move(started.error()).in(context));
  return ethdev;
}

std::expected<void, Error> Ethdev::configure(bool interrupts) {
  rte_eth_conf configuration{};
  configuration.intr_conf.rxq = interrupts ? 1 : 0;
  if (const int result = rte_eth_dev_configure(port_, 1, 1, &configuration); result != 0)
    return std::unexpected(device_error("cannot configure one queue pair", result));
  std::uint16_t rx_descriptors = kDescriptors;
  std::uint16_t tx_descriptors = kDescriptors;
  if (const int result = rte_eth_dev_adjust_nb_rx_tx_desc(port_, &rx_descriptors, &tx_descriptors);
      result != 0)
    return std::unexpected(device_error("cannot size the queues", result));
  if (const int result = rte_eth_rx_queue_setup(port_, kQueue, rx_descriptors, kAnySocket, nullptr, pool_);
      result != 0)
    return std::unexpected(device_error("cannot set up the receive queue", result));
  if (const int result = rte_eth_tx_queue_setup(port_, kQueue, tx_descriptors, kAnySocket, nullptr);
      result != 0)
    return std::unexpected(device_error("cannot set up the transmit queue", result));
  if (const int result = rte_eth_dev_start(port_); result != 0)
    return std::unexpected(device_error("cannot start", result));
  return {};
}

std::expected<void, Error> Ethdev::start(bool promiscuous) {
  // With receive interrupts the loop can sleep; not every driver has them.
  if (auto with = configure(true); !with) {
    if (auto without = configure(false); !without) return without;
  }
  if (promiscuous) {
    const int result = rte_eth_promiscuous_enable(port_);
    if (result != 0 && result != -ENOTSUP)
      return std::unexpected(device_error("cannot make it promiscuous", result));
  }
  return {};
}

Ethdev::~Ethdev() {
  (void)rte_eth_dev_stop(port_);
  (void)rte_eth_dev_close(port_);
}

Mac Ethdev::mac() const {
  rte_ether_addr address{};
  Mac mac;
  if (rte_eth_macaddr_get(port_, &address) == 0)
    std::copy(std::begin(address.addr_bytes), std::end(address.addr_bytes), mac.bytes.begin());
  return mac;
}

bool Ethdev::link_up() const {
  rte_eth_link link{};
  return rte_eth_link_get_nowait(port_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

std::unique_ptr<PortQueue> Ethdev::queue() {
  Fd interrupts(epoll_create1(EPOLL_CLOEXEC));
  if (!interrupts || !enable_interrupt(port_) ||
      rte_eth_dev_rx_intr_ctl_q(port_, kQueue, interrupts.get(), RTE_INTR_EVENT_ADD, nullptr) != 0)
    interrupts.reset();
  return std::make_unique<EthdevQueue>(port_, std::move(interrupts));
}

}  // namespace xk
