// Requests to the kernel's rtnetlink and what it answers. Private to netlink/.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>

#include "controlplane/reconcile/ports.h"

struct nl_sock;

namespace xk::netlink {

// One request under construction.
class Request {
 public:
  template <typename Header>
  Request(int type, int flags, const Header& header) : Request(type, flags, &header, sizeof(header)) {}

  Request& u8(int attribute, std::uint8_t value) { return bytes(attribute, &value, sizeof(value)); }
  Request& u32(int attribute, std::uint32_t value) { return bytes(attribute, &value, sizeof(value)); }
  Request& text(int attribute, const std::string& value);  // with its terminating zero
  Request& ip4(int attribute, Ip4 address);
  Request& mac(int attribute, const Mac& mac) { return bytes(attribute, mac.bytes.data(), mac.bytes.size()); }
  Request& nested(int attribute, const std::function<void(Request&)>& fill);
  // Plain bytes within a nested attribute: the header in front of VETH_INFO_PEER's attributes.
  template <typename Header>
  Request& header(const Header& value) {
    return append(&value, sizeof(value));
  }

  [[nodiscard]] nl_msg* get() const { return message_.get(); }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  struct Free {
    void operator()(nl_msg* message) const { nlmsg_free(message); }
  };
  Request(int type, int flags, const void* header, std::size_t size);
  Request& bytes(int attribute, const void* data, std::size_t size);
  Request& append(const void* data, std::size_t size);

  std::unique_ptr<nl_msg, Free> message_;
  bool ok_ = true;
};

// A request socket. It stays in the network namespace it was made in, whoever uses it.
class Socket {
 public:
  [[nodiscard]] static Result<Socket> open();
  [[nodiscard]] static Result<Socket> open_in(const Fd& ns);

  // The network namespace it is in.
  [[nodiscard]] int ns() const { return ns_.get(); }

  // Takes ioctls of links there too. Borrowed.
  [[nodiscard]] int fd() const;

  // Sends the request, hands each message of the answer to on_reply and returns when the kernel has
  // acknowledged it, or with the kernel's errno and explanation. A dump that was overtaken by a
  // change fails with EINTR.
  [[nodiscard]] Result<> transact(const Request& request,
                                  const std::function<void(const nlmsghdr&)>& on_reply = {}) const;

 private:
  struct Free {
    void operator()(nl_sock* socket) const;
  };
  std::unique_ptr<nl_sock, Free> socket_;
  Fd ns_;
};

// Attributes by number, of a message or of an attribute that nests them; absent ones read as zero.
class Attributes {
 public:
  static constexpr int kMax = 63;
  Attributes(const nlmsghdr& message, std::size_t header_size);
  explicit Attributes(const nlattr* nest);  // nullptr: none

  [[nodiscard]] const nlattr* get(int attribute) const { return table_[static_cast<std::size_t>(attribute)]; }
  [[nodiscard]] std::uint8_t u8(int attribute) const { return number<std::uint8_t>(attribute); }
  [[nodiscard]] std::uint16_t u16(int attribute) const { return number<std::uint16_t>(attribute); }
  [[nodiscard]] std::uint32_t u32(int attribute) const { return number<std::uint32_t>(attribute); }
  [[nodiscard]] Ip4 ip4(int attribute) const;
  [[nodiscard]] Mac mac(int attribute) const;  // zero unless it has 6 bytes
  [[nodiscard]] std::string text(int attribute) const;

 private:
  template <typename T>
  [[nodiscard]] T number(int attribute) const {
    T value = 0;
    copy(attribute, &value, sizeof(value));
    return value;
  }
  bool copy(int attribute, void* to, std::size_t size) const;
  std::array<nlattr*, kMax + 1> table_{};
};

// The message's own header, zeros if it is too short.
template <typename Header>
[[nodiscard]] Header header_of(const nlmsghdr& message) {
  Header header{};
  if (nlmsg_valid_hdr(&message, sizeof(header))) std::memcpy(&header, nlmsg_data(&message), sizeof(header));
  return header;
}

}  // namespace xk::netlink
