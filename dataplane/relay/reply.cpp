#include <array>
#include <cstring>

#include "dataplane/dhcp/emit.h"
#include "dataplane/dhcp/frame.h"
#include "dataplane/dhcp/message4.h"
#include "dataplane/dhcp/options4.h"
#include "dataplane/relay/own_option82.h"
#include "dataplane/relay/relay.h"

namespace xk {
namespace {

// What was parsed is borrowed: copying it would wait for the stores that wrote it.
struct Reply {
  const Datagram4& datagram;
  const Message4View& message;
  const Options4& options;
};

// Where a reply belongs and what of its option 82 is ours.
struct Placement {
  const AttachmentEntry* attachment = nullptr;
  bool cut = false;          // some of option 82 is ours
  std::size_t cut_from = 0;  // from here on in its content
  bool by_memory = false;    // no option 82 said so
};

bool is_from_server(MessageType type) {
  switch (type) {
    case MessageType::offer:
    case MessageType::ack:
    case MessageType::nak:
    case MessageType::force_renew:
    case MessageType::lease_unassigned:
    case MessageType::lease_unknown:
    case MessageType::lease_active:
      return true;
    default:
      return false;
  }
}

std::expected<Message4View, Outcome> parse_message(const Received& received, const Forwarding& forwarding,
                                                   const Datagram4& datagram) {
  const bool handoff = received.attachment->role == AttachmentRole::handoff;
  // Kea sends some answers straight to a client, port 68: all it sends from its port is its answer.
  const std::uint16_t port = handoff ? datagram.source_port : datagram.destination_port;
  if (port != XK_DHCP4_SERVER_PORT) return std::unexpected(XK_NOT_DHCP);
  if (!handoff && !forwarding.is_server_in(received.vrf->id, datagram.source))
    return std::unexpected(XK_SERVER_UNKNOWN);
  return Message4View::parse(datagram.payload, dhcp4::kBootReply);
}

// A reply with an option 82 in which no circuit-id is ours. It is the answer to a remembered request
// if that went out without ours, or with the names of an earlier generation, or ours has no circuit-id.
Outcome place_without_circuit_id(const Forwarding& forwarding, const RequestOrigin& origin, Bytes content,
                                 const Mac& chaddr, Placement& placement) {
  const AttachmentEntry* attachment = forwarding.attachment(origin.attachment);
  if (attachment == nullptr) return XK_REPLY_OPTION82_FOREIGN;
  placement.attachment = attachment;
  if (content.size() == origin.foreign_option82) return XK_OUTCOME_COUNT;
  if (!origin.own_option82 || content.size() < origin.foreign_option82) return XK_REPLY_OPTION82_FOREIGN;
  const bool renamed = origin.generation != static_cast<std::uint32_t>(forwarding.snapshot().generation);
  const bool by_remote_id =
      attachment->circuit_id.empty() && has_remote_id(*attachment, content, origin.foreign_option82, chaddr);
  if (!renamed && !by_remote_id) return XK_REPLY_OPTION82_FOREIGN;
  placement.cut = true;
  placement.cut_from = origin.foreign_option82;
  return XK_OUTCOME_COUNT;
}

// Fills in placement, or says why the reply is dropped; XK_OUTCOME_COUNT if it is not.
Outcome place(const Received& received, const Forwarding& forwarding, const RecentRequests& recent,
              const Reply& reply, Placement& placement) {
  const VrfId server_vrf = received.vrf->id;
  const Message4View& message = reply.message;
  const Mac chaddr = message.chaddr();
  if (reply.options.agent_count == 0) {
    const RequestOrigin origin = recent.find(server_vrf, message.xid(), chaddr, received.now_ms);
    placement.attachment = forwarding.attachment(origin.attachment);
    placement.by_memory = true;
    return placement.attachment == nullptr ? XK_REPLY_AMBIGUOUS : XK_OUTCOME_COUNT;
  }
  std::array<std::uint8_t, kOptionJoinedMax> scratch;
  const Bytes content = join_option4(message.bytes(), reply.options.agent_parts(), std::span(scratch));
  if (!agent_well_formed(content)) return XK_OPTION82_BAD;
  if (const auto own = find_own_option82(forwarding, server_vrf, content, chaddr)) {
    placement.attachment = own->attachment;
    placement.cut = true;
    placement.cut_from = own->from;
  } else {
    const RequestOrigin origin = recent.find(server_vrf, message.xid(), chaddr, received.now_ms);
    const Outcome fault = place_without_circuit_id(forwarding, origin, content, chaddr, placement);
    if (fault != XK_OUTCOME_COUNT) return fault;
  }
  // RFC 6607 4: a server that understood VSS takes VSS-Control out of its reply.
  if (placement.cut && find_agent_sub_option(content, AgentSubOption::vss_control, placement.cut_from))
    return XK_REPLY_VSS_IGNORED;
  return XK_OUTCOME_COUNT;
}

Ip4 source_of(const AttachmentEntry& attachment, const VrfEntry& vrf, Ip4 server) {
  for (const Ip4 address : {attachment.server_identifier, attachment.relay_address, vrf.giaddr})
    if (!address.is_zero()) return address;
  return server;
}

// The address of the client that gets the reply by unicast, zero if there is none.
Ip4 client_address(const Received& received, const Reply& reply) {
  if (reply.message.ciaddr().is_unicast()) return reply.message.ciaddr();
  if (reply.message.yiaddr().is_unicast()) return reply.message.yiaddr();
  // An INFORM answer of our Kea goes to the client's own address and need not repeat it inside.
  if (received.attachment->role == AttachmentRole::handoff &&
      reply.datagram.destination_port == XK_DHCP4_CLIENT_PORT && reply.datagram.destination.is_unicast())
    return reply.datagram.destination;
  return {};
}

// Fills in to, or says why there is nobody; XK_OUTCOME_COUNT if there is.
Outcome destination_of(const Received& received, const Forwarding& forwarding, const RecentRequests& recent,
                       const Reply& reply, const AttachmentEntry& attachment, const VrfEntry& vrf,
                       Destination& to) {
  const Message4View& message = reply.message;
  const auto origin_mac = [&] {
    const RequestOrigin origin =
        recent.find(received.vrf->id, message.xid(), message.chaddr(), received.now_ms);
    return origin.attachment == attachment.id && origin.next_hop.is_unicast() ? origin.next_hop : Mac{};
  };
  to.source = source_of(attachment, vrf, reply.datagram.source);
  const Ip4 giaddr = message.giaddr();
  if (!giaddr.is_zero() && !forwarding.is_own_address(attachment.vrf, giaddr) &&
      !forwarding.is_own_address(received.vrf->id, giaddr)) {
    if (!giaddr.is_unicast()) return XK_REPLY_NO_TARGET;
    to.address = giaddr;
    to.port = XK_DHCP4_SERVER_PORT;
    to.mac = recent.relay_mac(attachment.id, giaddr);
    if (!to.mac.is_unicast()) to.mac = origin_mac();
    // Never seen (we were restarted): a relay takes its own address from a broadcast frame too.
    if (to.mac.is_zero()) to.mac = Mac::broadcast();
    return XK_OUTCOME_COUNT;
  }
  to.port = XK_DHCP4_CLIENT_PORT;
  const bool unicast =
      reply.options.type != MessageType::nak && (message.ciaddr().is_unicast() || !message.broadcast());
  if (!unicast) {
    to.address = Ip4::limited_broadcast();
    to.mac = Mac::broadcast();
    return XK_OUTCOME_COUNT;
  }
  to.address = client_address(received, reply);
  const bool routed = attachment.subnet.length != 0 && !attachment.subnet.contains(to.address);
  if (routed) to.mac = origin_mac();
  if (to.mac.is_zero()) to.mac = message.chaddr();
  if (to.address.is_zero() || !to.mac.is_unicast()) return XK_REPLY_NO_TARGET;
  return XK_OUTCOME_COUNT;
}

// Writes the message without what of option 82 is ours; its length, 0 if it is over length_max.
std::size_t write_message(const Reply& reply, const Placement& placement, std::size_t length_max,
                          MutableBytes out) {
  const Bytes message = reply.message.bytes();
  if (message.size() > out.size()) return 0;
  std::size_t length = message.size();
  if (placement.cut) {
    length = copy_without_agent(message, reply.options.agent_parts(), placement.cut_from, out);
  } else {
    std::memcpy(out.data(), message.data(), length);
  }
  const std::size_t padded = std::max(length, dhcp4::kMessageMin);
  if (padded > length_max) return 0;
  std::memset(out.data() + length, 0, padded - length);
  return padded;
}

// Sends the reply to the client or relay it is for.
Verdict send(const Received& received, const Forwarding& forwarding, const RecentRequests& recent,
             const Reply& reply, MutableBytes out, Emission& emission) {
  Placement placement;
  if (const Outcome fault = place(received, forwarding, recent, reply, placement); fault != XK_OUTCOME_COUNT)
    return Verdict::drop(fault);
  const AttachmentEntry& attachment = *placement.attachment;
  const VrfEntry& vrf = *forwarding.vrf(attachment.vrf);
  if (received.attachment->role != AttachmentRole::handoff &&
      !forwarding.is_server_of(vrf, reply.datagram.source))
    return Verdict::drop(XK_SERVER_UNKNOWN);
  Destination destination;
  if (const Outcome fault = destination_of(received, forwarding, recent, reply, attachment, vrf, destination);
      fault != XK_OUTCOME_COUNT)
    return Verdict::drop(fault);

  const PortEntry& port = *forwarding.port(attachment.port);
  const MutableBytes message = out.subspan(headers_size(attachment.outer, attachment.inner));
  const std::size_t length =
      write_message(reply, placement, message_max(attachment.outer, attachment.inner, port, out), message);
  if (length == 0) return Verdict::drop(XK_PACKET_TOO_BIG);
  emission.length =
      write_frame(attachment.outer, attachment.inner, port, destination, reply.message.xid(), length, out);
  emission.out = attachment.id;
  emission.port = attachment.port;
  if (received.attachment->role != AttachmentRole::handoff) emission.server = reply.datagram.source;

  Verdict verdict;
  if (reply.datagram.checksum_partial) verdict.note(XK_NOTE_UDP_CHECKSUM_PARTIAL);
  if (placement.by_memory) verdict.note(XK_NOTE_REPLY_FALLBACK);
  return verdict;
}

}  // namespace

Verdict relay_reply(const Received& received, const Forwarding& forwarding, const RecentRequests& recent,
                    MutableBytes out, Emission& emission) {
  const auto datagram = check_datagram4(received.frame, received.headers);
  if (!datagram) return Verdict::drop(datagram.error());
  const auto message = parse_message(received, forwarding, *datagram);
  if (!message) return Verdict::drop(message.error());
  const auto options = scan_options4(message->bytes());
  if (!options) return Verdict::drop(options.error());
  if (!is_from_server(options->type)) return Verdict::drop(XK_OPTION_MESSAGE_TYPE_BAD);
  return send(received, forwarding, recent, Reply{*datagram, *message, *options}, out, emission);
}

}  // namespace xk
