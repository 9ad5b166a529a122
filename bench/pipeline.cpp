// What a packet costs on its way through the dataplane: received from a simulated port (copied into
// an mbuf, as from an AF_XDP socket), classified, queued for its VRF, relayed, sent. 300-byte
// DISCOVERs, each with a MAC and an xid of its own. One thread. The last line is one JSON object.
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "bench/replay.h"
#include "dataplane/port/eal.h"

namespace {

std::atomic<std::uint64_t> allocations{0};

}  // namespace

// Every way to memory in this program, libraries included, goes through malloc: counted there.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* at, std::size_t size);
void* malloc(std::size_t size) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, size);
}
void* realloc(void* at, std::size_t size) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(at, size);
}
}

namespace {

using namespace xk;

constexpr std::uint32_t kClients = 10'000;
constexpr std::uint32_t kPacketsAnIteration = 4096;

struct Result {
  double ns_per_packet = 0;
  double allocs_per_packet = 0;
};
Result result;

// The number is of VRFs among which the clients are spread.
void relay_discovers(benchmark::State& state) {
  bench::Replay replay({.vrfs = static_cast<std::uint32_t>(state.range(0)), .clients = kClients});
  replay.run(2 * kClients);
  const std::uint64_t sent_before = replay.sent();
  const std::uint64_t allocations_before = allocations.load();
  std::uint64_t packets = 0;
  for (auto _ : state) {
    replay.run(kPacketsAnIteration);
    packets += kPacketsAnIteration;
  }
  const std::uint64_t allocated = allocations.load() - allocations_before;
  // Every packet of the run was relayed, or the figure is of something else.
  if (replay.sent() - sent_before != packets) state.SkipWithError("packets were lost");
  state.SetItemsProcessed(static_cast<std::int64_t>(packets));
  const auto count = static_cast<double>(packets);
  state.counters["ns_per_packet"] =
      benchmark::Counter(count / 1e9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["allocs_per_packet"] = static_cast<double>(allocated) / count;
}
BENCHMARK(relay_discovers)->Arg(1)->Arg(16)->Arg(1000);

// Keeps the figures of the case with one VRF beside printing all.
class Reporter : public benchmark::ConsoleReporter {
 public:
  // No colours: the codes would stand in the JSON line.
  Reporter() : ConsoleReporter(OO_Tabular) {}
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.error_occurred) failed = true;
      if (run.benchmark_name() != "relay_discovers/1") continue;
      result.ns_per_packet = run.counters.at("ns_per_packet");
      result.allocs_per_packet = run.counters.at("allocs_per_packet");
    }
    ConsoleReporter::ReportRuns(runs);
  }
  bool failed = false;
};

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  if (auto eal = init_eal({.memory_mib = 512, .devices = {}}); !eal) {
    std::fprintf(stderr, "%s\n", eal.error().message.c_str());
    return EXIT_FAILURE;
  }
  Reporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  std::printf("{\"ns_per_packet\": %.1f, \"allocs_per_packet\": %g}\n", result.ns_per_packet,
              result.allocs_per_packet);
  return reporter.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
