#include "dataplane/serve/server_request.h"

#include <algorithm>
#include <cstring>

#include "dataplane/dhcp/option82_policy.h"
#include "dataplane/dhcp/relay_agent_information.h"

namespace xk {
namespace {

// Collects what a ServerRequest holds, option by option.
class Reader {
 public:
  explicit Reader(ServerRequest& request) : request_(request) {}

  Outcome operator()(std::uint8_t code, const OptionPart& part) {
    const Bytes value = request_.message.subspan(part.value(), part.length);
    switch (code) {
      case option4::kMessageType:
        // A second one would be joined to the first (RFC 3396 7), and that is no byte.
        if (part.length != 1 || value[0] == 0 || request_.type != MessageType::none)
          return XK_OPTION_MESSAGE_TYPE_BAD;
        request_.type = static_cast<MessageType>(value[0]);
        break;
      case option4::kOverload:
        if (part.length != 1 || request_.overload != 0 || part.field != OptionField::options)
          return XK_OPTION_OVERLOAD_BAD;
        request_.overload = value[0];
        if (request_.overload == 0 || request_.overload > 3) return XK_OPTION_OVERLOAD_BAD;
        break;
      case option4::kParameterList:
        for (std::size_t i = 0; i < value.size() && request_.wanted_count < request_.wanted_codes.size(); ++i)
          request_.wanted_codes[request_.wanted_count++] = value[i];
        break;
      case option4::kRapidCommit:
        request_.rapid_commit = part.length == 0;
        break;
      case option4::kRelayAgentInformation:
        return join(request_.agent, value) ? XK_OUTCOME_COUNT : XK_OPTION82_BAD;
      default:
        read_number(code, value);
        read_bytes(code, value);
        break;
    }
    return XK_OUTCOME_COUNT;
  }

 private:
  // One of the wrong length is as if it were not there.
  void read_number(std::uint8_t code, Bytes value) {
    ByteReader reader(value);
    if (code == option4::kMessageSize && value.size() == 2) request_.message_size = reader.u16();
    if (value.size() != 4) return;
    if (code == option4::kRequestedAddress) request_.requested = reader.ip4();
    if (code == option4::kServerIdentifier && request_.server_id.is_zero()) request_.server_id = reader.ip4();
    if (code == option4::kLeaseTime) request_.lease_time_s = reader.u32();
    if (code == option4::kSubnetSelection) request_.subnet_selection = reader.ip4();
  }
  void read_bytes(std::uint8_t code, Bytes value) {
    Bytes* const to = code == option4::kClientIdentifier ? &request_.client_id
                      : code == option4::kHostName       ? &request_.host_name
                      : code == option4::kVendorClass    ? &request_.vendor_class
                      : code == option4::kUserClass      ? &request_.user_class
                      : code == option4::kClientFqdn     ? &request_.fqdn
                                                         : nullptr;
    // What does not fit any more is cut: it stays one text of 255 bytes.
    if (to != nullptr && (code == option4::kUserClass || to->size() + value.size() <= 255))
      static_cast<void>(join(*to, value));
  }
  // False: more parts than we join.
  [[nodiscard]] bool join(Bytes& to, Bytes value) {
    if (to.empty()) {
      to = value;
      return true;
    }
    const std::size_t size = to.size() + value.size();
    if (size > kOptionJoinedMax || request_.scratch_used + size > request_.scratch.size()) return false;
    const MutableBytes joined = MutableBytes(request_.scratch).subspan(request_.scratch_used, size);
    std::memmove(joined.data(), to.data(), to.size());
    if (!value.empty()) std::memcpy(joined.data() + to.size(), value.data(), value.size());
    request_.scratch_used += size;
    to = joined;
    return true;
  }

