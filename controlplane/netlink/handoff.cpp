#include "controlplane/netlink/handoff.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/veth.h>
#include <sys/socket.h>

namespace xk::netlink {
namespace {

// Names under which a pair stands, inside our own namespace only, until it is marked.
constexpr const char* kMakingHost = "xkmaking0";
constexpr const char* kMakingPeer = "xkmaking1";
constexpr std::uint8_t kHandoffPrefixLength = 31;  // RFC 3021: two addresses, no broadcast

struct Pair {
  Link host;
  Link peer;
};

ifinfomsg header_for(IfIndex ifindex) {
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(ifindex.value);
  return header;
}

Result<> delete_link(const Socket& socket, IfIndex ifindex) {
  auto done = socket.transact(Request(RTM_DELLINK, 0, header_for(ifindex)));
  if (!done && done.error().system_errno == ENODEV) return {};
  return done;
}

Result<> set_link(const Socket& socket, IfIndex ifindex, const std::function<void(Request&)>& fill) {
  Request request(RTM_NEWLINK, 0, header_for(ifindex));
  fill(request);
  return socket.transact(request);
}

Error foreign(const std::string& where, const Link& link, const std::string& mark) {
  return Error{
      where + " " + link.info.name + " exists and is not ours: it has " +
          (link.info.alias.empty() ? std::string("no alias") : "the alias \"" + link.info.alias + "\"") +
          ", ours has \"" + mark + "\"",
      EEXIST};
}

// Our pair, whole; nullopt if it is not there, after removing a half of it that is ours.
Result<std::optional<Pair>> find_pair(const Socket& host, const Socket& inside, const HandoffSpec& spec) {
  auto host_end = find_link(host, spec.host_name);
  if (!host_end) return std::unexpected(std::move(host_end.error()));
  auto peer_end = find_link(inside, spec.peer_name);
  if (!peer_end) return std::unexpected(std::move(peer_end.error()));
  if (*host_end && (*host_end)->info.alias != spec.mark)
    return std::unexpected(foreign("interface", **host_end, spec.mark));
  if (*peer_end && (*peer_end)->info.alias != spec.mark)
    return std::unexpected(foreign("in namespace " + spec.netns + ", interface", **peer_end, spec.mark));
  if (*host_end && *peer_end && (*host_end)->link == (*peer_end)->info.ifindex &&
      (*peer_end)->link == (*host_end)->info.ifindex)
    return Pair{std::move(**host_end), std::move(**peer_end)};
  // Ends of pairs whose other end is not where it belongs.
  if (*host_end)
    if (auto gone = delete_link(host, (*host_end)->info.ifindex); !gone) return std::unexpected(gone.error());
  if (*peer_end)
    if (auto gone = delete_link(inside, (*peer_end)->info.ifindex); !gone)
      return std::unexpected(gone.error());
  return std::nullopt;
}

// What an interrupted make_pair() left in our namespace.
Result<> remove_unfinished(const Socket& inside) {
  for (const char* name : {kMakingHost, kMakingPeer}) {
    const auto left = find_link(inside, name);
    if (!left) return std::unexpected(left.error());
    if (!*left) continue;
    if (auto gone = delete_link(inside, (*left)->info.ifindex); !gone) return gone;
  }
  return {};
}

// One queue each way: veth would otherwise allocate one for every possible CPU.
Request& one_queue(Request& request, const char* name) {
  return request.text(IFLA_IFNAME, name).u32(IFLA_NUM_RX_QUEUES, 1).u32(IFLA_NUM_TX_QUEUES, 1);
}

Result<> make_unmarked(const Socket& inside) {
  Request request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
  one_queue(request, kMakingHost).nested(IFLA_LINKINFO, [](Request& info) {
    info.text(IFLA_INFO_KIND, "veth").nested(IFLA_INFO_DATA, [](Request& data) {
      data.nested(VETH_INFO_PEER, [](Request& peer) { one_queue(peer.header(ifinfomsg{}), kMakingPeer); });
    });
  });
  return inside.transact(request);
}

// Marks both ends, gives the peer its name and sends the host end out by its own.
Result<> finish_pair(const Socket& host, const Socket& inside, const HandoffSpec& spec) {
  auto host_end = find_link(inside, kMakingHost);
  auto peer_end = find_link(inside, kMakingPeer);
  if (!host_end || !peer_end) return std::unexpected(host_end ? peer_end.error() : host_end.error());
  if (!*host_end || !*peer_end) return std::unexpected(Error{"veth pair is gone again", ENODEV});
  const IfIndex host_index = (*host_end)->info.ifindex;
  const IfIndex peer_index = (*peer_end)->info.ifindex;
  for (const IfIndex index : {host_index, peer_index})
    if (auto set = set_link(inside, index, [&](Request& r) { r.text(IFLA_IFALIAS, spec.mark); }); !set)
      return set;
  auto named = set_link(inside, peer_index, [&](Request& r) { r.text(IFLA_IFNAME, spec.peer_name); });
  if (!named) return named;
  return set_link(inside, host_index, [&](Request& r) {
    r.u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(host.ns())).text(IFLA_IFNAME, spec.host_name);
  });
}

// On failure nothing of it stays.
Result<Pair> make_pair(const Socket& host, const Socket& inside, const HandoffSpec& spec) {
  if (auto clear = remove_unfinished(inside); !clear) return std::unexpected(clear.error());
  if (auto made = make_unmarked(inside); !made)
    return std::unexpected(std::move(made.error()).in("making a veth pair"));
  auto finished = finish_pair(host, inside, spec);
  auto pair = finished ? find_pair(host, inside, spec) : std::unexpected(finished.error());
  if (pair && *pair) return std::move(**pair);
  // An end that is gone takes the other with it.
  static_cast<void>(remove_unfinished(inside));
  const auto renamed = find_link(inside, spec.peer_name);
  if (renamed && *renamed && (*renamed)->info.alias == spec.mark)
    static_cast<void>(delete_link(inside, (*renamed)->info.ifindex));
  if (!pair) return std::unexpected(std::move(pair.error()).in("making a veth pair"));
  return std::unexpected(Error{"making a veth pair: it is gone again", ENODEV});
}

Result<> make_no_ip6_addresses(const Socket& socket, IfIndex ifindex) {
  return set_link(socket, ifindex, [](Request& r) {
    r.nested(IFLA_AF_SPEC, [](Request& families) {
      families.nested(AF_INET6,
                      [](Request& inet6) { inet6.u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE); });
    });
  });
}

