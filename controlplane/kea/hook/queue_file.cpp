#include "controlplane/kea/hook/queue_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "controlplane/leases/queue_entries.h"

namespace xk::hook {

std::expected<QueueFile, Error> QueueFile::open(std::string path, std::string& trouble) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return std::unexpected(errno_error("cannot open the queue of leases " + path));
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode))
    return std::unexpected(Error{"the queue of leases " + path + " is not a regular file"});
  QueueFile file(std::move(fd), std::move(path), static_cast<std::uint64_t>(info.st_size));
  const auto whole = file.read(trouble);
  if (!whole) return std::unexpected(whole.error());
  return file;
}

std::expected<void, Error> QueueFile::add(std::string_view entries) {
  std::size_t written = 0;
  int failure = 0;
  while (failure == 0 && written < entries.size()) {
    const ssize_t n = ::pwrite(fd_.get(), entries.data() + written, entries.size() - written,
                               static_cast<off_t>(bytes_ + written));
    if (n > 0) written += static_cast<std::size_t>(n);
    if (n < 0 && errno != EINTR) failure = errno;
  }
  if (failure == 0 && ::fdatasync(fd_.get()) != 0) failure = errno;
  if (failure == 0) {
    bytes_ += entries.size();
    return {};
  }
  // Should this fail too, the next entries are written over it.
  (void)!::ftruncate(fd_.get(), static_cast<off_t>(bytes_));
  return std::unexpected(errno_error("cannot write " + path_, failure));
}

std::expected<std::vector<leases::Changes>, Error> QueueFile::read(std::string& trouble) {
  std::string bytes(bytes_, '\0');
  std::size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t n = ::pread(fd_.get(), bytes.data() + got, bytes.size() - got, static_cast<off_t>(got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(errno_error("cannot read " + path_));
    if (n == 0) break;
    got += static_cast<std::size_t>(n);
  }
  bytes.resize(got);
  leases::QueueContents contents = leases::read_queue(bytes);
  if (contents.damaged) {
    const auto kept_as = replace(contents.sets);
    if (!kept_as) return std::unexpected(kept_as.error());
    trouble = leases::queue_trouble(contents, path_, *kept_as);
    return std::move(contents.sets);
  }
  trouble = leases::queue_trouble(contents, path_, {});
  // Behind a torn end nothing could be found again.
  const std::uint64_t good = got - contents.torn_bytes;
  if (good != bytes_ && ::ftruncate(fd_.get(), static_cast<off_t>(good)) != 0)
    return std::unexpected(errno_error("cannot cut the torn end of " + path_));
  bytes_ = good;
  return std::move(contents.sets);
}

std::expected<std::string, Error> QueueFile::replace(const std::vector<leases::Changes>& sets) {
  std::string entries;
  for (const leases::Changes& changes : sets) entries += leases::queue_entry(leases::changes_frame(changes));
  const std::string directory = path_.substr(0, path_.rfind('/') + 1);
  const std::string next_path = path_ + ".new";
  Fd held(::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  Fd next(::open(next_path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!held || !next) return std::unexpected(errno_error("cannot make " + next_path));
  QueueFile file(std::move(next), path_, 0);
  if (auto added = file.add(entries); !added) return std::unexpected(Error(added.error()).in(next_path));
  auto kept_as = leases::keep_damaged(AT_FDCWD, path_);
  if (!kept_as) return std::unexpected(std::move(kept_as.error()));
  if (::rename(next_path.c_str(), path_.c_str()) != 0 || ::fsync(held.get()) != 0)
    return std::unexpected(errno_error("cannot put " + next_path + " in place of " + path_));
  *this = std::move(file);
  return kept_as;
}

std::expected<void, Error> QueueFile::clear() {
  if (::ftruncate(fd_.get(), 0) != 0) return std::unexpected(errno_error("cannot empty " + path_));
  bytes_ = 0;
  return {};
}

}  // namespace xk::hook
