// Addresses that Kea's allocator is to leave alone, by what Kea itself has leased: those of leases that are
// over and kept for their clients yet, and those of paused pools. And clients that get nothing.
#pragma once

#include <dhcpsrv/lease.h>
#include <dhcpsrv/subnet_id.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "controlplane/kea/static_hook/paused.h"
#include "controlplane/kea/static_hook/subnets.h"

namespace xk::hook {

// Who may have a held address: whose client id it is, else whose MAC; neither: nobody.
struct Holder {
  std::string client_id;
  std::string mac;
};

class Held {
 public:
  Held(std::shared_ptr<const PausedFollower> paused, std::shared_ptr<const Subnets> subnets,
       std::uint32_t grace_s);

  // Whether the address is held in this subnet, and for whom. Thread-safe.
  [[nodiscard]] std::optional<Holder> holder(isc::dhcp::SubnetID subnet, Ip4 address) const;
  // The excluded address that the client has leased, and keeps to its lease's end; 0: none.
  [[nodiscard]] Ip4 kept(isc::dhcp::SubnetID subnet, const std::string& mac,
                         const std::string& client_id) const;
  // The end of the lease of an excluded address; 0: it is none, or does not end.
  [[nodiscard]] std::int64_t kept_end_unix_s(isc::dhcp::SubnetID subnet, Ip4 address) const;
  [[nodiscard]] bool nothing_paused() const { return paused_->get()->nothing(); }
  // Whether a DISCOVER or REQUEST of the client is not to be answered: it is paused, or all there is in the
  // subnet is. ciaddr: of the message; own: its static lease's address here; 0: none.
  [[nodiscard]] bool refuses(isc::dhcp::SubnetID subnet, const std::string& mac, const std::string& client_id,
                             Ip4 ciaddr, Ip4 own) const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Failures {
    std::int64_t seen = 0;
    Clock::time_point open_until{};
  };
  [[nodiscard]] bool within_grace(const isc::dhcp::Lease4& lease) const;
  [[nodiscard]] bool exhausted(isc::dhcp::SubnetID subnet) const;
  [[nodiscard]] isc::dhcp::Lease4Ptr lease_of(isc::dhcp::SubnetID subnet, const std::string& mac,
                                              const std::string& client_id) const;

  std::shared_ptr<const PausedFollower> paused_;
  std::shared_ptr<const Subnets> subnets_;
  std::int64_t grace_s_;
  std::int64_t clock_offset_ms_;  // as the leases were when Kea began
  Clock::time_point begun_ = Clock::now();
  mutable std::mutex mutex_;  // of what follows
  mutable std::map<isc::dhcp::SubnetID, Failures> failures_;
};

}  // namespace xk::hook
