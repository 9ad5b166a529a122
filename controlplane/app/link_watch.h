// The kernel's events of links, addresses, routes and neighbours, as far as xdp-kead has to act on them.
#pragma once

#include <cstdint>
#include <string>

#include "controlplane/reconcile/ports.h"

namespace xk::kead {

class LinkWatch {
 public:
  struct News {
    bool look = false;  // the machine is to be looked at again
    bool lost = false;  // there were more events than could be kept
    std::string error;  // not empty: events cannot be read
  };
  // Takes all events that have come. What was lost, or could not be read, may have been anything.
  [[nodiscard]] News drain(Links& links);

 private:
  std::uint64_t overruns_seen_ = 0;
};

}  // namespace xk::kead
