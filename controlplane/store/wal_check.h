// Looks through a write-ahead log or a manifest of RocksDB (one form) for damage, and tells a torn tail from
// a damaged middle: RocksDB itself tells them apart only by where its reader stumbles. Takes bytes, touches
// no file.
#pragma once

#include <cstdint>
#include <string_view>

namespace xk::store {

struct WalCheck {
  enum class State : std::uint8_t {
    whole,    // every record is there
    torn,     // one record at the end is not: what a power cut leaves of a write that was never acknowledged
    damaged,  // behind what cannot be read a record begins that can: what was acknowledged is damaged
  };
  State state = State::whole;
  std::uint64_t good_bytes = 0;  // whole records end here
  std::uint64_t next_good = 0;   // damaged: a good record begins here
};

// The store syncs every write before it begins the next one, so at most one record can be incomplete, and
// nothing that begins a record can follow it.
[[nodiscard]] WalCheck check_wal(std::string_view log);

}  // namespace xk::store
