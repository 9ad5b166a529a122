// A hanging Kea told from a busy one, and losses added up over sockets that come and go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "controlplane/kea/health.h"

namespace xk::kea {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr bool kHasServed = true;
constexpr bool kStarts = false;

TEST(KeaLiveness, WithoutAQuestionNothingHangs) {
  Liveness liveness;
  EXPECT_FALSE(liveness.waits());
  EXPECT_FALSE(liveness.hangs(1'000'000, 7, kHasServed));
  EXPECT_EQ(liveness.silent_ms(1'000'000), 0u);
}

TEST(KeaLiveness, StandingStillForTenSeconds) {
  Liveness liveness;
  liveness.asked(1'000, 7);
  EXPECT_TRUE(liveness.waits());
  EXPECT_FALSE(liveness.hangs(10'999, 7, kHasServed));
  EXPECT_TRUE(liveness.hangs(11'000, 7, kHasServed));
  EXPECT_EQ(liveness.silent_ms(11'000), 10'000u);
}

TEST(KeaLiveness, AnAnswerBeginsAnew) {
  Liveness liveness;
  liveness.asked(1'000, 7);
  liveness.answered();
  EXPECT_FALSE(liveness.hangs(20'000, 7, kHasServed));
  liveness.asked(20'000, 7);
  EXPECT_FALSE(liveness.hangs(29'999, 7, kHasServed));
  EXPECT_TRUE(liveness.hangs(30'000, 7, kHasServed));
}

TEST(KeaLiveness, ABusyOneHasAMinute) {
  Liveness liveness;
  liveness.asked(0, 0);
  for (std::uint64_t second = 1; second < 60; ++second)
    EXPECT_FALSE(liveness.hangs(second * 1'000, second, kHasServed)) << second;
  EXPECT_TRUE(liveness.hangs(60'000, 60, kHasServed));
}

TEST(KeaLiveness, BusyThenStandingStill) {
  Liveness liveness;
  liveness.asked(0, 0);
  EXPECT_FALSE(liveness.hangs(12'000, 50, kHasServed));
  EXPECT_FALSE(liveness.hangs(21'999, 50, kHasServed));
  EXPECT_TRUE(liveness.hangs(22'000, 50, kHasServed));
}

TEST(KeaLiveness, AStartMayTakeLongAsLongAsItMoves) {
  Liveness liveness;
  liveness.asked(0, 0);
  for (std::uint64_t minute = 1; minute < 10; ++minute)
    EXPECT_FALSE(liveness.hangs(minute * 59'000, minute, kStarts)) << minute;
  EXPECT_FALSE(liveness.hangs(9 * 59'000 + 59'999, 9, kStarts));
  EXPECT_TRUE(liveness.hangs(9 * 59'000 + 60'000, 9, kStarts));
}

TEST(KeaSocketLosses, AddUpOverSockets) {
  SocketLosses losses;
  losses.look({{100, 5}, {101, 0}});
  EXPECT_EQ(losses.total(), 5u);
  losses.look({{100, 7}, {101, 1}});
  EXPECT_EQ(losses.total(), 8u);
  losses.look({{200, 2}});  // other sockets
  EXPECT_EQ(losses.total(), 10u);
  losses.look({{200, 1}});  // another socket with the number of one that is gone
  EXPECT_EQ(losses.total(), 11u);
  losses.look({});  // could not be read
  losses.look({{200, 1}});
  EXPECT_EQ(losses.total(), 11u);
}

TEST(KeaProc, DropsOfAPort) {
  constexpr std::string_view kTable =
      "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref "
      "pointer drops             \n"
      "  245: 0300FEA9:0043 00000000:0000 07 00000000:00033A00 00:00000000 00000000   109        0 31337 2 "
      "0000000000000000 1791      \n"
      "  246: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 31338 2 "
      "0000000000000000 12        \n"
      "  247: FFFFFFFF:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000   109        0 31339 2 "
      "0000000000000000 0         \n";
  EXPECT_THAT(parse_udp_drops(kTable, 67), ElementsAre(Pair(31337, 1791), Pair(31339, 0)));
  EXPECT_THAT(parse_udp_drops(kTable, 68), ElementsAre(Pair(31338, 12)));
  EXPECT_THAT(parse_udp_drops(kTable, 547), IsEmpty());
}

TEST(KeaProc, LinesOfAnotherFormArePassedOver) {
  EXPECT_THAT(parse_udp_drops("", 67), IsEmpty());
  EXPECT_THAT(parse_udp_drops("\n\n  \n", 67), IsEmpty());
  EXPECT_THAT(parse_udp_drops(":0043", 67), IsEmpty());
  EXPECT_THAT(parse_udp_drops("1: 00000000:0043 a b c d e f g 12 i j", 67), IsEmpty());
  EXPECT_THAT(parse_udp_drops("1: 00000000:0043 a b c d e f g 12 i j 3x", 67), IsEmpty());
  EXPECT_THAT(parse_udp_drops("1: 00000000:0043 a b c d e f g 12 i j 3", 67), ElementsAre(Pair(12, 3)));
}

TEST(KeaProc, OurOwnCpuTimeMoves) {
  const auto before = cpu_ticks(::getpid());
  ASSERT_TRUE(before);
  volatile std::uint64_t work = 0;
  std::optional<std::uint64_t> now = before;
  while (now == before) {
    for (int i = 0; i < 1'000'000; ++i) work = work + 1;
    now = cpu_ticks(::getpid());
  }
  ASSERT_TRUE(now);
  EXPECT_GT(*now, *before);
  EXPECT_FALSE(cpu_ticks(0x3fffffff));
  EXPECT_THAT(udp_drops(0x3fffffff, 67), IsEmpty());
}

}  // namespace
}  // namespace xk::kea
