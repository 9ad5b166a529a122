// The generator's end of a wire: frames in and out, many with one system call, and what a reply says.
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "bench/gen/packet_socket.h"
#include "dataplane/dhcp/frame.h"
#include "dataplane/dhcp/message4.h"
#include "dataplane/dhcp/options4.h"

namespace xk::gen {

inline constexpr std::uint64_t kSecond = 1'000'000'000u;
inline constexpr std::size_t kBatch = 64;  // frames of one system call

struct Reply {
  MessageType type = MessageType::none;
  std::uint32_t xid = 0;
  Mac chaddr{};
  Ip4 yiaddr{};
  Ip4 server_identifier{};
  Mac source_mac{};  // of the frame
};

// A server's message to a client, or nothing. Tags may still be in front: the walk skips them.
inline bool parse_reply(Bytes frame, Reply& reply) {
  xk_headers headers{};
  if (xk_walk(frame.data(), frame.data() + frame.size(), &headers) != XK_WALK_UDP) return false;
  const auto datagram = check_datagram4(frame, headers);
  if (!datagram || datagram->destination_port != XK_DHCP4_CLIENT_PORT) return false;
  const auto message = Message4View::parse(datagram->payload, dhcp4::kBootReply);
  if (!message) return false;
  const Bytes bytes = message->bytes();
  const auto end = walk_option_field(bytes, dhcp4::kOptions, bytes.size(), OptionField::options,
                                     [&](std::uint8_t code, const OptionPart& part) {
                                       if (code == option4::kMessageType && part.length == 1)
                                         reply.type = static_cast<MessageType>(bytes[part.value()]);
                                       if (code == 54 && part.length == 4)
                                         reply.server_identifier =
                                             ByteReader(bytes.subspan(part.value(), 4)).ip4();
                                       return XK_OUTCOME_COUNT;
                                     });
  reply.xid = message->xid();
  reply.chaddr = message->chaddr();
  reply.yiaddr = message->yiaddr();
  std::copy_n(frame.begin() + 6, reply.source_mac.bytes.size(), reply.source_mac.bytes.begin());
  return end.has_value();
}

// A packet socket that takes and gives many frames at once.
class Mailbox {
 public:
  explicit Mailbox(const std::string& interface) : socket_(open_packet_socket(interface, true)) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      in_parts_[i] = {in_[i].data(), in_[i].size()};
      out_parts_[i] = {out_[i].data(), 0};
      in_messages_[i].msg_hdr.msg_iov = &in_parts_[i];
      out_messages_[i].msg_hdr.msg_iov = &out_parts_[i];
      in_messages_[i].msg_hdr.msg_iovlen = out_messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  void send(Bytes frame) {
    if (waiting_ == kBatch) flush();
    std::ranges::copy(frame, out_[waiting_].begin());
    out_parts_[waiting_++].iov_len = frame.size();
  }
  void flush() {
    for (std::size_t sent = 0; sent < waiting_;) {
      const int n = sendmmsg(socket_.get(), &out_messages_[sent], static_cast<unsigned>(waiting_ - sent), 0);
      if (n > 0) sent += static_cast<std::size_t>(n);
      if (n < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR) break;
    }
    waiting_ = 0;
  }
  // Calls for each frame that has arrived; false: none had.
  bool receive(auto&& call) {
    const int got = recvmmsg(socket_.get(), in_messages_.data(), kBatch, MSG_DONTWAIT, nullptr);
    for (int i = 0; i < got; ++i) {
      const auto index = static_cast<std::size_t>(i);
      call(Bytes(in_[index]).first(in_messages_[index].msg_len));
    }
    return got > 0;
  }
  // Until a frame is there or the time is over.
  void wait(std::uint64_t left_ns) const {
    const timespec left{static_cast<time_t>(left_ns / kSecond), static_cast<long>(left_ns % kSecond)};
    pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    ppoll(&waiting, 1, &left, nullptr);
  }

 private:
  using Frame = std::array<std::uint8_t, 2048>;
  Fd socket_;
  std::size_t waiting_ = 0;  // to be sent
  std::array<Frame, kBatch> in_{}, out_{};
  std::array<iovec, kBatch> in_parts_{}, out_parts_{};
  std::array<mmsghdr, kBatch> in_messages_{}, out_messages_{};
};

}  // namespace xk::gen
