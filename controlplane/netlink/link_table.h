// What links there are, as the kernel tells it. Private to netlink/.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controlplane/netlink/socket.h"
#include "controlplane/reconcile/ports.h"

namespace xk::netlink {

// A link without its addresses, and what only netlink/ needs.
struct Link {
  LinkInfo info;
  IfIndex link{};                    // IFLA_LINK: of a veth end the other end, in its namespace
  bool makes_ip6_addresses = false;  // by itself, from its MAC or at random
};

// Of one message of the kernel; nullopt: it tells of no link, or of one as a bridge sees it.
[[nodiscard]] std::optional<Link> read_link(const nlmsghdr& message);
// Every link with its addresses, in the order of their numbers.
[[nodiscard]] Result<std::vector<LinkInfo>> list_links(const Socket& socket);
// The link of that name, without its addresses; nullopt: there is none.
[[nodiscard]] Result<std::optional<Link>> find_link(const Socket& socket, const std::string& name);
// IPv4 addresses of one link, or of all (ifindex 0), each with its link.
struct LinkAddress {
  IfIndex ifindex{};
  Prefix4 address{};  // network holds the address itself
};
[[nodiscard]] Result<std::vector<LinkAddress>> addresses(const Socket& socket, IfIndex ifindex);

}  // namespace xk::netlink
