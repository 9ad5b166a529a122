// What appliances that share VRFs say in the store. All are one line of JSON with "v":1.
//
//   /xdp-kea/v1/active/<vrf>         which appliance is active there; hangs on that appliance's session
//   /xdp-kea/v1/appliance/<name>     an appliance that runs; hangs on its session
//   /xdp-kea/v1/epoch/<vrf>          how often the VRF was taken over; stays
//   /xdp-kea/v1/handover/<vrf>       an appliance asks for the VRF; hangs on its session
//
// They and the leases lie in one span of keys, so that one watch tells of both in the order of what happened.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "controlplane/store/store.h"
#include "dataplane/base/error.h"

namespace xk::ha {

// [from, to): these keys and the leases.
inline constexpr std::string_view kSpanFrom = "/xdp-kea/v1/active/";
inline constexpr std::string_view kSpanTo = "/xdp-kea/v1/lease0";

enum class KeyKind : std::uint8_t { active, appliance, epoch, handover, lease, other };
struct KeyName {
  KeyKind kind = KeyKind::other;
  std::string name;  // VRF or appliance; of a lease: VRF/address
};
[[nodiscard]] KeyName name_of_key(std::string_view key);

[[nodiscard]] std::string active_key(std::string_view vrf);
[[nodiscard]] std::string appliance_key(std::string_view name);
[[nodiscard]] std::string epoch_key(std::string_view vrf);
[[nodiscard]] std::string handover_key(std::string_view vrf);

// Who is active in a VRF.
struct Holder {
  std::string appliance;
  std::uint64_t since_unix_ms = 0;
  std::uint64_t epoch = 0;       // counts the times the VRF was taken over
  store::SessionId session = 0;  // of the key
  store::Revision created = 0;   // of the key
  friend bool operator==(const Holder&, const Holder&) = default;
};
[[nodiscard]] std::string active_value(const Holder& holder);
// An Error: another program wrote it; says what is wrong.
[[nodiscard]] std::expected<Holder, Error> parse_active(const store::KeyValue& item);

[[nodiscard]] std::string epoch_value(std::uint64_t epoch);
[[nodiscard]] std::expected<std::uint64_t, Error> parse_epoch(std::string_view value);

// Of both an appliance that runs and one that asks: its name.
[[nodiscard]] std::string name_value(std::string_view name);
[[nodiscard]] std::expected<std::string, Error> parse_name(std::string_view value);

}  // namespace xk::ha
