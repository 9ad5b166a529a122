// Calls made by Kea's main thread, where that is its only one.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "dataplane/base/fd.h"

namespace xk::hook {

class MainThread {
 public:
  // From the main thread: Kea looks at it between packets.
  MainThread();
  ~MainThread();
  MainThread(const MainThread&) = delete;
  MainThread& operator=(const MainThread&) = delete;
  // From any thread.
  void post(std::function<void()> call);

 private:
  void run_posted();

  Fd wake_;
  std::mutex mutex_;  // of what follows
  std::vector<std::function<void()>> posted_;
};

}  // namespace xk::hook
