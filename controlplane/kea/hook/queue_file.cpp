#include "controlplane/kea/hook/queue_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

namespace xk::hook {

std::expected<QueueFile, Error> QueueFile::open(std::string path) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return std::unexpected(errno_error("cannot open the queue of leases " + path));
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode))
    return std::unexpected(Error{"the queue of leases " + path + " is not a regular file"});
  QueueFile file(std::move(fd), std::move(path), static_cast<std::uint64_t>(info.st_size));
  // Behind a torn end nothing could be found again.
  const auto whole = file.read();
  if (!whole) return std::unexpected(whole.error());
  std::uint64_t good = 0;
  for (const leases::Changes& changes : *whole) good += leases::changes_frame(changes).size();
  if (good != file.bytes_ && ::ftruncate(file.fd_.get(), static_cast<off_t>(good)) != 0)
    return std::unexpected(errno_error("cannot cut the torn end of " + file.path_));
  file.bytes_ = good;
  return file;
}

std::expected<void, Error> QueueFile::add(std::string_view frames) {
  std::size_t written = 0;
  int failure = 0;
  while (failure == 0 && written < frames.size()) {
    const ssize_t n = ::pwrite(fd_.get(), frames.data() + written, frames.size() - written,
                               static_cast<off_t>(bytes_ + written));
    if (n > 0) written += static_cast<std::size_t>(n);
    if (n < 0 && errno != EINTR) failure = errno;
  }
  if (failure == 0 && ::fdatasync(fd_.get()) != 0) failure = errno;
  if (failure == 0) {
    bytes_ += frames.size();
    return {};
  }
  // Should this fail too, the next frames are written over it.
  (void)!::ftruncate(fd_.get(), static_cast<off_t>(bytes_));
  return std::unexpected(errno_error("cannot write " + path_, failure));
}

std::expected<std::vector<leases::Changes>, Error> QueueFile::read() const {
  leases::FrameReader reader;
  std::array<std::uint8_t, 65536> buffer;
  std::vector<leases::Changes> all;
  for (std::uint64_t at = 0; at < bytes_;) {
    const ssize_t n = ::pread(fd_.get(), buffer.data(), buffer.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(errno_error("cannot read " + path_));
    if (n == 0) break;
    at += static_cast<std::uint64_t>(n);
    reader.add(Bytes(buffer).first(static_cast<std::size_t>(n)));
    for (;;) {
      const auto frame = reader.next();
      if (!frame) return all;
      if (!*frame) break;
      if ((*frame)->kind != leases::FrameKind::changes) return all;
      auto changes = leases::parse_changes((*frame)->body);
      if (!changes) return all;
      all.push_back(std::move(*changes));
    }
  }
  return all;
}

std::expected<void, Error> QueueFile::clear() {
  if (::ftruncate(fd_.get(), 0) != 0) return std::unexpected(errno_error("cannot empty " + path_));
  bytes_ = 0;
  return {};
}

}  // namespace xk::hook
