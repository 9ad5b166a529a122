#include "tests/packets/frame_check.h"

#include <utility>

namespace xk::test {
namespace {

std::uint32_t be16(Bytes bytes, std::size_t at) { return std::uint32_t{bytes[at]} << 8 | bytes[at + 1]; }

std::uint32_t sum(Bytes bytes, std::uint32_t start) {
  for (std::size_t i = 0; i < bytes.size(); i += 2)
    start += i + 1 < bytes.size() ? be16(bytes, i) : std::uint32_t{bytes[i]} << 8;
  while (start >> 16 != 0) start = (start & 0xffffu) + (start >> 16);
  return start;
}

// The type behind at most two tags and the offset of what follows it; 0 if the frame is too short.
std::pair<std::uint32_t, std::size_t> ether_type(Bytes frame) {
  std::size_t at = 12;
  for (int tags = 0; tags <= 2 && at + 2 <= frame.size(); ++tags, at += 4) {
    const std::uint32_t type = be16(frame, at);
    if (type != 0x8100 && type != 0x88a8) return {type, at + 2};
  }
  return {0, 0};
}

// Options of one field: which is bad, or where END is.
std::string walk(Bytes field, std::uint8_t& overload, bool& typed) {
  for (std::size_t at = 0; at < field.size();) {
    if (field[at] == 255) return "";
    if (field[at] == 0) {
      ++at;
      continue;
    }
    if (at + 2 > field.size() || at + 2 + field[at + 1] > field.size())
      return "an option runs past its field";
    if (field[at] == 52 && field[at + 1] == 1) overload = field[at + 2];
    if (field[at] == 53) typed = true;
    at += std::size_t{2} + field[at + 1];
  }
  return "no END";
}

std::string wrong_with_message(Bytes message) {
  if (message.size() < 300) return "message below 300 bytes";
  if (message[0] != 1 && message[0] != 2) return "op";
  if (message[1] != 1 || message[2] != 6) return "htype or hlen";
  if (be16(message, 236) != 0x6382 || be16(message, 238) != 0x5363) return "cookie";
  std::uint8_t overload = 0;
  bool typed = false;
  if (auto wrong = walk(message.subspan(240), overload, typed); !wrong.empty()) return "options: " + wrong;
  std::uint8_t none = 0;
  if ((overload & 1) != 0)
    if (auto wrong = walk(message.subspan(108, 128), none, typed); !wrong.empty()) return "file: " + wrong;
  if ((overload & 2) != 0)
    if (auto wrong = walk(message.subspan(44, 64), none, typed); !wrong.empty()) return "sname: " + wrong;
  return typed ? "" : "no message type";
}

}  // namespace

std::string wrong_with_frame(Bytes frame) {
  const auto [type, at] = ether_type(frame);
  if (type != 0x0800) return "Ethernet type";
  const Bytes ip = frame.subspan(at);
  if (ip.size() < 28) return "shorter than its headers";
  if (ip[0] != 0x45) return "IP version or header length";
  if (be16(ip, 2) != ip.size()) return "IP total length";
  if (sum(ip.first(20), 0) != 0xffff) return "IP checksum";
  if ((be16(ip, 6) & 0x3fff) != 0) return "fragment";
  if (ip[8] == 0 || ip[9] != 17) return "TTL or protocol";
  const Bytes udp = ip.subspan(20);
  if (be16(udp, 0) != 67) return "source port";
  if (be16(udp, 4) != udp.size()) return "UDP length";
  if (be16(udp, 6) == 0) return "UDP checksum is zero";
  const auto length = static_cast<std::uint32_t>(udp.size());
  if (sum(udp, sum(ip.subspan(12, 8), 17 + length)) != 0xffff) return "UDP checksum";
  return wrong_with_message(udp.subspan(8));
}

std::string wrong_with_arp(Bytes frame) {
  const auto [type, at] = ether_type(frame);
  if (type != 0x0806) return "Ethernet type";
  if (frame.size() < 60 || frame.size() < at + 28) return "short";
  return be16(frame, at + 6) == 2 ? "" : "operation";
}

}  // namespace xk::test
