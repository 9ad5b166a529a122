// The memory of the counters (base/counters.h): made here, written by the loops, mapped read-only by
// xdp-kead.
#pragma once

#include <cstdint>
#include <expected>
#include <span>

#include "dataplane/base/counters.h"
#include "dataplane/base/error.h"
#include "dataplane/base/fd.h"
#include "dataplane/base/types.h"

namespace xk {

// One slot a loop.
inline constexpr std::uint32_t kLoopsMax = kLcoresMax;

// What one loop writes, by VRF id.
struct CountersBlock {
  std::span<VrfCounters> counters;
  std::span<VrfOutcomes> outcomes;
};

class CountersRegion {
 public:
  // A memfd of its final size, sealed against shrinking and growing; slots for every VRF id.
  [[nodiscard]] static std::expected<CountersRegion, Error> make();
  CountersRegion(CountersRegion&& other) noexcept;
  CountersRegion& operator=(CountersRegion&& other) = delete;
  ~CountersRegion();

  [[nodiscard]] int fd() const { return fd_.get(); }
  // A descriptor of the same memory that can only read, for the peer.
  [[nodiscard]] std::expected<Fd, Error> read_only() const;
  [[nodiscard]] CountersHeader& header() { return *static_cast<CountersHeader*>(at_); }
  // The slots of one writer.
  [[nodiscard]] CountersBlock block(std::uint32_t slot);
  // Of servers, all loops'.
  [[nodiscard]] std::span<ServerSlot> servers();
  // Sums over all writers.
  [[nodiscard]] std::uint64_t total(VrfId vrf, Counter VrfCounters::* counter);
  [[nodiscard]] std::uint64_t total(VrfId vrf, Outcome outcome);
  // rx + copies - tx - the sum of the drops: 0 at rest.
  [[nodiscard]] std::int64_t imbalance(VrfId vrf);

 private:
  CountersRegion(Fd fd, void* at) : fd_(std::move(fd)), at_(at) {}
  Fd fd_;
  void* at_ = nullptr;
};

}  // namespace xk
