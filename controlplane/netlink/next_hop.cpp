#include "controlplane/netlink/next_hop.h"

#include <linux/neighbour.h>
#include <sys/socket.h>

#include "controlplane/netlink/link_table.h"

namespace xk::netlink {
namespace {

// States in which the MAC may be used (net/core/neighbour.h: NUD_VALID).
constexpr std::uint16_t kUsable =
    NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;

bool means_no_route(int error) {
  return error == ENETUNREACH || error == EHOSTUNREACH || error == EACCES || error == EINVAL ||
         error == ENODEV;
}

// The kernel's own choice for the destination; ifindex 0 if there is none over which to send.
Result<NextHop> find_route(const Socket& socket, Ip4 destination, IfIndex vrf) {
  rtmsg header{};
  header.rtm_family = AF_INET;
  header.rtm_dst_len = 32;
  Request request(RTM_GETROUTE, 0, header);
  request.ip4(RTA_DST, destination);
  if (vrf.value != 0) request.u32(RTA_OIF, vrf.value);
  NextHop hop;
  const auto done = socket.transact(request, [&](const nlmsghdr& message) {
    const auto route = header_of<rtmsg>(message);
    // Unicast only: a local address, a broadcast or a blackhole is no way out of the machine.
    if (message.nlmsg_type != RTM_NEWROUTE || route.rtm_type != RTN_UNICAST) return;
    const Attributes attributes(message, sizeof(route));
    if (attributes.get(RTA_VIA) != nullptr) return;  // an IPv6 gateway (RFC 5549): no ARP there
    hop.ifindex = IfIndex{attributes.u32(RTA_OIF)};
    hop.gateway = attributes.get(RTA_GATEWAY) != nullptr ? attributes.ip4(RTA_GATEWAY) : destination;
    hop.source = attributes.ip4(RTA_PREFSRC);
  });
  if (!done && means_no_route(done.error().system_errno)) return NextHop{};
  if (!done) return std::unexpected(done.error());
  return hop;
}

struct Found {
  std::uint16_t state = NUD_NONE;
  Mac mac{};
};

Result<Found> find_neighbour(const Socket& socket, IfIndex ifindex, Ip4 address) {
  ndmsg header{};
  header.ndm_family = AF_INET;
  header.ndm_ifindex = static_cast<int>(ifindex.value);
  Request request(RTM_GETNEIGH, 0, header);
  request.ip4(NDA_DST, address);
  Found found;
  const auto done = socket.transact(request, [&](const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_NEWNEIGH) return;
    found.state = header_of<ndmsg>(message).ndm_state;
    found.mac = Attributes(message, sizeof(ndmsg)).mac(NDA_LLADDR);
  });
  if (!done && done.error().system_errno == ENOENT) return found;
  if (!done) return std::unexpected(done.error());
  return found;
}

// As if a packet had gone there: the kernel asks, and tells the outcome as an event.
Result<> start_resolution(const Socket& socket, IfIndex ifindex, Ip4 address) {
  ndmsg header{};
  header.ndm_family = AF_INET;
  header.ndm_ifindex = static_cast<int>(ifindex.value);
  header.ndm_flags = NTF_USE;
  Request request(RTM_NEWNEIGH, NLM_F_CREATE, header);
  request.ip4(NDA_DST, address);
  return socket.transact(request);
}

Mac usable_mac(std::uint16_t state, const Mac& mac) { return (state & kUsable) != 0 ? mac : Mac{}; }

}  // namespace

Result<NextHop> NextHops::find(const Socket& socket, Ip4 destination, const std::string& vrf_device) {
  IfIndex vrf{};
  if (destinations_.size() >= kRememberedMax) destinations_.clear();
  destinations_.insert(destination);
  if (!vrf_device.empty()) {
    const auto device = find_link(socket, vrf_device);
    if (!device) return std::unexpected(device.error());
    if (!*device) return NextHop{};
    vrf = (*device)->info.ifindex;
  }
  auto hop = find_route(socket, destination, vrf);
  if (!hop) return std::unexpected(std::move(hop.error()).in("route to " + to_string(destination)));
  if (hop->ifindex.value == 0) return NextHop{};
  const auto neighbour = find_neighbour(socket, hop->ifindex, hop->gateway);
  if (!neighbour) return std::unexpected(Error(neighbour.error()).in("neighbour " + to_string(hop->gateway)));
  hop->mac = usable_mac(neighbour->state, neighbour->mac);
  if (neighbours_.size() >= kRememberedMax) neighbours_.clear();
  neighbours_[{hop->ifindex, hop->gateway}] = hop->mac;
  if ((neighbour->state & (kUsable & ~NUD_STALE)) != 0) return hop;
  static_cast<void>(start_resolution(socket, hop->ifindex, hop->gateway));
  return hop;
}

bool NextHops::route_matters(const Prefix4& prefix) const {
  const auto first = destinations_.lower_bound(prefix.network);
  return first != destinations_.end() && prefix.contains(*first);
}

bool NextHops::neighbour_matters(const Socket& socket, IfIndex ifindex, Ip4 address, std::uint16_t state,
                                 const Mac& mac) {
  const auto known = neighbours_.find({ifindex, address});
  if (known == neighbours_.end()) return false;
  // An interface that is down, or went away meanwhile, resolves nothing: its event comes later.
  if (state == NUD_STALE || state == NUD_FAILED || state == NUD_NONE)
    static_cast<void>(start_resolution(socket, ifindex, address));
  return usable_mac(state, mac) != known->second;
}

}  // namespace xk::netlink
