// The unix socket the API listens on: taken without a race, given its mode and group before anyone
// can connect, and never taken from a daemon that lives.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <string>

#include "dataplane/base/error.h"
#include "dataplane/base/fd.h"

namespace xk::api {

struct SocketSpec {
  std::string path;           // at most 107 bytes; its directory exists
  std::uint32_t mode = 0660;  // permission bits of the socket file
  std::string group;          // its group; empty: the process's
};

// A listening socket and its file. The destructor removes the file if it is still this socket's.
class ListeningSocket {
 public:
  ListeningSocket() = default;
  ListeningSocket(ListeningSocket&& other) noexcept = default;
  ListeningSocket& operator=(ListeningSocket&& other) noexcept;
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;
  ~ListeningSocket() { close(); }

  // Replaces a socket file nobody listens on; refuses one that is served, and anything that is no
  // socket. "<path>.lock" is held as long as the socket is, so that two daemons cannot both win; it
  // stays behind, as removing a lock file would bring the race back.
  [[nodiscard]] static std::expected<ListeningSocket, Error> take(const SocketSpec& spec);

  [[nodiscard]] int fd() const { return listener_.get(); }
  void close();

 private:
  std::string path_;
  Fd lock_;
  Fd listener_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace xk::api
