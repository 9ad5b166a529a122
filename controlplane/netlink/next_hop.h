// Routes and neighbours: how a server is reached, and which changes of them matter. Private to
// netlink/.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "controlplane/netlink/socket.h"
#include "controlplane/reconcile/ports.h"

namespace xk::netlink {

class NextHops {
 public:
  // As Links::next_hop. Remembers what was asked and answered.
  [[nodiscard]] Result<NextHop> find(const Socket& socket, Ip4 destination, const std::string& vrf_device);

  // Whether a route change covers a destination that was asked for.
  [[nodiscard]] bool route_matters(const Prefix4& prefix) const;
  // Whether a neighbour's change makes an answer that was given wrong. One that went stale, failed or
  // was forgotten is resolved again, through the socket.
  [[nodiscard]] bool neighbour_matters(const Socket& socket, IfIndex ifindex, Ip4 address,
                                       std::uint16_t state, const Mac& mac);

 private:
  // What is remembered of past questions; when over it, all is forgotten and asked again.
  static constexpr std::size_t kRememberedMax = 8192;
  using Neighbour = std::pair<IfIndex, Ip4>;
  struct Hash {
    std::size_t operator()(const Neighbour& n) const noexcept {
      return std::hash<std::uint64_t>{}(std::uint64_t{n.first.value} << 32 | n.second.value);
    }
  };
  std::set<Ip4> destinations_;
  std::unordered_map<Neighbour, Mac, Hash> neighbours_;  // zero: not resolved
};

}  // namespace xk::netlink
