// Which leases are asked for: the API's filter, checked.
#pragma once

#include <expected>
#include <string>

#include "controlplane/api/control.h"
#include "dataplane/base/error.h"

namespace xk::kead {

class LeaseMatch {
 public:
  // An Error says which field is wrong.
  [[nodiscard]] static std::expected<LeaseMatch, Error> make(const api::LeaseFilter& filter);
  [[nodiscard]] bool holds(const api::LeaseView& lease) const;
  // Whether the filter wants an address of the VRF, whatever lease is there.
  [[nodiscard]] bool may_hold(const std::string& vrf, Ip4 address) const;
  [[nodiscard]] const std::string& vrf() const { return filter_.vrf; }
  [[nodiscard]] Ip4 address() const { return address_; }  // 0: any

 private:
  api::LeaseFilter filter_;  // in the form in which leases are shown
  Prefix4 subnet_{};
  Ip4 address_{};
};

}  // namespace xk::kead
