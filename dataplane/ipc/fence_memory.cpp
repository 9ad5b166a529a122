#include "dataplane/ipc/fence_memory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <new>

namespace xk::ipc {
namespace {

constexpr int kFenceSeals = F_SEAL_SHRINK | F_SEAL_GROW;

std::expected<void*, Error> map_all(int fd) {
  void* at = ::mmap(nullptr, sizeof(Fence), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return std::unexpected(errno_error("mapping the fence"));
  return at;
}

}  // namespace

std::expected<FenceMemory, Error> FenceMemory::make() {
  Fd fd(::memfd_create("xdp-kea-fence", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return std::unexpected(errno_error("cannot make the fence's memory"));
  if (::ftruncate(fd.get(), static_cast<off_t>(sizeof(Fence))) != 0 ||
      ::fcntl(fd.get(), F_ADD_SEALS, kFenceSeals) != 0)
    return std::unexpected(errno_error("cannot size the fence's memory"));
  const auto at = map_all(fd.get());
  if (!at) return std::unexpected(at.error());
  return FenceMemory(std::move(fd), new (*at) Fence);
}

std::expected<FenceMemory, Error> FenceMemory::map(Fd memory) {
  const int seals = ::fcntl(memory.get(), F_GET_SEALS);
  struct stat status{};
  struct statfs filesystem{};
  if (seals < 0 || ::fstat(memory.get(), &status) != 0 || ::fstatfs(memory.get(), &filesystem) != 0)
    return std::unexpected(errno_error("the fence is in no memfd"));
  // Memory that may end, or of which pages may be missing, would be a SIGBUS.
  if ((seals & kFenceSeals) != kFenceSeals || filesystem.f_type != TMPFS_MAGIC)
    return std::unexpected(Error{"the fence is in no ordinary, sealed memfd"});
  const auto mismatch = [] {
    return std::unexpected(Error{"the fence has another layout: install both daemons from one release"});
  };
  if (status.st_size != static_cast<off_t>(sizeof(Fence))) return mismatch();
  const auto at = map_all(memory.get());
  if (!at) return std::unexpected(at.error());
  FenceMemory mapped(std::move(memory), static_cast<Fence*>(*at));
  const Fence& fence = mapped.fence();
  if (fence.magic != kFenceMagic || fence.vrf_slots != XK_VRFS_MAX + 1) return mismatch();
  return mapped;
}

FenceMemory::FenceMemory(FenceMemory&& other) noexcept
    : fd_(std::move(other.fd_)), fence_(std::exchange(other.fence_, nullptr)) {}

FenceMemory::~FenceMemory() {
  if (fence_ != nullptr) ::munmap(fence_, sizeof(Fence));
}

}  // namespace xk::ipc
