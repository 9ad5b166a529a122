#include "controlplane/reconcile/discovery.h"

#include <fnmatch.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <set>

#include "bpf/shared/limits.h"
#include "controlplane/model/lookup.h"
#include "controlplane/reconcile/topology.h"

namespace xk {
namespace {

bool matches(const std::vector<std::string>& globs, const std::string& name) {
  return std::ranges::any_of(
      globs, [&name](const std::string& glob) { return ::fnmatch(glob.c_str(), name.c_str(), 0) == 0; });
}

// Names of VRFs are names of files too.
bool fit_for_a_vrf(const std::string& name) {
  const auto plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  return !name.empty() && plain(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return plain(c) || c == '-' || c == '_' || c == '.'; });
}

Prefix4 network_of(const Prefix4& address) {
  return Prefix4{Ip4{address.network.value & address.mask()}, address.length};
}

class Discoverer {
 public:
  Discoverer(const Model& configured, const std::vector<LinkInfo>& links, const std::string& mark_prefix)
      : links_(links), mark_prefix_(mark_prefix), topology_(links) {
    out_.model = configured;
    for (const Vrf& vrf : configured.vrfs) {
      for (const Attachment& attachment : vrf.attachments) {
        if (attachment.outer.vid.value == 0) configured_interfaces_.insert(attachment.interface);
      }
    }
  }

  Discovered run() {
    std::set<std::string> names, devices;
    for (const Vrf& vrf : out_.model.vrfs) {
      names.insert(vrf.name);
      if (!vrf.device.empty()) devices.insert(vrf.device);
    }
    for (Vrf& vrf : out_.model.vrfs) {
      if (vrf.discover) fill(vrf, topology_.by_name(vrf.device));
    }
    if (!out_.model.discovery.enabled) return std::move(out_);
    for (const LinkInfo& link : links_) {
      if (link.kind != "vrf" || devices.contains(link.name) || !wanted(link)) continue;
      if (names.contains(link.name)) {
        out_.not_served.push_back({link.name, "",
                                   "a configured VRF has this name without being bound to the "
                                   "device: give it device = \"" +
                                       link.name + "\"",
                                   true});
        continue;
      }
      add(link);
    }
    return std::move(out_);
  }

 private:
  [[nodiscard]] bool wanted(const LinkInfo& device) const {
    const Discovery& rule = out_.model.discovery;
    return matches(rule.include, device.name) && !matches(rule.exclude, device.name);
  }

  void add(const LinkInfo& device) {
    const auto refuse = [&](std::string reason) {
      out_.not_served.push_back({device.name, "", std::move(reason), true});
    };
    if (!fit_for_a_vrf(device.name))
      return refuse(
          "names of VRFs have letters, digits, '-', '_' and '.' only: configure a [[vrf]] with "
          "this device and discover = true");
    if (out_.model.vrfs.size() >= XK_VRFS_MAX)
      return refuse("is one VRF too many: at most " + std::to_string(XK_VRFS_MAX) + " are served");
    Vrf vrf = out_.model.discovery.vrf;
    vrf.name = device.name;
    vrf.device = device.name;
    vrf.discover = true;
    vrf.found = true;
    fill(vrf, &device);
    out_.model.vrfs.push_back(std::move(vrf));
  }

  // Subnets and attachments of the interfaces in the device.
  void fill(Vrf& vrf, const LinkInfo* device) {
    if (device == nullptr || device->kind != "vrf") {
      out_.not_served.push_back({vrf.name, vrf.device,
                                 device == nullptr ? "the VRF device does not exist" : "is no VRF device",
                                 true});
      return;
    }
    out_.devices.push_back({vrf.name, device->ifindex, vrf.found});
    const std::vector<const LinkInfo*> members = topology_.members(*device);
    std::vector<Ip4> held;  // by interfaces of the VRF: never in a pool
    for (const LinkInfo* member : members) {
      for (const Prefix4& address : member->addresses) held.push_back(address.network);
    }
    for (const LinkInfo* member : members) {
      if (member->alias.starts_with(mark_prefix_) || configured_interfaces_.contains(member->name)) continue;
      if (auto reason = no_clients(vrf, *member); !reason.empty()) {
        out_.not_served.push_back({vrf.name, member->name, std::move(reason), false});
      } else if (reason = add_interface(vrf, *member, held); !reason.empty()) {
        out_.not_served.push_back({vrf.name, member->name, std::move(reason), true});
      }
    }
  }

