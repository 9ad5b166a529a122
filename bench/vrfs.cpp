// What a packet costs on its way through the dataplane with 1, 64, 1,024 and 4,096 VRFs. The same
// packets in the same number every time: QinQ-tagged DISCOVERs of 12,288 clients, spread evenly over all
// VRFs in random order, one thread, the CPU time of receive, classify, queue, relay and send. The cases
// take turns, so that what else the machine does meets all of them. The last line is one JSON object.
#include <time.h>

#include <algorithm>
#include <array>
#include <string>

#include "bench/replay.h"
#include "dataplane/port/eal.h"

namespace {

using namespace xk;

constexpr std::array<std::uint32_t, 4> kVrfs{1, 64, 1024, 4096};
constexpr std::uint32_t kClients = 12'288;  // three in each of 4,096 VRFs
constexpr std::uint64_t kPacketsARound = 32 * kClients;
constexpr int kRounds = 31;

double cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

// CPU time a packet, over one round, after as much as brings this case's memory back into the caches.
double round_of(bench::Replay& replay) {
  replay.run(2 * kClients);
  const std::uint64_t sent_before = replay.sent();
  const double start = cpu_ns();
  replay.run(kPacketsARound);
  const double ns = (cpu_ns() - start) / static_cast<double>(kPacketsARound);
  // Every packet was relayed, or the figure is of something else.
  if (replay.sent() - sent_before == kPacketsARound) return ns;
  std::fprintf(stderr, "packets were lost\n");
  std::exit(EXIT_FAILURE);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 2) {
    std::fprintf(stderr, "Usage: bench_vrfs [VRFS], to run one case only (for a profiler)\n");
    return 2;
  }
  if (auto eal = init_eal({.memory_mib = 512, .devices = {}}); !eal) {
    std::fprintf(stderr, "%s\n", eal.error().message.c_str());
    return EXIT_FAILURE;
  }
  if (argc == 2) {
    bench::Replay only({.vrfs = static_cast<std::uint32_t>(std::atoi(argv[1])),
                        .clients = kClients,
                        .qinq = true,
                        .shuffled = true});
    double best = round_of(only);
    for (int i = 1; i < kRounds; ++i) best = std::min(best, round_of(only));
    std::printf("%.1f ns (best of %d rounds)\n", best, kRounds);
    return EXIT_SUCCESS;
  }
  std::array<std::unique_ptr<bench::Replay>, kVrfs.size()> replays;
  for (std::size_t i = 0; i < kVrfs.size(); ++i) {
    replays[i] = std::make_unique<bench::Replay>(
        bench::Spread{.vrfs = kVrfs[i], .clients = kClients, .qinq = true, .shuffled = true});
  }
  std::array<std::array<double, kRounds>, kVrfs.size()> rounds{};
  for (std::size_t round = 0; round < kRounds; ++round)
    for (std::size_t i = 0; i < kVrfs.size(); ++i) rounds[i][round] = round_of(*replays[i]);

  // Of the rounds, not of their medians: what slows the machine down for a while slows all cases of a round.
  std::array<double, kRounds> ratios{};
  for (std::size_t round = 0; round < kRounds; ++round)
    ratios[round] = rounds.back()[round] / rounds.front()[round];
  std::ranges::sort(ratios);

  std::string keys;
  for (std::size_t i = 0; i < kVrfs.size(); ++i) {
    std::ranges::sort(rounds[i]);
    const double median = rounds[i][kRounds / 2];
    const std::string vrfs = std::to_string(kVrfs[i]);
    std::printf("%5s VRFs: %6.1f ns a packet (median of %d rounds of %llu packets; best %.1f, worst %.1f)\n",
                vrfs.c_str(), median, kRounds, static_cast<unsigned long long>(kPacketsARound),
                rounds[i].front(), rounds[i].back());
    char key[64];
    std::snprintf(key, sizeof key, "\"ns_%s\": %.1f, ", vrfs.c_str(), median);
    keys += key;
  }
  std::printf("{%s\"ns_ratio\": %.3f}\n", keys.c_str(), ratios[kRounds / 2]);
  return EXIT_SUCCESS;
}
