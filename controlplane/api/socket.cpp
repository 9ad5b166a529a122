#include "controlplane/api/socket.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace xk::api {
namespace {

constexpr int kBacklog = 32;
constexpr mode_t kPermissionBits = 0777;

std::expected<sockaddr_un, Error> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return std::unexpected(Error{"API socket '" + path + "': the path of a unix socket has 1 to " +
                                     std::to_string(sizeof address.sun_path - 1) + " bytes",
                                 0});
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Error taken(const std::string& path) {
  return Error{"API socket " + path +
                   " is taken: another xdp-kead (or another program) serves it; stop that one, or set "
                   "another appliance.api_socket",
               EADDRINUSE};
}

std::expected<gid_t, Error> group_id(const std::string& name) {
  std::array<char, 16384> buffer{};
  group entry{};
  group* found = nullptr;
  const int failed = getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (failed != 0) return std::unexpected(errno_error("group '" + name + "' of the API socket", failed));
  if (found == nullptr) {
    return std::unexpected(Error{"group '" + name + "' of the API socket does not exist", 0});
  }
  return entry.gr_gid;
}

// Removes a file that a daemon which died left behind.
std::expected<void, Error> clear_stale(const std::string& path, const sockaddr_un& address) {
  struct stat file{};
  if (lstat(path.c_str(), &file) != 0) {
    if (errno == ENOENT) return {};
    return std::unexpected(errno_error("API socket " + path));
  }
  if (!S_ISSOCK(file.st_mode)) {
    return std::unexpected(
        Error{"API socket " + path + ": there is a file that is no socket; not touched", EEXIST});
  }
  const Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return std::unexpected(errno_error("API socket " + path));
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno == EAGAIN) {  // EAGAIN: served, and its backlog is full
    return std::unexpected(taken(path));
  }
  if (errno != ECONNREFUSED) return std::unexpected(errno_error("API socket " + path));
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return std::unexpected(errno_error("cannot remove the stale API socket " + path));
  }
  return {};
}

}  // namespace

ListeningSocket& ListeningSocket::operator=(ListeningSocket&& other) noexcept {
  if (this != &other) {
    close();
    path_ = std::move(other.path_);
    lock_ = std::move(other.lock_);
    listener_ = std::move(other.listener_);
    device_ = other.device_;
    inode_ = other.inode_;
  }
  return *this;
}

std::expected<ListeningSocket, Error> ListeningSocket::take(const SocketSpec& spec) {
  const auto address = address_of(spec.path);
  if (!address) return std::unexpected(address.error());
  gid_t group = getegid();
  if (!spec.group.empty()) {
    const auto id = group_id(spec.group);
    if (!id) return std::unexpected(id.error());
    group = *id;
  }

  ListeningSocket taking;
  const std::string lock_path = spec.path + ".lock";
  taking.lock_ = Fd(open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!taking.lock_) return std::unexpected(errno_error("API socket: cannot open " + lock_path));
  if (flock(taking.lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    return std::unexpected(errno == EWOULDBLOCK ? taken(spec.path) : errno_error("cannot lock " + lock_path));
  }
  if (auto cleared = clear_stale(spec.path, *address); !cleared) return std::unexpected(cleared.error());

  taking.listener_ = Fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!taking.listener_) return std::unexpected(errno_error("API socket " + spec.path));
  // Linux gives the file the mode the socket has when it is bound: closed until group and mode are set.
  if (fchmod(taking.listener_.get(), 0) != 0 ||
      bind(taking.listener_.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return std::unexpected(errno_error("cannot make the API socket " + spec.path));
  }
  struct stat file{};
  if (lstat(spec.path.c_str(), &file) != 0) return std::unexpected(errno_error("API socket " + spec.path));
  taking.path_ = spec.path;
  taking.device_ = file.st_dev;
  taking.inode_ = file.st_ino;
  if (chown(spec.path.c_str(), static_cast<uid_t>(-1), group) != 0 ||
      chmod(spec.path.c_str(), static_cast<mode_t>(spec.mode) & kPermissionBits) != 0) {
    return std::unexpected(errno_error("cannot set group and mode of the API socket " + spec.path));
  }
  if (listen(taking.listener_.get(), kBacklog) != 0) {
    return std::unexpected(errno_error("cannot listen on the API socket " + spec.path));
  }
  return taking;
}

void ListeningSocket::close() {
  if (!path_.empty()) {
    struct stat file{};
    if (lstat(path_.c_str(), &file) == 0 && file.st_dev == device_ && file.st_ino == inode_) {
      unlink(path_.c_str());
    }
    path_.clear();
  }
  listener_.reset();
  lock_.reset();
}

}  // namespace xk::api
