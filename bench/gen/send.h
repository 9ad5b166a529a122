// Open-loop sending of DISCOVERs.
#pragma once

#include <cstdint>

#include "bench/gen/frames.h"

namespace xk::gen {

struct SendResult {
  std::uint64_t sent = 0;     // frames the kernel took
  std::uint64_t refused = 0;  // frames it did not take
  double seconds = 0;
};

// Sends DISCOVERs of all clients in turn, in batches of 32 evenly spaced in time; rate_pps 0: as
// fast as the kernel takes them. Throws std::runtime_error if the interface cannot be opened.
[[nodiscard]] SendResult send_discovers(const Population& population, double rate_pps, double seconds);

}  // namespace xk::gen
