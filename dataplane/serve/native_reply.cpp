// The native engine's replies.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "dataplane/base/text_bytes.h"
#include "dataplane/dhcp/emit.h"
#include "dataplane/serve/native_engine.h"
#include "dataplane/serve/reply_message.h"
#include "dataplane/serve/reply_parts.h"

namespace xk {
namespace {

constexpr std::size_t kMoreMax = 2 + kEchoedMax;

LeaseTimes times_of(const SubnetEntry& subnet, std::uint32_t lease_s) {
  if (lease_s == subnet.lease_time_s) return {lease_s, subnet.renew_s, subnet.rebind_s};
  if (lease_s == kEngineForEver) return {lease_s, lease_s, lease_s};
  // RFC 2131 4.4.5.
  return {lease_s, lease_s / 2, static_cast<std::uint32_t>(std::uint64_t{lease_s} * 7 / 8)};
}

// What is said whether it is asked for or not.
void write_more(const ServerRequest& request, const Decision& decision, ByteWriter& more) {
  if (request.type == MessageType::discover && decision.act == Act::commit) {
    more.u8(option4::kRapidCommit);
    more.u8(0);
  }
  write_echoed(request, more);
}

MessageType type_of(const NativeQuestion& question, Act act) {
  if (act == Act::nak) return MessageType::nak;
  if (question.request.type == MessageType::none) return MessageType::none;
  return act == Act::offer ? MessageType::offer : MessageType::ack;
}

Verdict send(const NativeQuestion& question, const ReplyContent& content, const Destination& to,
             MutableBytes out, Emission& emission) {
  const ServerRequest& request = question.request;
  const AttachmentEntry& attachment = *request.received->attachment;
  const PortEntry& port = *question.forwarding.port(attachment.port);
  const ReplySize size{.client_max = reply_max(request),
                       .frame_max = message_max(attachment.outer, attachment.inner, port, out)};
  const WrittenReply written =
      write_reply(content, size, out.subspan(headers_size(attachment.outer, attachment.inner)));
  if (written.length == 0) return Verdict::drop(XK_PACKET_TOO_BIG);
  emission.length =
      write_frame(attachment.outer, attachment.inner, port, to, request.xid, written.length, out);
  emission.out = attachment.id;
  emission.port = attachment.port;
  Verdict verdict;
  if (request.datagram.checksum_partial) verdict.note(XK_NOTE_UDP_CHECKSUM_PARTIAL);
  if (written.left_out) verdict.note(XK_NOTE_STATIC_OPTIONS_NO_ROOM);
  return verdict;
}

ReplyContent content_of(const NativeQuestion& question, MessageType type) {
  const ServerRequest& request = question.request;
  return ReplyContent{.type = type,
                      .request = request.message,
                      .address = {},
                      .server_identifier = question.server_identifier,
                      .next_server = {},
                      .boot_file = {},
                      .times = {},
                      .layers = {},
                      .more = {},
                      .wanted = request.wanted(),
                      .client_id = request.client_id,
                      .agent = request.agent};
}

// RFC 2131 table 3: a NAK has little more than the reason.
Verdict write_nak(const NativeQuestion& question, const Decision& decision, const Destination& to,
                  MutableBytes out, Emission& emission) {
  std::array<std::uint8_t, 2 + 64> more;
  ByteWriter writer(more);
  const std::size_t size = std::min<std::size_t>(decision.why.size(), 64);
  writer.u8(option4::kErrorText);
  writer.u8(static_cast<std::uint8_t>(size));
  writer.bytes(bytes_of(decision.why.substr(0, size)));
  ReplyContent content = content_of(question, MessageType::nak);
  content.more = size == 0 ? Bytes{} : writer.written();
  Verdict verdict = send(question, content, to, out, emission);
  if (!verdict.dropped()) verdict.note(XK_NOTE_SERVE_NAK);
  return verdict;
}

// RFC 2132 2: zeros behind a text do not count.
std::string_view without_zeros(std::string_view text) {
  return text.substr(0, text.find_last_not_of('\0') + 1);
}

}  // namespace

Verdict write_native_reply(const NativeQuestion& question, const Decision& decision, MutableBytes out,
                           Emission& emission) {
  const ServerRequest& request = question.request;
  const Ip4 address = decision.lease == nullptr ? Ip4{} : decision.lease->address;
  const MessageType type = type_of(question, decision.act);
  Destination to;
  if (const Outcome fault = destination_of(request, type, address, question.server_identifier, to);
      fault != XK_OUTCOME_COUNT)
    return Verdict::drop(fault);
  if (type == MessageType::nak) return write_nak(question, decision, to, out, emission);
  const NativePool* pool = decision.lease == nullptr ? nullptr : question.plan.pool_of(address);
  const ReplyLayers layers(question.plan, *decision.subnet, pool, question.classes);
  std::array<std::uint8_t, kMoreMax> more_bytes;
  ByteWriter more(more_bytes);
  write_more(request, decision, more);
  ReplyContent content = content_of(question, type);
  content.address = address;
  content.next_server = layers.next_server;
  content.boot_file = layers.boot_file;
  content.layers = layers.all();
  content.more = more.written();
  if (decision.lease != nullptr) content.times = times_of(*decision.subnet, decision.lease_s);
  Verdict verdict = send(question, content, to, out, emission);
  if (!verdict.dropped()) verdict.note(type == MessageType::offer ? XK_NOTE_SERVE_OFFER : XK_NOTE_SERVE_ACK);
  return verdict;
}

std::string_view host_name_of(const ServerRequest& request, std::span<char, 255> scratch) {
  if (request.fqdn.size() <= kFqdnHead) return without_zeros(text_of(request.host_name));
  Bytes name = request.fqdn.subspan(kFqdnHead);
  if ((request.fqdn[0] & kFqdnWire) == 0) return without_zeros(text_of(name));
  std::size_t size = 0;
  while (!name.empty() && name[0] != 0 && name[0] < 64 && std::size_t{name[0]} + 1 <= name.size()) {
    if (size != 0) scratch[size++] = '.';
    std::memcpy(scratch.data() + size, name.data() + 1, name[0]);
    size += name[0];
    name = name.subspan(name[0] + std::size_t{1});
  }
  return {scratch.data(), size};
}

std::string_view attachment_name(const AttachmentEntry& attachment, const Forwarding& forwarding,
                                 std::span<char, 64> scratch) {
  const std::string& port = forwarding.port(attachment.port)->name;
  char* at = std::copy_n(port.begin(), std::min<std::size_t>(port.size(), 48), scratch.data());
  char* const end = scratch.data() + scratch.size();
  const auto tag = [&](char before, Vid vid) {
    *at++ = before;
    at = std::to_chars(at, end, vid.value).ptr;
  };
  if (attachment.outer.vid.value != 0) tag(' ', attachment.outer.vid);
  if (attachment.inner.vid.value != 0) tag('.', attachment.inner.vid);
  return {scratch.data(), at};
}

}  // namespace xk