Result<> bring_up(const Socket& socket, IfIndex ifindex) {
  ifinfomsg header = header_for(ifindex);
  header.ifi_flags = header.ifi_change = IFF_UP;
  return socket.transact(Request(RTM_NEWLINK, 0, header));
}

// MAC (zero: whatever it has), MTU, no IPv6 address of its own making (it would speak on a link where
// only Kea should), up. What is so already is not set again: each change is an event, and an event
// makes the daemon look again.
Result<> set_up(const Socket& socket, const Link& link, std::uint16_t mtu, const Mac& mac) {
  const IfIndex ifindex = link.info.ifindex;
  const auto failed = [&link](const char* what, Result<> result) -> Result<> {
    return std::unexpected(std::move(result.error()).in(what + link.info.name));
  };
  if (!mac.is_zero() && link.info.mac != mac)
    if (auto set = set_link(socket, ifindex, [&mac](Request& r) { r.mac(IFLA_ADDRESS, mac); }); !set)
      return failed("MAC of ", std::move(set));
  if (link.info.mtu != mtu)
    if (auto set = set_link(socket, ifindex, [mtu](Request& r) { r.u32(IFLA_MTU, mtu); }); !set)
      return failed("MTU of ", std::move(set));
  // An MTU that was below IPv6's least has left the link without IPv6 until now, and the mode reset.
  if (link.makes_ip6_addresses || link.info.mtu != mtu)
    if (auto set = make_no_ip6_addresses(socket, ifindex); !set && set.error().system_errno != EAFNOSUPPORT)
      return failed("IPv6 address generation of ", std::move(set));
  if (!link.info.up)
    if (auto set = bring_up(socket, ifindex); !set) return failed("setting up ", std::move(set));
  return {};
}

Result<> change_address(const Socket& inside, int type, int flags, IfIndex ifindex, const Prefix4& address) {
  ifaddrmsg header{};
  header.ifa_family = AF_INET;
  header.ifa_prefixlen = address.length;
  header.ifa_index = ifindex.value;
  Request request(type, flags, header);
  request.ip4(IFA_LOCAL, address.network).ip4(IFA_ADDRESS, address.network);
  return inside.transact(request);
}

// The peer has peer_ip/31 and no other IPv4 address.
Result<> set_address(const Socket& inside, IfIndex ifindex, Ip4 peer_ip) {
  const Prefix4 wanted{peer_ip, kHandoffPrefixLength};
  const auto present = addresses(inside, ifindex);
  if (!present) return std::unexpected(present.error());
  bool there = false;
  for (const LinkAddress& row : *present) {
    there = there || row.address == wanted;
    if (row.address == wanted) continue;
    auto gone = change_address(inside, RTM_DELADDR, 0, ifindex, row.address);
    if (!gone && gone.error().system_errno != EADDRNOTAVAIL) return gone;
  }
  if (there) return {};
  return change_address(inside, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifindex, wanted);
}

