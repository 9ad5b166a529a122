#include "controlplane/kea/control_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "controlplane/kea/paths.h"

namespace xk::kea {

namespace {

constexpr std::size_t kReadBytes = 1 << 16;

}  // namespace

Result<Exchange> Exchange::start(const std::string& path, std::string request, pid_t peer) {
  if (path.size() > kSocketPathMax)
    return std::unexpected(Error{"the path of Kea's control socket is too long: " + path});
  if (request.size() > kRequestBytesMax)
    return std::unexpected(
        Error{"the command is larger than " + std::to_string(kRequestBytesMax) + " bytes"});
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());

  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return std::unexpected(errno_error("cannot make a socket"));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return std::unexpected(errno_error("cannot connect to Kea's control socket " + path));
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    return std::unexpected(errno_error("cannot tell who listens on " + path));
  if (peer != 0 && credentials.pid != peer)
    return std::unexpected(Error{"process " + std::to_string(credentials.pid) + " listens on " + path +
                                 ", not our Kea (" + std::to_string(peer) + ")"});
  return Exchange(std::move(socket), std::move(request));
}

Result<> Exchange::send_some() {
  while (sent_ < request_.size()) {
    const ssize_t n =
        ::send(socket_.get(), request_.data() + sent_, request_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return {};
    if (n < 0) return std::unexpected(errno_error("cannot send to Kea's control socket"));
    sent_ += static_cast<std::size_t>(n);
  }
  return {};
}

Result<bool> Exchange::step() {
  const auto sent = send_some();
  // Even if it hung up while we sent: its answer may say why.
  std::array<char, kReadBytes> buffer;
  for (;;) {
    const ssize_t n = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      if (!sent) return std::unexpected(sent.error());
      return false;
    }
    if (n < 0) return std::unexpected(errno_error("cannot read from Kea's control socket"));
    if (n == 0) return std::unexpected(Error{"Kea hung up before its answer was complete"});
    const std::string_view piece(buffer.data(), static_cast<std::size_t>(n));
    if (answer_.size() + piece.size() > kAnswerBytesMax)
      return std::unexpected(
          Error{"Kea's answer is larger than " + std::to_string(kAnswerBytesMax) + " bytes"});
    answer_ += piece;
    switch (scanner_.feed(piece)) {
      case JsonScanner::State::complete:
        return true;
      case JsonScanner::State::too_deep:
        return std::unexpected(Error{"Kea's answer is nested too deeply"});
      case JsonScanner::State::incomplete:
        break;
    }
  }
}

void Exchange::wait(std::chrono::milliseconds timeout) const {
  pollfd waited{.fd = socket_.get(), .events = POLLIN, .revents = 0};
  if (sent_ < request_.size()) waited.events |= POLLOUT;
  (void)::poll(&waited, 1, static_cast<int>(timeout.count()));
}

Result<std::string> exchange(const std::string& path, std::string request, pid_t peer,
                             std::chrono::milliseconds timeout) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + timeout;
  auto started = Exchange::start(path, std::move(request), peer);
  if (!started) return std::unexpected(started.error());
  for (;;) {
    const auto done = started->step();
    if (!done) return std::unexpected(done.error());
    if (*done) return started->take_answer();
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0)
      return std::unexpected(Error{"Kea did not answer within " + std::to_string(timeout.count()) + " ms"});
    started->wait(left);
  }
}

}  // namespace xk::kea
