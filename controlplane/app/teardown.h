// Takes everything of the appliance off the machine, and nothing else.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "controlplane/app/adapters.h"

namespace xk::kead {

struct TeardownReport {
  std::vector<std::string> removed;   // one line each, in order
  std::vector<std::string> failures;  // what is still there, and why
};

// Detaches the classifier, removes rows, pins and their directory, stops Keas (at most 10 s),
// removes handoffs and namespaces. For an xdp-kead that serves nothing, or ends with it: what the adapters
// drive goes, a dataplane that is connected gives its sockets back. What is in state_dir stays.
// moved is called again and again meanwhile.
[[nodiscard]] TeardownReport tear_down(const Model& model, Adapters& adapters,
                                       const std::function<void()>& moved);

}  // namespace xk::kead
