// Kea's dhcpsrv/subnet.h needs this header, and Debian's package kea-dev has not got it: as much of it as
// makes that one compile. Nothing here is ever called; where Kea's own header is installed it is found first.
#pragma once

#include <cc/data.h>

#include <boost/shared_ptr.hpp>

namespace isc::dhcp {

class CfgGlobals {
 public:
  enum Index : int {
    AUTHORITATIVE,
    BOOT_FILE_NAME,
    CACHE_MAX_AGE,
    CACHE_THRESHOLD,
    CALCULATE_TEE_TIMES,
    DDNS_GENERATED_PREFIX,
    DDNS_OVERRIDE_CLIENT_UPDATE,
    DDNS_OVERRIDE_NO_UPDATE,
    DDNS_QUALIFYING_SUFFIX,
    DDNS_REPLACE_CLIENT_NAME,
    DDNS_SEND_UPDATES,
    DDNS_UPDATE_ON_RENEW,
    DDNS_USE_CONFLICT_RESOLUTION,
    HOSTNAME_CHAR_REPLACEMENT,
    HOSTNAME_CHAR_SET,
    MATCH_CLIENT_ID,
    MAX_PREFERRED_LIFETIME,
    MAX_VALID_LIFETIME,
    MIN_PREFERRED_LIFETIME,
    MIN_VALID_LIFETIME,
    NEXT_SERVER,
    PREFERRED_LIFETIME,
    REBIND_TIMER,
    RENEW_TIMER,
    RESERVATIONS_GLOBAL,
    RESERVATIONS_IN_SUBNET,
    RESERVATIONS_OUT_OF_POOL,
    SERVER_HOSTNAME,
    STORE_EXTENDED_INFO,
    T1_PERCENT,
    T2_PERCENT,
    VALID_LIFETIME,
  };
  [[nodiscard]] isc::data::ConstElementPtr get(int index) const;
};
using CfgGlobalsPtr = boost::shared_ptr<CfgGlobals>;
using ConstCfgGlobalsPtr = boost::shared_ptr<const CfgGlobals>;

}  // namespace isc::dhcp
