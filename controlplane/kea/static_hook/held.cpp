#include "controlplane/kea/static_hook/held.h"

#include <dhcp/hwaddr.h>
#include <dhcpsrv/lease_mgr_factory.h>
#include <stats/stats_mgr.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>

namespace xk::hook {
namespace {

using isc::dhcp::Lease4;
using isc::dhcp::Lease4Ptr;
using isc::dhcp::LeaseMgrFactory;

// After a start, and once a clock that was set is noticed, leases that look over may not be (xdp-kead's
// LeaseKeeper::kHoldoffMs).
constexpr std::chrono::seconds kHoldoff{60};
constexpr std::int64_t kStepMs = 10'000;  // leases::ClockWatch::kStepMs
// How long held addresses are given away after a client found no other.
constexpr std::chrono::seconds kOpen{60};

std::int64_t clock_offset_ms() {
  timespec real{}, boot{};
  ::clock_gettime(CLOCK_REALTIME, &real);
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  return (std::int64_t{real.tv_sec} - boot.tv_sec) * 1000 + (real.tv_nsec - boot.tv_nsec) / 1'000'000;
}

isc::asiolink::IOAddress address_of(Ip4 address) { return isc::asiolink::IOAddress(address.value); }

bool in_use(const Lease4& lease) { return lease.state_ == Lease4::STATE_DEFAULT && !lease.expired(); }

Holder holder_of(const Lease4& lease) {
  Holder holder;
  if (lease.client_id_)
    holder.client_id.assign(lease.client_id_->getClientId().begin(), lease.client_id_->getClientId().end());
  else if (lease.hwaddr_)
    holder.mac.assign(lease.hwaddr_->hwaddr_.begin(), lease.hwaddr_->hwaddr_.end());
  return holder;
}

}  // namespace

Held::Held(std::shared_ptr<const PausedFollower> paused, std::shared_ptr<const Subnets> subnets,
           std::uint32_t grace_s)
    : paused_(std::move(paused)),
      subnets_(std::move(subnets)),
      grace_s_(grace_s),
      clock_offset_ms_(clock_offset_ms()) {}

bool Held::within_grace(const Lease4& lease) const {
  if (Clock::now() < begun_ + kHoldoff) return true;
  if (std::abs(clock_offset_ms() - clock_offset_ms_) >= kStepMs) return true;
  return ::time(nullptr) < lease.getExpirationTime() + grace_s_;
}

// Whether a client has found none free a moment ago: Kea counts that.
bool Held::exhausted(isc::dhcp::SubnetID subnet) const {
  const auto stat = isc::stats::StatsMgr::instance().getObservation(
      isc::stats::StatsMgr::generateName("subnet", subnet, "v4-allocation-fail"));
  const std::int64_t count = stat ? stat->getInteger().first : 0;
  const std::scoped_lock lock(mutex_);
  const auto [known, first] = failures_.try_emplace(subnet, Failures{count, {}});
  if (count > known->second.seen) known->second.open_until = Clock::now() + kOpen;
  known->second.seen = count;
  return Clock::now() < known->second.open_until;
}

std::optional<Holder> Held::holder(isc::dhcp::SubnetID subnet, Ip4 address) const {
  const std::shared_ptr<const Paused> paused = paused_->get();
  const Lease4Ptr lease = LeaseMgrFactory::instance().getLease4(address_of(address));
  if (paused->holds(address)) {
    if (lease && in_use(*lease) && paused->renewals) return holder_of(*lease);
    return Holder{};
  }
  if (!lease || lease->state_ == Lease4::STATE_DECLINED || !lease->expired()) return std::nullopt;
  if (!within_grace(*lease) || exhausted(subnet)) return std::nullopt;
  return holder_of(*lease);
}

Lease4Ptr Held::lease_of(isc::dhcp::SubnetID subnet, const std::string& mac,
                         const std::string& client_id) const {
  isc::dhcp::LeaseMgr& leases = LeaseMgrFactory::instance();
  if (client_id.size() >= isc::dhcp::ClientId::MIN_CLIENT_ID_LEN) {
    const isc::dhcp::ClientId id(std::vector<std::uint8_t>(client_id.begin(), client_id.end()));
    if (Lease4Ptr lease = leases.getLease4(id, subnet)) return lease;
  }
  if (mac.empty()) return {};
  const isc::dhcp::HWAddr hardware(std::vector<std::uint8_t>(mac.begin(), mac.end()), isc::dhcp::HTYPE_ETHER);
  return leases.getLease4(hardware, subnet);
}

Ip4 Held::kept(isc::dhcp::SubnetID subnet, const std::string& mac, const std::string& client_id) const {
  if (!subnets_->has_excludes(subnet)) return {};
  const Lease4Ptr lease = lease_of(subnet, mac, client_id);
  if (!lease || !in_use(*lease)) return {};
  // By the name by which Kea knows whose it is.
  if (lease->client_id_ && client_id.empty()) return {};
  const Ip4 address{lease->addr_.toUint32()};
  return subnets_->excludes(subnet, address) ? address : Ip4{};
}

std::int64_t Held::kept_end_unix_s(isc::dhcp::SubnetID subnet, Ip4 address) const {
  if (!subnets_->excludes(subnet, address)) return 0;
  const Lease4Ptr lease = LeaseMgrFactory::instance().getLease4(address_of(address));
  if (!lease || lease->valid_lft_ == isc::dhcp::Lease::INFINITY_LFT) return 0;
  return lease->getExpirationTime();
}

bool Held::refuses(isc::dhcp::SubnetID subnet, const std::string& mac, const std::string& client_id,
                   Ip4 ciaddr, Ip4 own) const {
  const std::shared_ptr<const Paused> paused = paused_->get();
  if (paused->nothing()) return false;
  const bool client = paused->holds_client(mac, client_id);
  const bool pools = !client && own.is_zero() && !paused->pools.empty() &&
                     subnets_->all_pools(subnet, [&](const Range4& pool) { return paused->holds_all(pool); });
  if (!client && !pools) return false;
  if (!paused->renewals) return client;  // a pool's are refused by name, which is quicker for them
  if (client && !own.is_zero() && ciaddr == own) return false;
  const Lease4Ptr lease = lease_of(subnet, mac, client_id);
  return !lease || !in_use(*lease);
}

}  // namespace xk::hook
