// How a Kea is beyond running or not: does it hang, does it keep up.
#pragma once

#include <cstdint>
#include <optional>

#include "controlplane/kea/proc.h"

namespace xk::kea {

inline constexpr std::uint64_t kHungIdleMs = 10'000;  // no answer, and no CPU time used either
inline constexpr std::uint64_t kHungBusyMs = 60'000;  // no answer, whatever it does

// Tells a Kea that hangs from one that is busy: both leave a question without answer, but only one
// uses CPU time meanwhile. One that has never answered yet (it may be reading its leases) hangs only
// once it has stood still for kHungBusyMs.
class Liveness {
 public:
  [[nodiscard]] bool waits() const { return silent_since_ms_.has_value(); }
  // A question is put to it, and none was waiting.
  void asked(std::uint64_t now_ms, std::optional<std::uint64_t> cpu_ticks);
  void answered() { silent_since_ms_.reset(); }
  // For how long it has left questions without answer; 0: for none.
  [[nodiscard]] std::uint64_t silent_ms(std::uint64_t now_ms) const {
    return silent_since_ms_ ? now_ms - *silent_since_ms_ : 0;
  }
  // has_served: it has answered before.
  [[nodiscard]] bool hangs(std::uint64_t now_ms, std::optional<std::uint64_t> cpu_ticks, bool has_served);

 private:
  std::optional<std::uint64_t> silent_since_ms_;  // the first question without answer
  std::optional<std::uint64_t> cpu_ticks_;
  std::uint64_t cpu_moved_ms_ = 0;
};

// Adds up what a Kea's sockets lose; they come and go with its processes and configurations.
class SocketLosses {
 public:
  void look(const SocketDrops& now);
  [[nodiscard]] std::uint64_t total() const { return total_; }

 private:
  SocketDrops before_;
  std::uint64_t total_ = 0;
};

}  // namespace xk::kea
