#include <array>
#include <cstring>

#include "dataplane/dhcp/frame.h"
#include "dataplane/dhcp/message4.h"
#include "dataplane/dhcp/options4.h"
#include "dataplane/relay/emit.h"
#include "dataplane/relay/option82_policy.h"
#include "dataplane/relay/own_option82.h"
#include "dataplane/relay/relay.h"

namespace xk {
namespace {

constexpr std::size_t kOption82Max = 2 + kAgentContentMax;

// A request that passed every rule that does not depend on the server.
struct Request {
  Datagram4 datagram;
  Message4View message;
  Options4 options;
  Option82Action action;
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

std::expected<Request, Outcome> check_request(const Received& received, const Forwarding& forwarding,
                                              const RecentRequests& recent) {
  const VrfEntry& vrf = *received.vrf;
  if (vrf.engine == Engine::native) return std::unexpected(XK_VRF_NOT_SERVED);
  const auto datagram = check_datagram4(received.frame, received.headers);
  if (!datagram) return std::unexpected(datagram.error());
  if (datagram->destination_port != XK_DHCP4_SERVER_PORT) return std::unexpected(XK_NOT_DHCP);
  const auto message = Message4View::parse(datagram->payload, dhcp4::kBootRequest);
  if (!message) return std::unexpected(message.error());
  recent.prefetch(vrf.server_vrf, message->xid(), message->chaddr());
  const auto options = scan_options4(message->bytes());
  if (!options) return std::unexpected(options.error());
  if (!is_from_client(options->type)) return std::unexpected(XK_OPTION_MESSAGE_TYPE_BAD);
  // RFC 1542 4.1.1: a request that arrives with as many hops as are allowed is not relayed.
  if (message->hops() >= vrf.hops_max) return std::unexpected(XK_HOPS_EXCEEDED);
  if (const auto giaddr = check_giaddr(forwarding, vrf, message->giaddr()); !giaddr)
    return std::unexpected(giaddr.error());
  const auto action = decide_option82(*received.attachment, message->giaddr(), options->agent_count != 0);
  if (!action) return std::unexpected(action.error());
  Request request{*datagram, *message, *options, *action};
  if (const auto foreign = check_foreign_option82(received, forwarding, request); !foreign)
    return std::unexpected(foreign.error());
  return request;
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
  if (vrf.engine == Engine::kea && !link_said && attachment.subnet.contains(attachment.server_identifier))
    return attachment.server_identifier;
  return vrf.giaddr.is_zero() ? attachment.relay_address : vrf.giaddr;
}

void remember(const Received& received, const Request& request, bool own_option82, RecentRequests& recent) {
  const Message4View& message = request.message;
  const Mac from = source_mac(received.frame);
  recent.remember(received.vrf->server_vrf, message.xid(), message.chaddr(),
                  RequestOrigin{.attachment = received.attachment->id,
                                .next_hop = from,
                                .foreign_option82 = request.foreign_option82,
                                .own_option82 = own_option82},
                  received.now_ms);
  if (!message.giaddr().is_zero()) recent.remember_relay(received.attachment->id, message.giaddr(), from);
}

// Writes the message with option in front of its END; returns its length, 0 if it is over length_max.
std::size_t write_message(const Request& request, Bytes option, std::size_t length_max, MutableBytes out) {
  const Bytes message = request.message.bytes();
  if (message.size() > out.size()) return 0;
  std::size_t end = request.options.end;
  Bytes base = message;
  if (request.action == Option82Action::replace) {
    const std::size_t left = copy_without_agent(message, request.options.agent_parts(), 0, out);
    base = out.first(left);
    end -= message.size() - left;
  }
  const std::size_t needed = end + option.size() + 1;
  if (needed > length_max) return 0;
  const std::size_t wanted = std::max(base.size(), dhcp4::kMessageMin);
  const std::size_t length = std::max(needed, std::min(wanted, length_max));

  const std::size_t tail = std::min(base.size() - end, length - end - option.size());
  std::memmove(out.data() + end + option.size(), base.data() + end, tail);
  if (base.data() != out.data()) std::memcpy(out.data(), base.data(), end);
  if (!option.empty()) std::memcpy(out.data() + end, option.data(), option.size());
  const std::size_t written = end + option.size() + tail;
  std::memset(out.data() + written, 0, length - written);
  return length;
}

// The option 82 that goes with a request, and whether what it should say found no room.
struct OwnOption {
  std::array<std::uint8_t, kOption82Max> buffer;
  std::size_t length = 0;
  bool says_link = false;
  bool no_room = false;
  [[nodiscard]] Bytes bytes() const { return Bytes(buffer).first(length); }
  void leave_out() {
    length = 0;
    says_link = false;
    no_room = true;
  }
};

void write_option(const Received& received, const Request& request, OwnOption& option) {
  if (request.action == Option82Action::pass) return;
  const OwnOption82Facts facts{.chaddr = request.message.chaddr(),
                               .link = link_of(received, request),
                               .chained = !request.message.giaddr().is_zero(),
                               .unicast = is_unicast(received, request.datagram.destination)};
  const auto written = write_own_option82(*received.attachment, *received.vrf, facts, option.buffer);
  option.no_room = !written;
  option.length = written.value_or(0);
  option.says_link = option.length != 0 && !facts.link.is_zero();
}

}  // namespace

Verdict relay_request(const Received& received, const Forwarding& forwarding, std::size_t server_index,
                      RecentRequests& recent, MutableBytes out, Emission& emission) {
  const auto request = check_request(received, forwarding, recent);
  if (!request) return Verdict::drop(request.error());
  if (server_index >= received.vrf->servers.size()) return Verdict::drop(XK_SERVER_NONE);
  OwnOption option;
  write_option(received, *request, option);

  const ServerEntry& server = received.vrf->servers[server_index];
  const AttachmentEntry* via = forwarding.attachment(server.via);
  const bool resolved = via != nullptr && !server.next_hop.is_zero() && !server.source.is_zero();
  std::size_t length = 0;
  if (resolved) {
    const std::size_t length_max = message_max(*via, *forwarding.port(via->port), out);
    const MutableBytes message = out.subspan(headers_size(via->outer, via->inner));
    length = write_message(*request, option.bytes(), length_max, message);
    if (length == 0 && option.length != 0) {
      option.leave_out();
      length = write_message(*request, {}, length_max, message);
    }
  }
  if (server_index == 0) remember(received, *request, option.length != 0, recent);
  if (!resolved) return Verdict::drop(XK_SERVER_UNRESOLVED);
  if (length == 0) return Verdict::drop(XK_PACKET_TOO_BIG);

  const Ip4 giaddr = giaddr_of(received, *request, option.says_link);
  if (giaddr.is_zero()) return Verdict::drop(XK_VRF_NOT_SERVED);
  const MutableBytes message = out.subspan(headers_size(via->outer, via->inner), length);
  message[dhcp4::kHops] = static_cast<std::uint8_t>(request->message.hops() + 1);
  ByteWriter(message.subspan(dhcp4::kGiaddr, 4)).ip4(giaddr);
  emit(*via, *forwarding.port(via->port),
       Destination{server.next_hop, server.source, server.address, XK_DHCP4_SERVER_PORT},
       request->message.xid(), length, out, emission);

  Verdict verdict;
  if (request->datagram.checksum_partial) verdict.note(XK_NOTE_UDP_CHECKSUM_PARTIAL);
  if (option.no_room) verdict.note(XK_NOTE_OPTION82_NO_ROOM);
  return verdict;
}

}  // namespace xk
