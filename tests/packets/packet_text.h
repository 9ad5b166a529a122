// Packets in a notation a person can read and write, for tests. The encoder shares no code with what
// it tests. One line a statement; numbers are decimal or 0x...; VALUE is a row of "text", dotted
// addresses, hex bytes and zeros:N.
//
//   eth SOURCE > DESTINATION      tags 100 | 200@88a8 300 | none
//   ip SOURCE > DESTINATION       ip.id N  ip.fragment N  ip.options VALUE  ip.ihl N  ip.version N
//                                 ip.length +N|-N  ip.checksum bad  ip.protocol N
//   udp SOURCE > DESTINATION      udp.length +N|-N  udp.checksum bad|none|partial
//   op htype hlen hops xid secs flags N        ciaddr yiaddr siaddr giaddr ADDRESS
//   chaddr MAC   cookie VALUE   sname VALUE   file VALUE
//   option CODE VALUE             appends an option; agent N=VALUE ...  appends an option 82
//   remove CODE|raw               takes all options with the code, or all raw ones, out
//   raw VALUE                     appends bytes that need not be an option
//   end yes|no   after VALUE      whether END closes the options, and what stands behind it
//   size N                        pads the message with zeros up to N bytes (default 300)
//   message.cut N                 bytes of the message that are left; lengths are right for it
//   frame.cut N   frame.pad N     bytes of the frame that are left; bytes of padding behind it
//   arp.htype arp.ptype arp.hlen arp.plen arp.op N    arp.sender MAC ADDRESS    arp.target MAC ADDRESS
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/base/types.h"

namespace xk::test {

struct PacketOption {
  std::optional<std::uint8_t> code;  // none: raw bytes
  std::vector<std::uint8_t> value;
};

struct Packet {
  Mac source_mac{};
  Mac destination_mac{};
  std::vector<VlanTag> tags;
  bool arp = false;

  Ip4 source{}, destination{};
  std::uint8_t ip_version = 4, ttl = 64, protocol = 17;
  std::uint16_t identification = 0, fragment = 0;
  std::vector<std::uint8_t> ip_options;
  std::optional<std::uint8_t> ihl;
  int ip_length_off = 0;
  bool ip_checksum_bad = false;

  std::uint16_t source_port = 68, destination_port = 67;
  int udp_length_off = 0;
  std::string udp_checksum = "right";

  std::uint8_t op = 1, htype = 1, hlen = 6, hops = 0;
  std::uint32_t xid = 0;
  std::uint16_t secs = 0, flags = 0;
  Ip4 ciaddr{}, yiaddr{}, siaddr{}, giaddr{};
  Mac chaddr{};
  std::vector<std::uint8_t> sname, file, cookie{0x63, 0x82, 0x53, 0x63};
  std::vector<PacketOption> options;
  bool end = true;
  std::vector<std::uint8_t> after;
  std::size_t size = 300;
  std::optional<std::size_t> message_cut, frame_cut;
  std::size_t frame_pad = 0;

  std::uint16_t arp_htype = 1, arp_ptype = 0x0800, arp_op = 1;
  std::uint8_t arp_hlen = 6, arp_plen = 4;
  Mac arp_sender_mac{}, arp_target_mac{};
  Ip4 arp_sender{}, arp_target{};

  // One statement of the notation.
  [[nodiscard]] std::expected<void, Error> apply(std::string_view statement);
  [[nodiscard]] std::vector<std::uint8_t> message() const;
  [[nodiscard]] std::vector<std::uint8_t> frame() const;
};

// discover, request, decline, release, inform; offer, ack, nak; arp: what a client (server) would
// send, to change by statements. An Error if there is none of the name.
[[nodiscard]] std::expected<Packet, Error> packet_named(std::string_view name);

// Splits at white space; "..." holds together; # ends the line.
[[nodiscard]] std::vector<std::string> words(std::string_view line);
[[nodiscard]] std::expected<std::vector<std::uint8_t>, Error> parse_value(
    const std::vector<std::string>& words, std::size_t from);
[[nodiscard]] std::expected<std::uint32_t, Error> parse_number(std::string_view text);

}  // namespace xk::test
