// What the store knows of the journal of a VRF: one key beside the VRF's leases.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "controlplane/natives/journal_tail.h"
#include "controlplane/store/store.h"

namespace xk::natives {

struct Position {
  std::string machine;  // whose folder it is: a store may be shared
  std::string directory;
  bool ended = false;         // the store has all of it; the engine of the VRF is another one since
  TailPosition tail;          // the store has all up to there
  std::int64_t ahead_ms = 0;  // unix_ahead_ms() by which the times of the leases were told
  friend bool operator==(const Position&, const Position&) = default;
};

// /xdp-kea/v1/vrf/<vrf>/native
[[nodiscard]] std::string position_key(std::string_view vrf);
// The VRF of such a key; nothing: it is none.
[[nodiscard]] std::optional<std::string> vrf_of_position_key(std::string_view key);
// One line of JSON, and back; an Error: it is none of ours.
[[nodiscard]] std::string to_json(const Position& position);
[[nodiscard]] std::expected<Position, Error> parse_position(std::string_view json);

// What the store has; nothing: the VRF never had a native engine, or another one has taken its leases over. A
// value that is none of ours counts as nothing: all is taken from the journal again.
[[nodiscard]] store::StoreResult<std::optional<Position>> read_position(store::Store& store,
                                                                        const std::string& vrf);
[[nodiscard]] store::Operation put_position(const std::string& vrf, const Position& position);
[[nodiscard]] store::StoreResult<> write_position(store::Store& store, const std::string& vrf,
                                                  const Position& position);
[[nodiscard]] store::StoreResult<> erase_position(store::Store& store, const std::string& vrf);

}  // namespace xk::natives
