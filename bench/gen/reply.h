// What a server's reply says, as far as the generator needs it.
#pragma once

#include <algorithm>

#include "dataplane/dhcp/frame.h"
#include "dataplane/dhcp/message4.h"
#include "dataplane/dhcp/options4.h"

namespace xk::gen {

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

}  // namespace xk::gen
