#include "dataplane/pipeline/pipeline.h"

#include <pthread.h>
#include <rte_lcore.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#include <algorithm>
#include <chrono>

#include "dataplane/port/af_xdp.h"

namespace xk {
namespace {

// Bytes a turn: with what a turn may leave over it still is a number of 32 bits.
constexpr std::uint32_t kQuantumMax = 1u << 30;
constexpr auto kPollInterval = std::chrono::microseconds(20);

// Milliseconds are enough here, and the coarse clock costs a few nanoseconds.
std::uint64_t machine_now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

}  // namespace

Pipeline::Pipeline(PipelineOptions options)
    : options_(std::move(options)), server_slots_(options_.counters->servers(), options_.counters->header()) {
  if (options_.loops.empty()) options_.loops.push_back({});
  if (options_.now_ms == nullptr) options_.now_ms = machine_now_ms;
  shared_.pool = options_.pool;
  shared_.idle_spin_us = options_.idle_spin_us;
  shared_.now_ms = options_.now_ms;
  shared_.fence = options_.fence;
  if (options_.boot_ns != nullptr) shared_.boot_ns = options_.boot_ns;
}

Pipeline::~Pipeline() {
  stop();
  keeper_.reset();  // its threads wake loops
  loops_.clear();
}

std::expected<std::unique_ptr<Pipeline>, Error> Pipeline::make(PipelineOptions options) {
  std::unique_ptr<Pipeline> pipeline(new Pipeline(std::move(options)));
  if (auto made = pipeline->make_loops(); !made) return std::unexpected(std::move(made.error()));
  pipeline->put_in_force(pipeline->make_generation(nullptr, {}, {}));
  return pipeline;
}

std::expected<void, Error> Pipeline::make_loops() {
  if (options_.loops.size() > kLoopsMax)
    return std::unexpected(Error{"more than " + std::to_string(kLoopsMax) + " lcores"});
  std::uint8_t stages = 0;
  for (std::size_t i = 0; i < options_.loops.size(); ++i) {
    const LoopPlacement& placement = options_.loops[i];
    stages |= placement.stages;
    for (std::size_t j = 0; j < i; ++j)
      if (placement.cpu >= 0 && options_.loops[j].cpu == placement.cpu)
        return std::unexpected(
            Error{"two lcores on CPU " + std::to_string(placement.cpu) + ": busy loops must not share one"});
    auto loop = Loop::make(shared_, static_cast<std::uint32_t>(i), placement.stages,
                           options_.counters->block(static_cast<std::uint32_t>(i)));
    if (!loop) return std::unexpected(std::move(loop.error()));
    loops_.push_back(std::move(*loop));
    shared_.loops.push_back(loops_.back().get());
  }
  if (stages != kStagesAll)
    return std::unexpected(Error{"the lcores together must run all of rx, vrf and tx"});
  return {};
}

std::expected<void, Error> Pipeline::start() {
  for (const LoopPlacement& placement : options_.loops) {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (placement.cpu < 0 || sched_getaffinity(0, sizeof allowed, &allowed) != 0) continue;
    if (placement.cpu >= CPU_SETSIZE || !CPU_ISSET(static_cast<std::size_t>(placement.cpu), &allowed))
      return std::unexpected(Error{"no CPU " + std::to_string(placement.cpu) + " to run an lcore on"});
  }
  shared_.stop.store(false);
  for (std::size_t i = 0; i < loops_.size(); ++i) threads_.emplace_back([this, i] { run_loop(i); });
  return {};
}

void Pipeline::run_loop(std::size_t index) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  const std::string name = "xk-loop-" + std::to_string(index);
  pthread_setname_np(pthread_self(), name.c_str());
  if (const int cpu = options_.loops[index].cpu; cpu >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(cpu), &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
  }
  // An lcore id gives the thread its own cache of buffers; without one the pool is slower, not wrong.
  const bool registered = rte_thread_register() == 0;
  loops_[index]->run();
  if (registered) rte_thread_unregister();
}

