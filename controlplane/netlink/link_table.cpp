#include "controlplane/netlink/link_table.h"

#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_bonding.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <unordered_map>

namespace xk::netlink {
namespace {

constexpr int kDumpTries = 5;  // of one that changes overtake

// The last try's answer is taken even if a change overtook it: the change comes as an event too.
template <typename T>
Result<std::vector<T>> dump(const Socket& socket, const Request& request,
                            const std::function<void(const nlmsghdr&, std::vector<T>&)>& take) {
  std::vector<T> rows;
  for (int tries = 1;; ++tries) {
    rows.clear();
    auto done = socket.transact(request, [&](const nlmsghdr& message) { take(message, rows); });
    if (done || (done.error().system_errno == EINTR && tries == kDumpTries)) return rows;
    if (done.error().system_errno != EINTR) return std::unexpected(std::move(done.error()));
  }
}

// Receive queues in use. IFLA_NUM_RX_QUEUES counts those allocated, which may be more.
std::uint16_t rx_queues(const Socket& socket, const std::string& name, std::uint32_t allocated) {
  ethtool_channels channels{};
  channels.cmd = ETHTOOL_GCHANNELS;
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), std::min(name.size(), sizeof(request.ifr_name) - 1));
  request.ifr_data = reinterpret_cast<char*>(&channels);
  std::uint32_t queues = allocated;
  if (::ioctl(socket.fd(), SIOCETHTOOL, &request) == 0 && channels.rx_count + channels.combined_count != 0)
    queues = channels.rx_count + channels.combined_count;
  return static_cast<std::uint16_t>(std::clamp<std::uint32_t>(queues, 1, 0xffff));
}

void read_kind(const Attributes& attributes, Link& link) {
  const Attributes link_info(attributes.get(IFLA_LINKINFO));
  link.info.kind = link_info.text(IFLA_INFO_KIND);
  const Attributes data(link_info.get(IFLA_INFO_DATA));
  if (link.info.kind == "vlan") {
    // Moved here from another namespace, its parent's number means nothing here, or another interface.
    if (attributes.get(IFLA_LINK_NETNSID) == nullptr) link.info.parent = link.link;
    link.info.vid = Vid{data.u16(IFLA_VLAN_ID)};
    link.info.tpid = ntohs(data.u16(IFLA_VLAN_PROTOCOL));
  } else if (link.info.kind == "vrf") {
    link.info.vrf_table = data.u32(IFLA_VRF_TABLE);
  } else if (link.info.kind == "bridge") {
    link.info.vlan_filtering = data.u8(IFLA_BR_VLAN_FILTERING) != 0;
    link.info.tpid = ntohs(data.u16(IFLA_BR_VLAN_PROTOCOL));
  } else if (link.info.kind == "bond") {
    // Broadcasts to the other members are copies that the kernel drops (Documentation/networking/bonding).
    const std::uint8_t mode = data.u8(IFLA_BOND_MODE);
    if (mode == BOND_MODE_ACTIVEBACKUP || mode == BOND_MODE_TLB || mode == BOND_MODE_ALB)
      link.info.bond_reception = BondReception::active_only;
    link.info.active_member = IfIndex{data.u32(IFLA_BOND_ACTIVE_SLAVE)};
  }
}

// Of a message of the bridge family: the VLANs of one port, or of a bridge itself.
void read_bridge_vlans(const nlmsghdr& message, std::unordered_map<IfIndex, LinkInfo*>& by_index) {
  const auto header = header_of<ifinfomsg>(message);
  if (message.nlmsg_type != RTM_NEWLINK || header.ifi_family != AF_BRIDGE) return;
  const auto link = by_index.find(IfIndex{static_cast<std::uint32_t>(header.ifi_index)});
  if (link == by_index.end()) return;
  const nlattr* spec = Attributes(message, sizeof(header)).get(IFLA_AF_SPEC);
  if (spec == nullptr) return;
  std::vector<BridgeVlans>& vlans = link->second->vlans;
  vlans.clear();
  int rest = 0;
  const nlattr* each = nullptr;
  nla_for_each_nested(each, spec, rest) {
    bridge_vlan_info info{};
    if (nla_type(each) != IFLA_BRIDGE_VLAN_INFO || nla_len(each) < static_cast<int>(sizeof(info))) continue;
    std::memcpy(&info, nla_data(each), sizeof(info));
    const Vid vid{static_cast<std::uint16_t>(info.vid & 0x0fff)};
    if ((info.flags & BRIDGE_VLAN_INFO_RANGE_END) != 0 && !vlans.empty()) {
      vlans.back().last = vid;
      continue;
    }
    vlans.push_back({.first = vid,
                     .last = vid,
                     .pvid = (info.flags & BRIDGE_VLAN_INFO_PVID) != 0,
                     .untagged = (info.flags & BRIDGE_VLAN_INFO_UNTAGGED) != 0});
  }
}