Result<> set_default_route(const Socket& inside, IfIndex ifindex, Ip4 host_ip) {
  rtmsg header{};
  header.rtm_family = AF_INET;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = RT_SCOPE_UNIVERSE;
  header.rtm_type = RTN_UNICAST;
  header.rtm_flags = RTNH_F_ONLINK;
  Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, header);
  request.ip4(RTA_GATEWAY, host_ip).u32(RTA_OIF, ifindex.value);
  return inside.transact(request);
}

// Nobody answers ARP for host_ip: the dataplane owns it, and Kea need not ask.
Result<> set_neighbour(const Socket& inside, IfIndex ifindex, Ip4 host_ip, const Mac& host_mac) {
  ndmsg header{};
  header.ndm_family = AF_INET;
  header.ndm_ifindex = static_cast<int>(ifindex.value);
  header.ndm_state = NUD_PERMANENT;
  Request request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, header);
  request.ip4(NDA_DST, host_ip).mac(NDA_LLADDR, host_mac);
  return inside.transact(request);
}

Result<> configure(const Socket& host, const Socket& inside, const Pair& pair, const HandoffSpec& spec) {
  const IfIndex peer = pair.peer.info.ifindex;
  if (auto up = set_up(host, pair.host, spec.mtu, spec.host_mac); !up) return up;
  if (auto up = set_up(inside, pair.peer, spec.mtu, spec.peer_mac); !up) return up;
  if (auto set = set_address(inside, peer, spec.peer_ip); !set)
    return std::unexpected(std::move(set.error()).in("address " + to_string(spec.peer_ip)));
  if (auto set = set_default_route(inside, peer, spec.host_ip); !set)
    return std::unexpected(std::move(set.error()).in("default route through " + to_string(spec.host_ip)));
  const Mac& host_mac = spec.host_mac.is_zero() ? pair.host.info.mac : spec.host_mac;
  if (auto set = set_neighbour(inside, peer, spec.host_ip, host_mac); !set)
    return std::unexpected(std::move(set.error()).in("neighbour " + to_string(spec.host_ip)));
  return {};
}

Result<LinkInfo> ensure(const Socket& host, const HandoffSpec& spec, const std::string& netns_directory) {
  if (spec.mark.empty() || spec.mark.size() > IFALIASZ - 2)
    return std::unexpected(Error{"ownership mark must have 1 to " + std::to_string(IFALIASZ - 2) + " bytes"});
  const std::string path = netns_directory + "/" + spec.netns;
  const Fd ns(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!ns) return std::unexpected(errno_error("network namespace " + path));
  const auto inside = Socket::open_in(ns);
  if (!inside) return std::unexpected(inside.error());
  auto found = find_pair(host, *inside, spec);
  if (!found) return std::unexpected(std::move(found.error()));
  const bool adopted = found->has_value();
  auto pair = adopted ? Result<Pair>(std::move(**found)) : make_pair(host, *inside, spec);
  if (!pair) return std::unexpected(std::move(pair.error()));
  if (auto configured = configure(host, *inside, *pair, spec); !configured) {
    if (!adopted) static_cast<void>(delete_link(host, pair->host.info.ifindex));
    return std::unexpected(std::move(configured.error()));
  }
  auto ready = find_link(host, spec.host_name);
  if (!ready) return std::unexpected(std::move(ready.error()));
  if (!*ready) return std::unexpected(Error{"the interface is gone again", ENODEV});
  return std::move((*ready)->info);
}

}  // namespace

Result<LinkInfo> ensure_handoff(const Socket& host, const HandoffSpec& spec,
                                const std::string& netns_directory) {
  auto ready = ensure(host, spec, netns_directory);
  if (!ready) return std::unexpected(std::move(ready.error()).in("handoff " + spec.host_name));
  return ready;
}

Result<> remove_handoff(const Socket& host, const std::string& host_name, const std::string& mark) {
  const auto link = find_link(host, host_name);
  if (!link) return std::unexpected(link.error());
  if (!*link) return {};
  if ((*link)->info.alias != mark) return std::unexpected(foreign("interface", **link, mark));
  auto gone = delete_link(host, (*link)->info.ifindex);
  if (!gone) return std::unexpected(std::move(gone.error()).in("removing " + host_name));
  return {};
}

}  // namespace xk::netlink
