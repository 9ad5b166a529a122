#include "tests/packets/packet_text.h"

#include <algorithm>
#include <charconv>
#include <map>

namespace xk::test {
namespace {

using Buffer = std::vector<std::uint8_t>;
using Words = std::vector<std::string>;

std::unexpected<Error> wrong(std::string message) { return std::unexpected(Error{std::move(message)}); }

void put(Buffer& to, std::uint32_t number, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) to.push_back(static_cast<std::uint8_t>(number >> (8 * i)));
}
void put(Buffer& to, const Mac& mac) { to.insert(to.end(), mac.bytes.begin(), mac.bytes.end()); }
void put(Buffer& to, const Buffer& bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }
void put(Buffer& to, Buffer bytes, std::size_t size) {
  bytes.resize(size);
  put(to, bytes);
}

// RFC 1071 word by word.
std::uint32_t sum(const Buffer& bytes, std::size_t from, std::uint32_t start) {
  for (std::size_t i = from; i < bytes.size(); i += 2)
    start += static_cast<std::uint32_t>(bytes[i] << 8) | (i + 1 < bytes.size() ? bytes[i + 1] : 0u);
  while (start >> 16 != 0) start = (start & 0xffffu) + (start >> 16);
  return start;
}

void store(Buffer& at, std::size_t offset, std::uint32_t number) {
  at[offset] = static_cast<std::uint8_t>(number >> 8);
  at[offset + 1] = static_cast<std::uint8_t>(number);
}

std::expected<int, Error> parse_offset(std::string_view text) {
  int number = 0;
  const std::string_view digits = text.starts_with('+') ? text.substr(1) : text;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (failure != std::errc{} || end != digits.data() + digits.size())
    return wrong("no offset: " + std::string(text));
  return number;
}

std::expected<VlanTag, Error> parse_tag(const std::string& text) {
  const std::size_t at = text.find('@');
  const auto vid = parse_number(text.substr(0, at));
  if (!vid) return std::unexpected(vid.error());
  VlanTag tag{Vid{static_cast<std::uint16_t>(*vid)}, 0x8100};
  if (at != std::string::npos) {
    const auto tpid = parse_number("0x" + text.substr(at + 1));
    if (!tpid) return std::unexpected(tpid.error());
    tag.tpid = static_cast<std::uint16_t>(*tpid);
  }
  return tag;
}

// Statements whose argument is one number, with the member it goes to.
template <typename Member>
std::expected<void, Error> set_number(Member& member, const Words& words) {
  if (words.size() != 2) return wrong(words[0] + " takes one number");
  const auto number = parse_number(words[1]);
  if (!number) return std::unexpected(number.error());
  member = static_cast<Member>(*number);
  return {};
}

std::expected<void, Error> set_address(Ip4& member, const Words& words) {
  if (words.size() != 2) return wrong(words[0] + " takes one address");
  const auto address = parse_ip4(words[1]);
  if (!address) return std::unexpected(address.error());
  member = *address;
  return {};
}

std::expected<void, Error> set_value(Buffer& member, const Words& words) {
  auto value = parse_value(words, 1);
  if (!value) return std::unexpected(value.error());
  member = std::move(*value);
  return {};
}

std::expected<void, Error> set_offset(int& member, const Words& words) {
  if (words.size() != 2) return wrong(words[0] + " takes +N or -N");
  const auto offset = parse_offset(words[1]);
  if (!offset) return std::unexpected(offset.error());
  member = *offset;
  return {};
}

using Setter = std::expected<void, Error> (*)(Packet&, const Words&);

std::expected<void, Error> set_eth(Packet& packet, const Words& words) {
  if (words.size() != 4 || words[2] != ">") return wrong("eth SOURCE > DESTINATION");
  const auto source = parse_mac(words[1]);
  const auto destination = parse_mac(words[3]);
  if (!source || !destination) return wrong("eth: no MAC address");
  packet.source_mac = *source;
  packet.destination_mac = *destination;
  return {};
}

std::expected<void, Error> set_ip(Packet& packet, const Words& words) {
  if (words.size() != 4 || words[2] != ">") return wrong("ip SOURCE > DESTINATION");
  const auto source = parse_ip4(words[1]);
  const auto destination = parse_ip4(words[3]);
  if (!source || !destination) return wrong("ip: no IPv4 address");
  packet.source = *source;
  packet.destination = *destination;
  return {};
}

std::expected<void, Error> set_udp(Packet& packet, const Words& words) {
  if (words.size() != 4 || words[2] != ">") return wrong("udp SOURCE > DESTINATION");
  const auto source = parse_number(words[1]);
  const auto destination = parse_number(words[3]);
  if (!source || !destination) return wrong("udp: no port");
  packet.source_port = static_cast<std::uint16_t>(*source);
  packet.destination_port = static_cast<std::uint16_t>(*destination);
  return {};
}

std::expected<void, Error> set_tags(Packet& packet, const Words& words) {
  packet.tags.clear();
  if (words.size() == 2 && words[1] == "none") return {};
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto tag = parse_tag(words[i]);
    if (!tag) return std::unexpected(tag.error());
    packet.tags.push_back(*tag);
  }
  return {};
}

