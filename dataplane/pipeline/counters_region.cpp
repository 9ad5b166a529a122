#include "dataplane/pipeline/counters_region.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <new>
#include <string>

namespace xk {
namespace {

constexpr std::uint32_t kVrfSlots = XK_VRFS_MAX + 1;
constexpr CountersLayout kLayout{kLcoresMax, kVrfSlots, kServerSlots};
constexpr std::size_t kRegionBytes = kLayout.bytes();

}  // namespace

std::expected<CountersRegion, Error> CountersRegion::make() {
  Fd fd(memfd_create("xdp-kea-counters", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return std::unexpected(errno_error("cannot make the counters' memory"));
  if (ftruncate(fd.get(), static_cast<off_t>(kRegionBytes)) != 0)
    return std::unexpected(errno_error("cannot size the counters' memory"));
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0)
    return std::unexpected(errno_error("cannot seal the counters' memory"));
  void* at = mmap(nullptr, kRegionBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (at == MAP_FAILED) return std::unexpected(errno_error("cannot map the counters' memory"));
  // All counters begin at zero, as the memory does: only the header is written, or every slot of
  // every VRF would take memory from the start.
  auto* header = new (at) CountersHeader;
  header->lcore_slots = kLcoresMax;
  header->vrf_slots = kVrfSlots;
  header->server_slots = kServerSlots;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  header->started_unix_ms.store(
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count()));
  return CountersRegion(std::move(fd), at);
}

CountersRegion::CountersRegion(CountersRegion&& other) noexcept
    : fd_(std::move(other.fd_)), at_(std::exchange(other.at_, nullptr)) {}

CountersRegion::~CountersRegion() {
  if (at_ != nullptr) munmap(at_, kRegionBytes);
}

std::expected<Fd, Error> CountersRegion::read_only() const {
  const std::string path = "/proc/self/fd/" + std::to_string(fd_.get());
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::unexpected(errno_error("cannot open the counters' memory read-only"));
  return fd;
}

CountersBlock CountersRegion::block(std::uint32_t slot) {
  return {{kLayout.counters(at_, slot), kVrfSlots}, {kLayout.outcomes(at_, slot), kVrfSlots}};
}

std::span<ServerSlot> CountersRegion::servers() { return {kLayout.servers(at_), kServerSlots}; }

std::uint64_t CountersRegion::total(VrfId vrf, Counter VrfCounters::* counter) {
  std::uint64_t sum = 0;
  for (std::uint32_t slot = 0; slot < kLcoresMax; ++slot)
    sum += (block(slot).counters[vrf.value].*counter).get();
  return sum;
}

std::uint64_t CountersRegion::total(VrfId vrf, Outcome outcome) {
  std::uint64_t sum = 0;
  for (std::uint32_t slot = 0; slot < kLcoresMax; ++slot)
    sum += block(slot).outcomes[vrf.value][static_cast<std::size_t>(outcome)].get();
  return sum;
}

std::int64_t CountersRegion::imbalance(VrfId vrf) {
  std::uint64_t in = total(vrf, &VrfCounters::rx) + total(vrf, &VrfCounters::copies);
  std::uint64_t out = total(vrf, &VrfCounters::tx);
  for (std::size_t i = 0; i < XK_OUTCOME_COUNT; ++i)
    if (is_drop(static_cast<Outcome>(i))) out += total(vrf, static_cast<Outcome>(i));
  return static_cast<std::int64_t>(in - out);
}

}  // namespace xk
