#include "dataplane/serve/static_rules.h"

#include <algorithm>
#include <array>

#include "dataplane/dhcp/emit.h"
#include "dataplane/dhcp/message4.h"
#include "dataplane/dhcp/options4.h"
#include "dataplane/dhcp/relay_agent_information.h"
#include "dataplane/serve/reply_message.h"

namespace xk {
namespace {

constexpr std::uint8_t kRequestedAddress = 50;
constexpr std::uint8_t kParameterList = 55;
constexpr std::uint8_t kMessageSize = 57;
constexpr std::size_t kWantedMax = 255;  // every code there is, once

// What only a server wants to know of the options.
struct ServerOptions {
  Ip4 requested{};
  std::uint16_t message_size = 0;
  std::uint8_t wanted_count = 0;
  std::array<std::uint8_t, kWantedMax> wanted;
};

// A request and where it comes from. What was parsed is borrowed.
struct Question {
  const Received& received;
  const Forwarding& forwarding;
  const Datagram4& datagram;
  const Message4View& message;
  const Options4& options;
  const ServerOptions& more;
  Bytes agent;                          // content of option 82
  const SubnetEntry* subnet = nullptr;  // the client's
  Ip4 server_identifier{};              // ours, towards it
};

void read_option(Bytes message, std::uint8_t code, const OptionPart& part, ServerOptions& more) {
  ByteReader value(message.subspan(part.value(), part.length));
  switch (code) {
    case kRequestedAddress:
      if (part.length == 4) more.requested = value.ip4();
      break;
    case kMessageSize:
      if (part.length == 2) more.message_size = value.u16();
      break;
    case kParameterList:  // of several parts as well (RFC 3396)
      for (std::size_t i = 0; i < part.length && more.wanted_count < kWantedMax; ++i)
        more.wanted[more.wanted_count++] = value.u8();
      break;
    default:
      break;
  }
}

// The message's options were walked before and found whole.
void read_options(Bytes message, const Options4& options, ServerOptions& more) {
  const auto visit = [&](std::uint8_t code, const OptionPart& part) {
    read_option(message, code, part, more);
    return XK_OUTCOME_COUNT;
  };
  const auto walk = [&](std::size_t begin, std::size_t end, OptionField field) {
    static_cast<void>(walk_option_field(message, begin, end, field, visit));
  };
  walk(dhcp4::kOptions, message.size(), OptionField::options);
  if ((options.overload & 1) != 0) walk(dhcp4::kFile, dhcp4::kFile + dhcp4::kFileSize, OptionField::file);
  if ((options.overload & 2) != 0) walk(dhcp4::kSname, dhcp4::kSname + dhcp4::kSnameSize, OptionField::sname);
}

Mac source_mac(Bytes frame) {
  Mac mac;
  std::copy_n(frame.begin() + mac.bytes.size(), mac.bytes.size(), mac.bytes.begin());
  return mac;
}

// ---- who it is ---------------------------------------------------------------------------------------

void write_rendered(ByteWriter& writer, std::string_view text, const Mac& chaddr) {
  const auto mac = mac_text(chaddr);
  const std::string_view mac_view(mac.data(), mac.size());
  for (const char& c : text) {
    const std::string_view piece = c == kMacPlaceholder ? mac_view : std::string_view(&c, 1);
    writer.bytes({reinterpret_cast<const std::uint8_t*>(piece.data()), piece.size()});
  }
}

// circuit-id and remote-id with their lengths, as static_circuit_identity() has them.
struct Line {
  std::array<std::uint8_t, kStaticIdentityMax> bytes;
  std::size_t circuit = 0;  // bytes of the circuit-id and its length
  std::size_t all = 0;      // and of the remote-id and its; 0: no line
};

// Which of the two names the line: option82_policy.h of the relay has ours take the place of a relay's.
bool has_own_names(const AttachmentEntry& attachment, Ip4 giaddr, bool foreign) {
  if (foreign) return attachment.policy == Option82Policy::replace;
  return giaddr.is_zero() || attachment.policy == Option82Policy::append ||
         attachment.policy == Option82Policy::replace;
}

void find_line(const Question& question, Line& line) {
  const AttachmentEntry& attachment = *question.received.attachment;
  const Mac chaddr = question.message.chaddr();
  const bool foreign = !question.agent.empty();
  if (has_own_names(attachment, question.message.giaddr(), foreign)) {
    if (attachment.circuit_id.empty() && attachment.remote_id.empty()) return;
    ByteWriter writer(line.bytes);
    writer.u8(static_cast<std::uint8_t>(rendered_length(attachment.circuit_id)));
    write_rendered(writer, attachment.circuit_id, chaddr);
    line.circuit = writer.size();
    writer.u8(static_cast<std::uint8_t>(rendered_length(attachment.remote_id)));
    write_rendered(writer, attachment.remote_id, chaddr);
    line.all = writer.ok() ? writer.size() : 0;
    return;
  }
  if (!foreign) return;
  const auto circuit_id = find_agent_sub_option(question.agent, AgentSubOption::circuit_id);
  const auto remote_id = find_agent_sub_option(question.agent, AgentSubOption::remote_id);
  if (!circuit_id && !remote_id) return;
  ByteWriter writer(line.bytes);
  const auto put = [&writer](const std::optional<Bytes>& value) {
    writer.u8(value ? static_cast<std::uint8_t>(value->size()) : std::uint8_t{0});
    if (value) writer.bytes(*value);
  };
  put(circuit_id);
  line.circuit = writer.size();
  put(remote_id);
  line.all = writer.ok() ? writer.size() : 0;
}

const StaticRecord* find_by_line(const Question& question, const StaticTable& leases, VrfId vrf) {
  Line line;
  find_line(question, line);
  if (line.all == 0) return nullptr;
  const Bytes bytes = Bytes(line.bytes).first(line.all);
  if (const StaticRecord* exact = leases.find(vrf, StaticKind::circuit, bytes)) return exact;
  return leases.find(vrf, StaticKind::circuit, bytes.first(line.circuit));
}

Bytes client_id_of(const Question& question) {
  const OptionPart& part = question.options.client_id;
  return question.message.bytes().subspan(part.length == 0 ? 0 : part.value(), part.length);
}

const StaticRecord* find_record(const Question& question, const StaticTable& leases) {
  const VrfId vrf = question.received.vrf->id;
  const Bytes client_id = client_id_of(question);
  if (!client_id.empty() && leases.concerns(vrf, StaticKind::client_id)) {
    if (const StaticRecord* found = leases.find(vrf, StaticKind::client_id, client_id)) return found;
  }
  if (leases.concerns(vrf, StaticKind::mac)) {
    if (const StaticRecord* found = leases.find(vrf, question.message.chaddr())) return found;
  }
  return leases.concerns(vrf, StaticKind::circuit) ? find_by_line(question, leases, vrf) : nullptr;
}

// ---- where it is -------------------------------------------------------------------------------------

const SubnetEntry* subnet_of(const VrfEntry& vrf, Ip4 address) {
  const auto behind = std::ranges::upper_bound(
      vrf.subnets, address, {}, [](const SubnetEntry& subnet) { return subnet.prefix.network; });
  if (behind == vrf.subnets.begin()) return nullptr;
  const SubnetEntry& subnet = *std::prev(behind);
  return subnet.prefix.contains(address) ? &subnet : nullptr;
}

// An address of the client's subnet. RFC 3527: a relay's link selection goes before giaddr. A client behind a
// router that renews by unicast is where its ciaddr is (as in the relay's rules).
Ip4 link_of(const Question& question) {
  const AttachmentEntry& attachment = *question.received.attachment;
  const Ip4 giaddr = question.message.giaddr();
  if (!question.agent.empty()) {
    const auto link = find_agent_sub_option(question.agent, AgentSubOption::link_selection);
    if (link && link->size() == 4) return ByteReader(*link).ip4();
  }
  if (!giaddr.is_zero()) return giaddr;
  const Ip4 ciaddr = question.message.ciaddr();
  const Ip4 destination = question.datagram.destination;
  const bool unicast = destination.is_unicast() && !Forwarding::is_subnet_broadcast(attachment, destination);
  const bool routed = ciaddr.is_unicast() && !attachment.subnet.contains(ciaddr) && unicast &&
                      source_mac(question.received.frame) != question.message.chaddr();
  return routed ? ciaddr : attachment.subnet.network;
}

// By what the client reaches us: its attachment's, else its subnet's, else what our Kea says of itself.
Ip4 server_identifier_of(const Question& question) {
  const Ip4 own = question.received.attachment->server_identifier;
  if (!own.is_zero()) return own;
  if (question.subnet != nullptr && !question.subnet->server_identifier.is_zero())
    return question.subnet->server_identifier;
  return question.received.ways.empty() ? Ip4{} : question.received.ways.front().server.address;
}

bool is_us(const Question& question, Ip4 server) {
  return server == question.server_identifier ||
         (question.subnet != nullptr && server == question.subnet->server_identifier) ||
         (!question.received.ways.empty() && server == question.received.ways.front().server.address) ||
         question.forwarding.is_own_address(question.received.vrf->id, server);
}

// ---- what it is told ---------------------------------------------------------------------------------

// RFC 2131 4.1 and RFC 1542 4.1.2, as relay_reply does it; what came through a router goes back to it.
Outcome destination_of(const Question& question, MessageType type, Ip4 address, Destination& to) {
  const Message4View& message = question.message;
  const AttachmentEntry& attachment = *question.received.attachment;
  to.source = question.server_identifier;
  const Mac from = source_mac(question.received.frame);
  if (!message.giaddr().is_zero()) {
    to.address = message.giaddr();
    to.port = XK_DHCP4_SERVER_PORT;
    to.mac = from;
    return from.is_unicast() ? XK_OUTCOME_COUNT : XK_REPLY_NO_TARGET;
  }
  to.port = XK_DHCP4_CLIENT_PORT;
  const bool unicast = type != MessageType::nak && (message.ciaddr().is_unicast() || !message.broadcast());
  if (!unicast) {
    to.address = Ip4::limited_broadcast();
    to.mac = Mac::broadcast();
    return XK_OUTCOME_COUNT;
  }
  to.address = message.ciaddr().is_unicast() ? message.ciaddr() : address;
  const bool routed = attachment.subnet.length != 0 && !attachment.subnet.contains(to.address);
  to.mac = routed ? from : message.chaddr();
  return to.address.is_zero() || !to.mac.is_unicast() ? XK_REPLY_NO_TARGET : XK_OUTCOME_COUNT;
}

Outcome note_of(MessageType type) {
  if (type == MessageType::offer) return XK_NOTE_STATIC_OFFER;
  return type == MessageType::ack ? XK_NOTE_STATIC_ACK : XK_NOTE_STATIC_NAK;
}

// record: whose lease it is; null in a NAK.
Verdict reply(const Question& question, MessageType type, const StaticRecord* record, MutableBytes out,
              Emission& emission) {
  const AttachmentEntry& attachment = *question.received.attachment;
  const bool inform = question.options.type == MessageType::inform;
  const Ip4 address = record == nullptr || inform ? Ip4{} : record->address;
  Destination to;
  if (const Outcome fault = destination_of(question, type, address, to); fault != XK_OUTCOME_COUNT)
    return Verdict::drop(fault);
  const ReplyContent content{
      .type = type,
      .request = question.message.bytes(),
      .address = address,
      .server_identifier = question.server_identifier,
      .subnet = record == nullptr ? nullptr : question.subnet,
      .lease_times = record != nullptr && !inform,
      .own_options = record == nullptr ? Bytes{} : record->options(),
      .wanted = Bytes(question.more.wanted).first(question.more.wanted_count),
      .client_id = client_id_of(question),
      .agent = question.agent,
  };
  const PortEntry& port = *question.forwarding.port(attachment.port);
  const ReplySize size{.client_max = client_message_max(question.more.message_size),
                       .frame_max = message_max(attachment.outer, attachment.inner, port, out)};
  const MutableBytes message = out.subspan(headers_size(attachment.outer, attachment.inner));
  const WrittenReply written = write_reply(content, size, message);
  if (written.length == 0) return Verdict::drop(XK_PACKET_TOO_BIG);
  emission.length =
      write_frame(attachment.outer, attachment.inner, port, to, question.message.xid(), written.length, out);
  emission.out = attachment.id;
  emission.port = attachment.port;
  Verdict verdict;
  verdict.note(note_of(type));
  if (question.datagram.checksum_partial) verdict.note(XK_NOTE_UDP_CHECKSUM_PARTIAL);
  if (written.left_out) verdict.note(XK_NOTE_STATIC_OPTIONS_NO_ROOM);
  return verdict;
}

// What a REQUEST asks for: option 50 when selecting and after a reboot, else ciaddr (RFC 2131 4.3.2).
Ip4 asked_for(const Question& question) {
  return question.more.requested.is_zero() ? question.message.ciaddr() : question.more.requested;
}

Verdict answer_request(const Question& question, const StaticRecord& record, MutableBytes out,
                       Emission& emission) {
  const Ip4 server = question.options.server_id;
  if (!server.is_zero() && !is_us(question, server)) return Verdict::drop(XK_STATIC_SILENT);
  const Ip4 asked = asked_for(question);
  if (asked.is_zero() && server.is_zero()) return Verdict::drop(XK_STATIC_SILENT);
  if (asked == record.address) return reply(question, MessageType::ack, &record, out, emission);
  return reply(question, MessageType::nak, nullptr, out, emission);
}

// From the holder of a lease that counts here.
std::optional<Verdict> answer_holder(const Question& question, const StaticRecord& record, MutableBytes out,
                                     Emission& emission) {
  switch (question.options.type) {
    case MessageType::discover:
      return reply(question, MessageType::offer, &record, out, emission);
    case MessageType::request:
      return answer_request(question, record, out, emission);
    case MessageType::inform:
      if (!question.message.ciaddr().is_unicast()) return std::nullopt;
      return reply(question, MessageType::ack, &record, out, emission);
    case MessageType::release:
      if (question.message.ciaddr() != record.address) return std::nullopt;
      return Verdict::drop(XK_STATIC_RELEASED);
    case MessageType::decline:
      if (question.more.requested != record.address) return std::nullopt;
      return Verdict::drop(XK_STATIC_DECLINED);
    default:
      return std::nullopt;
  }
}

std::optional<Verdict> answer(Question& question, const StaticTable& leases, MutableBytes out,
                              Emission& emission) {
  const VrfEntry& vrf = *question.received.vrf;
  question.subnet = subnet_of(vrf, link_of(question));
  question.server_identifier = server_identifier_of(question);
  if (question.server_identifier.is_zero()) return std::nullopt;
  const StaticRecord* record = find_record(question, leases);
  const bool counts = record != nullptr && !record->address.is_zero() && question.subnet != nullptr &&
                      question.subnet->prefix.contains(record->address);
  if (counts) return answer_holder(question, *record, out, emission);
  // The server does not know of it, or may have leased it before it was this one's.
  if (question.options.type != MessageType::request) return std::nullopt;
  const StaticRecord* holder = leases.find(vrf.id, asked_for(question));
  if (holder == nullptr || holder == record) return std::nullopt;
  const Ip4 server = question.options.server_id;
  if (!server.is_zero() && !is_us(question, server)) return std::nullopt;
  return reply(question, MessageType::nak, nullptr, out, emission);
}

}  // namespace

std::optional<Verdict> answer_static(const Received& received, const Forwarding& forwarding,
                                     const StaticTable& leases, MutableBytes out, Emission& emission) {
  const auto datagram = check_datagram4(received.frame, received.headers);
  if (!datagram || datagram->destination_port != XK_DHCP4_SERVER_PORT) return std::nullopt;
  const auto message = Message4View::parse(datagram->payload, dhcp4::kBootRequest);
  if (!message) return std::nullopt;
  const auto options = scan_options4(message->bytes());
  if (!options) return std::nullopt;
  std::array<std::uint8_t, kOptionJoinedMax> scratch;
  const Bytes agent = join_option4(message->bytes(), options->agent_parts(), std::span(scratch));
  if (options->agent_count != 0 && !agent_well_formed(agent)) return std::nullopt;
  ServerOptions more;
  read_options(message->bytes(), *options, more);
  Question question{.received = received,
                    .forwarding = forwarding,
                    .datagram = *datagram,
                    .message = *message,
                    .options = *options,
                    .more = more,
                    .agent = agent};
  return answer(question, leases, out, emission);
}

}  // namespace xk
