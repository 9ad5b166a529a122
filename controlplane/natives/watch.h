// Says which folders have changed (inotify).
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>

#include "dataplane/base/fd.h"

namespace xk::natives {

// One thread keeps and waits; wake() is for all others.
class FolderWatch {
 public:
  FolderWatch();

  // Watches these, and no others.
  void keep(const std::set<std::string>& directories);
  // Those that have changed since the last time; waits for the first at most that long, and then so much
  // longer for those that come meanwhile, or until it is woken.
  [[nodiscard]] std::set<std::string> wait(std::chrono::milliseconds at_most,
                                           std::chrono::milliseconds longer);
  void wake();

 private:
  void read_events(std::set<std::string>& changed);
  // Whether it was woken.
  [[nodiscard]] bool poll(bool events, std::chrono::milliseconds at_most);

  Fd events_;
  Fd wake_;
  std::map<std::string, int> watches_;
  std::map<int, std::string> directories_;
};

}  // namespace xk::natives
