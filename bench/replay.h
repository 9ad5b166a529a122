// The pipeline between a port that replays DISCOVERs and one that swallows what is sent: what the
// benchmarks in memory have in common. 300-byte DISCOVERs, each with a MAC and an xid of its own.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <expected>
#include <memory>
#include <utility>
#include <vector>

#include "dataplane/pipeline/pipeline.h"
#include "dataplane/port/mbuf.h"
#include "dataplane/port/sim.h"

namespace xk::bench {

// Which clients are in which VRFs.
struct Spread {
  std::uint32_t vrfs = 1;
  std::uint32_t clients = 10'000;  // each VRF has as many, or one more
  bool qinq = false;               // two tags instead of one: room for more VRFs than VLANs
  bool shuffled = false;           // clients in random order (the same for every number of VRFs)
};

// The result, or the end of the program with what went wrong.
template <typename Value>
Value need(std::expected<Value, Error> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  std::exit(EXIT_FAILURE);
}

class Replay {
 public:
  explicit Replay(const Spread& spread);
  // Takes so many DISCOVERs all the way.
  void run(std::uint64_t packets) {
    clients_->feed(packets);
    while (pipeline_->iterate()) {
    }
  }
  // Packets that arrived at the servers' side.
  [[nodiscard]] std::uint64_t sent() const { return servers_->sent(); }

 private:
  ReplayQueue* add(const char* name);

  std::vector<std::vector<std::uint8_t>> frames_;
  Mempool pool_;
  CountersRegion counters_;
  std::unique_ptr<Pipeline> pipeline_;
  ReplayQueue* clients_ = nullptr;
  ReplayQueue* servers_ = nullptr;
};

}  // namespace xk::bench
