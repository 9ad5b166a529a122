#include "controlplane/reconcile/state_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "dataplane/base/fd.h"

namespace xk {
namespace {

Result<> write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return std::unexpected(errno_error("cannot write " + path));
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

Error damaged(const std::string& what) { return Error{"damaged: " + what}; }

Result<std::optional<std::string>> read_state_file(const std::string& path, std::size_t bytes_max) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    if (errno == ENOENT) return std::optional<std::string>{};
    return std::unexpected(errno_error("cannot read " + path));
  }
  std::string bytes;
  std::array<char, 65536> buffer{};
  while (bytes.size() <= bytes_max) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(errno_error("cannot read " + path));
    if (got == 0) break;
    bytes.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return std::optional(std::move(bytes));
}

Result<> write_state_file(const std::string& path, std::string_view bytes) {
  const std::string temporary = path + ".new";
  Fd file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) return std::unexpected(errno_error("cannot write " + temporary));
  if (auto written = write_all(file.get(), bytes, temporary); !written) return written;
  if (::fsync(file.get()) != 0) return std::unexpected(errno_error("cannot sync " + temporary));
  file.reset();
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return std::unexpected(errno_error("cannot rename " + temporary));
  }
  const std::string directory = path.substr(0, path.find_last_of('/') + 1);
  const Fd parent(::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent || ::fsync(parent.get()) != 0) return std::unexpected(errno_error("cannot sync " + directory));
  return {};
}

}  // namespace xk
