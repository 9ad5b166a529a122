// What operators have paused: pools and clients that get no new lease. Kept in the store under
// /xdp-kea/v1/pause/<vrf>/<pool|mac|client-id>/<who>, and told to each VRF's Kea by a file that our hook
// follows (kea/static_hook/paused.h reads it).
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/base/error.h"
#include "dataplane/base/types.h"

namespace xk::leases {

enum class PauseKind : std::uint8_t { pool, mac, client_id };
inline constexpr std::string_view kPausePrefix = "/xdp-kea/v1/pause/";
inline constexpr std::size_t kPausesMax = 10'000;  // of a VRF

struct Pause {
  std::string vrf;
  PauseKind kind = PauseKind::pool;
  Range4 pool{};                  // of kind pool
  std::string client;             // bytes: MAC, or client id
  std::int64_t since_unix_s = 0;  // no part of who it is
  [[nodiscard]] bool same(const Pause& other) const {
    return vrf == other.vrf && kind == other.kind && pool == other.pool && client == other.client;
  }
};

[[nodiscard]] std::string_view to_string(PauseKind kind);  // "pool", "mac", "client-id"
// "10.0.0.100-10.0.0.199", "02:00:00:00:00:01", "01020304"
[[nodiscard]] std::string who_of(const Pause& pause);

[[nodiscard]] std::string pause_key(const Pause& pause);
[[nodiscard]] std::string pause_value(const Pause& pause);
[[nodiscard]] std::expected<Pause, Error> parse_pause_key(std::string_view key);
// Errors say what is wrong with the value.
[[nodiscard]] std::expected<Pause, Error> parse_pause(std::string_view key, std::string_view value);

// What Kea's hook reads of a VRF.
[[nodiscard]] std::string paused_text(const std::vector<Pause>& pauses, bool renewals);
[[nodiscard]] std::string paused_file_of(const std::string& directory, const std::string& vrf);

}  // namespace xk::leases
