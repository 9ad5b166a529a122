// How many leases a second the store makes durable, and how long one waits for it: with so many commits in
// flight, each of one lease. Usage: bench_lease_commit embedded DIRECTORY | etcd ENDPOINT, [SECONDS].
// The last line is a JSON object with the best figures.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

#include "controlplane/store/store.h"

namespace {

using Clock = std::chrono::steady_clock;
using xk::store::Store;

constexpr std::uint64_t kLeases = 200'000;  // new ones first, then renewals

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "bench_lease_commit: %s\n", what.c_str());
  std::exit(1);
}

xk::store::Transaction lease(std::uint64_t number) {
  char key[64];
  char value[400];
  const auto n = static_cast<unsigned>(number % kLeases);
  std::snprintf(key, sizeof key, "/xdp-kea/v1/lease/red/%08x", 0x0a000000U + n);
  std::snprintf(
      value, sizeof value,
      R"({"v":1,"address":"10.%u.%u.%u","vrf":"red","subnet":1,"client_id":"0102%08x","mac":"02:00:)"
      R"(%02x:%02x:%02x:%02x","hostname":"host-%u","state":"active","start":%llu,"expiry":%llu,)"
      R"("engine":"kea","attachment":"eth0.100","circuit_id":"6574683020312f%08x","by":"kea"})",
      n >> 16, n >> 8 & 255, n & 255, n, n >> 24, n >> 16 & 255, n >> 8 & 255, n & 255, n,
      1'790'000'000ULL + number, 1'790'003'600ULL + number, n);
  xk::store::Transaction out;
  out.then.push_back({xk::store::Operation::Kind::put, key, {}, value, 0});
  return out;
}

struct Figures {
  std::size_t in_flight = 0;
  double per_s = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double a_sync = 0;  // leases
};

// Commits for so long with so many in flight; the answers' thread notes how long each took.
class Load {
 public:
  Load(Store& store, std::size_t in_flight, std::uint64_t& number)
      : store_(store), in_flight_(in_flight), number_(number) {}

  Figures run(std::chrono::duration<double> time) {
    latencies_.reserve(4'000'000);
    const auto syncs = store_.health().syncs;
    const auto start = Clock::now();
    while (Clock::now() - start < time) {
      std::size_t room = 0;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return waiting_ < in_flight_; });
        room = in_flight_ - waiting_;
        waiting_ += room;
      }
      for (std::size_t i = 0; i < room; ++i) commit_one();
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ == 0; });
    const std::chrono::duration<double> took = Clock::now() - start;
    std::ranges::sort(latencies_);
    const auto at = [this](double part) {
      return latencies_[static_cast<std::size_t>(static_cast<double>(latencies_.size() - 1) * part)] * 1e3;
    };
    const auto count = static_cast<double>(latencies_.size());
    return {in_flight_, count / took.count(), at(0.5), at(0.99),
            count / static_cast<double>(std::max<std::uint64_t>(store_.health().syncs - syncs, 1))};
  }

 private:
  void commit_one() {
    const auto began = Clock::now();
    store_.commit(lease(number_++), [this, began](xk::store::StoreResult<xk::store::Committed> result) {
      if (!result) fail(result.error().error.message);
      const std::chrono::duration<double> took = Clock::now() - began;
      const std::lock_guard guard(mutex_);
      latencies_.push_back(static_cast<float>(took.count()));
      // Told once a batch has gone by or half of them are free: not for every lease.
      if (--waiting_ == 0 || waiting_ * 2 == in_flight_) changed_.notify_one();
    });
  }

  Store& store_;
  const std::size_t in_flight_;
  std::uint64_t& number_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t waiting_ = 0;
  std::vector<float> latencies_;
};

std::string json_of(const Figures& figures) {
  char text[200];
  std::snprintf(text, sizeof text, R"({"in_flight": %zu, "per_s": %.0f, "p50_ms": %.3f, "p99_ms": %.3f})",
                figures.in_flight, figures.per_s, figures.p50_ms, figures.p99_ms);
  return text;
}

std::unique_ptr<Store> open(const std::string& backend, const std::string& where) {
  auto opened = [&] {
    if (backend == "embedded") {
      xk::store::EmbeddedOptions options;
      options.directory = where;
      return xk::store::open_embedded(options);
    }
    if (backend == "etcd") {
      xk::store::EtcdOptions options;
      options.endpoints = {where};
      return xk::store::open_etcd(options);
    }
    fail("no backend '" + backend + "'");
  }();
  if (!opened) fail(opened.error().error.message);
  return std::move(*opened);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) fail("usage: bench_lease_commit embedded DIRECTORY | etcd ENDPOINT [SECONDS]");
  const std::string backend = argv[1];
  const auto store = open(backend, argv[2]);
  const std::chrono::duration<double> time(argc > 3 ? std::atof(argv[3]) : 3.0);
  std::uint64_t number = 0;
  Figures best;
  std::string all;
  std::printf("%10s %12s %10s %10s %14s\n", "in flight", "leases/s", "p50 ms", "p99 ms", "leases a sync");
  for (const std::size_t in_flight : {1U, 16U, 64U, 256U, 1024U, 4096U, 16384U}) {
    const Figures now = Load(*store, in_flight, number).run(time);
    std::printf("%10zu %12.0f %10.3f %10.3f %14.1f\n", now.in_flight, now.per_s, now.p50_ms, now.p99_ms,
                now.a_sync);
    std::fflush(stdout);
    if (now.per_s > best.per_s) best = now;
    all += (all.empty() ? "" : ", ") + json_of(now);
  }
  std::string line = json_of(best);
  line.back() = ',';
  std::printf("%s \"by_in_flight\": [%s]}\n", line.c_str(), all.c_str());
}
