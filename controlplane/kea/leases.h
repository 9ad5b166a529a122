// Leases as Kea tells them (lease_cmds: lease4-get-page), as plain rows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/reconcile/ports.h"
#include "dataplane/base/types.h"

namespace xk::kea {

enum class LeaseState : std::uint8_t { active, declined, expired };  // expired: reclaimed by Kea

struct Lease {
  Ip4 address{};
  std::string mac;        // "02:00:00:00:00:01"; hardware addresses of other lengths alike; may be empty
  std::string client_id;  // hex digits without separators; empty if the client sent none
  std::string hostname;
  LeaseState state = LeaseState::active;
  std::uint64_t cltt_unix_s = 0;  // client's last transaction
  std::uint32_t valid_lifetime_s = 0;
  std::uint32_t subnet_id = 0;
  std::string circuit_id;  // bytes of sub-option 1, if Kea stored option 82
  std::string remote_id;   // bytes of sub-option 2
  // The first second at which it is no longer valid.
  [[nodiscard]] std::uint64_t expires_unix_s() const { return cltt_unix_s + valid_lifetime_s; }
  friend bool operator==(const Lease&, const Lease&) = default;
};

struct LeasePage {
  std::vector<Lease> leases;
  Ip4 next_from{};    // "from" of the next page: the last address of this one
  bool last = false;  // Kea has no more
};

inline constexpr std::uint32_t kLeasePageSize = 1000;

// The command for a page; from zero: the first page.
[[nodiscard]] std::string lease_page_request(Ip4 from, std::uint32_t limit = kLeasePageSize);

// One answer to that command. A row that is not a lease makes the whole answer an Error; a row's
// user context of an unknown shape does not.
[[nodiscard]] Result<LeasePage> parse_lease_page(std::string_view answer,
                                                 std::uint32_t limit = kLeasePageSize);

// The command that has Kea forget a lease, and whether its answer says that there was one.
[[nodiscard]] std::string lease_delete_request(Ip4 address);
[[nodiscard]] Result<bool> parse_lease_deleted(std::string_view answer);

// All leases of a VRF, page by page, in the order of Kea. At most 2^24 of them.
[[nodiscard]] Result<std::vector<Lease>> list_leases(KeaServers& servers, VrfId vrf);

}  // namespace xk::kea
