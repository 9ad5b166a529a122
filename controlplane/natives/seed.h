// What a native engine begins with: the leases of the store, as the snapshot of its journal.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "controlplane/natives/clock.h"
#include "controlplane/natives/folder.h"
#include "controlplane/natives/journal_tail.h"
#include "controlplane/store/store.h"

namespace xk::natives {

struct SeedJob {
  std::string vrf;
  std::string directory;
  Owner owner;
  std::int64_t grace_s = 0;  // how long after its end a lease is still its client's
  MachineClock clock;
};
struct Seeded {
  TailPosition begins;         // where the engine's first journal goes on
  std::uint64_t leases = 0;    // in the snapshot, of which
  std::uint64_t declined = 0;  // nobody is to get
  std::uint64_t expired = 0;   // are over, and kept for their clients
  std::uint64_t left_out = 0;  // that an engine for Ethernet clients cannot have; they stay in the store
  std::string first_left_out;  // address and why
  std::uint64_t cut = 0;       // whose hostname, circuit-id or remote-id is too long, and left out
  std::string first_cut;       // address
  std::uint64_t bad = 0;       // values of the store that are no lease
  std::string first_bad;       // key and what is wrong with it
};

// Puts snapshot-0000000000000001 in the place of all files of the folder, with the leases of the store: times
// are Unix times. On stable storage when it returns; a crash leaves either the old mark (folder.h) or all of
// it. Blocks; seconds for a million leases.
[[nodiscard]] std::expected<Seeded, Error> seed(store::Store& store, const SeedJob& job);

}  // namespace xk::natives
