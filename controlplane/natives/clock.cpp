#include "controlplane/natives/clock.h"

#include <fstream>
#include <string>

#include "dataplane/base/hex.h"

namespace xk::natives {

std::expected<BootId, Error> read_boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string text;
  std::getline(file, text);
  std::erase(text, '-');
  const auto bytes = read_hex(text);
  BootId id{};
  if (!bytes || bytes->size() != id.size())
    return std::unexpected(Error{"/proc/sys/kernel/random/boot_id says no boot id"});
  for (std::size_t i = 0; i < id.size(); ++i) id.at(i) = static_cast<std::uint8_t>((*bytes)[i]);
  return id;
}

std::int64_t unix_ahead_ms(const EngineClock& clock, const MachineClock& machine) {
  // Modulo 2^64, as the numbers are those of a file.
  if (clock.boot_id != machine.boot_id) return static_cast<std::int64_t>(clock.wall_ms - clock.engine_ms);
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(machine.now.offset_ms()) -
                                   (clock.engine_ms - clock.boot_ms));
}

EngineClock engine_clock(const MachineClock& machine) {
  return {.boot_id = machine.boot_id,
          .boot_ms = static_cast<std::uint64_t>(machine.now.boot_ms),
          .wall_ms = static_cast<std::uint64_t>(machine.now.real_ms),
          .engine_ms = static_cast<std::uint64_t>(machine.now.real_ms)};
}

}  // namespace xk::natives
