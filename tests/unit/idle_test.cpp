#include "dataplane/pipeline/idle.h"

#include <gtest/gtest.h>

namespace xk {
namespace {

constexpr std::uint64_t kHz = 2'000'000'000;
constexpr std::uint64_t kUs = kHz / 1'000'000;
constexpr std::uint64_t kStart = 1000 * kUs;

// Looks every microsecond from `from` until it is told to sleep: how long, in microseconds.
std::uint64_t us_until_sleep(Idle& idle, std::uint64_t from) {
  std::uint64_t now = from;
  while (idle.looks_again(now) && now < from + kHz) now += kUs;
  return (now - from) / kUs;
}

TEST(Idle, PollsForItsTimeAfterTheLastWorkAndThenSleeps) {
  Idle idle(kHz, 50);
  EXPECT_EQ(us_until_sleep(idle, kStart), 50u);
  EXPECT_FALSE(idle.looks_again(kStart + 60 * kUs)) << "woken by nothing: sleeps again at once";
  idle.worked();
  EXPECT_EQ(us_until_sleep(idle, kStart + 70 * kUs), 50u);
}

TEST(Idle, SleepsAtOnceWithoutTimeToPoll) {
  Idle idle(kHz, 0);
  EXPECT_FALSE(idle.looks_again(kStart));
}

TEST(Idle, WhoeverIsPutOffItsCpuWhileItPollsLeavesItToOthers) {
  Idle idle(kHz, 5000);
  ASSERT_TRUE(idle.looks_again(kStart));
  const std::uint64_t back = kStart + (Idle::kPutOff_us + 1) * kUs;
  EXPECT_FALSE(idle.looks_again(back));
  idle.worked();
  EXPECT_FALSE(idle.looks_again(back + kUs)) << "for some time it does not poll at all";
  idle.worked();
  EXPECT_EQ(us_until_sleep(idle, back + Idle::kYields_us * kUs), 5000u);
}

TEST(Idle, WorkBetweenTwoLooksIsNotTimeThatSomebodyElseHad) {
  Idle idle(kHz, 50);
  ASSERT_TRUE(idle.looks_again(kStart));
  idle.worked();
  EXPECT_TRUE(idle.looks_again(kStart + 3 * Idle::kPutOff_us * kUs));
}

TEST(Idle, AQueueThatMustBePolledIsLookedAtOftenWhileFramesCome) {
  Idle idle(kHz, 50);
  EXPECT_EQ(idle.polled_sleep_ns(kStart), Idle::kPolledSleep_ns);
  idle.polled_frames(kStart);
  EXPECT_EQ(idle.polled_sleep_ns(kStart + kUs), Idle::kPolledBusySleep_ns);
  EXPECT_EQ(idle.polled_sleep_ns(kStart + Idle::kPolledRecently_us * kUs), Idle::kPolledSleep_ns);
}

}  // namespace
}  // namespace xk
