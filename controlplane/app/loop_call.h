// How LoopControl's calls get to the daemon's loop. Of its .cpp files.
#pragma once

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "controlplane/app/loop_control.h"

namespace xk::kead {

template <typename T>
api::Answer<T> LoopControl::on_loop(std::chrono::milliseconds at_most, std::function<api::Answer<T>()> call) {
  auto promise = std::make_shared<std::promise<api::Answer<T>>>();
  std::future<api::Answer<T>> answer = promise->get_future();
  auto taken = std::make_shared<std::atomic<bool>>(false);  // by the loop, which makes the call, or by us
  const bool posted = parts_.loop.post([this, promise = std::move(promise), taken, call = std::move(call)] {
    if (taken->exchange(true)) return;
    if (parts_.reconciler.model() == nullptr) {
      promise->set_value(failure(503, "xdp-kead is still starting"));
      return;
    }
    promise->set_value(call());
  });
  if (!posted) return failure(503, "xdp-kead is stopping");
  if (answer.wait_for(at_most) != std::future_status::ready) return too_late(at_most, taken->exchange(true));
  try {
    return answer.get();
  } catch (const std::future_error&) {  // the loop ended before the call was made
    return failure(503, "xdp-kead is stopping");
  }
}

}  // namespace xk::kead
