// A namespace, new or found, and its lo, spoken to by a netlink socket that lives in it. Private to
// netns/.
#pragma once

#include <memory>
#include <string>

#include "controlplane/reconcile/ports.h"

struct nl_sock;

namespace xk::netns {

struct SocketFree {
  void operator()(nl_sock* socket) const;
};

// An rtnetlink socket inside a network namespace. A socket stays in the namespace it was made in,
// so any thread may use it.
class Loopback {
 public:
  // A new network namespace, which lives as long as ns() or a mount of it does.
  [[nodiscard]] static Result<Loopback> in_new_namespace();
  // The namespace behind the descriptor.
  [[nodiscard]] static Result<Loopback> in_namespace(Fd ns);

  [[nodiscard]] int ns() const { return ns_.get(); }
  [[nodiscard]] Result<std::string> alias() const;  // empty: none
  [[nodiscard]] Result<> bring_up() const;
  // At most IFALIASZ - 2 bytes.
  [[nodiscard]] Result<> set_alias(const std::string& alias) const;

 private:
  Loopback() = default;
  Fd ns_;
  std::unique_ptr<nl_sock, SocketFree> socket_;
};

}  // namespace xk::netns
