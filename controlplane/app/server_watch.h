// Servers that died or came back since the last look.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/reconcile/ports.h"

namespace xk::kead {

class ServerWatch {
 public:
  struct Change {
    VrfId vrf{};
    Ip4 address{};
    bool died = false;  // else it answers again
    friend bool operator==(const Change&, const Change&) = default;
  };
  // What changed, in the order it happened. A server that is dead when it is first seen has died; both
  // are told of one that died and came back in between.
  [[nodiscard]] std::vector<Change> look(const std::vector<ServerStatus>& servers);

 private:
  struct Seen {
    bool dead = false;
    std::uint32_t deaths = 0;
  };
  std::map<std::pair<VrfId, Ip4>, Seen> seen_;
};

}  // namespace xk::kead