std::expected<void, Error> add_option(Packet& packet, const Words& words) {
  if (words.size() < 2) return wrong("option CODE VALUE");
  const auto code = parse_number(words[1]);
  auto value = parse_value(words, 2);
  if (!code) return std::unexpected(code.error());
  if (!value) return std::unexpected(value.error());
  packet.options.push_back({static_cast<std::uint8_t>(*code), std::move(*value)});
  return {};
}

std::expected<void, Error> add_agent(Packet& packet, const Words& words) {
  Buffer content;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::size_t equals = words[i].find('=');
    if (equals == std::string::npos) return wrong("agent N=VALUE");
    const auto code = parse_number(words[i].substr(0, equals));
    const std::string text = words[i].substr(equals + 1);
    const auto value = text.empty() ? std::expected<Buffer, Error>(Buffer{}) : parse_value({text}, 0);
    if (!code) return std::unexpected(code.error());
    if (!value) return std::unexpected(value.error());
    put(content, *code, 1);
    put(content, static_cast<std::uint32_t>(value->size()), 1);
    put(content, *value);
  }
  packet.options.push_back({std::uint8_t{82}, std::move(content)});
  return {};
}

std::expected<void, Error> remove_option(Packet& packet, const Words& words) {
  if (words.size() == 2 && words[1] == "raw") {
    if (std::erase_if(packet.options, [](const PacketOption& option) { return !option.code; }) == 0)
      return wrong("there are no raw options");
    return {};
  }
  std::uint8_t code = 0;
  if (auto parsed = set_number(code, words); !parsed) return parsed;
  if (std::erase_if(packet.options, [&](const PacketOption& option) { return option.code == code; }) == 0)
    return wrong("there is no option " + words[1]);
  return {};
}

std::expected<void, Error> add_raw(Packet& packet, const Words& words) {
  auto value = parse_value(words, 1);
  if (!value) return std::unexpected(value.error());
  packet.options.push_back({std::nullopt, std::move(*value)});
  return {};
}

std::expected<void, Error> set_arp_end(Mac& mac, Ip4& address, const Words& words) {
  if (words.size() != 3) return wrong(words[0] + " MAC ADDRESS");
  const auto parsed_mac = parse_mac(words[1]);
  const auto parsed_address = parse_ip4(words[2]);
  if (!parsed_mac || !parsed_address) return wrong(words[0] + " MAC ADDRESS");
  mac = *parsed_mac;
  address = *parsed_address;
  return {};
}

std::expected<void, Error> set_chaddr(Packet& packet, const Words& words) {
  const auto mac = words.size() == 2 ? parse_mac(words[1]) : wrong("chaddr MAC");
  if (!mac) return std::unexpected(mac.error());
  packet.chaddr = *mac;
  return {};
}

#define XK_NUMBER(member) [](Packet& p, const Words& w) { return set_number(p.member, w); }
#define XK_ADDRESS(member) [](Packet& p, const Words& w) { return set_address(p.member, w); }
#define XK_VALUE(member) [](Packet& p, const Words& w) { return set_value(p.member, w); }
#define XK_OFFSET(member) [](Packet& p, const Words& w) { return set_offset(p.member, w); }

