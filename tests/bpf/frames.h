// Frames for the tests of the classifier, from a description that says what is in them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace xk::test {

using Frame = std::vector<std::uint8_t>;

struct Tag {
  std::uint16_t tpid = 0x8100;
  std::uint16_t tci = 0;  // priority bits and VID
};

// An IPv6 extension header of 8 * (1 + extra) bytes; a fragment header takes its field.
struct Extension {
  std::uint8_t type = 0;  // 0 hop-by-hop, 43 routing, 44 fragment, 60 destination
  std::uint8_t extra = 0;
  std::uint16_t fragment = 0;  // offset in units of 8, shifted by 3; bit 0: more fragments
};

using Address4 = std::array<std::uint8_t, 4>;
using Address6 = std::array<std::uint8_t, 16>;

inline constexpr Address4 kBroadcast4 = {255, 255, 255, 255};
inline constexpr Address6 kRelaysAndServers6 = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2};
inline constexpr Address6 kServers6 = {0xff, 0x05, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 3};

struct Udp4 {
  std::vector<Tag> tags{};
  Address4 destination = kBroadcast4;
  std::uint16_t source_port = 68;
  std::uint16_t destination_port = 67;
  std::uint8_t protocol = 17;
  std::uint8_t version = 4;
  std::uint8_t header_words = 5;  // IHL; options are NOPs
  std::uint16_t fragment = 0;     // flags and offset
  std::size_t payload = 300;
};

struct Udp6 {
  std::vector<Tag> tags{};
  Address6 destination = kRelaysAndServers6;
  std::vector<Extension> extensions{};
  std::uint16_t source_port = 546;
  std::uint16_t destination_port = 547;
  std::uint8_t protocol = 17;
  std::uint8_t version = 6;
  std::size_t payload = 100;
};

struct Arp {
  std::vector<Tag> tags{};
  std::uint16_t hardware = 1;
  std::uint16_t protocol = 0x0800;
  std::uint8_t hardware_length = 6;
  std::uint8_t protocol_length = 4;
  std::uint16_t operation = 1;
  Address4 target{};
};

[[nodiscard]] Frame frame_of(const Udp4& udp);
[[nodiscard]] Frame frame_of(const Udp6& udp);
[[nodiscard]] Frame frame_of(const Arp& arp);
// Ethernet and tags, then ether_type and 46 bytes of nothing.
[[nodiscard]] Frame frame_of_type(std::uint16_t ether_type, const std::vector<Tag>& tags = {});

}  // namespace xk::test
