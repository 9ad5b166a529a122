#include "controlplane/dataplane_link/counters_memory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <utility>

#include "dataplane/base/outcome.h"

namespace xk::dataplane_link {
namespace {

struct Shape {
  std::uint32_t lcore_slots;
  std::uint32_t vrf_slots;
  std::uint32_t server_slots;
};

Result<Shape> check_header(const CountersHeader& header, std::size_t size) {
  // Each field once: the other side may change it between two reads.
  const auto read = [](const std::uint32_t& field) {
    return *static_cast<const volatile std::uint32_t*>(&field);
  };
  const Shape shape{read(header.lcore_slots), read(header.vrf_slots), read(header.server_slots)};
  if (read(header.magic) != kCountersMagic || read(header.outcome_count) != XK_OUTCOME_COUNT)
    return std::unexpected(Error{"counters have another layout: install both daemons from one release"});
  if (shape.lcore_slots < 1 || shape.lcore_slots > kLcoresMax || shape.vrf_slots < 1 ||
      shape.vrf_slots > XK_VRFS_MAX + 1)
    return std::unexpected(Error{"counters have " + std::to_string(shape.lcore_slots) + " x " +
                                 std::to_string(shape.vrf_slots) + " slots, out of bounds"});
  if (shape.server_slots > kServerSlots)
    return std::unexpected(
        Error{"counters have " + std::to_string(shape.server_slots) + " slots of servers, out of bounds"});
  if (size < CountersLayout{shape.lcore_slots, shape.vrf_slots, shape.server_slots}.bytes())
    return std::unexpected(Error{"counters are shorter than their slots"});
  return shape;
}

bool counted(const VrfCounters& slot) {
  const auto nonzero = [](const auto& counter) { return counter.get() != 0; };
  return nonzero(slot.rx) || nonzero(slot.copies) || nonzero(slot.tx) || nonzero(slot.requests) ||
         nonzero(slot.replies) || nonzero(slot.arp) || nonzero(slot.exceptions) ||
         nonzero(slot.queue_high_water);
}

void add(const VrfCounters& slot, VrfCounts& sum) {
  sum.rx += slot.rx.get();
  sum.copies += slot.copies.get();
  sum.tx += slot.tx.get();
  sum.requests += slot.requests.get();
  sum.replies += slot.replies.get();
  sum.arp += slot.arp.get();
  sum.exceptions += slot.exceptions.get();
  sum.queue_high_water = std::max<std::uint64_t>(sum.queue_high_water, slot.queue_high_water.get());
  sum.queue_depth += slot.queue_depth.get();
}

// Gives a name to what is missing on the right side of rx + copies = tx + drops.
void close_account(VrfCounts& counts) {
  if (counts.outcomes.empty()) return;
  std::uint64_t ended = counts.tx;
  for (std::size_t i = 0; i < kOutcomes.size(); ++i) {
    if (kOutcomes[i].kind == OutcomeKind::drop) ended += counts.outcomes[i];
  }
  const std::uint64_t begun = counts.rx + counts.copies;
  if (begun > ended) counts.outcomes[XK_DATAPLANE_ENDED] += begun - ended;
}

}  // namespace

Result<CountersMemory> CountersMemory::map(Fd memory) {
  const int seals = ::fcntl(memory.get(), F_GET_SEALS);
  if (seals < 0) return std::unexpected(errno_error("counters are in no memfd"));
  if ((seals & F_SEAL_SHRINK) == 0)
    return std::unexpected(Error{"counters are not sealed against shrinking"});
  struct stat status{};
  struct statfs filesystem{};
  if (::fstat(memory.get(), &status) != 0 || ::fstatfs(memory.get(), &filesystem) != 0)
    return std::unexpected(errno_error("counters"));
  // Pages of a huge-page memfd may be missing when they are read: that would be a SIGBUS as well.
  if (filesystem.f_type != TMPFS_MAGIC) return std::unexpected(Error{"counters are in no ordinary memfd"});
  constexpr std::size_t kSizeMax = CountersLayout{kLcoresMax, XK_VRFS_MAX + 1, kServerSlots}.bytes();
  const auto size = std::min(static_cast<std::size_t>(status.st_size), kSizeMax);
  if (size < kCountersOffset) return std::unexpected(Error{"counters are shorter than their header"});
  void* base = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, memory.get(), 0);
  if (base == MAP_FAILED) return std::unexpected(errno_error("mapping the counters"));
  CountersMemory mapped;
  mapped.base_ = base;
  mapped.size_ = size;
  mapped.device_ = status.st_dev;
  mapped.inode_ = status.st_ino;
  const auto shape = check_header(*static_cast<const CountersHeader*>(base), size);
  if (!shape) return std::unexpected(shape.error());
  mapped.lcore_slots_ = shape->lcore_slots;
  mapped.vrf_slots_ = shape->vrf_slots;
  mapped.server_slots_ = shape->server_slots;
  return mapped;
}

