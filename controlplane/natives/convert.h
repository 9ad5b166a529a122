// A lease as the journal has it and as the store has it.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "controlplane/leases/gate.h"
#include "controlplane/leases/record.h"
#include "dataplane/base/lease_journal.h"

namespace xk::natives {

// What a record of the journal says, but for RecordKind::free and end. ahead_ms: unix_ahead_ms(). Times that
// are none on any clock are cut to ones that the store reads.
[[nodiscard]] leases::Record record_of(const JournalRecord& record, const leases::VrfFacts& facts,
                                       std::int64_t ahead_ms);

// The lease for the journal of an engine whose clock shows Unix time; texts are borrowed. Nothing: no
// Ethernet client has it, or its client id is too long. cut: texts that are too long were left out.
struct Seed {
  JournalRecord record;
  bool cut = false;
};
[[nodiscard]] std::optional<Seed> seed_of(const leases::Record& record);

}  // namespace xk::natives
