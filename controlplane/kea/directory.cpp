#include "controlplane/kea/directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace xk::kea {

namespace {

constexpr mode_t kDirectoryMode = 0750;
constexpr mode_t kFileMode = 0640;

Result<Fd> open_regular(int directory, const std::string& name, FollowLinks follow, struct stat& info) {
  // O_NONBLOCK: a FIFO of that name must not stop us.
  const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (follow == FollowLinks::yes ? 0 : O_NOFOLLOW);
  Fd file(::openat(directory, name.c_str(), flags));
  if (!file || ::fstat(file.get(), &info) != 0) return std::unexpected(errno_error(name));
  if (!S_ISREG(info.st_mode)) return std::unexpected(Error{name + " is not a regular file"});
  return file;
}

// Reads at most size_max bytes from offset on.
Result<std::string> read_from(int fd, const std::string& name, off_t offset, std::size_t size_max) {
  std::string content(size_max, '\0');
  std::size_t got = 0;
  while (got < size_max) {
    const ssize_t n = ::pread(fd, content.data() + got, size_max - got, offset + static_cast<off_t>(got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(errno_error(name));
    if (n == 0) break;
    got += static_cast<std::size_t>(n);
  }
  content.resize(got);
  return content;
}

Result<> write_all(int fd, const std::string& name, std::string_view content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::unexpected(errno_error("cannot write " + name));
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<Fd> make_file(int directory, const std::string& name, int flags, gid_t gid) {
  if (const auto removed = remove_at(directory, name); !removed) return std::unexpected(removed.error());
  Fd file(::openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | flags,
                   kFileMode));
  if (!file || ::fchown(file.get(), static_cast<uid_t>(-1), gid) != 0 || ::fchmod(file.get(), kFileMode) != 0)
    return std::unexpected(errno_error("cannot make " + name));
  return file;
}

}  // namespace

Result<Fd> open_existing_directory(const std::string& directory) {
  Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return std::unexpected(errno_error("cannot open the directory " + directory));
  return fd;
}

Result<Fd> open_directory(const std::string& directory, uid_t uid, gid_t gid) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(directory).parent_path(), error);
  if (error)
    return std::unexpected(
        Error{"cannot make the directory above " + directory + ": " + error.message(), error.value()});
  if (::mkdir(directory.c_str(), kDirectoryMode) != 0 && errno != EEXIST)
    return std::unexpected(errno_error("cannot make the directory " + directory));
  auto fd = open_existing_directory(directory);
  if (!fd) return fd;
  if (::fchown(fd->get(), uid, gid) != 0 || ::fchmod(fd->get(), kDirectoryMode) != 0)
    return std::unexpected(errno_error("cannot give the directory " + directory + " to Kea's user"));
  return fd;
}

Result<> write_file_at(int directory, const std::string& name, std::string_view content, gid_t gid) {
  const std::string temporary = name + ".tmp";
  const auto file = make_file(directory, temporary, 0, gid);
  if (!file) return std::unexpected(file.error());
  if (const auto written = write_all(file->get(), temporary, content); !written) return written;
  if (::fsync(file->get()) != 0) return std::unexpected(errno_error("cannot write " + temporary));
  if (::renameat(directory, temporary.c_str(), directory, name.c_str()) != 0)
    return std::unexpected(errno_error("cannot replace " + name));
  return {};
}

Result<Fd> new_log_at(int directory, const std::string& name, gid_t gid) {
  return make_file(directory, name, O_APPEND, gid);
}

Result<std::string> read_file_at(int directory, const std::string& name, std::size_t size_max,
                                 FollowLinks follow) {
  struct stat info{};
  const auto file = open_regular(directory, name, follow, info);
  if (!file) return std::unexpected(file.error());
  // One byte more than allowed tells a file that is too large (or grows).
  auto content = read_from(file->get(), name, 0, size_max + 1);
  if (content && content->size() > size_max)
    return std::unexpected(Error{name + " is larger than " + std::to_string(size_max) + " bytes"});
  return content;
}

std::string tail_at(int directory, const std::string& name, std::size_t size_max, std::size_t skip) {
  struct stat info{};
  const auto file = open_regular(directory, name, FollowLinks::no, info);
  if (!file) return {};
  const auto size = static_cast<std::size_t>(info.st_size);
  // A file that has become shorter is another one: it was rotated.
  const std::size_t wanted = std::min(size >= skip ? size - skip : size, size_max);
  return read_from(file->get(), name, static_cast<off_t>(size - wanted), wanted).value_or("");
}

std::size_t size_at(int directory, const std::string& name) {
  struct stat info{};
  const auto file = open_regular(directory, name, FollowLinks::no, info);
  return file ? static_cast<std::size_t>(info.st_size) : 0;
}

Result<> remove_at(int directory, const std::string& name) {
  if (::unlinkat(directory, name.c_str(), 0) != 0 && errno != ENOENT)
    return std::unexpected(errno_error("cannot remove " + name));
  return {};
}

}  // namespace xk::kea
