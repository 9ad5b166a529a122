#include "controlplane/netlink/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netlink/attr.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sched.h>

#include <cstring>
#include <system_error>
#include <thread>

namespace xk::netlink {
namespace {

// What the callbacks of one transaction share.
struct Exchange {
  const std::function<void(const nlmsghdr&)>* on_reply;
  std::uint32_t sequence;
  bool done = false;
  bool interrupted = false;  // a dump that was overtaken by a change
  int error = 0;             // errno
  std::string explanation;   // the kernel's own words, if it had any
};

Exchange& exchange_of(void* argument) { return *static_cast<Exchange*>(argument); }

int on_valid(nl_msg* message, void* argument) {
  Exchange& exchange = exchange_of(argument);
  const nlmsghdr* header = nlmsg_hdr(message);
  if ((header->nlmsg_flags & NLM_F_DUMP_INTR) != 0) exchange.interrupted = true;
  if (*exchange.on_reply) (*exchange.on_reply)(*header);
  return NL_OK;
}

int on_end(nl_msg* message, void* argument) {
  Exchange& exchange = exchange_of(argument);
  if ((nlmsg_hdr(message)->nlmsg_flags & NLM_F_DUMP_INTR) != 0) exchange.interrupted = true;
  exchange.done = true;
  return NL_STOP;
}

// What an earlier transaction that was given up left in the socket is skipped.
int on_sequence(nl_msg* message, void* argument) {
  return nlmsg_hdr(message)->nlmsg_seq == exchange_of(argument).sequence ? NL_OK : NL_SKIP;
}

int on_error(sockaddr_nl*, nlmsgerr* error, void* argument) {
  Exchange& exchange = exchange_of(argument);
  exchange.error = -error->error;
  exchange.done = true;
  const auto* header = reinterpret_cast<const nlmsghdr*>(reinterpret_cast<const char*>(error) - NLMSG_HDRLEN);
  if ((header->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return NL_STOP;
  // The request's header comes back whole, its payload only if not capped; then the explanation.
  std::size_t offset = sizeof(nlmsgerr);
  if ((header->nlmsg_flags & NLM_F_CAPPED) == 0) offset += NLMSG_ALIGN(error->msg.nlmsg_len) - NLMSG_HDRLEN;
  exchange.explanation = Attributes(*header, offset).text(NLMSGERR_ATTR_MSG);
  return NL_STOP;
}

Error library_error(const std::string& context, int code) {
  return Error{context + ": " + nl_geterror(code)};
}

}  // namespace

Request::Request(int type, int flags, const void* header, std::size_t size)
    : message_(nlmsg_alloc_simple(type, flags)), ok_(message_ != nullptr) {
  append(header, size);
}

Request& Request::append(const void* data, std::size_t size) {
  ok_ = ok_ && nlmsg_append(message_.get(), const_cast<void*>(data), size, NLMSG_ALIGNTO) >= 0;
  return *this;
}

Request& Request::bytes(int attribute, const void* data, std::size_t size) {
  ok_ = ok_ && nla_put(message_.get(), attribute, static_cast<int>(size), data) >= 0;
  return *this;
}

Request& Request::text(int attribute, const std::string& value) {
  return bytes(attribute, value.c_str(), value.size() + 1);
}

Request& Request::ip4(int attribute, Ip4 address) { return u32(attribute, htonl(address.value)); }

Request& Request::nested(int attribute, const std::function<void(Request&)>& fill) {
  nlattr* nest = ok_ ? nla_nest_start(message_.get(), attribute) : nullptr;
  ok_ = nest != nullptr;
  if (!ok_) return *this;
  fill(*this);
  nla_nest_end(message_.get(), nest);
  return *this;
}

void Socket::Free::operator()(nl_sock* socket) const { nl_socket_free(socket); }

int Socket::fd() const { return nl_socket_get_fd(socket_.get()); }

Result<Socket> Socket::open() {
  Socket made;
  made.ns_ = Fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!made.ns_) return std::unexpected(errno_error("/proc/thread-self/ns/net"));
  made.socket_.reset(nl_socket_alloc());
  if (!made.socket_) return std::unexpected(Error{"netlink socket: out of memory", ENOMEM});
  if (const int code = nl_connect(made.socket_.get(), NETLINK_ROUTE); code < 0)
    return std::unexpected(library_error("netlink socket", code));
  // Only explanations get lost if the kernel has no extended acknowledgements.
  const int on = 1;
  static_cast<void>(::setsockopt(made.fd(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)));
  static_cast<void>(::setsockopt(made.fd(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)));
  return made;
}

Result<Socket> Socket::open_in(const Fd& ns) {
  Result<Socket> made = std::unexpected(Error{});
  try {
    std::thread([&made, &ns] {
      if (::setns(ns.get(), CLONE_NEWNET) != 0)
        made = std::unexpected(errno_error("entering a network namespace"));
      else
        made = open();
    }).join();
  } catch (const std::system_error& error) {
    return std::unexpected(
        Error{std::string("cannot start a thread: ") + error.what(), error.code().value()});
  }
  return made;
}

Result<> Socket::transact(const Request& request,
                          const std::function<void(const nlmsghdr&)>& on_reply) const {
  if (!request.ok()) return std::unexpected(Error{"netlink request does not fit", EMSGSIZE});
  nlmsghdr* header = nlmsg_hdr(request.get());
  header->nlmsg_seq = NL_AUTO_SEQ;
  if (const int code = nl_send_auto(socket_.get(), request.get()); code < 0)
    return std::unexpected(library_error("netlink request", code));
  Exchange exchange{.on_reply = &on_reply, .sequence = header->nlmsg_seq, .explanation = {}};
  const std::unique_ptr<nl_cb, void (*)(nl_cb*)> callbacks(nl_cb_alloc(NL_CB_DEFAULT), nl_cb_put);
  if (!callbacks) return std::unexpected(Error{"netlink request: out of memory", ENOMEM});
  nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, on_valid, &exchange);
  nl_cb_set(callbacks.get(), NL_CB_FINISH, NL_CB_CUSTOM, on_end, &exchange);
  nl_cb_set(callbacks.get(), NL_CB_ACK, NL_CB_CUSTOM, on_end, &exchange);
  nl_cb_set(callbacks.get(), NL_CB_SEQ_CHECK, NL_CB_CUSTOM, on_sequence, &exchange);
  nl_cb_err(callbacks.get(), NL_CB_CUSTOM, on_error, &exchange);
  while (!exchange.done) {
    const int code = nl_recvmsgs(socket_.get(), callbacks.get());
    if (code == -NLE_DUMP_INTR)
      exchange.interrupted = true;
    else if (code < 0 && !exchange.done)
      return std::unexpected(library_error("netlink answer", code));
  }
  if (exchange.error != 0) {
    const std::string context = exchange.explanation.empty() ? "netlink" : "netlink: " + exchange.explanation;
    return std::unexpected(errno_error(context, exchange.error));
  }
  if (exchange.interrupted) return std::unexpected(errno_error("netlink dump overtaken by a change", EINTR));
  return {};
}

Attributes::Attributes(const nlmsghdr& message, std::size_t header_size) {
  if (!nlmsg_valid_hdr(&message, static_cast<int>(header_size))) return;
  const int size = static_cast<int>(header_size);
  nla_parse(table_.data(), kMax, nlmsg_attrdata(&message, size), nlmsg_attrlen(&message, size), nullptr);
}

Attributes::Attributes(const nlattr* nest) {
  if (nest != nullptr) nla_parse_nested(table_.data(), kMax, const_cast<nlattr*>(nest), nullptr);
}

bool Attributes::copy(int attribute, void* to, std::size_t size) const {
  const nlattr* from = get(attribute);
  if (from == nullptr || static_cast<std::size_t>(nla_len(from)) < size) return false;
  std::memcpy(to, nla_data(from), size);
  return true;
}

Ip4 Attributes::ip4(int attribute) const { return Ip4{ntohl(u32(attribute))}; }

Mac Attributes::mac(int attribute) const {
  Mac mac;
  if (const nlattr* from = get(attribute); from != nullptr && nla_len(from) == 6)
    copy(attribute, mac.bytes.data(), mac.bytes.size());
  return mac;
}

std::string Attributes::text(int attribute) const {
  const nlattr* from = get(attribute);
  if (from == nullptr) return {};
  const auto* text = static_cast<const char*>(nla_data(from));
  return {text, ::strnlen(text, static_cast<std::size_t>(nla_len(from)))};
}

}  // namespace xk::netlink
