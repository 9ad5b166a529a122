#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "controlplane/netlink/events.h"
#include "controlplane/netlink/handoff.h"
#include "controlplane/netlink/link_table.h"
#include "controlplane/netlink/netlink.h"
#include "controlplane/netlink/next_hop.h"
#include "controlplane/netlink/socket.h"

namespace xk {
namespace {

using netlink::Attributes;
using netlink::header_of;

class NetlinkLinks final : public Links {
 public:
  NetlinkLinks(netlink::Socket socket, Fd events, std::string netns_directory)
      : socket_(std::move(socket)),
        events_(std::move(events)),
        netns_directory_(std::move(netns_directory)) {}

  Result<std::vector<LinkInfo>> list() override { return netlink::list_links(socket_); }

  Result<LinkInfo> ensure_handoff(const HandoffSpec& spec) override {
    return netlink::ensure_handoff(socket_, spec, netns_directory_);
  }

  Result<> remove_handoff(const std::string& host_name, const std::string& mark) override {
    return netlink::remove_handoff(socket_, host_name, mark);
  }

  Result<NextHop> next_hop(Ip4 destination, const std::string& vrf_device) override {
    return next_hops_.find(socket_, destination, vrf_device);
  }

  [[nodiscard]] int events_fd() const override { return events_.get(); }

  Result<bool> drain_events() override {
    bool relevant = false;
    const auto complete =
        netlink::drain(events_, [&](const nlmsghdr& message) { relevant = matters(message) || relevant; });
    if (!complete) return std::unexpected(complete.error());
    if (!*complete) ++overruns_;
    return relevant || !*complete;
  }

  [[nodiscard]] std::uint64_t overruns() const override { return overruns_; }

 private:
  bool matters(const nlmsghdr& message) {
    switch (message.nlmsg_type) {
      case RTM_NEWLINK:
      case RTM_DELLINK: {
        const auto family = header_of<ifinfomsg>(message).ifi_family;
        return family == AF_UNSPEC || family == AF_BRIDGE;  // the latter: VLANs of a bridge's ports
      }
      case RTM_NEWADDR:
      case RTM_DELADDR:
      case RTM_NEWRULE:
      case RTM_DELRULE:
        return true;
      case RTM_NEWROUTE:
      case RTM_DELROUTE: {
        const auto route = header_of<rtmsg>(message);
        const Ip4 network = Attributes(message, sizeof(route)).ip4(RTA_DST);
        return route.rtm_family == AF_INET && route.rtm_dst_len <= 32 &&
               next_hops_.route_matters({network, route.rtm_dst_len});
      }
      case RTM_NEWNEIGH:
      case RTM_DELNEIGH:
        return neighbour_matters(message);
      default:
        return false;
    }
  }

  bool neighbour_matters(const nlmsghdr& message) {
    const auto neighbour = header_of<ndmsg>(message);
    if (neighbour.ndm_family != AF_INET) return false;
    const Attributes attributes(message, sizeof(neighbour));
    const std::uint16_t state = message.nlmsg_type == RTM_DELNEIGH ? NUD_NONE : neighbour.ndm_state;
    return next_hops_.neighbour_matters(socket_, IfIndex{static_cast<std::uint32_t>(neighbour.ndm_ifindex)},
                                        attributes.ip4(NDA_DST), state, attributes.mac(NDA_LLADDR));
  }

  netlink::Socket socket_;
  Fd events_;
  std::uint64_t overruns_ = 0;
  std::string netns_directory_;
  netlink::NextHops next_hops_;
};

}  // namespace

Result<std::unique_ptr<Links>> make_links(std::string netns_directory) {
  auto socket = netlink::Socket::open();
  if (!socket) return std::unexpected(std::move(socket.error()));
  auto events = netlink::open_events();
  if (!events) return std::unexpected(std::move(events.error()));
  return std::make_unique<NetlinkLinks>(std::move(*socket), std::move(*events), std::move(netns_directory));
}

}  // namespace xk
