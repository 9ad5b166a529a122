#include "controlplane/dataplane_link/peer.h"

#include <pwd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

namespace xk::dataplane_link {

Result<uid_t> uid_of(const std::string& user) {
  std::array<char, 4096> text{};
  passwd entry{};
  passwd* found = nullptr;
  const int error = ::getpwnam_r(user.c_str(), &entry, text.data(), text.size(), &found);
  if (found == nullptr)
    return std::unexpected(Error{"the dataplane's user \"" + user + "\" does not exist", error});
  return entry.pw_uid;
}

Result<Peer> peer_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    return std::unexpected(errno_error("who has connected"));
  return Peer{.uid = credentials.uid, .pid = static_cast<std::uint32_t>(std::max<pid_t>(credentials.pid, 0))};
}

std::string printable(const std::string& text) {
  std::string clean = text;
  std::ranges::replace_if(clean, [](char c) { return c < ' ' || c > '~'; }, '?');
  return clean;
}

}  // namespace xk::dataplane_link
