#include "controlplane/netns/loopback.h"

#include <fcntl.h>
#include <linux/if.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <sched.h>

#include <functional>
#include <system_error>
#include <thread>

namespace xk::netns {
namespace {

Error netlink_error(const std::string& context, int code) {
  return Error{context + ": " + nl_geterror(code)};
}

// Runs work in a thread of its own, which may enter a namespace and takes it to its grave.
Result<> in_thread(const std::function<Result<>()>& work) {
  Result<> result;
  try {
    std::thread([&result, &work] { result = work(); }).join();
  } catch (const std::system_error& error) {
    return std::unexpected(
        Error{std::string("cannot start a thread: ") + error.what(), error.code().value()});
  }
  return result;
}

struct LinkPut {
  void operator()(rtnl_link* link) const { rtnl_link_put(link); }
};
using Link = std::unique_ptr<rtnl_link, LinkPut>;

Result<Link> get_lo(nl_sock* socket) {
  rtnl_link* link = nullptr;
  if (const int code = rtnl_link_get_kernel(socket, 0, "lo", &link); code < 0)
    return std::unexpected(netlink_error("reading lo", code));
  return Link(link);
}

Result<> change_lo(nl_sock* socket, const std::function<void(rtnl_link*)>& change) {
  auto current = get_lo(socket);
  if (!current) return std::unexpected(std::move(current.error()));
  const Link wanted(rtnl_link_alloc());
  if (!wanted) return std::unexpected(Error{"out of memory", ENOMEM});
  change(wanted.get());
  if (const int code = rtnl_link_change(socket, current->get(), wanted.get(), 0); code < 0)
    return std::unexpected(netlink_error("changing lo", code));
  return {};
}

}  // namespace

void SocketFree::operator()(nl_sock* socket) const { nl_socket_free(socket); }

Result<Loopback> Loopback::in_namespace(Fd ns) {
  Loopback loopback;
  loopback.ns_ = std::move(ns);
  auto opened = in_thread([&loopback]() -> Result<> {
    if (::setns(loopback.ns_.get(), CLONE_NEWNET) != 0)
      return std::unexpected(errno_error("entering the network namespace"));
    loopback.socket_.reset(nl_socket_alloc());
    if (!loopback.socket_) return std::unexpected(Error{"out of memory", ENOMEM});
    if (const int code = nl_connect(loopback.socket_.get(), NETLINK_ROUTE); code < 0)
      return std::unexpected(netlink_error("netlink socket", code));
    return {};
  });
  if (!opened) return std::unexpected(std::move(opened.error()));
  return loopback;
}

Result<Loopback> Loopback::in_new_namespace() {
  Fd ns;
  auto made = in_thread([&ns]() -> Result<> {
    if (::unshare(CLONE_NEWNET) != 0) return std::unexpected(errno_error("new network namespace"));
    ns = Fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!ns) return std::unexpected(errno_error("/proc/thread-self/ns/net"));
    return {};
  });
  if (!made) return std::unexpected(std::move(made.error()));
  return in_namespace(std::move(ns));
}

Result<std::string> Loopback::alias() const {
  auto link = get_lo(socket_.get());
  if (!link) return std::unexpected(std::move(link.error()));
  const char* alias = rtnl_link_get_ifalias(link->get());
  return std::string(alias == nullptr ? "" : alias);
}

Result<> Loopback::bring_up() const {
  return change_lo(socket_.get(), [](rtnl_link* lo) { rtnl_link_set_flags(lo, IFF_UP); });
}

Result<> Loopback::set_alias(const std::string& alias) const {
  return change_lo(socket_.get(), [&alias](rtnl_link* lo) { rtnl_link_set_ifalias(lo, alias.c_str()); });
}

}  // namespace xk::netns
