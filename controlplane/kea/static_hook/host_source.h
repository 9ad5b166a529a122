// Static leases as Kea's host reservations: Kea gives a client its own, and nobody else an address that is
// one.
#pragma once

#include <dhcpsrv/base_host_data_source.h>

#include <map>
#include <memory>
#include <shared_mutex>
#include <string>

#include "controlplane/kea/static_hook/table.h"

namespace xk::hook {

// The subnets of the configuration in force, by Kea's id. Thread-safe.
class Subnets {
 public:
  void set(std::map<std::uint32_t, Prefix4> prefixes);
  [[nodiscard]] bool holds(std::uint32_t id, Ip4 address) const;

 private:
  mutable std::shared_mutex mutex_;
  std::map<std::uint32_t, Prefix4> prefixes_;
};

// Only what Kea asks for on a packet's way has an answer; reservations are not changed through Kea.
class StaticHosts final : public isc::dhcp::BaseHostDataSource {
 public:
  static constexpr const char* kType = "xdpkea";
  StaticHosts(std::shared_ptr<const StaticFollower> leases, std::shared_ptr<const Subnets> subnets)
      : leases_(std::move(leases)), subnets_(std::move(subnets)) {}

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
  std::shared_ptr<const StaticFollower> leases_;
  std::shared_ptr<const Subnets> subnets_;
};

}  // namespace xk::hook
