// The machine's links, addresses, routes and neighbours by rtnetlink. The calling thread never
// changes its namespace: sockets inside others are made by short-lived threads.
#pragma once

#include <memory>
#include <string>

#include "controlplane/reconcile/ports.h"

namespace xk {

// netns_directory: where HandoffSpec::netns is a name. Needs CAP_NET_ADMIN, and CAP_SYS_ADMIN for
// what happens inside other namespaces. An Error if no netlink socket can be had.
//
// drain_events() counts as relevant: any link, IPv4 address or rule; an IPv4 route that covers a
// destination next_hop() was asked for; a neighbour next_hop() answered with, if its MAC is not what
// it was. A neighbour that goes stale or fails is resolved again at once: no packet of ours passes
// through the kernel to keep it alive.
[[nodiscard]] Result<std::unique_ptr<Links>> make_links(std::string netns_directory = "/run/netns");

}  // namespace xk
