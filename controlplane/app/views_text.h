// Words that several views have in common. Private to the views.
#pragma once

#include <array>
#include <string>

#include "controlplane/reconcile/ports.h"

namespace xk::kead {

// All that state_text(KeaState) says.
inline constexpr std::array kKeaStates = {"missing", "starting", "running", "silent", "backoff", "stopped"};

inline std::string state_text(KeaState state) {
  switch (state) {
    case KeaState::missing:
      return "missing";
    case KeaState::starting:
      return "starting";
    case KeaState::running:
      return "running";
    case KeaState::silent:
      return "silent";
    case KeaState::backoff:
      return "backoff";
    case KeaState::stopping:
    case KeaState::stopped:
      break;
  }
  return "stopped";
}

inline std::string origin_text(bool found) { return found ? "discovered" : "configured"; }

}  // namespace xk::kead
