#include "controlplane/netlink/events.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>

namespace xk::netlink {
namespace {

constexpr int kReceiveBuffer = 4 * 1024 * 1024;  // bytes: a burst of route changes

}  // namespace

Result<Fd> open_events() {
  Fd events(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!events) return std::unexpected(errno_error("netlink events"));
  // Without the privilege the default size stays: overruns are then more frequent, not wrong.
  static_cast<void>(
      ::setsockopt(events.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof(kReceiveBuffer)));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (::bind(events.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return std::unexpected(errno_error("netlink events"));
  for (const int group :
       {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_NEIGH})
    if (::setsockopt(events.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) != 0)
      return std::unexpected(errno_error("netlink events, group " + std::to_string(group)));
  return events;
}

Result<bool> drain(const Fd& events, const std::function<void(const nlmsghdr&)>& take) {
  alignas(nlmsghdr) std::array<char, 65536> buffer;  // NLMSG_GOODSIZE is less
  bool complete = true;
  for (int datagrams = 0; datagrams < kDrainMax; ++datagrams) {
    const ssize_t got = ::recv(events.get(), buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && errno == EAGAIN) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != ENOBUFS) return std::unexpected(errno_error("netlink events"));
    if (got < 0 || static_cast<std::size_t>(got) > buffer.size()) {
      complete = false;
      continue;
    }
    auto left = static_cast<std::uint32_t>(got);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data()); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left))
      take(*message);
  }
  return complete;
}

}  // namespace xk::netlink
