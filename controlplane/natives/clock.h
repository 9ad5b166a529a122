// What the times of a journal are on this machine's clock.
#pragma once

#include <array>
#include <cstdint>
#include <expected>

#include "controlplane/leases/clock_watch.h"
#include "dataplane/base/error.h"
#include "dataplane/base/lease_journal.h"

namespace xk::natives {

using BootId = std::array<std::uint8_t, 16>;
// Of this start of the machine.
[[nodiscard]] std::expected<BootId, Error> read_boot_id();

// This machine, now.
struct MachineClock {
  BootId boot_id{};
  leases::ClockReading now;
};

// What is to be added to a time of the engine's clock to get milliseconds of Unix. Within a boot the engine's
// clock goes with CLOCK_BOOTTIME, whatever the machine's clock is set to; of another boot's file it is what
// it was when the file was begun.
[[nodiscard]] std::int64_t unix_ahead_ms(const EngineClock& clock, const MachineClock& machine);

// An engine's clock that shows Unix time now.
[[nodiscard]] EngineClock engine_clock(const MachineClock& machine);

}  // namespace xk::natives
