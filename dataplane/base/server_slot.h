// What the dataplane knows of one server of one VRF: part of the counters' memory (counters.h).
#pragma once

#include <atomic>
#include <cstdint>

#include "bpf/shared/limits.h"
#include "dataplane/base/types.h"

namespace xk {

// Single writer at a time (the loop that owns the VRF or the port): relaxed loads and stores do.
struct Counter {
  std::atomic<std::uint64_t> value{0};
  void add(std::uint64_t n) {
    value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void set(std::uint64_t n) { value.store(n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t get() const { return value.load(std::memory_order_relaxed); }
};

// unknown: it has not been asked long enough to say.
enum class ServerState : std::uint32_t { unknown = 0, live = 1, dead = 2 };

// Times are milliseconds of CLOCK_MONOTONIC, 0 = never. relay/server_health.h has the rules.
struct alignas(64) ServerSlot {
  std::atomic<std::uint64_t> key{0};  // server_key(); 0: free. The control thread's
  std::atomic<ServerState> state{ServerState::unknown};
  std::atomic<std::uint32_t> deaths{0};
  Counter since_ms;             // since when the state is what it is
  Counter requests;             // sent to it
  Counter replies;              // taken from it
  Counter unanswered_since_ms;  // the first request after its last reply that it should have answered
  Counter last_try_ms;          // the last such request, of those in one second the first
  Counter last_reply_ms;
};
static_assert(sizeof(ServerSlot) == 64);

[[nodiscard]] constexpr std::uint64_t server_key(VrfId vrf, Ip4 address) {
  return std::uint64_t{vrf.value} << 32 | address.value;
}

// Twice what a snapshot has: those of the next one get theirs before the old ones' are free.
inline constexpr std::uint32_t kServerSlots = 2 * XK_SERVERS_MAX;

}  // namespace xk
