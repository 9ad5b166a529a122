// Options as bytes: what Kea takes as text, as it stands in a message.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/model/kea_options.h"
#include "controlplane/model/option_bytes.h"
#include "controlplane/model/static_entry.h"
#include "dataplane/base/static_lease.h"

namespace xk {
namespace {

using testing::HasSubstr;

std::string hex_of(const OptionData& option) {
  const auto bytes = option_bytes(option);
  return bytes ? hex_of_bytes(*bytes) : bytes.error().message;
}

TEST(OptionBytes, OfEveryType) {
  const std::vector<std::pair<OptionData, std::string>> cases = {
      {{"broadcast-address", 0, "10.0.0.255", false}, "1c040a0000ff"},
      {{"ntp-servers", 0, "10.0.0.1, 10.0.0.2", false}, "2a080a0000010a000002"},
      {{"default-ip-ttl", 0, "64", false}, "170140"},
      {{"interface-mtu", 0, "1400", false}, "1a020578"},
      {{"path-mtu-plateau-table", 0, "68, 296", false}, "190400440128"},
      {{"arp-cache-timeout", 0, "0x10", false}, "230400000010"},
      {{"time-offset", 0, "-3600", false}, "0204fffff1f0"},
      {{"ip-forwarding", 0, "true", false}, "130101"},
      {{"root-path", 0, "/srv/a\\,b", false},
       "1108"
       "2f7372762f612c62"},
      {{"domain-search", 0, "a.b, c.", false},
       "7708"
       "0161016200"
       "016300"},
      {{"", 43, "01:02", true}, "2b020102"},
      {{"", 250, "", true}, "fa00"},
  };
  for (const auto& [option, hex] : cases) EXPECT_EQ(hex_of(option), hex) << option.name;
}

TEST(OptionBytes, OfATypeThatIsSaid) {
  const std::vector<std::pair<OptionData, std::string>> cases = {
      {{"", 224, "10.0.0.1", false, OptionType::address}, "e0040a000001"},
      {{"", 224, "7", false, OptionType::u8}, "e00107"},
      {{"", 224, "a, b", false, OptionType::text}, "it takes one value"},
      {{"", 26, "1", false, OptionType::u32}, "1a0400000001"},
      {{"tftp-server-addresses", 0, "10.0.0.1, 10.0.0.2", false}, "96080a0000010a000002"},
      {{"ipv6-only-preferred", 0, "300", false}, "6c040000012c"},
  };
  for (const auto& [option, hex] : cases) EXPECT_THAT(hex_of(option), HasSubstr(hex));
}

// RFC 3442: of the destination as many bytes as its length needs.
TEST(OptionBytes, Routes) {
  const auto routes = [](std::string text) {
    return hex_of({"classless-static-routes", 0, std::move(text), false});
  };
  EXPECT_EQ(routes("0.0.0.0/0 10.0.0.1"), "7905000a000001");
  EXPECT_EQ(routes("10.0.0.0/8 via 10.0.0.1, 10.17.0.0/16 - 10.0.0.2"), "790d080a0a000001100a110a000002");
  EXPECT_EQ(routes("10.27.128.0/17 10.0.0.1"), "7908110a1b800a000001");
  EXPECT_EQ(routes("10.0.0.5/32 0.0.0.0"), "7909200a00000500000000");
  for (const char* bad : {"", "10.0.0.0/8", "10.0.0.1/8 10.0.0.1", "10.0.0.0/8 x", "10.0.0.0/8 10.0.0.1 2"})
    EXPECT_THAT(routes(bad), HasSubstr("is no route")) << bad;
}

// RFC 3397 2, RFC 1035 4.1.4: names that end as earlier ones point there.
TEST(OptionBytes, SearchListsAreCompressed) {
  EXPECT_EQ(hex_of({"domain-search", 0, "eng.apple.com, marketing.apple.com", false}),
            "771b"
            "03656e67056170706c6503636f6d00"
            "096d61726b6574696e67c004");
  EXPECT_EQ(hex_of({"domain-search", 0, "a.b, a.b", false}), "77070161016200c000");
  EXPECT_THAT(hex_of({"domain-search", 0, "a..b", false}), HasSubstr("no domain name"));
  EXPECT_THAT(hex_of({"static-routes", 0, "10.0.0.1", false}), HasSubstr("pairs of addresses"));
}

TEST(OptionBytes, SaysWhatIsWrong) {
  EXPECT_THAT(hex_of({"interface-mtu", 0, "65536", false}), HasSubstr("is no number from 0 to 65535"));
  EXPECT_THAT(hex_of({"broadcast-address", 0, "10.0.0.1,10.0.0.2", false}),
              HasSubstr("one value, not several"));
  EXPECT_THAT(hex_of({"ntp-servers", 0, "ntp.example", false}), HasSubstr("option \"ntp-servers\""));
  EXPECT_THAT(hex_of({"", 250, "text", false}), HasSubstr("give the bytes as hex"));
  EXPECT_THAT(hex_of({"fqdn", 0, "1, 2, 3, a", false}), HasSubstr("give the bytes as hex"));
  EXPECT_THAT(hex_of({"", 43, "0", true}), HasSubstr("two digits each"));
  EXPECT_THAT(hex_of({"", 53, "05", true}), HasSubstr("option 53"));
  EXPECT_THAT(hex_of({"no-such", 0, "1", false}), HasSubstr("no option is called that"));
}

TEST(OptionBytes, LongOnesAreSplit) {
  const std::string long_one = option_of(43, std::string(256, 'x'));
  EXPECT_EQ(long_one.size(), 256u + 4);
  EXPECT_EQ(long_one.substr(257), std::string("\x2b\x01x", 3));
  EXPECT_TRUE(well_formed_options(long_one));
}

TEST(OptionBytes, OfASubnet) {
  Subnet subnet;
  subnet.prefix = Prefix4{Ip4{0x0a000000}, 24};
  subnet.gateway = Ip4{0x0a000001};
  subnet.dns = {Ip4{0x0a000002}};
  subnet.domain = "lan";
  subnet.options = {{"ntp-servers", 0, "10.0.0.3", false}};
  EXPECT_EQ(hex_of_bytes(subnet_options_bytes(Vrf{}, subnet).value()),
            "0104ffffff00"
            "03040a000001"
            "06040a000002"
            "0f036c616e"
            "2a040a000003");
  subnet.ntp = {Ip4{0x0a000009}};
  EXPECT_EQ(hex_of_bytes(subnet_options_bytes(Vrf{}, subnet).value()).find("2a040a000009"), std::string::npos)
      << "the option takes the place of the key";
}

TEST(StaticTexts, ComeBackAsTheyWere) {
  for (const StaticTexts& texts : {
           StaticTexts{"red", "02:00:00:00:00:01", {}, {}, {}, "10.0.0.5", "host-1.lan", {"43=hex:0102"}},
           StaticTexts{"red", {}, "01ff", {}, {}, {}, {}, {}},
           StaticTexts{
               "red", {}, {}, "eth1:100.0", "edge 1", "10.0.0.6", {}, {"ntp-servers=10.0.0.1,10.0.0.2"}},
           StaticTexts{"red", {}, {}, "0x00ff", {}, "10.0.0.7", {}, {}},
           StaticTexts{"red", {}, {}, {}, "edge", "10.0.0.8", {}, {}},
       }) {
    const auto entry = parse_static(texts);
    ASSERT_TRUE(entry.has_value()) << entry.error().message;
    EXPECT_TRUE(texts_of(*entry) == texts) << identity_text(*entry);
  }
}

TEST(StaticTexts, WhatIsWrongIsTold) {
  const auto error_of = [](const StaticTexts& texts) {
    const auto entry = parse_static(texts);
    return entry ? "none" : entry.error().message;
  };
  EXPECT_THAT(error_of({"red", {}, {}, {}, {}, "10.0.0.5", {}, {}}), HasSubstr("does not say who"));
  EXPECT_THAT(error_of({"red", "02:00:00:00:00:01", "01", {}, {}, {}, {}, {}}), HasSubstr("one is needed"));
  EXPECT_THAT(error_of({"red", "ff:ff:ff:ff:ff:ff", {}, {}, {}, {}, {}, {}}),
              HasSubstr("one station can have"));
  EXPECT_THAT(error_of({"red", {}, "0", {}, {}, {}, {}, {}}), HasSubstr("client-id"));
  EXPECT_THAT(error_of({"red", {}, {}, std::string(256, 'c'), {}, {}, {}, {}}), HasSubstr("over 255 bytes"));
  EXPECT_THAT(error_of({"red", {}, "01", {}, {}, "224.0.0.1", {}, {}}),
              HasSubstr("no address that a host can have"));
  EXPECT_THAT(error_of({"red", {}, "01", {}, {}, {}, "a..b", {}}), HasSubstr("no host name"));
  EXPECT_THAT(error_of({"red", {}, "01", {}, {}, {}, {}, {"43"}}), HasSubstr("is none"));
  EXPECT_THAT(error_of({"red", {}, "01", {}, {}, {}, {}, {"42=1.2.3.4", "ntp-servers=1.2.3.5"}}),
              HasSubstr("twice"));
  EXPECT_THAT(error_of({"red", {}, "01", {}, {}, {}, "a", {"host-name=b"}}), HasSubstr("the same"));
  EXPECT_THAT(error_of({"", {}, "01", {}, {}, {}, {}, {}}), HasSubstr("in which VRF"));
}

}  // namespace
}  // namespace xk
