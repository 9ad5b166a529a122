#include "dataplane/serve/static_rules.h"

#include <array>

#include "dataplane/base/text_bytes.h"
#include "dataplane/dhcp/emit.h"
#include "dataplane/serve/native_rules.h"
#include "dataplane/serve/reply_message.h"
#include "dataplane/serve/reply_parts.h"

namespace xk {
namespace {

// A request and where it comes from. Borrowed.
struct Question {
  const ServerRequest& request;
  const Forwarding& forwarding;
  const SubnetEntry* subnet = nullptr;  // the client's
  Ip4 server_identifier{};              // ours, towards it
  const NativePlan* plan = nullptr;     // of the native engine, in whose VRF it is
};

const StaticRecord* find_by_line(const ServerRequest& request, const StaticTable& leases, VrfId vrf) {
  Line line;
  find_line(request, line);
  if (line.size == 0) return nullptr;
  if (const StaticRecord* exact = leases.find(vrf, StaticKind::circuit, line.all())) return exact;
  return leases.find(vrf, StaticKind::circuit, line.circuit());
}

const StaticRecord* find_record(const ServerRequest& request, const StaticTable& leases) {
  const VrfId vrf = request.received->vrf->id;
  if (!request.client_id.empty() && leases.concerns(vrf, StaticKind::client_id)) {
    if (const StaticRecord* found = leases.find(vrf, StaticKind::client_id, request.client_id)) return found;
  }
  if (leases.concerns(vrf, StaticKind::mac)) {
    if (const StaticRecord* found = leases.find(vrf, request.chaddr)) return found;
  }
  return leases.concerns(vrf, StaticKind::circuit) ? find_by_line(request, leases, vrf) : nullptr;
}

// ---- what it is told ---------------------------------------------------------------------------------

Outcome note_of(MessageType type) {
  if (type == MessageType::offer) return XK_NOTE_STATIC_OFFER;
  return type == MessageType::nak ? XK_NOTE_STATIC_NAK : XK_NOTE_STATIC_ACK;
}

// record: whose lease it is; null in a NAK.
Verdict reply(const Question& question, MessageType type, const StaticRecord* record, MutableBytes out,
              Emission& emission) {
  const ServerRequest& request = question.request;
  const AttachmentEntry& attachment = *request.received->attachment;
  const bool inform = request.type == MessageType::inform;
  const bool bootp = type == MessageType::none;
  const Ip4 address = record == nullptr || inform ? Ip4{} : record->address;
  Destination to;
  if (const Outcome fault = destination_of(request, type, address, question.server_identifier, to);
      fault != XK_OUTCOME_COUNT)
    return Verdict::drop(fault);
  std::array<Bytes, 2> two_layers;
  std::optional<ReplyLayers> native_layers;
  std::array<std::uint8_t, kEchoedMax> more_bytes;
  ByteWriter more(more_bytes);
  std::optional<LeaseTimes> times;
  if (record != nullptr) {
    const SubnetEntry& subnet = *question.subnet;
    if (question.plan != nullptr) {
      native_layers.emplace(*question.plan, subnet, nullptr, classes_of(request, *question.plan));
      native_layers->add(record->options());
    } else {
      two_layers = {bytes_of(subnet.options), record->options()};
    }
    if (!inform && !bootp) times = LeaseTimes{subnet.lease_time_s, subnet.renew_s, subnet.rebind_s};
    write_echoed(request, more);
  }
  const ReplyContent content{
      .type = type,
      .request = request.message,
      .address = address,
      .server_identifier = question.server_identifier,
      .next_server = native_layers ? native_layers->next_server : Ip4{},
      .boot_file = native_layers ? native_layers->boot_file : std::string_view{},
      .times = times,
      .layers = native_layers ? native_layers->all() : std::span<const Bytes>(two_layers),
      .more = more.written(),
      .wanted = request.wanted(),
      .client_id = request.client_id,
      .agent = request.agent,
  };
  const PortEntry& port = *question.forwarding.port(attachment.port);
  const ReplySize size{.client_max = reply_max(request),
                       .frame_max = message_max(attachment.outer, attachment.inner, port, out)};
  const MutableBytes message = out.subspan(headers_size(attachment.outer, attachment.inner));
  const WrittenReply written = write_reply(content, size, message);
  if (written.length == 0) return Verdict::drop(XK_PACKET_TOO_BIG);
  emission.length =
      write_frame(attachment.outer, attachment.inner, port, to, request.xid, written.length, out);
  emission.out = attachment.id;
  emission.port = attachment.port;
  Verdict verdict;
  verdict.note(note_of(type));
  if (request.datagram.checksum_partial) verdict.note(XK_NOTE_UDP_CHECKSUM_PARTIAL);
  if (written.left_out) verdict.note(XK_NOTE_STATIC_OPTIONS_NO_ROOM);
  return verdict;
}

// What a REQUEST asks for: option 50 when selecting and after a reboot, else ciaddr (RFC 2131 4.3.2).
Ip4 asked_for(const ServerRequest& request) {
  return request.requested.is_zero() ? request.ciaddr : request.requested;
}

bool for_us(const Question& question, Ip4 server) {
  return server.is_zero() || is_us(question.request, question.forwarding, question.subnet, server);
}

Verdict answer_request(const Question& question, const StaticRecord& record, MutableBytes out,
                       Emission& emission) {
  const Ip4 server = question.request.server_id;
  if (!for_us(question, server)) return Verdict::drop(XK_STATIC_SILENT);
  const Ip4 asked = asked_for(question.request);
  if (asked.is_zero() && server.is_zero()) return Verdict::drop(XK_STATIC_SILENT);
  if (asked == record.address) return reply(question, MessageType::ack, &record, out, emission);
  return reply(question, MessageType::nak, nullptr, out, emission);
}

// From the holder of a lease that counts here.
std::optional<Verdict> answer_holder(const Question& question, const StaticRecord& record, MutableBytes out,
                                     Emission& emission) {
  const ServerRequest& request = question.request;
  switch (request.type) {
    case MessageType::none:
      if (question.plan == nullptr || !question.plan->native().bootp) return std::nullopt;
      return reply(question, MessageType::none, &record, out, emission);
    case MessageType::discover:
      return reply(question, MessageType::offer, &record, out, emission);
    case MessageType::request:
      return answer_request(question, record, out, emission);
    case MessageType::inform:
      if (!request.ciaddr.is_unicast()) return std::nullopt;
      return reply(question, MessageType::ack, &record, out, emission);
    case MessageType::release:
      if (request.ciaddr != record.address) return std::nullopt;
      return Verdict::drop(XK_STATIC_RELEASED);
    case MessageType::decline:
      if (request.requested != record.address) return std::nullopt;
      return Verdict::drop(XK_STATIC_DECLINED);
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<Verdict> answer_static(const ServerRequest& request, const Forwarding& forwarding,
                                     const StaticTable& leases, const NativePlan* plan, MutableBytes out,
                                     Emission& emission) {
  const VrfEntry& vrf = plan == nullptr ? *request.received->vrf : plan->vrf();
  Question question{.request = request,
                    .forwarding = forwarding,
                    .subnet = subnet_of(vrf, link_of(request)),
                    .server_identifier = {},
                    .plan = plan};
  question.server_identifier = server_identifier_of(request, question.subnet);
  if (question.server_identifier.is_zero()) return std::nullopt;
  const StaticRecord* record = find_record(request, leases);
  const bool counts = record != nullptr && !record->address.is_zero() && question.subnet != nullptr &&
                      question.subnet->prefix.contains(record->address);
  if (counts) return answer_holder(question, *record, out, emission);
  // The server does not know of it, or may have leased it before it was this one's.
  if (request.type != MessageType::request) return std::nullopt;
  const StaticRecord* holder = leases.find(vrf.id, asked_for(request));
  if (holder == nullptr || holder == record || !for_us(question, request.server_id)) return std::nullopt;
  return reply(question, MessageType::nak, nullptr, out, emission);
}

std::optional<Verdict> answer_static(const Received& received, const Forwarding& forwarding,
                                     const StaticTable& leases, MutableBytes out, Emission& emission) {
  ServerRequest request;
  if (parse_server_request(received, request) != XK_OUTCOME_COUNT || request.type == MessageType::none)
    return std::nullopt;
  return answer_static(request, forwarding, leases, nullptr, out, emission);
}

}  // namespace xk
