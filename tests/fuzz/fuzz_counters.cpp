// The counters' memory as a dataplane may fill it: whatever is in it, what is read stays inside of it. The
// input is the shape that the header claims (three bytes and two numbers of 16 bits), and what follows it.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "controlplane/dataplane_link/counters_memory.h"
#include "dataplane/base/fd.h"

namespace {

constexpr std::size_t kMemoryBytes = 1u << 17;

struct [[gnu::packed]] Claim {
  std::uint8_t lcore_slots;
  std::uint16_t vrf_slots;
  std::uint16_t server_slots;
  std::uint16_t servers_used;
};

xk::Fd memory_of(const Claim& claim, const std::uint8_t* content, std::size_t size) {
  xk::Fd memory(::memfd_create("xkt-counters", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory || ::ftruncate(memory.get(), kMemoryBytes) != 0) std::abort();
  void* at = ::mmap(nullptr, kMemoryBytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (at == MAP_FAILED) std::abort();
  auto* header = new (at) xk::CountersHeader;
  header->lcore_slots = claim.lcore_slots;
  header->vrf_slots = claim.vrf_slots;
  header->server_slots = claim.server_slots;
  header->servers_used = claim.servers_used;
  if (size != 0)
    std::memcpy(static_cast<std::uint8_t*>(at) + xk::kCountersOffset, content,
                std::min(size, kMemoryBytes - xk::kCountersOffset));
  ::munmap(at, kMemoryBytes);
  if (::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0) std::abort();
  return memory;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Claim claim{};
  if (size < sizeof claim) return 0;
  std::memcpy(&claim, data, sizeof claim);
  auto mapped =
      xk::dataplane_link::CountersMemory::map(memory_of(claim, data + sizeof claim, size - sizeof claim));
  if (!mapped) return 0;
  std::vector<xk::VrfCounts> sums;
  mapped->add_to(sums);
  if (sums.size() != claim.vrf_slots) std::abort();
  for (const xk::ServerStatus& server : mapped->servers())
    if (server.vrf.value > XK_VRFS_MAX || server.state > xk::ServerState::dead) std::abort();
  return 0;
}
