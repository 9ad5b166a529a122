// The message of a reply that we make ourselves: what of all there is to say the client wants, in which
// order, and where in the message it has room (RFC 2131 4.1 and 4.3, RFC 2132 9.3 and 9.8, RFC 3396, 3046,
// 6842).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "dataplane/base/bytes.h"
#include "dataplane/base/snapshot.h"
#include "dataplane/dhcp/message4.h"

namespace xk {

// Options 51, 58 and 59, seconds.
struct LeaseTimes {
  std::uint32_t lease_s = 0;
  std::uint32_t renew_s = 0;
  std::uint32_t rebind_s = 0;
};

inline constexpr std::size_t kReplyLayersMax = 36;

// Everything is borrowed.
struct ReplyContent {
  MessageType type = MessageType::none;  // none: the reply to a BOOTP request (RFC 1534 2)
  Bytes request;                         // the message that is answered, its fixed part at least
  Ip4 address{};                         // yiaddr; 0 in a NAK and for an INFORM
  Ip4 server_identifier{};
  Ip4 next_server{};                // siaddr
  std::string_view boot_file;       // file
  std::optional<LeaseTimes> times;  // not in a NAK, nor in the answer to an INFORM
  // What there is to say, each whole options, parts of one side by side; what a layer has takes the place of
  // what those before it have. None in a NAK. Up to kReplyLayersMax.
  std::span<const Bytes> layers;
  Bytes more;                // whole options that are said in any case
  Bytes wanted;              // the client's parameter request list, may be empty
  Bytes client_id;           // value of option 61, to be echoed (RFC 6842); empty: it had none
  Bytes agent;               // content of its option 82, to be echoed; empty: it had none
  bool only_wanted = false;  // of the layers: nothing that is not in the list
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
// Fixed are message type, server identifier, lease time, T1, T2, client identifier and more; then come the
// options of the parameter request list in its order, but the subnet mask before the routers (RFC 2132 3.3);
// then, wanted or not, subnet mask, routers, DNS servers, domain name and host name, if there are any; last,
// option 82. What the options field has no room for goes into file, then sname (option 52).
[[nodiscard]] WrittenReply write_reply(const ReplyContent& content, const ReplySize& size, MutableBytes out);

// RFC 2132 9.10: the largest message a client takes, from the value of its option 57 (0: it sent none). The
// option counts the IP and UDP headers too, as does the minimum of 576 bytes.
[[nodiscard]] std::size_t client_message_max(std::uint16_t option57);

}  // namespace xk
