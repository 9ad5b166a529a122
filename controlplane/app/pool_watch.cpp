#include "controlplane/app/pool_watch.h"

#include <utility>

namespace xk::kead {

std::vector<PoolWatch::Exhausted> PoolWatch::look(const std::vector<VrfCounts>& counts,
                                                  std::uint64_t now_ms) {
  std::vector<Exhausted> exhausted;
  const bool first_look = !std::exchange(began_, true);
  for (const VrfCounts& each : counts) {
    if (each.outcomes.size() <= XK_SERVE_EXHAUSTED) continue;
    const std::uint64_t requests = each.outcomes[XK_SERVE_EXHAUSTED];
    Told& told = told_[each.vrf];
    // Another dataplane counts from 0.
    if (first_look || requests < told.requests) told.requests = first_look ? requests : 0;
    if (requests == told.requests || now_ms < told.next_ms) continue;
    exhausted.push_back({each.vrf, requests - told.requests});
    told = {.requests = requests, .next_ms = now_ms + kIntervalMs};
  }
  return exhausted;
}

}  // namespace xk::kead
