// The native engines of a snapshot: the parts of Pipeline that make, change and end them.
#include <sys/random.h>

#include <algorithm>

#include "dataplane/pipeline/pipeline.h"

namespace xk {
namespace {

// What an engine that is given up may take to write its last records.
constexpr auto kReleaseWithin = std::chrono::seconds(2);

HashKey random_key() {
  HashKey key;
  if (getrandom(&key, sizeof key, 0) != static_cast<ssize_t>(sizeof key)) {
    // Before the kernel has any randomness nobody is served; it is there long before us.
    key = {static_cast<std::uint64_t>(boot_ns()), boot_ns() * 0x9e3779b97f4a7c15u};
  }
  return key;
}

std::uint64_t addresses_of(const NativePlan& plan) {
  std::uint64_t addresses = 0;
  for (const Range4& range : plan.ranges()) addresses += range.size();
  return addresses;
}

}  // namespace

NativeKeeper& Pipeline::keeper() {
  if (keeper_ == nullptr) {
    NativeKeeper::Options options = options_.keeper;
    options.on_durable = [this] {
      std::atomic_thread_fence(std::memory_order_seq_cst);
      for (const auto& loop : loops_)
        if (loop->asleep()) loop->wake();
    };
    keeper_ = std::make_unique<NativeKeeper>(std::move(options));
    shared_.keeper = keeper_.get();
  }
  return *keeper_;
}

// Up to where the store has the journal that it goes on with: nobody says it again.
void Pipeline::keep_stored(NativeHost& host) const {
  for (const auto& before : native_hosts_)
    if (before->vrf == host.vrf && before->directory == host.directory)
      host.stored.store(before->stored.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

// Each VRF keeps the engine that it has, with a new plan; others get one, which reads its journal once the
// generation is in force.
std::vector<std::shared_ptr<NativeHost>> Pipeline::arrange_natives(Generation& generation,
                                                                   const std::vector<std::uint32_t>& owner) {
  std::vector<std::shared_ptr<NativeHost>> hosts;
  const std::shared_ptr<const Forwarding>& forwarding = generation.forwarding;
  const auto& natives = forwarding->snapshot().natives;
  if (!natives.empty()) generation.natives.resize(XK_VRFS_MAX + 1);
  for (const NativeVrf& native : natives) {
    // One that another loop is to serve by is given up, and begins anew with what its journal says.
    const auto is_its = [&](const auto& host) {
      return host->vrf == native.vrf && host->directory == native.directory &&
             host->loop == owner[native.vrf.value];
    };
    const auto found = std::ranges::find_if(native_hosts_, is_its);
    generation.plans.push_back(std::make_shared<const NativePlanInForce>(
        NativePlanInForce{forwarding, NativePlan(native, *forwarding->vrf(native.vrf)), ++plan_serials_}));
    hosts.push_back(found != native_hosts_.end()
                        ? *found
                        : std::make_shared<NativeHost>(native.vrf, native.directory, random_key(),
                                                       addresses_of(generation.plans.back()->plan),
                                                       static_cast<std::uint32_t>(random_key().first),
                                                       owner[native.vrf.value]));
    if (found == native_hosts_.end()) keep_stored(*hosts.back());
    const NativeLane lane{hosts.back().get(), generation.plans.back().get()};
    generation.natives[native.vrf.value] = lane;
    generation.loops[owner[native.vrf.value]].natives.push_back(lane);
  }
  for (const auto& host : hosts) {
    host->waiting_max.store(NativeHost::waiting_share(options_.pool->size, hosts.size()),
                            std::memory_order_relaxed);
    host->probes_max.store(NativeHost::probes_share(options_.pool->size, hosts.size()),
                           std::memory_order_relaxed);
  }
  return hosts;
}

// The generation is in force: those that it does not have end, and new ones begin.
void Pipeline::replace_natives(std::vector<std::shared_ptr<NativeHost>> hosts) {
  const std::vector<std::shared_ptr<NativeHost>> before = std::exchange(native_hosts_, std::move(hosts));
  const auto has = [](const auto& all, const auto& host) {
    return std::ranges::find(all, host) != all.end();
  };
  for (const auto& host : before)
    if (!has(native_hosts_, host)) keeper().release(host, kReleaseWithin);
  for (std::size_t i = 0; i < native_hosts_.size(); ++i)
    if (!has(before, native_hosts_[i])) keeper().take(native_hosts_[i], generation_->plans[i]);
}

// Of the generation in force, for another one of the same snapshot.
void Pipeline::carry_natives(Generation& to) const {
  to.natives = generation_->natives;
  to.plans = generation_->plans;
  for (std::size_t i = 0; i < to.loops.size(); ++i) to.loops[i].natives = generation_->loops[i].natives;
}

std::vector<NativeStatus> Pipeline::native_statuses() {
  return keeper_ == nullptr ? std::vector<NativeStatus>{} : keeper_->statuses();
}

void Pipeline::note_stored(VrfId vrf, std::uint64_t revision) {
  for (const auto& host : native_hosts_) {
    if (host->vrf != vrf) continue;
    host->stored.store(revision, std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    for (const auto& loop : loops_)
      if (loop->asleep()) loop->wake();
  }
}

void Pipeline::forget_lease(VrfId vrf, Ip4 address) {
  for (const auto& host : native_hosts_) {
    if (host->vrf != vrf) continue;
    {
      const std::lock_guard lock(host->forget_mutex);
      host->to_forget.push_back(address);
    }
    host->has_to_forget.store(true, std::memory_order_release);
    for (const auto& loop : loops_) loop->wake();
  }
}

}  // namespace xk