std::expected<void, Error> set_optional_size(std::optional<std::size_t>& member, const Words& words) {
  member = 0;
  return set_number(*member, words);
}

const std::map<std::string, Setter, std::less<>>& setters() {
  static const std::map<std::string, Setter, std::less<>> kSetters = {
      {"eth", set_eth},
      {"tags", set_tags},
      {"ip", set_ip},
      {"ip.id", XK_NUMBER(identification)},
      {"ip.fragment", XK_NUMBER(fragment)},
      {"ip.options", XK_VALUE(ip_options)},
      {"ip.ihl",
       [](Packet& p, const Words& w) {
         p.ihl = 0;
         return set_number(*p.ihl, w);
       }},
      {"ip.version", XK_NUMBER(ip_version)},
      {"ip.protocol", XK_NUMBER(protocol)},
      {"ip.length", XK_OFFSET(ip_length_off)},
      {"ip.checksum",
       [](Packet& p, const Words& w) -> std::expected<void, Error> {
         p.ip_checksum_bad = w.size() == 2 && w[1] == "bad";
         return {};
       }},
      {"udp", set_udp},
      {"udp.length", XK_OFFSET(udp_length_off)},
      {"udp.checksum",
       [](Packet& p, const Words& w) -> std::expected<void, Error> {
         if (w.size() != 2) return wrong("udp.checksum bad|none|partial|right");
         p.udp_checksum = w[1];
         return {};
       }},
      {"op", XK_NUMBER(op)},
      {"htype", XK_NUMBER(htype)},
      {"hlen", XK_NUMBER(hlen)},
      {"hops", XK_NUMBER(hops)},
      {"xid", XK_NUMBER(xid)},
      {"secs", XK_NUMBER(secs)},
      {"flags", XK_NUMBER(flags)},
      {"ciaddr", XK_ADDRESS(ciaddr)},
      {"yiaddr", XK_ADDRESS(yiaddr)},
      {"siaddr", XK_ADDRESS(siaddr)},
      {"giaddr", XK_ADDRESS(giaddr)},
      {"chaddr", set_chaddr},
      {"cookie", XK_VALUE(cookie)},
      {"sname", XK_VALUE(sname)},
      {"file", XK_VALUE(file)},
      {"option", add_option},
      {"agent", add_agent},
      {"remove", remove_option},
      {"raw", add_raw},
      {"end",
       [](Packet& p, const Words& w) -> std::expected<void, Error> {
         if (w.size() != 2) return wrong("end yes|no");
         p.end = w[1] == "yes";
         return {};
       }},
      {"after", XK_VALUE(after)},
      {"size", XK_NUMBER(size)},
      {"message.cut", [](Packet& p, const Words& w) { return set_optional_size(p.message_cut, w); }},
      {"frame.cut", [](Packet& p, const Words& w) { return set_optional_size(p.frame_cut, w); }},
      {"frame.pad", XK_NUMBER(frame_pad)},
      {"arp.htype", XK_NUMBER(arp_htype)},
      {"arp.ptype", XK_NUMBER(arp_ptype)},
      {"arp.hlen", XK_NUMBER(arp_hlen)},
      {"arp.plen", XK_NUMBER(arp_plen)},
      {"arp.op", XK_NUMBER(arp_op)},
      {"arp.sender",
       [](Packet& p, const Words& w) { return set_arp_end(p.arp_sender_mac, p.arp_sender, w); }},
      {"arp.target",
       [](Packet& p, const Words& w) { return set_arp_end(p.arp_target_mac, p.arp_target, w); }},
  };
  return kSetters;
}

Buffer arp_bytes(const Packet& packet) {
  Buffer bytes;
  put(bytes, packet.arp_htype, 2);
  put(bytes, packet.arp_ptype, 2);
  put(bytes, packet.arp_hlen, 1);
  put(bytes, packet.arp_plen, 1);
  put(bytes, packet.arp_op, 2);
  put(bytes, packet.arp_sender_mac);
  put(bytes, packet.arp_sender.value, 4);
  put(bytes, packet.arp_target_mac);
  put(bytes, packet.arp_target.value, 4);
  return bytes;
}

