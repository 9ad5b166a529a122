#include "controlplane/kea/health.h"

namespace xk::kea {

void Liveness::asked(std::uint64_t now_ms, std::optional<std::uint64_t> cpu_ticks) {
  silent_since_ms_ = now_ms;
  cpu_ticks_ = cpu_ticks;
  cpu_moved_ms_ = now_ms;
}

bool Liveness::hangs(std::uint64_t now_ms, std::optional<std::uint64_t> cpu_ticks, bool has_served) {
  if (!silent_since_ms_) return false;
  if (cpu_ticks != cpu_ticks_) {
    cpu_ticks_ = cpu_ticks;
    cpu_moved_ms_ = now_ms;
  }
  const std::uint64_t stood_still_ms = now_ms - cpu_moved_ms_;
  if (!has_served) return stood_still_ms >= kHungBusyMs;
  return stood_still_ms >= kHungIdleMs || silent_ms(now_ms) >= kHungBusyMs;
}

void SocketLosses::look(const SocketDrops& now) {
  if (now.empty()) return;  // not readable, or none open: what they had lost is still known
  for (const auto& [inode, lost] : now) {
    const auto before = before_.find(inode);
    // Fewer than before: another socket has got the number.
    const bool same = before != before_.end() && before->second <= lost;
    total_ += lost - (same ? before->second : 0);
  }
  before_ = now;
}

}  // namespace xk::kea