void CountersMemory::swap(CountersMemory& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(size_, other.size_);
  std::swap(lcore_slots_, other.lcore_slots_);
  std::swap(vrf_slots_, other.vrf_slots_);
  std::swap(server_slots_, other.server_slots_);
  std::swap(device_, other.device_);
  std::swap(inode_, other.inode_);
}

CountersMemory::CountersMemory(CountersMemory&& other) noexcept { swap(other); }

CountersMemory& CountersMemory::operator=(CountersMemory&& other) noexcept {
  swap(other);
  return *this;
}

CountersMemory::~CountersMemory() {
  if (base_ != nullptr) ::munmap(base_, size_);
}

// The outcomes of a VRF are looked at only if it has counted a packet: whoever counts an outcome, some
// lcore has counted its packet before. The pages of all others are not even there.
void CountersMemory::add_to(std::vector<VrfCounts>& sums) const {
  const CountersLayout layout{lcore_slots_, vrf_slots_, server_slots_};
  if (sums.size() < vrf_slots_) sums.resize(vrf_slots_);
  for (std::uint32_t vrf = 0; vrf < vrf_slots_; ++vrf) {
    bool any = vrf == 0;
    for (std::uint32_t lcore = 0; lcore < lcore_slots_; ++lcore) {
      const VrfCounters& slot = layout.counters(base_, lcore)[vrf];
      any = any || counted(slot);
      add(slot, sums[vrf]);
    }
    if (!any) continue;
    sums[vrf].vrf = VrfId{vrf};
    sums[vrf].outcomes.resize(XK_OUTCOME_COUNT);
    for (std::uint32_t lcore = 0; lcore < lcore_slots_; ++lcore) {
      const VrfOutcomes& outcomes = layout.outcomes(base_, lcore)[vrf];
      for (std::size_t i = 0; i < outcomes.size(); ++i) sums[vrf].outcomes[i] += outcomes[i].get();
    }
  }
}

std::vector<ServerStatus> CountersMemory::servers() const {
  const ServerSlot* slots = CountersLayout{lcore_slots_, vrf_slots_, server_slots_}.servers(base_);
  const auto& header = *static_cast<const CountersHeader*>(base_);
  const std::uint32_t used = std::min(header.servers_used.load(std::memory_order_acquire), server_slots_);
  std::vector<ServerStatus> all;
  for (std::uint32_t i = 0; i < used; ++i) {
    const ServerSlot& slot = slots[i];
    const std::uint64_t key = slot.key.load(std::memory_order_acquire);
    if (key == 0 || key >> 32 > XK_VRFS_MAX) continue;
    const ServerState state = slot.state.load(std::memory_order_acquire);
    all.push_back({.vrf = VrfId{static_cast<std::uint32_t>(key >> 32)},
                   .address = Ip4{static_cast<std::uint32_t>(key)},
                   .state = state > ServerState::dead ? ServerState::unknown : state,
                   .deaths = slot.deaths.load(std::memory_order_relaxed),
                   .since_ms = slot.since_ms.get(),
                   .requests = slot.requests.get(),
                   .replies = slot.replies.get(),
                   .last_reply_ms = slot.last_reply_ms.get()});
    // It was given to another server while it was read.
    std::atomic_thread_fence(std::memory_order_acquire);
    if (slot.key.load(std::memory_order_relaxed) != key) all.pop_back();
  }
  std::ranges::sort(all, {},
                    [](const ServerStatus& server) { return std::pair(server.vrf, server.address); });
  return all;
}

// What the one that ended had received and not sent or dropped, nobody handles any more.
void Totals::follow(CountersMemory memory) {
  if (follows(memory)) return;
  if (current_) {
    current_->add_to(past_);
    for (VrfCounts& past : past_) {
      close_account(past);
      past.queue_depth = 0;
    }
  }
  current_ = std::move(memory);
}

std::vector<ServerStatus> Totals::servers() const {
  return current_ ? current_->servers() : std::vector<ServerStatus>{};
}

std::vector<VrfCounts> Totals::read() const {
  std::vector<VrfCounts> sums = past_;
  if (current_) current_->add_to(sums);
  std::erase_if(sums, [](const VrfCounts& sum) { return sum.outcomes.empty(); });
  return sums;
}

}  // namespace xk::dataplane_link
