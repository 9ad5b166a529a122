#include "tests/serve4/reply_view.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "tests/packets/frame_check.h"

namespace xk::test {
namespace {

constexpr std::uint8_t kOffer = 2, kAck = 5, kNak = 6, kInform = 8;

constexpr std::array<std::pair<std::string_view, std::uint8_t>, 7> kReplyTypes{{{"offer", kOffer},
                                                                                {"ack", kAck},
                                                                                {"nak", kNak},
                                                                                {"unassigned", 11},
                                                                                {"unknown", 12},
                                                                                {"active", 13},
                                                                                {"bootreply", 0}}};

std::uint32_t number_at(Bytes bytes, std::size_t at, std::size_t size) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < size; ++i) number = number << 8 | bytes[at + i];
  return number;
}

Mac mac_at(Bytes bytes, std::size_t at) {
  Mac mac;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), 6, mac.bytes.begin());
  return mac;
}

// The options of a field, as far as they fit it.
void read_field(Bytes message, std::size_t begin, std::size_t end, char field,
                std::vector<ReplyPart>& parts) {
  for (std::size_t at = begin; at < end && message[at] != 255;) {
    if (message[at] == 0) {
      ++at;
      continue;
    }
    if (at + 2 > end || at + 2 + message[at + 1] > end) return;
    const Bytes value = message.subspan(at + 2, message[at + 1]);
    parts.push_back({message[at], {value.begin(), value.end()}, field});
    at += 2 + value.size();
  }
}

std::uint8_t overload_of(const std::vector<ReplyPart>& parts) {
  const auto found = std::ranges::find(parts, std::uint8_t{52}, &ReplyPart::code);
  return found == parts.end() || found->value.empty() ? std::uint8_t{0} : found->value[0];
}

using Value = std::optional<std::vector<std::uint8_t>>;

// All parts of the option that a request has.
Value option_of(const Packet& packet, std::uint8_t code) {
  Value joined;
  for (const PacketOption& option : packet.options) {
    if (option.code != code) continue;
    if (!joined) joined.emplace();
    joined->insert(joined->end(), option.value.begin(), option.value.end());
  }
  return joined;
}

std::uint8_t type_of(const Packet& packet) {
  const Value type = option_of(packet, 53);
  return !type || type->empty() ? std::uint8_t{0} : type->front();
}

std::string wrong_fields(const ReplyView& reply, const Packet& request) {
  const std::uint8_t type = reply.type();
  if (reply.op() != 2) return "op is not BOOTREPLY";
  if (reply.message[3] != 0) return "hops is not 0";
  if (reply.u32(4) != request.xid) return "xid is not the request's";
  if (reply.u16(8) != 0) return "secs is not 0";
  const auto relayed_nak = static_cast<std::uint16_t>(request.flags | 0x8000);
  const bool relayed = !request.giaddr.is_zero();
  if (reply.u16(10) != (type == kNak && relayed ? relayed_nak : request.flags))
    return "flags are not the request's, or a relayed NAK without the broadcast flag";
  const Ip4 ciaddr = reply.ip4(kCiaddrAt);
  if (!ciaddr.is_zero() && (type != kAck || ciaddr != request.ciaddr)) return "ciaddr is not of the request";
  if (reply.ip4(kYiaddrAt).is_zero() != (type == kNak || type_of(request) == kInform))
    return "yiaddr is zero, or is not in a NAK or an answer to an INFORM";
  if (reply.ip4(kGiaddrAt) != request.giaddr) return "giaddr is not the request's";
  if (mac_at(reply.message, 28) != request.chaddr) return "chaddr is not the request's";
  if (std::ranges::any_of(Bytes(reply.message).subspan(34, 10), [](auto byte) { return byte != 0; }))
    return "bytes behind chaddr";
  if (type == kNak && reply.ip4(kSiaddrAt).value != 0) return "siaddr in a NAK";
  return "";
}

std::string wrong_options(const ReplyView& reply, const Packet& request) {
  const std::uint8_t type = reply.type();
  for (const std::uint8_t code : std::array<std::uint8_t, 3>{50, 55, 57})
    if (reply.option(code)) return "option " + std::to_string(code) + " in a reply";
  if (!reply.option(54) || reply.option(54)->size() != 4) return "no server identifier";
  const bool timed = type == kOffer || (type == kAck && type_of(request) != kInform);
  if (reply.option(51).has_value() != timed) return timed ? "no lease time" : "a lease time";
  const Value asked = option_of(request, 61);
  if (asked && asked->size() >= 2 && reply.option(61) != asked)
    return "the client identifier is not that of the request (RFC 6842)";
  if (!asked && reply.option(61)) return "a client identifier, and the request had none";
  if (!option_of(request, 82) && reply.option(82)) return "an option 82, and the request had none";
  if (type != kNak) return "";
  static constexpr std::array<std::uint8_t, 5> kOfNak{53, 54, 56, 61, 82};
  for (const ReplyPart& part : reply.parts)
    if (std::ranges::find(kOfNak, part.code) == kOfNak.end())
      return "option " + std::to_string(part.code) + " in a NAK";
  return "";
}

