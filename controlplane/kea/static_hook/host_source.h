// Static leases as Kea's host reservations: Kea gives a client its own, and nobody else an address that is
// one. So are addresses that are held for a client (held.h), or for nobody.
#pragma once

#include <dhcpsrv/base_host_data_source.h>

#include <memory>
#include <string>

#include "controlplane/kea/static_hook/held.h"
#include "controlplane/kea/static_hook/subnets.h"
#include "controlplane/kea/static_hook/table.h"

namespace xk::hook {

// Only what Kea asks for on a packet's way has an answer; reservations are not changed through Kea.
class StaticHosts final : public isc::dhcp::BaseHostDataSource {
 public:
  static constexpr const char* kType = "xdpkea";
  StaticHosts(std::shared_ptr<const StaticFollower> leases, std::shared_ptr<const Subnets> subnets,
              std::shared_ptr<const Held> held)
      : leases_(std::move(leases)), subnets_(std::move(subnets)), held_(std::move(held)) {}

  using Hosts = isc::dhcp::ConstHostCollection;
  using HostPtr = isc::dhcp::ConstHostPtr;
  using Subnet = isc::dhcp::SubnetID;
  using Address = isc::asiolink::IOAddress;
  using Kind = isc::dhcp::Host::IdentifierType;
  using PageSize = isc::dhcp::HostPageSize;

  HostPtr get4(const Subnet& subnet, const Kind& kind, const uint8_t* identifier, size_t size) const override;
  HostPtr get4(const Subnet& subnet, const Address& address) const override;
  Hosts getAll4(const Subnet& subnet, const Address& address) const override;

  Hosts getAll(const Kind&, const uint8_t*, size_t) const override { return {}; }
  Hosts getAll4(const Subnet&) const override { return {}; }
  Hosts getAll6(const Subnet&) const override { return {}; }
  Hosts getAllbyHostname(const std::string&) const override { return {}; }
  Hosts getAllbyHostname4(const std::string&, const Subnet&) const override { return {}; }
  Hosts getAllbyHostname6(const std::string&, const Subnet&) const override { return {}; }
  Hosts getPage4(const Subnet&, size_t&, uint64_t, const PageSize&) const override { return {}; }
  Hosts getPage6(const Subnet&, size_t&, uint64_t, const PageSize&) const override { return {}; }
  Hosts getPage4(size_t&, uint64_t, const PageSize&) const override { return {}; }
  Hosts getPage6(size_t&, uint64_t, const PageSize&) const override { return {}; }
  Hosts getAll4(const Address&) const override { return {}; }
  HostPtr get6(const Subnet&, const Kind&, const uint8_t*, size_t) const override { return {}; }
  HostPtr get6(const Address&, uint8_t) const override { return {}; }
  HostPtr get6(const Subnet&, const Address&) const override { return {}; }
  Hosts getAll6(const Subnet&, const Address&) const override { return {}; }
  void add(const isc::dhcp::HostPtr&) override;
  bool del(const Subnet&, const Address&) override { return false; }
  bool del4(const Subnet&, const Kind&, const uint8_t*, size_t) override { return false; }
  bool del6(const Subnet&, const Kind&, const uint8_t*, size_t) override { return false; }
  std::string getType() const override { return kType; }
  bool setIPReservationsUnique(bool) override { return true; }

 private:
  [[nodiscard]] HostPtr host_of(const Subnet& subnet, const StaticLease& lease) const;
  [[nodiscard]] static HostPtr plain_host(const Subnet& subnet, StaticKind kind, const std::string& identity,
                                          Ip4 address);
  std::shared_ptr<const StaticFollower> leases_;
  std::shared_ptr<const Subnets> subnets_;
  std::shared_ptr<const Held> held_;
};

}  // namespace xk::hook
