#include "controlplane/app/lease_match.h"

#include "controlplane/leases/record.h"

namespace xk::kead {

std::expected<LeaseMatch, Error> LeaseMatch::make(const api::LeaseFilter& filter) {
  LeaseMatch match;
  match.filter_ = filter;
  const auto refuse = [](const char* field, const std::string& text, const char* what) {
    return std::unexpected(Error{std::string(field) + ": '" + text + "' is no " + what});
  };
  if (!filter.subnet.empty()) {
    const auto prefix = parse_prefix4(filter.subnet);
    if (!prefix) return refuse("subnet", filter.subnet, "prefix like 10.0.0.0/24");
    match.subnet_ = *prefix;
  }
  if (!filter.address.empty()) {
    const auto address = parse_ip4(filter.address);
    if (!address || address->is_zero()) return refuse("address", filter.address, "IPv4 address");
    match.address_ = *address;
  }
  if (!filter.mac.empty()) {
    const auto bytes = leases::bytes_of_hex(filter.mac);
    if (!bytes || bytes->empty()) return refuse("mac", filter.mac, "MAC address like 02:00:00:00:00:01");
    match.filter_.mac = leases::colon_hex(*bytes);
  }
  if (!filter.client_id.empty()) {
    const auto bytes = leases::bytes_of_hex(filter.client_id);
    if (!bytes || bytes->empty()) return refuse("client_id", filter.client_id, "client id in hex");
    match.filter_.client_id = leases::hex(*bytes);
  }
  const std::string& state = filter.state;
  if (!state.empty() && state != "active" && state != "declined" && state != "expired")
    return refuse("state", state, "state: active, declined or expired");
  return match;
}

bool LeaseMatch::may_hold(const std::string& vrf, Ip4 address) const {
  return (filter_.vrf.empty() || filter_.vrf == vrf) && (address_.is_zero() || address_ == address) &&
         (filter_.subnet.empty() || subnet_.contains(address));
}

bool LeaseMatch::holds(const api::LeaseView& lease) const {
  const auto same = [](const std::string& wanted, const std::string& is) {
    return wanted.empty() || wanted == is;
  };
  const auto address = parse_ip4(lease.address);
  return address && may_hold(lease.vrf, *address) && same(filter_.mac, lease.mac) &&
         same(filter_.client_id, lease.client_id) && same(filter_.state, lease.state) &&
         same(filter_.attachment, lease.attachment);
}

}  // namespace xk::kead
