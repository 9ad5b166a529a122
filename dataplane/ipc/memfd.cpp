#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/ipc/channel.h"

namespace xk::ipc {
namespace {

// Whoever reads it may count on its size and its bytes.
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

}  // namespace

std::expected<Fd, Error> sealed_memfd(const std::string& name, Bytes bytes) {
  Fd memory(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory) return std::unexpected(errno_error("memfd_create " + name));
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t written = ::write(memory.get(), bytes.data() + at, bytes.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return std::unexpected(errno_error("writing memfd " + name));
    at += static_cast<std::size_t>(written);
  }
  if (::fcntl(memory.get(), F_ADD_SEALS, kSeals | F_SEAL_SEAL) != 0)
    return std::unexpected(errno_error("sealing memfd " + name));
  return memory;
}

std::expected<std::vector<std::uint8_t>, Error> read_sealed_memfd(int fd, std::size_t size_max) {
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0) return std::unexpected(errno_error("received descriptor is no memfd"));
  if ((seals & kSeals) != kSeals) return std::unexpected(Error{"received memfd is not sealed"});
  struct stat status{};
  if (::fstat(fd, &status) != 0) return std::unexpected(errno_error("size of received memfd"));
  if (static_cast<std::uint64_t>(status.st_size) > size_max)
    return std::unexpected(Error{"received memfd is bigger than " + std::to_string(size_max) + " bytes"});
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(status.st_size));
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t got = ::pread(fd, bytes.data() + at, bytes.size() - at, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(errno_error("reading received memfd"));
    if (got == 0) return std::unexpected(Error{"received memfd ends early"});
    at += static_cast<std::size_t>(got);
  }
  return bytes;
}

}  // namespace xk::ipc
