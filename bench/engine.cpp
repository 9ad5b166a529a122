// What a message costs in the pure native engine, from the received frame to the written reply and the record
// for the journal, at 1,000, 100,000 and 10,000,000 leases: a DISCOVER and a REQUEST of a client that nobody
// knows, and a renewal of one of those there are, in random order. The last line is one JSON object.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "bench/engine_rig.h"

namespace {

using namespace xk;
using namespace xk::bench;

constexpr std::uint32_t kFrames = 16'384;  // different ones

std::map<std::string, double> results;

// The engine with so many leases, and as many free addresses as there are frames. Kept from one benchmark to
// the next of the same size.
EngineRig& rig_with(std::uint32_t leases) {
  static std::unique_ptr<EngineRig> rig;
  static std::uint32_t size = 0;
  if (size != leases) {
    rig.reset();
    rig = std::make_unique<EngineRig>(leases + kFrames);
    rig->fill(leases);
    size = leases;
    const auto bytes = static_cast<double>(rig->engine().leases().bytes());
    results["bytes_per_lease_" + std::to_string(leases)] = bytes / (leases + kFrames);
  }
  return *rig;
}

std::vector<std::vector<std::uint8_t>> frames(std::uint32_t leases, Asked asked) {
  std::mt19937 random(1);
  std::vector<std::vector<std::uint8_t>> made;
  for (std::uint32_t i = 0; i < kFrames; ++i)
    made.push_back(
        frame_of(asked == Asked::renew ? static_cast<std::uint32_t>(random() % leases) : leases + i, asked));
  return made;
}

void ask(benchmark::State& state, Asked asked) {
  const auto leases = static_cast<std::uint32_t>(state.range(0));
  EngineRig& rig = rig_with(leases);
  const auto asking = frames(leases, asked);
  // As a loop does it: a request is read three others ahead of its turn, and what it needs is fetched
  // meanwhile.
  std::array<EngineRig::Ahead, 4> ahead;
  const auto at = [&](std::uint32_t number) -> EngineRig::Ahead& { return ahead[number % ahead.size()]; };
  for (std::uint32_t i = 0; i < 3; ++i) rig.read(asking[i], at(i));
  std::uint32_t next = 0;
  for (auto _ : state) {
    const std::uint32_t number = next++;
    const std::uint32_t frame = number % kFrames;
    rig.read(asking[(frame + 3) % kFrames], at(number + 3));
    rig.engine().fetch(at(number + 2).client);
    rig.engine().fetch_more(at(number + 1).client);
    benchmark::DoNotOptimize(rig.answer(at(number)));
    // The client is forgotten, or the pool would be exhausted: a part of what is measured, and a small one.
    if (asked == Asked::request)
      rig.engine().leases().clear(*rig.engine().leases().find(Ip4{kFirstAddress + leases + frame}));
    if (asked == Asked::discover)
      rig.engine().leases().clear(*rig.engine().leases().find(Ip4{kFirstAddress + leases}));
  }
}

void discover(benchmark::State& state) { ask(state, Asked::discover); }
void request(benchmark::State& state) { ask(state, Asked::request); }
void renew(benchmark::State& state) { ask(state, Asked::renew); }

class Reporter : public benchmark::ConsoleReporter {
 public:
  // No colours: the codes would stand in the JSON line.
  Reporter() : ConsoleReporter(OO_Tabular) {}
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      std::string name = run.benchmark_name();
      name.replace(name.find('/'), 1, "_ns_");
      results[name] = run.GetAdjustedCPUTime();
    }
    ConsoleReporter::ReportRuns(runs);
  }
};

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  for (const std::int64_t leases : {1'000, 100'000, 10'000'000}) {
    benchmark::RegisterBenchmark("discover", discover)->Arg(leases);
    benchmark::RegisterBenchmark("request", request)->Arg(leases);
    benchmark::RegisterBenchmark("renew", renew)->Arg(leases);
  }
  Reporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  double flat = 0;
  for (const char* name : {"discover", "request", "renew"})
    flat =
        std::max(flat, results[std::string(name) + "_ns_10000000"] / results[std::string(name) + "_ns_1000"]);
  results["ratio_10m_1k"] = flat;
  std::string json;
  for (const auto& [name, value] : results) {
    char number[64];
    std::snprintf(number, sizeof number, "%.2f", value);
    json += (json.empty() ? "{\"" : ", \"") + name + "\": " + number;
  }
  std::puts((json + "}").c_str());
  return EXIT_SUCCESS;
}
