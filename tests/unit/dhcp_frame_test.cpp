// Frames in and out against packets made by the tests' own encoder.
#include <gtest/gtest.h>

#include <numeric>

#include "dataplane/dhcp/checksum.h"
#include "dataplane/dhcp/frame.h"
#include "tests/packets/frame_check.h"
#include "tests/packets/packet_text.h"

namespace xk {
namespace {

using test::Packet;

Packet packet(std::initializer_list<std::string_view> statements) {
  auto made = test::packet_named("discover");
  for (const std::string_view statement : statements)
    EXPECT_TRUE(made->apply(statement).has_value()) << statement;
  return *made;
}

std::expected<Datagram4, Outcome> check(const std::vector<std::uint8_t>& frame) {
  xk_headers headers;
  xk_walk(frame.data(), frame.data() + frame.size(), &headers);
  return check_datagram4(frame, headers);
}

Outcome fault(const Packet& from) {
  const std::vector<std::uint8_t> frame = from.frame();
  const auto datagram = check(frame);
  return datagram ? XK_OUTCOME_COUNT : datagram.error();
}

// Word by word, as RFC 1071 writes it.
std::uint16_t slow_sum(Bytes bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2)
    sum += static_cast<std::uint32_t>(bytes[i] << 8) + (i + 1 < bytes.size() ? bytes[i + 1] : 0u);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

TEST(Checksum, EveryLengthAndStart) {
  std::vector<std::uint8_t> bytes(320);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{0x83});
  for (std::size_t start = 0; start < 9; ++start)
    for (std::size_t size = 0; start + size <= bytes.size(); ++size) {
      const Bytes part = Bytes(bytes).subspan(start, size);
      ASSERT_EQ(checksum_fold(checksum_add(0, part)), network_word(slow_sum(part))) << start << " " << size;
    }
}

TEST(Checksum, CarriesOfAllOnes) {
  const std::vector<std::uint8_t> ones(65534, 0xff);
  EXPECT_EQ(checksum_fold(checksum_add(0, ones)), 0xffff);
}

TEST(Datagram, AddressesPortsPayload) {
  const Packet from = packet({"ip 10.1.2.3 > 255.255.255.255", "udp 68 > 67", "tags 200@88a8 300"});
  const std::vector<std::uint8_t> frame = from.frame();
  const auto datagram = check(frame);
  ASSERT_TRUE(datagram.has_value());
  EXPECT_EQ(datagram->source, Ip4{0x0a010203});
  EXPECT_EQ(datagram->destination, Ip4::limited_broadcast());
  EXPECT_EQ(datagram->source_port, 68);
  EXPECT_EQ(datagram->destination_port, 67);
  EXPECT_FALSE(datagram->checksum_partial);
  EXPECT_EQ(std::vector<std::uint8_t>(datagram->payload.begin(), datagram->payload.end()), from.message());
}

TEST(Datagram, PayloadEndsWhereUdpSays) {
  const std::vector<std::uint8_t> frame =
      packet({"frame.pad 5", "after zeros:7", "size 0", "udp.length -7"}).frame();
  const auto datagram = check(frame);
  ASSERT_TRUE(datagram.has_value());
  EXPECT_EQ(datagram->payload.size(), 240u + 3 + 9 + 1);
}

TEST(Datagram, Faults) {
  EXPECT_EQ(fault(packet({})), XK_OUTCOME_COUNT);
  EXPECT_EQ(fault(packet({"frame.pad 1"})), XK_OUTCOME_COUNT);
  EXPECT_EQ(fault(packet({"ip.length +1"})), XK_IP_HEADER_BAD);
  EXPECT_EQ(fault(packet({"frame.pad 1", "ip.length +1"})), XK_OUTCOME_COUNT);
  EXPECT_EQ(fault(packet({"ip.length -308"})), XK_UDP_LENGTH_BAD) << "20 bytes: no UDP header";
  EXPECT_EQ(fault(packet({"ip.length -309"})), XK_IP_HEADER_BAD) << "19 bytes: no header";
  EXPECT_EQ(fault(packet({"ip.checksum bad"})), XK_IP_CHECKSUM_BAD);
  EXPECT_EQ(fault(packet({"ip.fragment 0x4000"})), XK_OUTCOME_COUNT) << "don't fragment";
  EXPECT_EQ(fault(packet({"ip.fragment 0x2000"})), XK_FIRST_FRAGMENT);
  EXPECT_EQ(fault(packet({"udp.length +1"})), XK_UDP_LENGTH_BAD);
  EXPECT_EQ(fault(packet({"message.cut 0"})), XK_OUTCOME_COUNT) << "8 bytes";
  EXPECT_EQ(fault(packet({"message.cut 0", "udp.length -1"})), XK_UDP_LENGTH_BAD) << "7 bytes";
  EXPECT_EQ(fault(packet({"udp.checksum bad"})), XK_UDP_CHECKSUM_BAD);
  EXPECT_EQ(fault(packet({"udp.checksum none"})), XK_OUTCOME_COUNT);
  EXPECT_EQ(fault(packet({"udp.checksum partial"})), XK_OUTCOME_COUNT);
  EXPECT_EQ(fault(packet({"ip.protocol 1"})), XK_NOT_DHCP);
  EXPECT_EQ(fault(packet({"ip.version 6"})), XK_NOT_DHCP);
}

TEST(Datagram, PartialChecksumIsToldApart) {
  const std::vector<std::uint8_t> frame = packet({"udp.checksum partial"}).frame();
  EXPECT_TRUE(check(frame)->checksum_partial);
  std::vector<std::uint8_t> other = frame;
  other[14 + 20 + 7] ^= 1;
  EXPECT_EQ(check(other).error(), XK_UDP_CHECKSUM_BAD);
}

// Headers that were walked in another frame do not lead out of this one.
TEST(Datagram, HeadersOfALongerFrame) {
  const std::vector<std::uint8_t> frame = packet({}).frame();
  xk_headers headers;
  xk_walk(frame.data(), frame.data() + frame.size(), &headers);
  for (std::size_t size = 0; size < frame.size(); ++size) {
    const std::vector<std::uint8_t> cut(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(check_datagram4(cut, headers).error(), XK_IP_HEADER_BAD) << size;
  }
}

TEST(WriteHeaders, EqualsTheEncoder) {
  for (const std::string_view tags : {"tags none", "tags 100", "tags 200@88a8 300"}) {
    const Packet from = packet({tags, "eth 02:00:00:00:00:01 > 02:00:00:00:00:02", "ip 10.0.0.1 > 10.0.0.2",
                                "udp 67 > 68", "ip.id 0x1234", "raw 0c0161", "size 0"});
    const std::vector<std::uint8_t> expected = from.frame();
    FrameHeaders4 headers{.destination_mac = from.destination_mac,
                          .source_mac = from.source_mac,
                          .outer = {},
                          .inner = {},
                          .source = from.source,
                          .destination = from.destination,
                          .source_port = 67,
                          .destination_port = 68,
                          .identification = 0x1234};
    if (!from.tags.empty()) headers.outer = from.tags[0];
    if (from.tags.size() > 1) headers.inner = from.tags[1];
    std::vector<std::uint8_t> frame(expected.size(), 0xee);
    const std::vector<std::uint8_t> message = from.message();
    ASSERT_EQ(headers_size(headers.outer, headers.inner), frame.size() - message.size());
    std::copy(message.begin(), message.end(), frame.end() - static_cast<std::ptrdiff_t>(message.size()));
    write_headers4(frame, headers);
    EXPECT_EQ(frame, expected) << tags;
  }
}

// RFC 768: a UDP checksum that comes out as zero is sent as all ones.
TEST(WriteHeaders, UdpChecksumIsNeverZero) {
  bool seen = false;
  for (std::uint32_t id = 0; id <= 0xffff && !seen; ++id) {
    std::vector<std::uint8_t> frame(14 + 28 + 2);
    frame[42] = static_cast<std::uint8_t>(id >> 8);
    frame[43] = static_cast<std::uint8_t>(id);
    write_headers4(frame, FrameHeaders4{.source = Ip4{0x0a000001},
                                        .destination = Ip4{0x0a000002},
                                        .source_port = 67,
                                        .destination_port = 68});
    ASSERT_FALSE(frame[40] == 0 && frame[41] == 0);
    if (frame[40] == 0xff && frame[41] == 0xff) {
      seen = true;
      EXPECT_TRUE(check(frame).has_value());
    }
  }
  EXPECT_TRUE(seen);
}

TEST(WriteHeaders, InnerTagNeedsAnOuterOne) {
  const VlanTag none{}, tag{Vid{5}, 0x8100};
  EXPECT_EQ(headers_size(none, none), 42u);
  EXPECT_EQ(headers_size(tag, none), 46u);
  EXPECT_EQ(headers_size(tag, tag), 50u);
  EXPECT_EQ(headers_size(none, tag), 42u);
}

}  // namespace
}  // namespace xk
