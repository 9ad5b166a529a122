// What the dataplane's tests share: DPDK's environment, a small snapshot, frames for it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/base/fence.h"
#include "dataplane/base/forwarding.h"
#include "dataplane/pipeline/pipeline.h"
#include "dataplane/port/mbuf.h"
#include "dataplane/port/sim.h"

namespace xk::test {

// Initializes the EAL once a process.
void need_eal();

// A pool with a name of its own, and the EAL if it is not there.
[[nodiscard]] Mempool pool_of(std::uint32_t count);

inline constexpr PortId kClientPort{1};
inline constexpr PortId kServerPort{2};

// VRFs 1..count with a Kea each: clients on port "clients" (sim) in VLAN 100 + id, the Kea on port
// "servers" (sim) in VLAN 100 + id. Everywhere the subnet is 10.0.0.0/24.
[[nodiscard]] Snapshot snapshot_of(std::uint32_t count, std::uint64_t generation = 1);
[[nodiscard]] std::unique_ptr<const Forwarding> forwarding_of(Snapshot snapshot);
[[nodiscard]] PortKey sim_key(const std::string& name);

// A client's broadcast DISCOVER in the VRF, as received: 300 bytes of DHCP; the client's number is
// its MAC's and xid's.
[[nodiscard]] std::vector<std::uint8_t> discover(VrfId vrf, std::uint32_t client);
// A UDP/IPv4 frame in the VLAN of the VRF.
[[nodiscard]] std::vector<std::uint8_t> udp_frame(VrfId vrf, Ip4 destination, std::uint16_t port,
                                                  std::vector<std::uint8_t> payload);
// An ARP request for the address in the VLAN of the VRF.
[[nodiscard]] std::vector<std::uint8_t> arp_request(VrfId vrf, Ip4 target);
// The Kea's OFFER to what was relayed to it: op turned, addresses swapped, yiaddr set.
[[nodiscard]] std::vector<std::uint8_t> offer_for(const std::vector<std::uint8_t>& relayed, Ip4 yiaddr);

// A pipeline between two simulated ports, its loops not started.
struct Rig {
  explicit Rig(std::vector<LoopPlacement> loops = {}, std::uint32_t buffers = 16384,
               std::uint32_t rx_depth = 8192, std::uint32_t tx_depth = 8192,
               std::uint64_t (*now_ms)() = nullptr, NativeKeeper::Options keeper = {});
  ~Rig();

  void publish(Snapshot snapshot);
  // Runs the loops in this thread until there is nothing to do.
  void settle();
  // Waits, in this thread, until the condition holds; false after 10 s.
  [[nodiscard]] static bool await(const std::function<bool()>& condition);
  // 0 if rx + copies = tx + drops in every slot up to this VRF.
  [[nodiscard]] std::string imbalance(std::uint32_t vrfs);
  [[nodiscard]] std::uint64_t count(VrfId vrf, Outcome outcome) { return counters.total(vrf, outcome); }
  [[nodiscard]] std::uint64_t count(VrfId vrf, Counter VrfCounters::* counter) {
    return counters.total(vrf, counter);
  }
  // Summed over the loops.
  [[nodiscard]] std::uint32_t gauge(VrfId vrf, Gauge VrfCounters::* gauge);

  Mempool pool;       // of the pipeline
  Mempool wire_pool;  // of the wires: a test's own frames
  CountersRegion counters;
  Fence fence;
  std::unique_ptr<SimWire> clients;
  std::unique_ptr<SimWire> servers;
  std::unique_ptr<Pipeline> pipeline;
};

}  // namespace xk::test
