// What a loop does that finds nothing to do: it polls on for a while, or sleeps. Times are in cycles of the
// time stamp counter. Pure: the caller says what time it is.
#pragma once

#include <cstdint>

namespace xk {

class Idle {
 public:
  // hz: cycles a second; spin_us: microseconds it polls on after its last work, 0 to 1,000,000.
  Idle(std::uint64_t hz, std::uint32_t spin_us)
      : cycles_per_us_(hz / 1'000'000), spin_(spin_us * cycles_per_us_) {}

  // There was work: what comes next may come soon.
  void worked() { since_ = 0; }
  // A queue that can only be polled had frames.
  void polled_frames(std::uint64_t now) { polled_until_ = now + kPolledRecently_us * cycles_per_us_; }

  // Nothing to do. True: look again at once; false: sleep. A loop that was put off its CPU while it looked
  // shares that CPU with somebody who has work: it sleeps at once then, for some time.
  [[nodiscard]] bool looks_again(std::uint64_t now) {
    if (since_ == 0) since_ = looked_ = now;
    if (now - looked_ > kPutOff_us * cycles_per_us_) yields_until_ = now + kYields_us * cycles_per_us_;
    looked_ = now;
    return now >= yields_until_ && now - since_ < spin_;
  }

  // How long a sleep may last when a queue can only be polled, in nanoseconds: short while frames come.
  [[nodiscard]] long polled_sleep_ns(std::uint64_t now) const {
    return now < polled_until_ ? kPolledBusySleep_ns : kPolledSleep_ns;
  }

  static constexpr std::uint64_t kPutOff_us =
      20;  // two looks are less than 2 us apart, an interrupt between them takes less than 10
  static constexpr std::uint64_t kYields_us = 10'000;
  static constexpr std::uint64_t kPolledRecently_us = 100'000;
  static constexpr long kPolledBusySleep_ns = 80'000;
  static constexpr long kPolledSleep_ns = 1'000'000;

 private:
  std::uint64_t cycles_per_us_;
  std::uint64_t spin_;
  std::uint64_t since_ = 0;  // without work; 0: there was some
  std::uint64_t looked_ = 0;
  std::uint64_t yields_until_ = 0;
  std::uint64_t polled_until_ = 0;
};

}  // namespace xk
