// The ports of a dataplane process: opens what messages and settings ask for and gives it to the
// pipeline.
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/ipc/messages.h"
#include "dataplane/pipeline/pipeline.h"
#include "dataplane/port/ethdev.h"

namespace xk {

class Ports {
 public:
  explicit Ports(rte_mempool* pool) : pool_(pool) {}

  // Opens the devices DPDK drives. With privileges, before attach().
  [[nodiscard]] std::expected<void, Error> open_ethdevs(const std::vector<ipc::EthdevSetting>& settings);
  // Gives the opened devices to the pipeline, which must be gone before this object is.
  [[nodiscard]] std::expected<void, Error> attach(Pipeline& pipeline);

  // Holds the sockets of an af_xdp port from now on; two descriptors a queue. A failure is remembered
  // and refuses every snapshot that has the port, until the port comes again or is released.
  [[nodiscard]] std::expected<void, Error> hold(Pipeline& pipeline, const ipc::PortSockets& port,
                                                std::vector<Fd> fds);
  void release(Pipeline& pipeline, IfIndex ifindex);
  [[nodiscard]] std::vector<IfIndex> held(const Pipeline& pipeline) const;

  // Makes a received snapshot fit this process: fills in the MAC of ethdev ports that have none, opens
  // pcap ports. An error if one of its ports cannot be served here.
  [[nodiscard]] std::expected<void, Error> prepare(Pipeline& pipeline, Snapshot& snapshot);
  // After the snapshot is in force: closes pcap ports that are no longer in it.
  void tidy(Pipeline& pipeline, const Snapshot& snapshot);

 private:
  struct Device {
    std::string name;
    std::unique_ptr<Ethdev> device;
    std::unique_ptr<Ethdev> exception;
  };
  rte_mempool* pool_;
  std::vector<Device> devices_;
  std::map<IfIndex, std::string> failed_;  // why
};

}  // namespace xk
