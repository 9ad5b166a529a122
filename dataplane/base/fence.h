// The fence of VRFs that two appliances share: which of them this one may answer in, and until when. The
// dataplane makes the memory (a memfd of its own), xdp-kead alone writes it, and loops read it. If xdp-kead
// dies, stands still or loses the store, the time is over by itself and the dataplane falls silent, before
// the other appliance can begin.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <ctime>

#include "bpf/shared/limits.h"
#include "dataplane/base/types.h"

namespace xk {

inline constexpr std::uint32_t kFenceMagic = 0x786b6631;  // "xkf1"

struct Fence {
  std::uint32_t magic = kFenceMagic;
  std::uint32_t vrf_slots = XK_VRFS_MAX + 1;
  // Of CLOCK_BOOTTIME, which goes on while the machine is suspended. 0: closed.
  alignas(64) std::atomic<std::uint64_t> open_until_ns{0};
  // By VRF id: 1, this appliance is the active one.
  alignas(64) std::array<std::atomic<std::uint8_t>, XK_VRFS_MAX + 1> active{};

  [[nodiscard]] bool open_at(std::uint64_t now_ns) const {
    return now_ns < open_until_ns.load(std::memory_order_acquire);
  }
  [[nodiscard]] bool is_active(VrfId vrf) const {
    return active[vrf.value].load(std::memory_order_acquire) != 0;
  }
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(std::atomic<std::uint8_t>::is_always_lock_free);

// The clock of the fence.
[[nodiscard]] inline std::uint64_t boot_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace xk
