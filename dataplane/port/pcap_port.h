// A port that reads frames from a capture file and writes what it sends to another (libpcap).
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "dataplane/base/error.h"
#include "dataplane/port/port.h"

struct rte_mempool;

namespace xk {

// device is "in=FILE", "out=FILE" or "in=FILE,out=FILE"; a missing side receives nothing or swallows
// what is sent. The input must be Ethernet; longer frames than an mbuf takes are left out. Sent frames are
// in the file when flush() has returned. pool outlives the queue.
[[nodiscard]] std::expected<std::unique_ptr<PortQueue>, Error> open_pcap(const std::string& device,
                                                                         rte_mempool* pool);

}  // namespace xk
