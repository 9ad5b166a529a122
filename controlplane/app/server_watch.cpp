#include "controlplane/app/server_watch.h"

namespace xk::kead {

std::vector<ServerWatch::Change> ServerWatch::look(const std::vector<ServerStatus>& servers) {
  std::vector<Change> changes;
  std::map<std::pair<VrfId, Ip4>, Seen> now;
  for (const ServerStatus& server : servers) {
    const std::pair key{server.vrf, server.address};
    const bool dead = server.state == ServerState::dead;
    const auto before = seen_.find(key);
    bool was_dead = before != seen_.end() && before->second.dead;
    const bool died_meanwhile = before != seen_.end() && before->second.deaths != server.deaths;
    const auto tell = [&](bool died) {
      if (was_dead != died) changes.push_back({server.vrf, server.address, died});
      was_dead = died;
    };
    if (died_meanwhile && !dead) tell(true);
    tell(dead);
    now[key] = {.dead = dead, .deaths = server.deaths};
  }
  seen_ = std::move(now);
  return changes;
}

}  // namespace xk::kead
