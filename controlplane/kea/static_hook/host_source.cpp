#include "controlplane/kea/static_hook/host_source.h"

#include <dhcp/option.h>
#include <dhcp/option_space.h>
#include <dhcpsrv/host.h>
#include <exceptions/exceptions.h>

#include <optional>

namespace xk::hook {
namespace {

using isc::dhcp::Host;

constexpr std::uint8_t kHostname = 12;

std::optional<StaticKind> kind_of(Host::IdentifierType type) {
  if (type == Host::IDENT_HWADDR) return StaticKind::mac;
  if (type == Host::IDENT_CLIENT_ID) return StaticKind::client_id;
  if (type == Host::IDENT_FLEX) return StaticKind::circuit;
  return std::nullopt;
}

Host::IdentifierType type_of(StaticKind kind) {
  if (kind == StaticKind::mac) return Host::IDENT_HWADDR;
  return kind == StaticKind::client_id ? Host::IDENT_CLIENT_ID : Host::IDENT_FLEX;
}

}  // namespace

StaticHosts::HostPtr StaticHosts::host_of(const Subnet& subnet, const StaticLease& lease) const {
  std::string hostname;
  std::vector<isc::dhcp::OptionPtr> options;
  for (std::size_t at = 0; at + 2 <= lease.options.size();) {
    const auto code = static_cast<std::uint8_t>(lease.options[at]);
    const std::size_t length = static_cast<std::uint8_t>(lease.options[at + 1]);
    const std::string value = lease.options.substr(at + 2, length);
    at += 2 + length;
    if (code == kHostname) {
      hostname = value;
      continue;
    }
    const isc::dhcp::OptionBuffer bytes(value.begin(), value.end());
    // Parts of one option are one again: Kea splits it itself.
    if (!options.empty() && options.back()->getType() == code) {
      isc::dhcp::OptionBuffer joined = options.back()->getData();
      joined.insert(joined.end(), bytes.begin(), bytes.end());
      options.back()->setData(joined.begin(), joined.end());
      continue;
    }
    options.emplace_back(new isc::dhcp::Option(isc::dhcp::Option::V4, code, bytes));
  }
  const bool placed = !lease.address.is_zero() && subnets_->holds(subnet, lease.address);
  const auto address =
      placed ? isc::asiolink::IOAddress(lease.address.value) : isc::asiolink::IOAddress::IPV4_ZERO_ADDRESS();
  const isc::dhcp::HostPtr host(new Host(reinterpret_cast<const std::uint8_t*>(lease.identity.data()),
                                         lease.identity.size(), type_of(lease.kind), subnet,
                                         isc::dhcp::SUBNET_ID_UNUSED, address, hostname));
  for (const auto& option : options) host->getCfgOption4()->add(option, false, DHCP4_OPTION_SPACE);
  return host;
}

StaticHosts::HostPtr StaticHosts::get4(const Subnet& subnet, const Kind& kind, const uint8_t* identifier,
                                       size_t size) const {
  const auto known = kind_of(kind);
  if (!known) return {};
  const std::string identity(reinterpret_cast<const char*>(identifier), size);
  if (const auto lease = leases_->find(*known, identity)) {
    // One whose address is of another subnet does not count here.
    if (!lease->address.is_zero() && !subnets_->holds(subnet, lease->address)) return {};
    return host_of(subnet, *lease);
  }
  const bool mac = *known == StaticKind::mac;
  if (*known == StaticKind::circuit) return {};
  const Ip4 kept = held_->kept(subnet, mac ? identity : "", mac ? "" : identity);
  return kept.is_zero() ? HostPtr{} : plain_host(subnet, *known, identity, kept);
}

StaticHosts::HostPtr StaticHosts::get4(const Subnet& subnet, const Address& address) const {
  const Ip4 wanted{address.toUint32()};
  const auto lease = leases_->find(wanted);
  if (lease && subnets_->holds(subnet, lease->address)) return host_of(subnet, *lease);
  const auto holder = held_->holder(subnet, wanted);
  if (!holder) return {};
  if (!holder->client_id.empty()) return plain_host(subnet, StaticKind::client_id, holder->client_id, wanted);
  // No packet has the line that stands for nobody.
  return holder->mac.empty() ? plain_host(subnet, StaticKind::circuit, "nobody", wanted)
                             : plain_host(subnet, StaticKind::mac, holder->mac, wanted);
}

StaticHosts::HostPtr StaticHosts::plain_host(const Subnet& subnet, StaticKind kind,
                                             const std::string& identity, Ip4 address) {
  return HostPtr(new Host(reinterpret_cast<const std::uint8_t*>(identity.data()), identity.size(),
                          type_of(kind), subnet, isc::dhcp::SUBNET_ID_UNUSED,
                          isc::asiolink::IOAddress(address.value)));
}

StaticHosts::Hosts StaticHosts::getAll4(const Subnet& subnet, const Address& address) const {
  const HostPtr host = get4(subnet, address);
  return host ? Hosts{host} : Hosts{};
}

void StaticHosts::add(const isc::dhcp::HostPtr&) {
  isc_throw(isc::NotImplemented, "static leases are added by xdp-keactl");
}

}  // namespace xk::hook