Result<> add_bridge_vlans(const Socket& socket, std::unordered_map<IfIndex, LinkInfo*>& by_index) {
  ifinfomsg header{};
  header.ifi_family = AF_BRIDGE;
  Request request(RTM_GETLINK, NLM_F_DUMP, header);
  request.u32(IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN_COMPRESSED);
  // A dump that a change overtook is repeated: the change comes as an event.
  const auto done =
      socket.transact(request, [&](const nlmsghdr& message) { read_bridge_vlans(message, by_index); });
  if (!done && done.error().system_errno != EINTR) return std::unexpected(done.error());
  return {};
}

}  // namespace

std::optional<Link> read_link(const nlmsghdr& message) {
  const auto header = header_of<ifinfomsg>(message);
  if (message.nlmsg_type != RTM_NEWLINK || header.ifi_family != AF_UNSPEC) return std::nullopt;
  const Attributes attributes(message, sizeof(header));
  Link link;
  link.info.ifindex = IfIndex{static_cast<std::uint32_t>(header.ifi_index)};
  link.info.name = attributes.text(IFLA_IFNAME);
  link.info.alias = attributes.text(IFLA_IFALIAS);
  link.info.mac = attributes.mac(IFLA_ADDRESS);
  // lo has 65536, one more than any IP packet.
  link.info.mtu = static_cast<std::uint16_t>(std::min<std::uint32_t>(attributes.u32(IFLA_MTU), 0xffff));
  link.info.up = (header.ifi_flags & IFF_UP) != 0;
  link.info.ethernet = header.ifi_type == ARPHRD_ETHER;
  link.info.master = IfIndex{attributes.u32(IFLA_MASTER)};
  link.link = IfIndex{attributes.u32(IFLA_LINK)};
  link.info.rx_queues =
      static_cast<std::uint16_t>(std::clamp<std::uint32_t>(attributes.u32(IFLA_NUM_RX_QUEUES), 1, 0xffff));
  const Attributes families(attributes.get(IFLA_AF_SPEC));
  const Attributes inet6(families.get(AF_INET6));
  link.makes_ip6_addresses = inet6.get(IFLA_INET6_ADDR_GEN_MODE) != nullptr &&
                             inet6.u8(IFLA_INET6_ADDR_GEN_MODE) != IN6_ADDR_GEN_MODE_NONE;
  read_kind(attributes, link);
  return link;
}

Result<std::vector<LinkAddress>> addresses(const Socket& socket, IfIndex ifindex) {
  ifaddrmsg header{};
  header.ifa_family = AF_INET;
  header.ifa_index = ifindex.value;
  const Request request(RTM_GETADDR, NLM_F_DUMP, header);
  return dump<LinkAddress>(socket, request, [ifindex](const nlmsghdr& message, auto& rows) {
    const auto found = header_of<ifaddrmsg>(message);
    if (message.nlmsg_type != RTM_NEWADDR || found.ifa_family != AF_INET) return;
    // Kernels filter dumps only for sockets that ask for strict checking.
    if (ifindex.value != 0 && found.ifa_index != ifindex.value) return;
    const Attributes attributes(message, sizeof(found));
    const Ip4 address = attributes.ip4(IFA_LOCAL);
    rows.push_back({IfIndex{found.ifa_index}, Prefix4{address, found.ifa_prefixlen}});
  });
}

Result<std::vector<LinkInfo>> list_links(const Socket& socket) {
  Request request(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{});
  request.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  auto links = dump<LinkInfo>(socket, request, [](const nlmsghdr& message, auto& rows) {
    if (auto link = read_link(message)) rows.push_back(std::move(link->info));
  });
  if (!links) return links;
  const auto all = addresses(socket, IfIndex{});
  if (!all) return std::unexpected(all.error());
  std::unordered_map<IfIndex, LinkInfo*> by_index;
  for (LinkInfo& link : *links) {
    link.rx_queues = rx_queues(socket, link.name, link.rx_queues);
    by_index[link.ifindex] = &link;
  }
  for (const LinkAddress& row : *all)
    if (const auto link = by_index.find(row.ifindex); link != by_index.end())
      link->second->addresses.push_back(row.address);
  const bool vlan_aware = std::ranges::any_of(*links, &LinkInfo::vlan_filtering);
  if (vlan_aware) {
    if (const auto added = add_bridge_vlans(socket, by_index); !added) return std::unexpected(added.error());
  }
  std::ranges::sort(*links, {}, &LinkInfo::ifindex);
  return links;
}

Result<std::optional<Link>> find_link(const Socket& socket, const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ)
    return std::unexpected(Error{
        "\"" + name + "\" is no interface name: 1 to " + std::to_string(IFNAMSIZ - 1) + " bytes", EINVAL});
  Request request(RTM_GETLINK, 0, ifinfomsg{});
  request.text(IFLA_IFNAME, name);  // without statistics there would be no address generation mode
  std::optional<Link> link;
  const auto done = socket.transact(request, [&link](const nlmsghdr& message) { link = read_link(message); });
  if (!done && done.error().system_errno == ENODEV) return std::nullopt;
  if (!done) return std::unexpected(done.error());
  if (link) link->info.rx_queues = rx_queues(socket, link->info.name, link->info.rx_queues);
  return link;
}

}  // namespace xk::netlink
