// Texts of addresses, their parsers, and the bounded reader and writer.
#include <gtest/gtest.h>

#include "dataplane/base/bytes.h"
#include "dataplane/base/types.h"

namespace xk {
namespace {

TEST(Mac, TextAndBack) {
  const Mac mac{{0x02, 0x00, 0xab, 0xcd, 0xef, 0x09}};
  EXPECT_EQ(to_string(mac), "02:00:ab:cd:ef:09");
  EXPECT_EQ(parse_mac("02:00:AB:cd:Ef:09"), mac);
}

TEST(Mac, RefusesWhatIsNone) {
  for (const char* text : {"", "02:00:00:00:00", "02:00:00:00:00:001", "02:00:00:00:00:0",
                           "02-00-00-00-00-01", "0g:00:00:00:00:01", "02:00:00:00:00:01 ", "2:0:0:0:0:1"}) {
    const auto parsed = parse_mac(text);
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_NE(parsed.error().message.find("\"" + std::string(text) + "\""), std::string::npos);
  }
}

TEST(Mac, OneStationOrNot) {
  EXPECT_FALSE(Mac{}.is_unicast());
  EXPECT_FALSE(Mac::broadcast().is_unicast());
  EXPECT_FALSE((Mac{{0x01, 0, 0, 0, 0, 1}}).is_unicast());
  EXPECT_TRUE((Mac{{0x02, 0, 0, 0, 0, 1}}).is_unicast());
}

TEST(Ip4, TextAndBack) {
  EXPECT_EQ(to_string(Ip4{0x0a000001}), "10.0.0.1");
  EXPECT_EQ(parse_ip4("255.255.255.255"), Ip4{0xffffffff});
  EXPECT_EQ(parse_ip4("0.0.0.0"), Ip4{0});
}

TEST(Ip4, RefusesWhatIsNone) {
  for (const char* text :
       {"", "10.0.0", "10.0.0.1.2", "10.0.0.256", "10.0.0.01", "10.0.0.", ".0.0.1", "10..0.1", "10.0.0.1 ",
        " 10.0.0.1", "10.0.0.-1", "10.0.0.1/24", "0x0a.0.0.1", "99999999999.0.0.1"})
    EXPECT_FALSE(parse_ip4(text).has_value()) << text;
}

TEST(Ip4, UnicastBounds) {
  EXPECT_FALSE(Ip4{0x00ffffff}.is_unicast());
  EXPECT_TRUE(Ip4{0x01000000}.is_unicast());
  EXPECT_TRUE(Ip4{0x7effffff}.is_unicast());
  EXPECT_FALSE(Ip4{0x7f000000}.is_unicast());
  EXPECT_TRUE(Ip4{0x80000000}.is_unicast());
  EXPECT_TRUE(Ip4{0xdfffffff}.is_unicast());
  EXPECT_FALSE(Ip4{0xe0000000}.is_unicast());
}

TEST(Prefix4, TextAndBack) {
  const auto prefix = parse_prefix4("10.0.0.0/24");
  ASSERT_TRUE(prefix.has_value());
  EXPECT_EQ(to_string(*prefix), "10.0.0.0/24");
  EXPECT_EQ(prefix->broadcast(), Ip4{0x0a0000ff});
  EXPECT_EQ(parse_prefix4("0.0.0.0/0")->mask(), 0u);
  EXPECT_EQ(parse_prefix4("10.0.0.1/32")->mask(), 0xffffffffu);
}

TEST(Prefix4, HostBitsAreAnErrorThatHelps) {
  const auto prefix = parse_prefix4("10.0.0.5/24");
  ASSERT_FALSE(prefix.has_value());
  EXPECT_NE(prefix.error().message.find("10.0.0.0/24"), std::string::npos);
  for (const char* text : {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/024", "10.0.0/24", "/24"})
    EXPECT_FALSE(parse_prefix4(text).has_value()) << text;
}

TEST(Prefix4, ContainsAndOverlaps) {
  const Prefix4 wide = *parse_prefix4("10.0.0.0/8");
  const Prefix4 narrow = *parse_prefix4("10.1.0.0/16");
  EXPECT_TRUE(wide.overlaps(narrow) && narrow.overlaps(wide));
  EXPECT_FALSE(narrow.overlaps(*parse_prefix4("10.2.0.0/16")));
  EXPECT_TRUE(narrow.contains(Ip4{0x0a01ffff}));
  EXPECT_FALSE(narrow.contains(Ip4{0x0a020000}));
}

TEST(Range4, TextAndBack) {
  const auto range = parse_range4("10.0.0.10-10.0.0.20");
  ASSERT_TRUE(range.has_value());
  EXPECT_EQ(to_string(*range), "10.0.0.10-10.0.0.20");
  EXPECT_EQ(range->size(), 11u);
  EXPECT_EQ(parse_range4("0.0.0.0-255.255.255.255")->size(), std::uint64_t{1} << 32);
  for (const char* text : {"10.0.0.20-10.0.0.10", "10.0.0.1", "10.0.0.1-", "-10.0.0.1"})
    EXPECT_FALSE(parse_range4(text).has_value()) << text;
  EXPECT_TRUE(parse_range4("10.0.0.1-10.0.0.1").has_value());
}

TEST(VlanText, NoneOneTwo) {
  EXPECT_EQ(vlan_text(Vid{0}, Vid{0}), "-");
  EXPECT_EQ(vlan_text(Vid{100}, Vid{0}), "100");
  EXPECT_EQ(vlan_text(Vid{200}, Vid{300}), "200.300");
}

TEST(ByteReader, FailsForGoodPastTheEnd) {
  const std::uint8_t bytes[] = {1, 2, 3, 4, 5};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.u32(), 0x01020304u);
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.u16(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.u8(), 0u);
  EXPECT_FALSE(reader.ok());
}

TEST(ByteWriter, WritesNothingThatDoesNotFit) {
  std::array<std::uint8_t, 4> bytes{};
  ByteWriter writer(bytes);
  writer.u16(0x0102);
  writer.u32(0x03040506);
  EXPECT_FALSE(writer.ok());
  EXPECT_EQ(writer.size(), 2u);
  writer.u8(7);
  EXPECT_EQ(writer.size(), 2u);
  writer.patch_u8(1, 9);
  writer.patch_u8(2, 9);
  EXPECT_EQ(bytes, (std::array<std::uint8_t, 4>{1, 9, 0, 0}));
}

}  // namespace
}  // namespace xk
