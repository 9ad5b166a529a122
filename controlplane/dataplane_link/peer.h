// Who is at the other end of a unix socket. Private to dataplane_link/.
#pragma once

#include <sys/types.h>

#include <string>

#include "controlplane/reconcile/ports.h"

namespace xk::dataplane_link {

struct Peer {
  uid_t uid = 0;
  std::uint32_t pid = 0;  // 0: in a PID namespace that is not ours
};

[[nodiscard]] Result<uid_t> uid_of(const std::string& user);
// As it was when it connected (SO_PEERCRED).
[[nodiscard]] Result<Peer> peer_of(int socket);
// Text from an untrusted peer, fit for logs and JSON: printable ASCII, the rest as '?'.
[[nodiscard]] std::string printable(const std::string& text);

}  // namespace xk::dataplane_link