Buffer udp_bytes(const Packet& packet) {
  const Buffer payload = packet.message();
  const auto length =
      static_cast<std::uint32_t>(static_cast<int>(payload.size() + 8) + packet.udp_length_off);
  Buffer pseudo;
  put(pseudo, packet.source.value, 4);
  put(pseudo, packet.destination.value, 4);
  put(pseudo, 17, 2);
  put(pseudo, length, 2);
  Buffer udp;
  put(udp, packet.source_port, 2);
  put(udp, packet.destination_port, 2);
  put(udp, length, 2);
  put(udp, 0, 2);
  put(udp, payload);
  // The checksum covers what the length says; a length past the end has nothing right to cover.
  Buffer covered = udp;
  covered.resize(std::min<std::size_t>(covered.size(), length));
  const std::uint32_t partial = sum(pseudo, 0, 0);
  std::uint32_t checksum = ~sum(covered, 0, partial) & 0xffffu;
  if (checksum == 0) checksum = 0xffff;
  if (packet.udp_checksum == "bad") checksum = checksum == 1 ? 2 : checksum - 1;
  if (packet.udp_checksum == "none") checksum = 0;
  if (packet.udp_checksum == "partial") checksum = partial;
  store(udp, 6, checksum);
  return udp;
}

Buffer ip_bytes(const Packet& packet) {
  const Buffer udp = udp_bytes(packet);
  Buffer ip;
  const std::size_t header = 20 + packet.ip_options.size();
  const std::uint8_t ihl = packet.ihl.value_or(static_cast<std::uint8_t>(header / 4));
  put(ip, static_cast<std::uint32_t>(packet.ip_version << 4 | ihl), 1);
  put(ip, 0, 1);
  put(ip, static_cast<std::uint32_t>(static_cast<int>(header + udp.size()) + packet.ip_length_off), 2);
  put(ip, packet.identification, 2);
  put(ip, packet.fragment, 2);
  put(ip, packet.ttl, 1);
  put(ip, packet.protocol, 1);
  put(ip, 0, 2);
  put(ip, packet.source.value, 4);
  put(ip, packet.destination.value, 4);
  put(ip, packet.ip_options);
  // A header length other than the real one is summed as it says, to be its only fault.
  Buffer summed = ip;
  put(summed, udp);
  summed.resize(std::min<std::size_t>(summed.size(), ihl * 4u));
  std::uint32_t checksum = ~sum(summed, 0, 0) & 0xffffu;
  if (packet.ip_checksum_bad) checksum ^= 1;
  store(ip, 10, checksum);
  put(ip, udp);
  return ip;
}

}  // namespace

std::vector<std::string> words(std::string_view line) {
  Words found;
  std::string word;
  bool quoted = false;
  bool any = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
      word += c;
      any = true;
    } else if (!quoted && c == '#') {
      break;
    } else if (!quoted && (c == ' ' || c == '\t')) {
      if (any) found.push_back(word);
      word.clear();
      any = false;
    } else {
      word += c;
      any = true;
    }
  }
  if (any) found.push_back(word);
  return found;
}

std::expected<std::uint32_t, Error> parse_number(std::string_view text) {
  std::uint32_t number = 0;
  const bool hex = text.starts_with("0x");
  const std::string_view digits = hex ? text.substr(2) : text;
  const auto [end, failure] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number, hex ? 16 : 10);
  if (failure != std::errc{} || end != digits.data() + digits.size())
    return wrong("no number: " + std::string(text));
  return number;
}

