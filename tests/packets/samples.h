// One forwarding state and valid packets of every kind for it, as starting points for mutations.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dataplane/base/forwarding.h"
#include "dataplane/relay/relay.h"

namespace xk::test {

// Two VRFs with the same subnet, one with a Kea, one with servers in a third VRF; every sub-option
// and every policy is somewhere in it.
[[nodiscard]] std::unique_ptr<const Forwarding> sample_forwarding();

struct Sample {
  std::string name;
  PortId port{};
  std::vector<std::uint8_t> frame;
};
[[nodiscard]] std::vector<Sample> sample_packets();

struct Outcome4 {
  Verdict verdict;
  Emission emission;
  std::vector<std::uint8_t> frame;  // what was sent
  bool arp = false;
};

// A frame through walk, look-up and the relay function of its attachment, as the pipeline does it.
// Everything is copied into memory of its exact size first, so that a sanitizer sees each overrun.
[[nodiscard]] Outcome4 run_frame(const Forwarding& forwarding, PortId port, Bytes frame,
                                 RecentRequests& recent);

// Empty, or which promise the result breaks: a frame that is sent is valid and fits its port, and
// leaves by another attachment than it came for requests and replies.
[[nodiscard]] std::string broken_promise(const Forwarding& forwarding, const Outcome4& result);

}  // namespace xk::test
