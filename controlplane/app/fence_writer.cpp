#include "controlplane/app/fence_writer.h"

#include <utility>

namespace xk::kead {

// Closed first: between two writes nothing may be open that is not meant to be.
void FenceWriter::write_all() {
  if (memory_ == nullptr) return;
  Fence& fence = memory_->fence();
  fence.open_until_ns.store(0, std::memory_order_seq_cst);
  for (std::uint32_t id = 0; id <= XK_VRFS_MAX; ++id)
    fence.active[id].store(active_.contains(VrfId{id}) ? 1 : 0, std::memory_order_seq_cst);
  fence.open_until_ns.store(until_ns_, std::memory_order_seq_cst);
}

void FenceWriter::attach(std::shared_ptr<const ipc::FenceMemory> memory) {
  const std::scoped_lock lock(mutex_);
  if (memory_ == memory) return;
  memory_ = std::move(memory);
  write_all();
}

void FenceWriter::begin(store::SessionId session, std::uint64_t until_ns) {
  const std::scoped_lock lock(mutex_);
  session_ = session;
  until_ns_ = until_ns;
  active_.clear();
  write_all();
}

void FenceWriter::extend(store::SessionId session, std::uint64_t until_ns) {
  const std::scoped_lock lock(mutex_);
  if (session != session_ || until_ns <= until_ns_) return;
  until_ns_ = until_ns;
  if (memory_ != nullptr) memory_->fence().open_until_ns.store(until_ns, std::memory_order_seq_cst);
}

void FenceWriter::close() { begin(0, 0); }

void FenceWriter::open(VrfId vrf, store::SessionId session) {
  const std::scoped_lock lock(mutex_);
  if (session == 0 || session != session_ || vrf.value == 0 || vrf.value > XK_VRFS_MAX) return;
  active_.insert(vrf);
  if (memory_ != nullptr) memory_->fence().active[vrf.value].store(1, std::memory_order_seq_cst);
}

void FenceWriter::silence(VrfId vrf) {
  const std::scoped_lock lock(mutex_);
  if (active_.erase(vrf) == 0) return;
  if (memory_ != nullptr) memory_->fence().active[vrf.value].store(0, std::memory_order_seq_cst);
}

void FenceWriter::keep_only(const std::set<VrfId>& vrfs) {
  const std::scoped_lock lock(mutex_);
  if (std::erase_if(active_, [&](VrfId vrf) { return !vrfs.contains(vrf); }) != 0) write_all();
}

std::uint64_t FenceWriter::until_ns() const {
  const std::scoped_lock lock(mutex_);
  return until_ns_;
}

}  // namespace xk::kead
