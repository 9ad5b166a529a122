#include "dataplane/ipc/channel.h"

#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>

namespace xk::ipc {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kSendTimeout{1000};
constexpr int kBacklog = 8;
constexpr std::size_t kControlSize = CMSG_SPACE(kDescriptorsMax * sizeof(int));

std::expected<sockaddr_un, Error> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path))
    return std::unexpected(Error{"socket path \"" + path + "\" must have 1 to " +
                                 std::to_string(sizeof(address.sun_path) - 1) + " bytes"});
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

std::expected<Fd, Error> new_socket() {
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return std::unexpected(errno_error("unix socket"));
  return socket;
}

const sockaddr* generic(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

// Makes way for a new socket: removes the file of a dead listener, and nothing else.
std::expected<void, Error> remove_stale(const std::string& path, const sockaddr_un& address) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return std::unexpected(errno_error(path));
  if (!S_ISSOCK(status.st_mode)) return std::unexpected(Error{path + " exists and is no socket", EEXIST});
  auto probe = new_socket();
  if (!probe) return std::unexpected(std::move(probe.error()));
  if (::connect(probe->get(), generic(address), sizeof(address)) == 0 || errno != ECONNREFUSED)
    return std::unexpected(Error{path + " is in use: another process answers there", EADDRINUSE});
  if (::unlink(path.c_str()) != 0) return std::unexpected(errno_error("removing stale socket " + path));
  return {};
}

std::expected<void, Error> open_to(const std::string& path, const std::string& user) {
  std::array<char, 4096> text{};
  passwd entry{};
  passwd* found = nullptr;
  const int error = ::getpwnam_r(user.c_str(), &entry, text.data(), text.size(), &found);
  if (found == nullptr)
    return std::unexpected(Error{"user \"" + user + "\" does not exist: it is to connect to " + path, error});
  if (::lchown(path.c_str(), static_cast<uid_t>(-1), entry.pw_gid) != 0)
    return std::unexpected(errno_error("group of " + path));
  if (::chmod(path.c_str(), 0660) != 0) return std::unexpected(errno_error("mode of " + path));
  return {};
}

// Takes over every descriptor the kernel has installed, so that none leaks whatever follows.
std::vector<Fd> take_descriptors(msghdr& header) {
  std::vector<Fd> fds;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      fds.emplace_back(fd);
    }
  }
  return fds;
}

std::expected<void, Error> wait_writable(int fd, Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  if (left <= 0) return std::unexpected(Error{"the other daemon does not read its messages", ETIMEDOUT});
  pollfd waiting{.fd = fd, .events = POLLOUT, .revents = 0};
  if (::poll(&waiting, 1, static_cast<int>(left)) < 0 && errno != EINTR)
    return std::unexpected(errno_error("poll"));
  return {};
}

}  // namespace

std::expected<void, Error> Channel::send(const Message& message, const std::vector<int>& fds) {
  std::vector<std::uint8_t> bytes = encode(message);
  if (bytes.empty())
    return std::unexpected(Error{"message to the other daemon is out of its bounds", EMSGSIZE});
  if (fds.size() != descriptors_of(message))
    return std::unexpected(Error{"message needs " + std::to_string(descriptors_of(message)) +
                                 " descriptors, has " + std::to_string(fds.size())});
  iovec vector{.iov_base = bytes.data(), .iov_len = bytes.size()};
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, kControlSize> control{};
  if (!fds.empty()) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(part), fds.data(), fds.size() * sizeof(int));
  }
  const auto deadline = Clock::now() + kSendTimeout;
  while (::sendmsg(socket_.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return std::unexpected(errno_error("sending to the other daemon"));
    if (auto ready = wait_writable(socket_.get(), deadline); !ready) return ready;
  }
  return {};
}

std::expected<std::optional<Received>, Error> Channel::receive() {
  std::vector<std::uint8_t> bytes(kMessageMax);
  iovec vector{.iov_base = bytes.data(), .iov_len = bytes.size()};
  alignas(cmsghdr) std::array<char, kControlSize> control{};
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t got = 0;
  do {
    got = ::recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EAGAIN) return std::nullopt;
  if (got < 0) return std::unexpected(errno_error("receiving from the other daemon"));
  std::vector<Fd> fds = take_descriptors(header);
  if (got == 0) return std::unexpected(Error{"the other daemon has closed the connection", ECONNRESET});
  if ((header.msg_flags & MSG_TRUNC) != 0)
    return std::unexpected(Error{"message from the other daemon is too long", EMSGSIZE});
  if ((header.msg_flags & MSG_CTRUNC) != 0)
    return std::unexpected(
        Error{"descriptors from the other daemon lost: too many of them, or too many open", EMFILE});
  auto message = decode(Bytes(bytes).first(static_cast<std::size_t>(got)));
  if (!message) return std::unexpected(std::move(message.error()));
  if (fds.size() != descriptors_of(*message))
    return std::unexpected(Error{"message from the other daemon needs " +
                                 std::to_string(descriptors_of(*message)) + " descriptors, has " +
                                 std::to_string(fds.size())});
  return Received{.message = std::move(*message), .fds = std::move(fds)};
}

std::expected<Fd, Error> listen_at(const std::string& path, const std::string& owner_user) {
  auto address = address_of(path);
  if (!address) return std::unexpected(std::move(address.error()));
  auto socket = new_socket();
  if (!socket) return socket;
  // The file takes the mode of the socket's inode at bind: nobody gets in before it is ready.
  if (::fchmod(socket->get(), 0600) != 0) return std::unexpected(errno_error("mode of " + path));
  int bound = ::bind(socket->get(), generic(*address), sizeof(*address));
  if (bound != 0 && errno == EADDRINUSE) {
    if (auto removed = remove_stale(path, *address); !removed)
      return std::unexpected(std::move(removed.error()));
    bound = ::bind(socket->get(), generic(*address), sizeof(*address));
  }
  if (bound != 0) return std::unexpected(errno_error("cannot listen at " + path));
  if (!owner_user.empty())
    if (auto opened = open_to(path, owner_user); !opened) {
      ::unlink(path.c_str());
      return std::unexpected(std::move(opened.error()));
    }
  if (::listen(socket->get(), kBacklog) != 0) return std::unexpected(errno_error("cannot listen at " + path));
  return socket;
}

std::expected<std::optional<Channel>, Error> accept_from(int listening_fd) {
  Fd socket(::accept4(listening_fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (socket) return Channel(std::move(socket));
  if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return std::nullopt;
  return std::unexpected(errno_error("accepting a connection"));
}

std::expected<Channel, Error> connect_to(const std::string& path) {
  auto address = address_of(path);
  if (!address) return std::unexpected(std::move(address.error()));
  auto socket = new_socket();
  if (!socket) return std::unexpected(std::move(socket.error()));
  if (::connect(socket->get(), generic(*address), sizeof(*address)) != 0)
    return std::unexpected(errno_error("cannot connect to " + path));
  return Channel(std::move(*socket));
}

}  // namespace xk::ipc