std::expected<std::vector<std::uint8_t>, Error> parse_value(const std::vector<std::string>& words,
                                                            std::size_t from) {
  Buffer value;
  for (std::size_t i = from; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word.size() >= 2 && word.front() == '"' && word.back() == '"') {
      value.insert(value.end(), word.begin() + 1, word.end() - 1);
    } else if (word.starts_with("zeros:")) {
      const auto count = parse_number(word.substr(6));
      if (!count) return std::unexpected(count.error());
      value.resize(value.size() + *count);
    } else if (word.find('.') != std::string::npos) {
      const auto address = parse_ip4(word);
      if (!address) return std::unexpected(address.error());
      put(value, address->value, 4);
    } else {
      if (word.size() % 2 != 0) return wrong("half a byte: " + word);
      for (std::size_t at = 0; at < word.size(); at += 2) {
        const auto byte = parse_number("0x" + word.substr(at, 2));
        if (!byte) return std::unexpected(byte.error());
        value.push_back(static_cast<std::uint8_t>(*byte));
      }
    }
  }
  return value;
}

std::expected<void, Error> Packet::apply(std::string_view statement) {
  const Words split = words(statement);
  if (split.empty()) return {};
  const auto setter = setters().find(split[0]);
  if (setter == setters().end()) return wrong("no statement: " + split[0]);
  return setter->second(*this, split);
}

std::vector<std::uint8_t> Packet::message() const {
  Buffer bytes{op, htype, hlen, hops};
  put(bytes, xid, 4);
  put(bytes, secs, 2);
  put(bytes, flags, 2);
  for (const Ip4 address : {ciaddr, yiaddr, siaddr, giaddr}) put(bytes, address.value, 4);
  put(bytes, chaddr);
  bytes.resize(44);
  put(bytes, sname, 64);
  put(bytes, file, 128);
  put(bytes, cookie);
  for (const PacketOption& option : options) {
    if (option.code) {
      put(bytes, *option.code, 1);
      put(bytes, static_cast<std::uint32_t>(option.value.size()), 1);
    }
    put(bytes, option.value);
  }
  if (end) put(bytes, 255, 1);
  put(bytes, after);
  bytes.resize(std::max(bytes.size(), size));
  if (message_cut) bytes.resize(std::min(bytes.size(), *message_cut));
  return bytes;
}

std::vector<std::uint8_t> Packet::frame() const {
  Buffer bytes;
  put(bytes, destination_mac);
  put(bytes, source_mac);
  for (const VlanTag& tag : tags) {
    put(bytes, tag.tpid, 2);
    put(bytes, tag.vid.value, 2);
  }
  put(bytes, arp ? 0x0806 : 0x0800, 2);
  put(bytes, arp ? arp_bytes(*this) : ip_bytes(*this));
  bytes.resize(bytes.size() + frame_pad);
  if (frame_cut) bytes.resize(std::min(bytes.size(), *frame_cut));
  return bytes;
}

std::expected<Packet, Error> packet_named(std::string_view name) {
  static const std::map<std::string, std::uint8_t, std::less<>> kTypes = {
      {"discover", 1}, {"offer", 2}, {"request", 3}, {"decline", 4},
      {"ack", 5},      {"nak", 6},   {"release", 7}, {"inform", 8}};
  Packet packet;
  packet.chaddr = packet.source_mac = Mac{{0x02, 0, 0, 0, 0x0c, 0x01}};
  packet.destination_mac = Mac::broadcast();
  packet.xid = 0x12345678;
  if (name == "arp") {
    packet.arp = true;
    packet.arp_sender_mac = packet.source_mac;
    packet.arp_sender = Ip4{0x0a000064};
    return packet;
  }
  const auto type = kTypes.find(name);
  if (type == kTypes.end()) return wrong("no packet: " + std::string(name));
  packet.options.push_back({std::uint8_t{53}, {type->second}});
  if (name == "offer" || name == "ack" || name == "nak") {
    packet.op = 2;
    packet.source_port = 67;
    packet.source_mac = Mac{{0x02, 0, 0, 0, 0x0e, 0x01}};
    if (name != "nak") packet.yiaddr = Ip4{0x0a000064};
    packet.options.push_back({std::uint8_t{54}, {10, 0, 0, 1}});
  } else {
    packet.destination = Ip4::limited_broadcast();
    packet.options.push_back({std::uint8_t{61}, {0x01, 0x02, 0, 0, 0, 0x0c, 0x01}});
  }
  return packet;
}

}  // namespace xk::test
