#include <array>
#include <cstring>

#include "dataplane/dhcp/emit.h"
#include "dataplane/dhcp/frame.h"
#include "dataplane/dhcp/message4.h"
#include "dataplane/dhcp/option82_policy.h"
#include "dataplane/dhcp/options4.h"
#include "dataplane/relay/own_option82.h"
#include "dataplane/relay/relay.h"

namespace xk {
namespace {

constexpr std::size_t kOption82Max = 2 + kAgentContentMax;

// A request and what the rules that do not depend on the server say about it. What was parsed is
// borrowed: copying it would wait for the stores that wrote it.
struct Request {
  const Datagram4& datagram;
  const Message4View& message;
  const Options4& options;
  Option82Action action = Option82Action::pass;
  std::uint16_t foreign_option82 = 0;  // bytes of content that stay
};

bool is_from_client(MessageType type) {
  switch (type) {
    case MessageType::discover:
    case MessageType::request:
    case MessageType::decline:
    case MessageType::release:
    case MessageType::inform:
    case MessageType::lease_query:
      return true;
    default:
      return false;
  }
}

// RFC 3046 2.1: what is there must be well-formed, and must not look like ours: kept in the request
// it would come back and choose another attachment.
std::expected<void, Outcome> check_foreign_option82(const Received& received, const Forwarding& forwarding,
                                                    Request& request) {
  if (request.options.agent_count == 0) return {};
  std::array<std::uint8_t, kOptionJoinedMax> scratch;
  const Bytes content =
      join_option4(request.message.bytes(), request.options.agent_parts(), std::span(scratch));
  if (!agent_well_formed(content)) return std::unexpected(XK_OPTION82_BAD);
  if (request.action == Option82Action::replace) return {};
  if (find_own_option82(forwarding, received.vrf->server_vrf, content, request.message.chaddr()))
    return std::unexpected(XK_OPTION82_SPOOFED);
  request.foreign_option82 = static_cast<std::uint16_t>(content.size());
  return {};
}

std::expected<void, Outcome> check_giaddr(const Forwarding& forwarding, const VrfEntry& vrf, Ip4 giaddr) {
  if (giaddr.is_zero()) return {};
  if (!giaddr.is_unicast()) return std::unexpected(XK_GIADDR_BAD);
  if (forwarding.is_own_address(vrf.id, giaddr) || forwarding.is_own_address(vrf.server_vrf, giaddr))
    return std::unexpected(XK_GIADDR_SPOOFED);
  return {};
}

std::expected<Message4View, Outcome> parse_message(const Received& received, const Datagram4& datagram) {
  if (received.vrf->engine == Engine::native) return std::unexpected(XK_VRF_NOT_SERVED);
  if (datagram.destination_port != XK_DHCP4_SERVER_PORT) return std::unexpected(XK_NOT_DHCP);
  return Message4View::parse(datagram.payload, dhcp4::kBootRequest);
}

std::expected<void, Outcome> check_rules(const Received& received, const Forwarding& forwarding,
                                         Request& request) {
  const Message4View& message = request.message;
  if (!is_from_client(request.options.type)) return std::unexpected(XK_OPTION_MESSAGE_TYPE_BAD);
  // Who has a lease renews, rebinds and comes back after a reboot; who asks anew goes elsewhere.
  if (received.vrf->draining && request.options.type == MessageType::discover)
    return std::unexpected(XK_VRF_DRAINING);
  // RFC 1542 4.1.1: a request that arrives with as many hops as are allowed is not relayed.
  if (message.hops() >= received.vrf->hops_max) return std::unexpected(XK_HOPS_EXCEEDED);
  if (auto giaddr = check_giaddr(forwarding, *received.vrf, message.giaddr()); !giaddr) return giaddr;
  const bool present = request.options.agent_count != 0;
  const auto action = decide_option82(*received.attachment, message.giaddr(), present);
  if (!action) return std::unexpected(action.error());
  request.action = *action;
  return check_foreign_option82(received, forwarding, request);
}

Mac source_mac(Bytes frame) {
  Mac mac;
  std::copy_n(frame.begin() + mac.bytes.size(), mac.bytes.size(), mac.bytes.begin());
  return mac;
}

bool is_unicast(const Received& received, Ip4 destination) {
  return destination.is_unicast() && !Forwarding::is_subnet_broadcast(*received.attachment, destination);
}

// The address that says which subnet the client is in (RFC 3527), zero if that is not to be said.
// It is the attachment's, but for a client behind a router that renews by unicast: RFC 2131 4.3.2
// has its ciaddr right, and the frame comes from the router.
Ip4 link_of(const Received& received, const Request& request) {
  const AttachmentEntry& attachment = *received.attachment;
  const VrfEntry& vrf = *received.vrf;
  const bool wanted = vrf.engine == Engine::kea || vrf.link_selection || !vrf.giaddr.is_zero();
  if (!wanted || attachment.link_address.is_zero() || !request.message.giaddr().is_zero()) return {};
  const Ip4 ciaddr = request.message.ciaddr();
  const bool routed = ciaddr.is_unicast() && !attachment.subnet.contains(ciaddr) &&
                      is_unicast(received, request.datagram.destination) &&
                      source_mac(received.frame) != request.message.chaddr();
  return routed ? ciaddr : attachment.link_address;
}

Ip4 giaddr_of(const Received& received, const Request& request, bool link_said) {
  const AttachmentEntry& attachment = *received.attachment;
  const VrfEntry& vrf = *received.vrf;
  if (!request.message.giaddr().is_zero()) return request.message.giaddr();
  // Our Kea finds the subnet by giaddr where no sub-option says it, and answers to the handoff,
  // which is its default route, all the same.
  const Ip4 own = attachment.server_identifier;
  if (vrf.engine == Engine::kea && !link_said && !own.is_zero() && attachment.subnet.contains(own))
    return own;
  return vrf.giaddr.is_zero() ? attachment.relay_address : vrf.giaddr;
}

void remember(const Received& received, const Forwarding& forwarding, const Request& request,
              bool own_option82, RecentRequests& recent) {
  const Message4View& message = request.message;
  const Mac from = source_mac(received.frame);
  recent.remember(received.vrf->server_vrf, message.xid(), message.chaddr(),
                  RequestOrigin{.attachment = received.attachment->id,
                                .next_hop = from,
                                .foreign_option82 = request.foreign_option82,
                                .own_option82 = own_option82,
                                .generation = static_cast<std::uint32_t>(forwarding.snapshot().generation)},
                  received.now_ms);
  if (!message.giaddr().is_zero()) recent.remember_relay(received.attachment->id, message.giaddr(), from);
}

// Writes our option 82 where it belongs in a message, within out. Bytes written; nullopt: no room.
std::optional<std::size_t> write_option(const Received& received, const Request& request, Ip4 link,
                                        MutableBytes out) {
  if (request.action == Option82Action::pass) return 0;
  const OwnOption82Facts facts{.chaddr = request.message.chaddr(),
                               .link = link,
                               .chained = !request.message.giaddr().is_zero(),
                               .unicast = is_unicast(received, request.datagram.destination)};
  return write_own_option82(*received.attachment, *received.vrf, facts,
                            out.first(std::min(out.size(), kOption82Max)));
}

// The message as it goes out.
struct Written {
  std::size_t length = 0;  // 0: over length_max
  bool own_option82 = false;
  bool no_room = false;
};

// Writes the message with our option in front of its END. What is behind END moves, and is cut
// where the message would grow past what it was.
Written write_message(const Received& received, const Request& request, Ip4 link, MutableBytes out) {
  const Bytes message = request.message.bytes();
  Written written;
  std::array<std::uint8_t, kFrameMax> scratch;
  Bytes base = message;
  std::size_t end = request.options.end;
  if (request.action == Option82Action::replace) {
    if (message.size() > scratch.size()) return written;
    base = Bytes(scratch).first(copy_without_agent(message, request.options.agent_parts(), 0, scratch));
    end -= message.size() - base.size();
  }
  if (end + 1 > out.size()) return written;
  const auto option = write_option(received, request, link, out.subspan(end, out.size() - end - 1));
  written.no_room = !option;
  written.own_option82 = option.value_or(0) != 0;
  const std::size_t tail_at = end + option.value_or(0);
  const std::size_t wanted = std::max(base.size(), dhcp4::kMessageMin);
  written.length = std::max(tail_at + 1, std::min(wanted, out.size()));
  const std::size_t tail = std::min(base.size() - end, written.length - tail_at);
  std::memcpy(out.data(), base.data(), end);
  std::memcpy(out.data() + tail_at, base.data() + end, tail);
  std::memset(out.data() + tail_at + tail, 0, written.length - tail_at - tail);
  return written;
}

// Whether this server answers the request, if it is there (RFC 2131 4.3). One that it knows nothing of
// it may leave alone: server_health.h does not judge by a single one.
bool is_answer_due(const Received& received, const Forwarding& forwarding, const Request& request,
                   Ip4 server) {
  const MessageType type = request.options.type;
  if (type == MessageType::decline || type == MessageType::release) return false;
  const Ip4 named = request.options.server_id;
  return named.is_zero() || named == server || forwarding.is_own_address(received.vrf->id, named);
}

// Sends the request to one server.
Verdict send(const Received& received, const Forwarding& forwarding, const Request& request,
             std::size_t server_index, RecentRequests& recent, MutableBytes out, Emission& emission) {
  if (server_index >= received.ways.size()) return Verdict::drop(XK_SERVER_NONE);
  const Way& way = received.ways[server_index];
  const ServerEntry& server = way.server;
  if (!way.there || server.next_hop.is_zero() || server.source.is_zero())
    return Verdict::drop(XK_SERVER_UNRESOLVED);
  const PortEntry& port = *forwarding.port(way.port);
  const Ip4 link = link_of(received, request);
  const MutableBytes message =
      out.subspan(headers_size(way.outer, way.inner), message_max(way.outer, way.inner, port, out));
  const Written written = write_message(received, request, link, message);
  remember(received, forwarding, request, written.own_option82, recent);
  if (written.length == 0) return Verdict::drop(XK_PACKET_TOO_BIG);
  const Ip4 giaddr = giaddr_of(received, request, written.own_option82 && !link.is_zero());
  if (giaddr.is_zero()) return Verdict::drop(XK_VRF_NOT_SERVED);
  message[dhcp4::kHops] = static_cast<std::uint8_t>(request.message.hops() + 1);
  ByteWriter(message.subspan(dhcp4::kGiaddr, 4)).ip4(giaddr);
  emission.length =
      write_frame(way.outer, way.inner, port,
                  Destination{server.next_hop, server.source, server.address, XK_DHCP4_SERVER_PORT},
                  request.message.xid(), written.length, out);
  emission.out = server.via;
  emission.port = way.port;
  emission.answer_due = is_answer_due(received, forwarding, request, server.address);

  Verdict verdict;
  if (request.datagram.checksum_partial) verdict.note(XK_NOTE_UDP_CHECKSUM_PARTIAL);
  if (written.no_room) verdict.note(XK_NOTE_OPTION82_NO_ROOM);
  return verdict;
}

}  // namespace

Outcome check_request(const Received& received, const Forwarding& forwarding) {
  const auto datagram = check_datagram4(received.frame, received.headers);
  if (!datagram) return datagram.error();
  const auto message = parse_message(received, *datagram);
  if (!message) return message.error();
  const auto options = scan_options4(message->bytes());
  if (!options) return options.error();
  Request request{.datagram = *datagram, .message = *message, .options = *options};
  const auto rules = check_rules(received, forwarding, request);
  return rules ? XK_OUTCOME_COUNT : rules.error();
}

Verdict relay_request(const Received& received, const Forwarding& forwarding, std::size_t server_index,
                      RecentRequests& recent, MutableBytes out, Emission& emission) {
  const auto datagram = check_datagram4(received.frame, received.headers);
  if (!datagram) return Verdict::drop(datagram.error());
  const auto message = parse_message(received, *datagram);
  if (!message) return Verdict::drop(message.error());
  recent.prefetch(received.vrf->server_vrf, message->xid(), message->chaddr());
  const auto options = scan_options4(message->bytes());
  if (!options) return Verdict::drop(options.error());
  Request request{.datagram = *datagram, .message = *message, .options = *options};
  if (const auto rules = check_rules(received, forwarding, request); !rules)
    return Verdict::drop(rules.error());
  return send(received, forwarding, request, server_index, recent, out, emission);
}

}  // namespace xk