void Pipeline::stop() {
  shared_.stop.store(true);
  for (const auto& loop : loops_) loop->wake();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool Pipeline::iterate() {
  bool worked = false;
  for (const auto& loop : loops_) worked |= loop->iterate();
  return worked;
}

std::uint64_t Pipeline::generation() const {
  return generation_->forwarding == nullptr ? 0 : generation_->forwarding->snapshot().generation;
}

std::uint64_t Pipeline::sleeps() const {
  std::uint64_t sum = 0;
  for (const auto& loop : loops_) sum += loop->sleeps();
  return sum;
}

bool Pipeline::asleep() const {
  return std::ranges::all_of(loops_, [](const auto& loop) { return loop->asleep(); });
}

std::expected<void, Error> Pipeline::publish(std::unique_ptr<const Forwarding> forwarding) {
  std::vector<QueuePool::Handle> made;
  auto queues = arrange_queues(*forwarding, made);
  if (!queues) return std::unexpected(std::move(queues.error()));
  auto servers = server_slots_.assign(forwarding->snapshot(), options_.now_ms());
  if (!servers) return std::unexpected(std::move(servers.error()));
  std::shared_ptr<const Forwarding> shared = std::move(forwarding);
  auto generation = make_generation(shared, *queues, std::move(*servers));
  std::vector<std::shared_ptr<NativeHost>> hosts = arrange_natives(*generation, owners(*shared));

  // Of no effect on packets but the size of a turn.
  for (const VrfEntry& vrf : shared->snapshot().vrfs)
    (*queues)[vrf.id.value]->quantum.store(std::min(vrf.quantum_bytes, kQuantumMax),
                                           std::memory_order_relaxed);
  std::vector<QueuePool::Handle> kept = std::move(made);
  std::vector<QueuePool::Handle> replaced;
  for (auto& queue : queues_) {
    const bool used = queue->vrf.value < queues->size() && (*queues)[queue->vrf.value] == queue.get();
    (used ? kept : replaced).push_back(std::move(queue));
  }
  queues_ = std::move(kept);
  put_in_force(std::move(generation));
  replace_natives(std::move(hosts));
  options_.counters->header().generation.store(shared->snapshot().generation);
  drain(std::move(replaced));
  server_slots_.retain(shared->snapshot());
  return {};
}

// Replaced queues get no more packets; what is in them goes its way first.
void Pipeline::drain(std::vector<QueuePool::Handle> queues) {
  if (queues.empty()) return;
  while (!std::ranges::all_of(queues, [](const QueuePool::Handle& queue) { return queue->idle(); })) {
    if (threads_.empty())
      iterate();
    else
      std::this_thread::sleep_for(kPollInterval);
  }
  quiesce();
}

void Pipeline::put_in_force(std::unique_ptr<Generation> generation) {
  const std::unique_ptr<Generation> old = std::exchange(generation_, std::move(generation));
  shared_.generation.store(generation_.get(), std::memory_order_release);
  quiesce();
}

// Returns when every loop has begun a new iteration with the generation in force.
void Pipeline::quiesce() {
  const std::uint64_t epoch = shared_.epoch.fetch_add(1, std::memory_order_seq_cst) + 1;
  for (const auto& loop : loops_) loop->wake();
  while (std::ranges::any_of(loops_, [epoch](const auto& loop) { return loop->epoch() != epoch; })) {
    if (threads_.empty())
      iterate();
    else
      std::this_thread::sleep_for(kPollInterval);
  }
}

bool Pipeline::moves(std::chrono::milliseconds at_most) {
  const auto until = std::chrono::steady_clock::now() + at_most;
  const std::uint64_t epoch = shared_.epoch.fetch_add(1, std::memory_order_seq_cst) + 1;
  for (const auto& loop : loops_) loop->wake();
  while (std::ranges::any_of(loops_, [epoch](const auto& loop) { return loop->epoch() != epoch; })) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(kPollInterval);
  }
  return true;
}

bool Pipeline::find_losses(const RuntimePort& port) const {
  bool found = false;
  for (std::size_t i = 0; i < port.queues.size(); ++i) {
    const std::uint64_t lost = af_xdp_lost(*port.queues[i]);
    found |= port.rx[i]->overrun.exchange(lost, std::memory_order_relaxed) != lost;
  }
  return found;
}

void Pipeline::count_port_losses() {
  bool found = false;
  for (const auto& port : ports_) found |= find_losses(*port);
  if (!found) return;
  for (const auto& loop : loops_) loop->wake();
}

}  // namespace xk