  ServerRequest& request_;
};

Outcome read_options(ServerRequest& request) {
  Reader reader(request);
  const auto walk = [&](std::size_t begin, std::size_t end, OptionField field) {
    const auto walked = walk_option_field(request.message, begin, end, field, reader);
    return walked ? XK_OUTCOME_COUNT : walked.error();
  };
  if (const Outcome fault = walk(dhcp4::kOptions, request.message.size(), OptionField::options);
      fault != XK_OUTCOME_COUNT)
    return fault;
  if ((request.overload & 1) != 0)
    if (const Outcome fault = walk(dhcp4::kFile, dhcp4::kFile + dhcp4::kFileSize, OptionField::file);
        fault != XK_OUTCOME_COUNT)
      return fault;
  if ((request.overload & 2) != 0)
    return walk(dhcp4::kSname, dhcp4::kSname + dhcp4::kSnameSize, OptionField::sname);
  return XK_OUTCOME_COUNT;
}

void read_fixed_part(ServerRequest& request) {
  ByteReader reader(request.message);
  reader.take(dhcp4::kXid);
  request.xid = reader.u32();
  reader.u16();
  request.broadcast = (reader.u16() & dhcp4::kBroadcastFlag) != 0;
  request.ciaddr = reader.ip4();
  reader.take(8);
  request.giaddr = reader.ip4();
  request.chaddr = reader.mac();
}

// RFC 4388 6.1: a lease query by address has no hardware type.
bool asks_by_address(Bytes message, Outcome fault) {
  if (fault != XK_DHCP_HTYPE_BAD || message[dhcp4::kHtype] != 0 || message[dhcp4::kHlen] != 0) return false;
  return ByteReader(message.subspan(dhcp4::kCookie)).u32() == dhcp4::kMagicCookie;
}

bool is_from_client(MessageType type) {
  switch (type) {
    case MessageType::none:
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

Mac source_mac(Bytes frame) {
  Mac mac;
  std::copy_n(frame.begin() + mac.bytes.size(), mac.bytes.size(), mac.bytes.begin());
  return mac;
}

void write_rendered(ByteWriter& writer, std::string_view text, const Mac& chaddr) {
  const auto mac = mac_text(chaddr);
  const std::string_view mac_view(mac.data(), mac.size());
  for (const char& c : text) {
    const std::string_view piece = c == kMacPlaceholder ? mac_view : std::string_view(&c, 1);
    writer.bytes({reinterpret_cast<const std::uint8_t*>(piece.data()), piece.size()});
  }
}

// Which of the two names the line: option82_policy.h has ours take the place of a relay's.
bool has_own_names(const AttachmentEntry& attachment, Ip4 giaddr, bool foreign) {
  if (foreign) return attachment.policy == Option82Policy::replace;
  return giaddr.is_zero() || attachment.policy == Option82Policy::append ||
         attachment.policy == Option82Policy::replace;
}

}  // namespace

std::optional<Bytes> ServerRequest::agent_option(AgentSubOption code) const {
  return agent.empty() ? std::nullopt : find_agent_sub_option(agent, code);
}

Outcome parse_server_request(const Received& received, ServerRequest& request) {
  const auto datagram = check_datagram4(received.frame, received.headers);
  if (!datagram) return datagram.error();
  if (datagram->destination_port != XK_DHCP4_SERVER_PORT) return XK_NOT_DHCP;
  const auto message = Message4View::parse(datagram->payload, dhcp4::kBootRequest);
  const bool bare = !message && asks_by_address(datagram->payload, message.error());
  if (!message && !bare) return message.error();
  request.received = &received;
  request.datagram = *datagram;
  request.message = datagram->payload;
  read_fixed_part(request);
  if (const Outcome fault = read_options(request); fault != XK_OUTCOME_COUNT) return fault;
  if (!request.agent.empty() && !agent_well_formed(request.agent)) return XK_OPTION82_BAD;
  return bare && request.type != MessageType::lease_query ? XK_DHCP_HTYPE_BAD : XK_OUTCOME_COUNT;
}

Outcome check_server_request(const ServerRequest& request, const Forwarding& forwarding) {
  const VrfEntry& vrf = *request.received->vrf;
  if (!is_from_client(request.type)) return XK_OPTION_MESSAGE_TYPE_BAD;
  if (vrf.draining && (request.type == MessageType::discover || request.type == MessageType::none))
    return XK_VRF_DRAINING;
  if (request.message[dhcp4::kHops] >= vrf.hops_max) return XK_HOPS_EXCEEDED;
  if (!request.giaddr.is_zero()) {
    if (!request.giaddr.is_unicast()) return XK_GIADDR_BAD;
    if (forwarding.is_own_address(vrf.id, request.giaddr)) return XK_GIADDR_SPOOFED;
  }
  const auto action = decide_option82(*request.received->attachment, request.giaddr, !request.agent.empty());
  return action ? XK_OUTCOME_COUNT : action.error();
}

std::optional<Bytes> find_option(const ServerRequest& request, std::uint8_t code,
                                 std::span<std::uint8_t, kOptionJoinedMax> scratch) {
  std::array<OptionPart, kOptionPartsMax> parts;
  std::size_t count = 0;
  const auto visit = [&](std::uint8_t each, const OptionPart& part) {
    if (each != code) return XK_OUTCOME_COUNT;
    if (count == parts.size()) return XK_NOT_DHCP;  // ends the walk
    parts[count++] = part;
    return XK_OUTCOME_COUNT;
  };
  const auto walk = [&](std::size_t begin, std::size_t end, OptionField field) {
    return walk_option_field(request.message, begin, end, field, visit).has_value();
  };
  const bool whole = walk(dhcp4::kOptions, request.message.size(), OptionField::options) &&
                     ((request.overload & 1) == 0 ||
                      walk(dhcp4::kFile, dhcp4::kFile + dhcp4::kFileSize, OptionField::file)) &&
                     ((request.overload & 2) == 0 ||
                      walk(dhcp4::kSname, dhcp4::kSname + dhcp4::kSnameSize, OptionField::sname));
  if (!whole || count == 0) return std::nullopt;
  return join_option4(request.message, std::span(parts).first(count), scratch);
}

void find_line(const ServerRequest& request, Line& line) {
  const AttachmentEntry& attachment = *request.received->attachment;
  const bool foreign = !request.agent.empty();
  line.size = 0;
  line.circuit_size = 0;
  ByteWriter writer(line.bytes);
  if (has_own_names(attachment, request.giaddr, foreign)) {
    if (attachment.circuit_id.empty() && attachment.remote_id.empty()) return;
    writer.u8(static_cast<std::uint8_t>(rendered_length(attachment.circuit_id)));
    write_rendered(writer, attachment.circuit_id, request.chaddr);
    line.circuit_size = writer.size();
    writer.u8(static_cast<std::uint8_t>(rendered_length(attachment.remote_id)));
    write_rendered(writer, attachment.remote_id, request.chaddr);
    line.size = writer.ok() ? writer.size() : 0;
    return;
  }
  if (!foreign) return;
  const auto circuit_id = request.agent_option(AgentSubOption::circuit_id);
  const auto remote_id = request.agent_option(AgentSubOption::remote_id);
  if (!circuit_id && !remote_id) return;
  const auto put = [&writer](const std::optional<Bytes>& value) {
    writer.u8(value ? static_cast<std::uint8_t>(value->size()) : std::uint8_t{0});
    if (value) writer.bytes(*value);
  };
  put(circuit_id);
  line.circuit_size = writer.size();
  put(remote_id);
  line.size = writer.ok() ? writer.size() : 0;
}

Ip4 link_of(const ServerRequest& request) {
  const AttachmentEntry& attachment = *request.received->attachment;
  if (const auto link = request.agent_option(AgentSubOption::link_selection); link && link->size() == 4)
    return ByteReader(*link).ip4();
  if (!request.subnet_selection.is_zero()) return request.subnet_selection;
  if (!request.giaddr.is_zero()) return request.giaddr;
  const Ip4 destination = request.datagram.destination;
  const bool unicast = destination.is_unicast() && !Forwarding::is_subnet_broadcast(attachment, destination);
  const bool routed = request.ciaddr.is_unicast() && !attachment.subnet.contains(request.ciaddr) && unicast &&
                      source_mac(request.received->frame) != request.chaddr;
  return routed ? request.ciaddr : attachment.subnet.network;
}

const SubnetEntry* subnet_of(const VrfEntry& vrf, Ip4 address) {
  const auto behind = std::ranges::upper_bound(
      vrf.subnets, address, {}, [](const SubnetEntry& subnet) { return subnet.prefix.network; });
  if (behind == vrf.subnets.begin()) return nullptr;
  const SubnetEntry& subnet = *std::prev(behind);
  return subnet.prefix.contains(address) ? &subnet : nullptr;
}

Ip4 server_identifier_of(const ServerRequest& request, const SubnetEntry* subnet) {
  if (const auto override = request.agent_option(AgentSubOption::server_id_override);
      override && override->size() == 4)
    if (const Ip4 said = ByteReader(*override).ip4(); said.is_unicast()) return said;
  const Ip4 own = request.received->attachment->server_identifier;
  if (!own.is_zero()) return own;
  if (subnet != nullptr && !subnet->server_identifier.is_zero()) return subnet->server_identifier;
  return request.received->ways.empty() ? Ip4{} : request.received->ways.front().server.address;
}

bool is_us(const ServerRequest& request, const Forwarding& forwarding, const SubnetEntry* subnet,
           Ip4 server) {
  return server == server_identifier_of(request, subnet) ||
         server == request.received->attachment->server_identifier ||
         (subnet != nullptr && server == subnet->server_identifier) ||
         (!request.received->ways.empty() && server == request.received->ways.front().server.address) ||
         forwarding.is_own_address(request.received->vrf->id, server);
}

Outcome destination_of(const ServerRequest& request, MessageType type, Ip4 address, Ip4 source,
                       Destination& to) {
  const AttachmentEntry& attachment = *request.received->attachment;
  to.source = source;
  const Mac from = source_mac(request.received->frame);
  if (!request.giaddr.is_zero()) {
    to.address = request.giaddr;
    to.port = XK_DHCP4_SERVER_PORT;
    to.mac = from;
    return from.is_unicast() ? XK_OUTCOME_COUNT : XK_REPLY_NO_TARGET;
  }
  to.port = XK_DHCP4_CLIENT_PORT;
  const bool unicast = type != MessageType::nak && (request.ciaddr.is_unicast() || !request.broadcast);
  if (!unicast) {
    to.address = Ip4::limited_broadcast();
    to.mac = Mac::broadcast();
    return XK_OUTCOME_COUNT;
  }
  to.address = request.ciaddr.is_unicast() ? request.ciaddr : address;
  const bool routed = attachment.subnet.length != 0 && !attachment.subnet.contains(to.address);
  to.mac = routed ? from : request.chaddr;
  return to.address.is_zero() || !to.mac.is_unicast() ? XK_REPLY_NO_TARGET : XK_OUTCOME_COUNT;
}

}  // namespace xk