  // Why there are no clients of ours on it; empty: there may be some.
  [[nodiscard]] std::string no_clients(const Vrf& vrf, const LinkInfo& link) const {
    const Discovery& rule = out_.model.discovery;
    if (!matches(rule.interfaces, link.name)) return "not among discovery.interfaces";
    if (matches(rule.exclude_interfaces, link.name)) return "excluded by discovery.exclude_interfaces";
    if (link.addresses.empty()) return "has no IPv4 address, so the clients' subnet is not known";
    const Prefix4& address = link.addresses.front();
    if (address.length > 30)
      return "its address " + to_string(address.network) + "/" + std::to_string(address.length) +
             " leaves no room for clients";
    for (const Ip4 server : vrf.relay.servers) {
      if (network_of(address).contains(server))
        return "server " + to_string(server) + " is on it: no place of clients";
    }
    return {};
  }

  // Why it cannot be served; empty: it is.
  std::string add_interface(Vrf& vrf, const LinkInfo& link, const std::vector<Ip4>& held) {
    const Discovery& rule = out_.model.discovery;
    const Ip4 own = link.addresses.front().network;
    const Prefix4 prefix = network_of(link.addresses.front());
    const std::string text = to_string(own) + "/" + std::to_string(prefix.length);
    if (prefix.length < 8) return "its address " + text + " has a prefix shorter than /8";
    const Prefix4& handoffs = out_.model.appliance.handoff_prefix;
    if (handoffs.overlaps(prefix))
      return "its address " + text + " overlaps appliance.handoff_prefix " + to_string(handoffs);
    if (find_subnet(vrf, prefix) == nullptr) {
      const auto other = std::ranges::find_if(
          vrf.subnets, [&prefix](const Subnet& subnet) { return subnet.prefix.overlaps(prefix); });
      if (other != vrf.subnets.end())
        return "its subnet " + to_string(prefix) + " overlaps " + to_string(other->prefix) + " of the VRF";
      vrf.subnets.push_back(subnet_of(prefix, own, vrf.engine, held));
    }
    Attachment attachment = rule.attachment;
    attachment.interface = link.name;
    attachment.subnet = prefix;
    attachment.address = own;
    attachment.found = true;
    vrf.attachments.push_back(std::move(attachment));
    return {};
  }

  [[nodiscard]] Subnet subnet_of(const Prefix4& prefix, Ip4 gateway, Engine engine,
                                 const std::vector<Ip4>& held) const {
    Subnet subnet = out_.model.discovery.subnet;
    subnet.id = prefix.network.value;
    subnet.prefix = prefix;
    subnet.gateway = gateway;
    subnet.server_identifier = gateway;
    if (engine != Engine::relay) subnet.pools = pools_of(out_.model.discovery.pool, prefix, held);
    return subnet;
  }

  const std::vector<LinkInfo>& links_;
  const std::string& mark_prefix_;
  Topology topology_;
  std::set<std::string> configured_interfaces_;
  Discovered out_;
};

// Host numbers by the rule; nullopt: none.
std::optional<std::pair<std::uint32_t, std::uint32_t>> numbers_of(const PoolRule& rule, std::uint32_t last) {
  using Kind = PoolRule::Kind;
  switch (rule.kind) {
    case Kind::none:
      return std::nullopt;
    case Kind::all:
      return std::pair{1u, last};
    case Kind::upper_half:
      return std::pair{(last + 2) / 2, last};
    case Kind::lower_half:
      return std::pair{1u, (last + 2) / 2 - 1};
    case Kind::range:
      break;
  }
  if (rule.first > last) return std::nullopt;
  return std::pair{std::max(rule.first, 1u), std::min(rule.last, last)};
}

}  // namespace

std::vector<Range4> pools_of(const PoolRule& rule, const Prefix4& prefix, std::vector<Ip4> taken) {
  const std::uint32_t last_host = prefix.broadcast().value - prefix.network.value - 1;
  const auto numbers = numbers_of(rule, last_host);
  std::vector<Range4> pools;
  if (!numbers) return pools;
  std::ranges::sort(taken);
  std::uint32_t from = prefix.network.value + numbers->first;
  const std::uint32_t to = prefix.network.value + numbers->second;
  for (const Ip4 address : taken) {
    if (address.value < from || address.value > to) continue;
    if (address.value > from) pools.push_back({Ip4{from}, Ip4{address.value - 1}});
    from = address.value + 1;
  }
  if (from <= to) pools.push_back({Ip4{from}, Ip4{to}});
  return pools;
}

Discovered discover(const Model& configured, const std::vector<LinkInfo>& links,
                    const std::string& mark_prefix) {
  return Discoverer(configured, links, mark_prefix).run();
}

}  // namespace xk
