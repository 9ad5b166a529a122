// VRFs of the native engine whose pools had no address for a client: told once an interval, however many were
// turned away.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "controlplane/reconcile/ports.h"

namespace xk::kead {

class PoolWatch {
 public:
  static constexpr std::uint64_t kIntervalMs = 60'000;
  struct Exhausted {
    VrfId vrf{};
    std::uint64_t requests = 0;  // without an answer since it was told the last time
    friend bool operator==(const Exhausted&, const Exhausted&) = default;
  };
  // What is to be told now. What was counted before the first look is not.
  [[nodiscard]] std::vector<Exhausted> look(const std::vector<VrfCounts>& counts, std::uint64_t now_ms);

 private:
  struct Told {
    std::uint64_t requests = 0;  // of the dataplane's count
    std::uint64_t next_ms = 0;   // not before
  };
  std::map<VrfId, Told> told_;
  bool began_ = false;
};

}  // namespace xk::kead