// Each field's options end with END, and only pad follows (RFC 2131 4.1).
std::string wrong_end(const ReplyView& reply) {
  const auto wrong_in = [&reply](std::size_t at, std::size_t end, const char* field) -> std::string {
    while (at + 1 < end && reply.message[at] != 255)
      at += reply.message[at] == 0 ? 1 : std::size_t{2} + reply.message[at + 1];
    if (at >= end || reply.message[at] != 255) return std::string("no END in ") + field;
    const auto rest = Bytes(reply.message).subspan(at + 1, end - at - 1);
    const bool padded = std::ranges::all_of(rest, [](std::uint8_t byte) { return byte == 0; });
    return padded ? "" : std::string("no pad behind END in ") + field;
  };
  std::string wrong = wrong_in(kOptionsAt, reply.message.size(), "options");
  if (wrong.empty() && (reply.overload & 1) != 0) wrong = wrong_in(kFileAt, kFileAt + 128, "file");
  if (wrong.empty() && (reply.overload & 2) != 0) wrong = wrong_in(kSnameAt, kSnameAt + 64, "sname");
  return wrong;
}

// Parts of one option that are short of 255 bytes are several of it (RFC 3396 5: a split one fills the parts
// that are not the last, but for those which a field's end cuts).
std::string wrong_repetition(const ReplyView& reply) {
  std::map<std::uint8_t, std::size_t> before;
  for (std::size_t i = 0; i < reply.parts.size(); ++i) {
    const ReplyPart& part = reply.parts[i];
    const auto [at, first] = before.try_emplace(part.code, i);
    if (first) continue;
    const ReplyPart& last = reply.parts[at->second];
    if (last.field == part.field && last.value.size() < 255)
      return "option " + std::to_string(part.code) + " twice";
    at->second = i;
  }
  return "";
}

}  // namespace

std::uint32_t ReplyView::u32(std::size_t at) const { return number_at(message, at, 4); }
std::uint16_t ReplyView::u16(std::size_t at) const {
  return static_cast<std::uint16_t>(number_at(message, at, 2));
}

std::uint8_t ReplyView::type() const {
  const auto value = option(53);
  return value && value->size() == 1 ? value->front() : std::uint8_t{0};
}

std::optional<std::vector<std::uint8_t>> ReplyView::option(std::uint8_t code) const {
  std::optional<std::vector<std::uint8_t>> joined;
  for (const ReplyPart& part : parts) {
    if (part.code != code) continue;
    if (!joined) joined.emplace();
    joined->insert(joined->end(), part.value.begin(), part.value.end());
  }
  return joined;
}

std::expected<ReplyView, std::string> view_reply(Bytes frame) {
  // A BOOTP reply has no message type, the answer to a query by address no hardware type.
  if (std::string wrong = wrong_with_frame(frame);
      !wrong.empty() && wrong != "no message type" && wrong != "htype or hlen")
    return std::unexpected(std::move(wrong));
  return *read_reply(frame);
}

std::optional<ReplyView> read_reply(Bytes frame) {
  if (frame.size() < 34) return std::nullopt;
  ReplyView reply;
  reply.destination_mac = mac_at(frame, 0);
  reply.source_mac = mac_at(frame, 6);
  std::size_t at = 12;
  std::uint32_t type = number_at(frame, at, 2);
  for (; (type == 0x8100 || type == 0x88a8) && at + 6 <= frame.size(); type = number_at(frame, at, 2)) {
    const auto vid = static_cast<std::uint16_t>(number_at(frame, at + 2, 2) & 0xfffu);
    reply.tags.push_back({Vid{vid}, static_cast<std::uint16_t>(type)});
    at += 4;
  }
  const Bytes ip = frame.subspan(at + 2);
  if (type != 0x0800 || ip.size() < 28 || ip[0] != 0x45 || ip[9] != 17) return std::nullopt;
  const std::size_t udp = number_at(ip, 24, 2);
  if (udp < 8 + kOptionsAt || udp > ip.size() - 20) return std::nullopt;
  reply.source = Ip4{number_at(ip, 12, 4)};
  reply.destination = Ip4{number_at(ip, 16, 4)};
  reply.source_port = static_cast<std::uint16_t>(number_at(ip, 20, 2));
  reply.destination_port = static_cast<std::uint16_t>(number_at(ip, 22, 2));
  const Bytes message = ip.subspan(28, udp - 8);
  reply.message.assign(message.begin(), message.end());
  read_field(message, kOptionsAt, message.size(), 'o', reply.parts);
  reply.overload = overload_of(reply.parts);
  if ((reply.overload & 1) != 0) read_field(message, kFileAt, kFileAt + 128, 'f', reply.parts);
  if ((reply.overload & 2) != 0) read_field(message, kSnameAt, kSnameAt + 64, 's', reply.parts);
  return reply;
}

std::string wrong_with_reply(const ReplyView& reply, const Packet& request) {
  for (const auto check : {wrong_fields, wrong_options})
    if (std::string wrong = check(reply, request); !wrong.empty()) return wrong;
  if (std::string wrong = wrong_end(reply); !wrong.empty()) return wrong;
  return wrong_repetition(reply);
}

std::uint8_t message_type_named(std::string_view name) {
  for (const auto& [known, type] : kReplyTypes)
    if (known == name) return type;
  return 255;
}

std::string message_type_name(std::uint8_t type) {
  for (const auto& [name, known] : kReplyTypes)
    if (known == type) return std::string(name);
  return "type " + std::to_string(type);
}

}  // namespace xk::test
