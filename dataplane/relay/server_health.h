// Whether a server answers. Pure but for the slot, whose only writer calls.
#pragma once

#include <cstdint>

#include "dataplane/base/server_slot.h"

namespace xk {

// One request that got lost, or a burst within a moment, says nothing about a server: at least two
// must be unanswered, so long apart, and the second has waited as long.
inline constexpr std::uint64_t kTryGapMs = 1000;

// Marks a server dead that has answered nothing since dead_after_ms or longer. To be called before
// a request goes to it: without requests nothing is known of it.
inline void judge_server(ServerSlot& server, std::uint64_t now_ms, std::uint64_t dead_after_ms) {
  const std::uint64_t first_ms = server.unanswered_since_ms.get();
  const std::uint64_t last_ms = server.last_try_ms.get();
  if (first_ms == 0 || last_ms == first_ms || now_ms - last_ms < kTryGapMs) return;
  if (now_ms - first_ms < dead_after_ms) return;
  if (server.state.load(std::memory_order_relaxed) == ServerState::dead) return;
  server.since_ms.set(now_ms);
  server.deaths.fetch_add(1, std::memory_order_relaxed);
  server.state.store(ServerState::dead, std::memory_order_release);
}

[[nodiscard]] inline bool is_dead(const ServerSlot& server) {
  return server.state.load(std::memory_order_relaxed) == ServerState::dead;
}

// Whether a dead server is to be asked again.
[[nodiscard]] inline bool is_probe_due(const ServerSlot& server, std::uint64_t now_ms,
                                       std::uint64_t interval_ms) {
  return now_ms - server.last_try_ms.get() >= interval_ms;
}

// A request went to the server; answer_due: one that a server answers.
inline void count_request(ServerSlot& server, std::uint64_t now_ms, bool answer_due) {
  server.requests.add(1);
  if (!answer_due) return;
  if (server.unanswered_since_ms.get() == 0) {
    server.unanswered_since_ms.set(now_ms);
    server.last_try_ms.set(now_ms);
  } else if (now_ms - server.last_try_ms.get() >= kTryGapMs) {
    server.last_try_ms.set(now_ms);
  }
}

// A reply of the server went on to a client.
inline void count_reply(ServerSlot& server, std::uint64_t now_ms) {
  server.replies.add(1);
  server.last_reply_ms.set(now_ms);
  server.unanswered_since_ms.set(0);
  if (server.state.load(std::memory_order_relaxed) == ServerState::live) return;
  server.since_ms.set(now_ms);
  server.state.store(ServerState::live, std::memory_order_release);
}

}  // namespace xk
