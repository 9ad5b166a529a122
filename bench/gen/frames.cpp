#include "bench/gen/frames.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "dataplane/dhcp/frame.h"

namespace xk::gen {
namespace {

constexpr std::uint32_t kXidBase = 0x58000000;

std::uint16_t vlan_number(std::string_view text, int base, unsigned max) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size() || value == 0 || value > max)
    throw std::runtime_error("--vlans: '" + std::string(text) + "' is no number from 1 to " +
                             std::to_string(max));
  return static_cast<std::uint16_t>(value);
}

std::vector<VlanTag> parse_attachment(std::string_view text) {
  std::vector<VlanTag> tags;
  if (text == "none") return tags;
  for (bool more = true; more;) {
    const std::size_t dot = text.find('.');
    std::string_view part = text.substr(0, dot);
    more = dot != std::string_view::npos;
    if (more) text.remove_prefix(dot + 1);
    VlanTag tag;
    if (const std::size_t at = part.find('@'); at != std::string_view::npos) {
      tag.tpid = vlan_number(part.substr(at + 1), 16, 0xffff);
      part = part.substr(0, at);
    }
    tag.vid.value = vlan_number(part, 10, 4094);
    tags.push_back(tag);
  }
  if (tags.size() > 2) throw std::runtime_error("--vlans: at most two tags an attachment");
  return tags;
}

void write_message(ByteWriter& out, const ClientMessage& message) {
  out.u8(dhcp4::kBootRequest);
  out.u8(dhcp4::kEthernet);
  out.u8(6);
  out.u8(0);
  out.u32(client_xid(message.number));
  out.u32(0);  // secs and flags
  out.ip4(message.ciaddr);
  out.zeros(dhcp4::kChaddr - dhcp4::kYiaddr);
  out.mac(client_mac(message.number));
  out.zeros(dhcp4::kCookie - dhcp4::kChaddr - 6);
  out.u32(dhcp4::kMagicCookie);
  out.u8(option4::kMessageType);
  out.u8(1);
  out.u8(static_cast<std::uint8_t>(message.type));
  const std::pair<std::uint8_t, std::uint32_t> numbers[] = {
      {50, message.requested.value}, {54, message.server_identifier.value}, {51, message.lease_s}};
  for (const auto& [code, number] : numbers) {
    if (number == 0) continue;
    out.u8(code);
    out.u8(4);
    out.u32(number);
  }
  const std::uint8_t wanted[] = {55, 4, 1, 3, 6, 15};  // parameter request list
  out.bytes(wanted);
  out.u8(option4::kEnd);
}

}  // namespace

Mac client_mac(std::uint32_t number) {
  return Mac{{0x02, 0x58, static_cast<std::uint8_t>(number >> 24), static_cast<std::uint8_t>(number >> 16),
              static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}};
}

std::uint32_t client_xid(std::uint32_t number) { return kXidBase + number; }

std::uint32_t client_number(std::uint32_t xid) { return xid - kXidBase; }

std::vector<std::uint8_t> client_frame(const ClientMessage& message, const std::vector<VlanTag>& tags,
                                       std::uint32_t message_bytes) {
  FrameHeaders4 headers;
  headers.destination_mac = Mac::broadcast();
  headers.source_mac = client_mac(message.number);
  if (!tags.empty()) headers.outer = tags[0];
  if (tags.size() > 1) headers.inner = tags[1];
  headers.destination = Ip4::limited_broadcast();
  if (!message.ciaddr.is_zero()) {
    headers.destination_mac = message.server_mac;
    headers.source = message.ciaddr;
    headers.destination = message.server;
  }
  headers.source_port = XK_DHCP4_CLIENT_PORT;
  headers.destination_port = XK_DHCP4_SERVER_PORT;
  const std::size_t front = headers_size(headers.outer, headers.inner);
  std::vector<std::uint8_t> frame(front + std::max<std::size_t>(message_bytes, dhcp4::kMessageMin));
  ByteWriter out(MutableBytes(frame).subspan(front));
  write_message(out, message);
  write_headers4(frame, headers);
  return frame;
}

std::vector<std::vector<VlanTag>> parse_vlans(const std::string& text) {
  std::vector<std::vector<VlanTag>> attachments;
  std::string_view rest = text;
  for (bool more = true; more;) {
    const std::size_t comma = rest.find(',');
    attachments.push_back(parse_attachment(rest.substr(0, comma)));
    more = comma != std::string_view::npos;
    if (more) rest.remove_prefix(comma + 1);
  }
  return attachments;
}

}  // namespace xk::gen
