// Closed conversations: DISCOVER, OFFER, REQUEST, ACK, many at a time, paced by the DISCOVERs.
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

// Starts conversations at rate_per_s (0: as fast as it can) for the given time or until SIGTERM or SIGINT,
// each with the next client, then waits for answers until all are there or grace_s is over. Each ACK is a
// line "MAC address" of acks, unless that is null. Throws std::runtime_error.
[[nodiscard]] DoraResult run_dora(const Population& population, double rate_per_s, double seconds,
                                  double grace_s, std::FILE* acks);

}  // namespace xk::gen
