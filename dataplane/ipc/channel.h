// One end of the unix socket between the daemons: whole messages with their descriptors.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/base/fd.h"
#include "dataplane/ipc/messages.h"

namespace xk::ipc {

struct Received {
  Message message;
  std::vector<Fd> fds;  // owned
};

class Channel {
 public:
  explicit Channel(Fd socket) : socket_(std::move(socket)) {}
  [[nodiscard]] int fd() const { return socket_.get(); }

  // Sends one datagram; the descriptors stay the caller's. Blocks at most 1 s. An Error, and nothing
  // sent, if the message is out of its bounds or has not descriptors_of(message) descriptors.
  [[nodiscard]] std::expected<void, Error> send(const Message& message, const std::vector<int>& fds = {});
  // The next message; nullopt if none is waiting. An Error at end of file (errno ECONNRESET) and on a
  // datagram that is malformed, cut off or has not descriptors_of(message) descriptors: then close the
  // channel. No descriptor leaks in any case.
  [[nodiscard]] std::expected<std::optional<Received>, Error> receive();

 private:
  Fd socket_;
};

// Listening socket (SOCK_SEQPACKET, close-on-exec, non-blocking). "in use" if another process
// answers there (errno EADDRINUSE); a stale socket file of a dead one is replaced, any other file is
// not (EEXIST). owner_user may then connect: the socket's group becomes that user's primary group and
// its mode 0660 (empty: 0600).
[[nodiscard]] std::expected<Fd, Error> listen_at(const std::string& path, const std::string& owner_user);
// nullopt: nobody is waiting.
[[nodiscard]] std::expected<std::optional<Channel>, Error> accept_from(int listening_fd);
// Errors carry errno: ENOENT or ECONNREFUSED if nobody listens.
[[nodiscard]] std::expected<Channel, Error> connect_to(const std::string& path);
// A sealed memfd with these bytes; and the reverse, refusing unsealed or oversized ones.
[[nodiscard]] std::expected<Fd, Error> sealed_memfd(const std::string& name, Bytes bytes);
[[nodiscard]] std::expected<std::vector<std::uint8_t>, Error> read_sealed_memfd(int fd, std::size_t size_max);

}  // namespace xk::ipc
