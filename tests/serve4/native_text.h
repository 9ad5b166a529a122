// What the native engine of a VRF is told, in a notation a person can read: the lines of snapshot_text.h, and
//
//   native VRF-ID [allocate=lowest|hashed] [reply_after=nothing|journal|store] [rapid_commit=1] [bootp=1]
//       [probe=1] [authoritative=0] [renew_paused=0] [available=1] [offer_hold=S] [grace=S] [decline=S]
//       [circuit_leases=N] [attachment_leases=N] [requestors=A,...]
//   native_subnet PREFIX [network=N] [lease_max=S] [next_server=A] [boot_file="..."]
//   pool PREFIX RANGE,... [classes=N,...] [paused=1]
//   class CONDITION ... [lease=S] [next_server=A] [boot_file="..."]      CONDITION is KIND:MATCH:VALUE, or
//       KIND:present; KIND vendor, user, circuit, remote, mac or option N; MATCH equals, begins or contains
//   option subnet PREFIX | pool N | class N   CODE VALUE      N counts from 0; VALUE as in option_value()
//   paused mac=MAC | client_id=HEX
//   no pools|classes|paused            takes them all out, to say them anew
//
// They are about the VRF of the last line `native`.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "tests/packets/snapshot_text.h"

namespace xk::test {

// A row of pieces with commas between them: dotted addresses, hex bytes, "text", zeros:N, u8:N, u16:N, u32:N.
[[nodiscard]] std::expected<std::vector<std::uint8_t>, Error> option_value(std::string_view text);
// Splits at the character, but not within "...".
[[nodiscard]] std::vector<std::string> split_at(std::string_view text, char separator);

struct NamedNative : NamedSnapshot {
  [[nodiscard]] std::expected<void, Error> apply(std::string_view line);
  // The snapshot with all that was left out filled in, subnets in order.
  [[nodiscard]] Snapshot finished() const;
};

}  // namespace xk::test
