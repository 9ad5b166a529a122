// The counters of dataplanes, past and present. Private to dataplane_link/.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "controlplane/reconcile/ports.h"

namespace xk::dataplane_link {

// The memfd of one dataplane process, mapped read-only (dataplane/base/counters.h). The process may
// write anything at any time: sizes are checked against the file once and kept here.
class CountersMemory {
 public:
  // Refuses what is not sealed against shrinking: reading past a new end would kill us (SIGBUS).
  [[nodiscard]] static Result<CountersMemory> map(Fd memory);
  CountersMemory(CountersMemory&& other) noexcept;
  CountersMemory& operator=(CountersMemory&& other) noexcept;
  CountersMemory(const CountersMemory&) = delete;
  CountersMemory& operator=(const CountersMemory&) = delete;
  ~CountersMemory();

  // Whether both are the same memory, so the same process: a number is not reused while it is mapped.
  [[nodiscard]] bool same_as(const CountersMemory& other) const {
    return device_ == other.device_ && inode_ == other.inode_;
  }
  // Adds every slot that has counted anything, and slot 0, to sums (grown as needed).
  void add_to(std::vector<VrfCounts>& sums) const;
  [[nodiscard]] std::vector<ServerStatus> servers() const;

 private:
  CountersMemory() = default;
  void swap(CountersMemory& other) noexcept;
  void* base_ = nullptr;
  std::size_t size_ = 0;
  std::uint32_t lcore_slots_ = 0;
  std::uint32_t vrf_slots_ = 0;
  std::uint32_t server_slots_ = 0;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// The sums over all dataplanes there have been.
class Totals {
 public:
  // The memory of the dataplane now connected. If it is another than before, what that had counted
  // is kept.
  void follow(CountersMemory memory);
  [[nodiscard]] bool follows(const CountersMemory& memory) const {
    return current_.has_value() && current_->same_as(memory);
  }
  [[nodiscard]] std::vector<VrfCounts> read() const;
  // Of the last one that was followed.
  [[nodiscard]] std::vector<ServerStatus> servers() const;

 private:
  std::optional<CountersMemory> current_;
  std::vector<VrfCounts> past_;  // by slot
};

}  // namespace xk::dataplane_link
