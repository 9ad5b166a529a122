#include "controlplane/leases/clock_watch.h"

#include <time.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace xk::leases {
namespace {

std::int64_t milliseconds_of(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace

ClockReading read_clocks() { return {milliseconds_of(CLOCK_REALTIME), milliseconds_of(CLOCK_BOOTTIME)}; }

std::optional<ClockStep> ClockWatch::look(const ClockReading& now) {
  const std::int64_t by_ms = now.offset_ms() - offset_ms_;
  if (std::abs(by_ms) < kStepMs) return std::nullopt;
  offset_ms_ = now.offset_ms();
  return ClockStep{.by_s = by_ms / 1000, .now_unix_s = now.real_ms / 1000};
}

std::string clock_text(const std::string& boot_id, std::int64_t offset_ms) {
  return boot_id + " " + std::to_string(offset_ms) + "\n";
}

std::optional<std::int64_t> parse_clock_text(std::string_view text, const std::string& boot_id) {
  if (boot_id.empty() || !text.starts_with(boot_id + " ") || !text.ends_with('\n')) return std::nullopt;
  text.remove_prefix(boot_id.size() + 1);
  text.remove_suffix(1);
  std::int64_t offset_ms = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), offset_ms);
  if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return offset_ms;
}

std::optional<std::int64_t> shifted_start(std::int64_t start_unix_s, const ClockStep& step) {
  if (start_unix_s > step.now_unix_s) return step.now_unix_s;
  // What began when the clock had not been set yet; a second for what was under way.
  const std::int64_t before = step.now_unix_s - step.by_s;
  if (step.by_s <= 0 || start_unix_s > before + 1) return std::nullopt;
  return std::min(start_unix_s + step.by_s, step.now_unix_s);
}

}  // namespace xk::leases
