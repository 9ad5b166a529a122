// Notices when the machine's clock is set. CLOCK_BOOTTIME cannot be set and is slewed as CLOCK_REALTIME is:
// the two differ by the same as long as nobody sets the clock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace xk::leases {

struct ClockReading {
  std::int64_t real_ms = 0;  // Unix
  std::int64_t boot_ms = 0;  // since the machine started, suspend included
  [[nodiscard]] std::int64_t offset_ms() const { return real_ms - boot_ms; }
};
[[nodiscard]] ClockReading read_clocks();

// By how much the clock was set, and what it said when it was seen.
struct ClockStep {
  std::int64_t by_s = 0;  // positive: forward
  std::int64_t now_unix_s = 0;
};

class ClockWatch {
 public:
  // Smaller steps count once they sum up to it: a lease's end is no more exact than the clock of its client.
  static constexpr std::int64_t kStepMs = 10'000;
  explicit ClockWatch(std::int64_t offset_ms) : offset_ms_(offset_ms) {}

  // A step since the last that was told of.
  [[nodiscard]] std::optional<ClockStep> look(const ClockReading& now);
  [[nodiscard]] std::int64_t offset_ms() const { return offset_ms_; }

 private:
  std::int64_t offset_ms_;
};

// The offset of this start of the machine, kept for the next xdp-kead: "BOOT-ID OFFSET-MS". Another boot's:
// nothing.
[[nodiscard]] std::string clock_text(const std::string& boot_id, std::int64_t offset_ms);
[[nodiscard]] std::optional<std::int64_t> parse_clock_text(std::string_view text, const std::string& boot_id);

// When a lease began, as the clock is now, if the clock was set; nothing: as it was. A clock that went
// forward takes leases along, so that they end when their clients think they do; none begins in the future,
// so that none is longer than it can be. Done twice it makes leases longer, never shorter.
[[nodiscard]] std::optional<std::int64_t> shifted_start(std::int64_t start_unix_s, const ClockStep& step);

}  // namespace xk::leases
