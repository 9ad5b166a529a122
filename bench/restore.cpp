// How long a Kea's lease file takes to be made from the embedded store: fills a store in a directory with
// leases, closes it, then opens it and makes the file, as xdp-kead does before it starts a Kea. The last line
// is one JSON object.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "controlplane/leases/kea_file.h"

namespace {

using namespace xk;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kFirstAddress = 0x0a010000;  // 10.1.0.0
constexpr std::int64_t kNow = 1'800'000'000;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(EXIT_FAILURE);
}

std::unique_ptr<store::Store> open(const std::string& directory) {
  auto opened = store::open_embedded({.directory = directory});
  if (!opened) fail(opened.error().error.message);
  return std::move(*opened);
}

leases::LeaseChange lease(std::uint32_t number) {
  leases::LeaseChange change;
  change.address = Ip4{kFirstAddress + number};
  change.subnet_id = 1;
  change.cltt_unix_s = kNow - 60;
  change.valid_lifetime_s = 86'400;
  change.hardware_address = std::string("\x02\x00", 2);
  for (int shift = 24; shift >= 0; shift -= 8) change.hardware_address += static_cast<char>(number >> shift);
  change.hostname = "host-" + std::to_string(number);
  change.user_context = R"({ "ISC": { "relay-agent-info": "0x01076574683130303002067265643a3031" } })";
  return change;
}

void fill(store::Store& store, const leases::VrfFacts& facts, std::uint32_t count) {
  std::atomic<std::uint32_t> done{0};
  std::atomic<bool> failed{false};
  for (std::uint32_t i = 0; i < count; ++i) {
    while (i - done.load() > 20'000) ::usleep(100);
    store.commit({.when = {}, .then = {leases::operation_of(lease(i), facts)}, .otherwise = {}},
                 [&](const store::StoreResult<store::Committed>& result) {
                   if (!result) failed = true;
                   ++done;
                 });
  }
  while (done.load() < count) ::usleep(100);
  if (failed) fail("the store did not take every lease");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "Usage: bench_restore DIRECTORY LEASES\n");
    return 2;
  }
  const std::string directory = argv[1];
  const auto count = static_cast<std::uint32_t>(std::atoi(argv[2]));
  leases::RestoreJob job;
  job.facts.name = "red";
  job.facts.subnets[1] = Prefix4{Ip4{0x0a000000}, 8};
  job.directory = directory + "/kea";
  job.uid = ::getuid();
  job.gid = ::getgid();
  std::filesystem::create_directories(job.directory);
  double filled_s = 0;
  {
    const auto store = open(directory + "/store");
    // A VRF that the store has seen: nothing is to be taken over.
    if (const auto seen = leases::restore_kea(*store, job, kNow); !seen) fail(seen.error().message);
    const Clock::time_point start = Clock::now();
    fill(*store, job.facts, count);
    filled_s = seconds_since(start);
  }
  const Clock::time_point start = Clock::now();
  const auto store = open(directory + "/store");
  const double opened_s = seconds_since(start);
  const auto restored = leases::restore_kea(*store, job, kNow);
  if (!restored) fail(restored.error().message);
  if (restored->leases != count) fail("not every lease is in Kea's file");
  std::printf("{\"leases\": %u, \"filled_per_s\": %.0f, \"opened_s\": %.2f, \"store_ready_s\": %.2f}\n",
              count, count / filled_s, opened_s, seconds_since(start));
  return EXIT_SUCCESS;
}
