// DPDK's environment: once a process, before anything else of DPDK.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "dataplane/base/error.h"

namespace xk {

struct EalOptions {
  std::uint32_t memory_mib = 256;
  // EAL device strings that will be opened: those on the PCI bus must be allowed at the start.
  std::vector<std::string> devices;
};

// Whether a device string names a device on the PCI bus ("0000:01:00.0,arg=1").
[[nodiscard]] bool is_pci_device(const std::string& device);

// Whether enough hugepages are free for this much memory.
[[nodiscard]] bool hugepages_free(std::uint32_t memory_mib);

// Initializes the EAL with the calling thread as its only lcore, allowed on the CPUs it is allowed
// on now. Memory from hugepages if enough are free, else from ordinary pages. No shared files, no
// telemetry, no other bus than vdev unless a device needs PCI. Works without privileges. The new
// threads that serve it inherit the caller's credentials.
[[nodiscard]] std::expected<void, Error> init_eal(const EalOptions& options);

// Last: all pools, rings and devices are gone.
void cleanup_eal();

}  // namespace xk
