// The message of a reply that we make ourselves: what of all there is to say the client wants, in which
// order, and where in the message it has room (RFC 2131 4.1 and 4.3, RFC 2132 9.3 and 9.8, RFC 3396, 3046,
// 6842).
#pragma once

#include <cstddef>
#include <cstdint>

#include "dataplane/base/bytes.h"
#include "dataplane/base/snapshot.h"
#include "dataplane/dhcp/message4.h"

namespace xk {

// Everything is borrowed. Options are whole options, parts of one side by side; what is in own_options takes
// the place of what subnet_options has.
struct ReplyContent {
  MessageType type = MessageType::none;  // offer, ack or nak
  Bytes request;                         // the message that is answered, its fixed part at least
  Ip4 address{};                         // yiaddr; 0 in a NAK and for an INFORM
  Ip4 server_identifier{};
  const SubnetEntry* subnet = nullptr;  // not of a NAK
  bool lease_times = false;             // not in the answer to an INFORM
  Bytes own_options;
  Bytes wanted;     // the client's parameter request list, may be empty
  Bytes client_id;  // value of option 61, to be echoed (RFC 6842); empty: it had none
  Bytes agent;      // content of its option 82, to be echoed; empty: it had none
};

struct ReplySize {
  std::size_t client_max = 0;  // bytes of the message that the client takes; option 82 does not count
  std::size_t frame_max = 0;   // bytes of the message that the way out takes
};

struct WrittenReply {
  std::size_t length = 0;  // 0: not even what must be in it has room
  bool left_out = false;   // something of the options had none
};

// Writes the message into out, which holds size.frame_max bytes at least and 300.
//
// Fixed are message type, server identifier, lease time, T1, T2 and client identifier; then come the options
// of the parameter request list in its order, but the subnet mask before the routers (RFC 2132 3.3); then,
// wanted or not, subnet mask, routers, DNS servers, domain name and host name, if there are any; last,
// option 82. What the options field has no room for goes into file, then sname (option 52).
[[nodiscard]] WrittenReply write_reply(const ReplyContent& content, const ReplySize& size, MutableBytes out);

// RFC 2132 9.10: the largest message a client takes, from the value of its option 57 (0: it sent none). The
// option counts the IP and UDP headers too, as does the minimum of 576 bytes.
[[nodiscard]] std::size_t client_message_max(std::uint16_t option57);

}  // namespace xk
