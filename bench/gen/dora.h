// Closed conversations: DISCOVER, OFFER, REQUEST, ACK, or renewals, many at a time, paced by what begins them
// or by the answers.
#pragma once

#include <cstdint>
#include <cstdio>

#include "bench/gen/frames.h"

namespace xk::gen {

// Percentiles of times, milliseconds; 0 where nothing was measured.
struct Latency {
  double p50_ms = 0, p99_ms = 0, p999_ms = 0;
};

struct DoraResult {
  std::uint64_t discovers = 0;
  std::uint64_t offers = 0;  // first OFFER of a conversation: as many REQUESTs are sent
  std::uint64_t acks = 0;    // conversations that ended with an ACK
  std::uint64_t naks = 0;
  std::uint64_t strays = 0;    // replies of no conversation: another VRF's, or late ones
  std::uint64_t renewals = 0;  // REQUESTs that renew
  std::uint64_t renewed = 0;   // ACKs to those
  std::uint64_t refused = 0;   // frames that the interface did not take from us
  std::uint64_t missed = 0;    // frames that arrived when we had no room for them
  double seconds = 0;
  Latency whole;  // from DISCOVER to ACK, or of a renewal
  Latency reply;  // from DISCOVER to OFFER, from REQUEST to ACK
};

// When conversations begin: so many a second (0: as fast as it can), or, with a window, whenever fewer than
// so many are under way. Those without an ACK after give_up_s do not count as under way any more.
struct DoraPace {
  double rate_per_s = 0;
  std::uint32_t window = 0;
  double give_up_s = 0.2;
};

// Begins conversations for the given time or until SIGTERM or SIGINT, each with the next client, then waits
// for answers until all are there or grace_s is over. Each ACK is a line "MAC address" of acks, unless that
// is null. Throws std::runtime_error.
[[nodiscard]] DoraResult run_dora(const Population& population, const DoraPace& pace, double seconds,
                                  double grace_s, std::FILE* acks);

// The same with renewals: all clients get an address first, which is not measured, then each in turn renews
// by unicast. grows: each asks for a lease of twice the time it asked for before, from lease_s on, so that a
// server has something to record every time. Throws std::runtime_error, also if not all get an address.
struct Renewals {
  bool grows = false;
  std::uint32_t lease_s = 60;
};
[[nodiscard]] DoraResult run_renewals(const Population& population, const DoraPace& pace,
                                      const Renewals& renewals, double seconds, double grace_s);

}  // namespace xk::gen
