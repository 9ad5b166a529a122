// Closed conversations: DISCOVER, OFFER, REQUEST, ACK, many at a time, paced by the DISCOVERs or by the
// answers.
#pragma once

#include <cstdint>
#include <cstdio>

#include "bench/gen/frames.h"

namespace xk::gen {

struct DoraResult {
  std::uint64_t discovers = 0;
  std::uint64_t offers = 0;  // first OFFER of a conversation: as many REQUESTs are sent
  std::uint64_t acks = 0;    // conversations that ended with an ACK
  std::uint64_t naks = 0;
  std::uint64_t strays = 0;  // replies of no conversation: another VRF's, or late ones
  double seconds = 0;
  double p50_ms = 0, p99_ms = 0;  // DISCOVER to ACK
};

// When conversations begin: so many a second (0: as fast as it can), or, with a window, whenever fewer than
// so many are under way. Those without an ACK after 200 ms do not count as under way any more.
struct DoraPace {
  double rate_per_s = 0;
  std::uint32_t window = 0;
};

// Begins conversations for the given time or until SIGTERM or SIGINT, each with the next client, then waits
// for answers until all are there or grace_s is over. Each ACK is a line "MAC address" of acks, unless that
// is null. Throws std::runtime_error.
[[nodiscard]] DoraResult run_dora(const Population& population, const DoraPace& pace, double seconds,
                                  double grace_s, std::FILE* acks);

}  // namespace xk::gen
