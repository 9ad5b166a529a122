// The fence (base/fence.h) as memory that both daemons map.
#pragma once

#include <expected>

#include "dataplane/base/error.h"
#include "dataplane/base/fd.h"
#include "dataplane/base/fence.h"

namespace xk::ipc {

class FenceMemory {
 public:
  // The dataplane's: closed, of its final size, sealed against shrinking and growing.
  [[nodiscard]] static std::expected<FenceMemory, Error> make();
  // The other end's: refuses what is not of this size and sealed so.
  [[nodiscard]] static std::expected<FenceMemory, Error> map(Fd memory);
  FenceMemory(FenceMemory&& other) noexcept;
  FenceMemory& operator=(FenceMemory&&) = delete;
  FenceMemory(const FenceMemory&) = delete;
  FenceMemory& operator=(const FenceMemory&) = delete;
  ~FenceMemory();

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] Fence& fence() const { return *fence_; }

 private:
  FenceMemory(Fd fd, Fence* fence) : fd_(std::move(fd)), fence_(fence) {}
  Fd fd_;
  Fence* fence_ = nullptr;
};

}  // namespace xk::ipc
