// An answer that one thread waits for and another gives, perhaps after the first has gone.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>

#include "controlplane/store/store.h"

namespace xk::store {

template <typename T>
class Answer {
 public:
  void give(StoreResult<T> result) {
    {
      const std::lock_guard guard(mutex_);
      result_ = std::move(result);
    }
    given_.notify_all();
  }
  [[nodiscard]] StoreResult<T> wait(std::chrono::milliseconds timeout, const char* what) {
    std::unique_lock lock(mutex_);
    if (given_.wait_for(lock, timeout, [this] { return result_.has_value(); })) return std::move(*result_);
    return std::unexpected(StoreError{Fault::unavailable,
                                      {std::string("the store did not answer ") + what + " within " +
                                       std::to_string(timeout.count()) + " ms"}});
  }

 private:
  std::mutex mutex_;
  std::condition_variable given_;
  std::optional<StoreResult<T>> result_;
};

}  // namespace xk::store
