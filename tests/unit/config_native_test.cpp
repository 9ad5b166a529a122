// VRFs of the native engine: every key, and each rule on both sides.
#include <gmock/gmock.h>

#include "controlplane/model/option_bytes.h"
#include "tests/unit/config_files.h"

namespace xk {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kNativeVrf = R"([[vrf]]
name = "green"
engine = "native"
[[vrf.attachment]]
interface = "eth3"
subnet = "10.0.0.0/24"
[[vrf.subnet]]
prefix = "10.0.0.0/24"
gateway = "10.0.0.1"
)";
std::string in_native(const std::string& lines) { return std::string(kNativeVrf) + lines; }
std::string in_class(const std::string& match) {
  return in_native("[[vrf.class]]\nname = \"c\"\nmatch = [" + match + "]\n");
}

void expect_only(const std::string& toml, const std::string& expected) {
  EXPECT_THAT(mistakes_in(toml), ElementsAre(HasSubstr(expected))) << toml;
}
void expect_fine(const std::string& toml) { EXPECT_THAT(mistakes_in(toml), IsEmpty()) << toml; }

constexpr std::string_view kAllOfNative = R"([store]
lease_grace_s = 77
[[options]]
name = "domain-name-servers"
data = "192.0.2.53"
[[options]]
code = 26
data = "1400"
[[vrf]]
name = "green"
engine = "native"
paused_renewals = "deny"
options = [{code = 26, data = "1300"}, {code = 225, type = "addresses", data = "10.0.0.8, 10.0.0.9"}]
[[vrf.class]]
name = "uefi"
lease_time_s = 600
next_server = "10.0.0.6"
boot_file = "bootx64.efi"
options = [{name = "root-path", data = "/srv"}]
[[vrf.class.match]]
key = "vendor_class"
begins = "PXEClient"
[[vrf.class.match]]
key = "option"
code = 93
equals = "0x0007"
[[vrf.class]]
name = "some"
match = [{key = "mac", begins = "02:00:5e"}, {key = "user_class", contains = "lab"},
         {key = "circuit_id", present = true}, {key = "remote_id", equals = "0x00ff"}]
[[vrf.subnet]]
prefix = "10.0.0.0/24"
gateway = "10.0.0.1"
pools = ["10.0.0.100-10.0.0.149"]
exclude = ["10.0.0.110"]
lease_time_s = 60
lease_time_max_s = 120
network = "floor"
next_server = "10.0.0.5"
boot_file = "pxelinux.0"
[[vrf.subnet.pool]]
range = "10.0.0.200-10.0.0.249"
classes = ["some", "uefi"]
options = [{code = 26, data = "9000"}]
[[vrf.subnet]]
prefix = "10.0.1.0/24"
gateway = "10.0.1.1"
network = "floor"
dns = ["10.0.1.2"]
[[vrf.attachment]]
interface = "eth3"
subnet = "10.0.0.0/24"
[vrf.native]
durability = "replicated"
on_failure = "available"
allocate = "hashed"
conflict_check = true
rapid_commit = true
bootp = true
authoritative = false
offer_hold_s = 7
decline_s = 8
circuit_leases_max = 9
attachment_leases_max = 10
query_requestors = ["10.0.0.2"]
)";

TEST(ConfigNative, EveryValueArrives) {
  const Model model = model_of(kAllOfNative);
  const Vrf& vrf = model.vrfs.at(0);
  EXPECT_EQ(vrf.native, (NativeSettings{.reply_after = ReplyAfter::store,
                                        .available = true,
                                        .allocate = Allocate::hashed,
                                        .probe = true,
                                        .rapid_commit = true,
                                        .bootp = true,
                                        .authoritative = false,
                                        .offer_hold_s = 7,
                                        .decline_s = 8,
                                        .circuit_leases_max = 9,
                                        .attachment_leases_max = 10,
                                        .query_requestors = {Ip4{0x0a000002}}}));
  EXPECT_EQ(vrf.static_by, StaticBy::dataplane);
  ASSERT_EQ(vrf.classes.size(), 2u);
  EXPECT_EQ(vrf.classes[0].conditions,
            (std::vector<NativeCondition>{
                {ConditionKind::vendor_class, ConditionMatch::begins, 0, "PXEClient"},
                {ConditionKind::option, ConditionMatch::equals, 93, std::string("\0\7", 2)}}));
  EXPECT_EQ(vrf.classes[1].conditions,
            (std::vector<NativeCondition>{
                {ConditionKind::mac, ConditionMatch::begins, 0, std::string("\2\0\x5e", 3)},
                {ConditionKind::user_class, ConditionMatch::contains, 0, "lab"},
                {ConditionKind::circuit_id, ConditionMatch::present, 0, ""},
                {ConditionKind::remote_id, ConditionMatch::equals, 0, std::string("\0\xff", 2)}}));
  EXPECT_EQ(vrf.classes[0].lease_time_s, 600u);
  EXPECT_EQ(vrf.classes[0].next_server, Ip4{0x0a000006});
  EXPECT_EQ(vrf.classes[0].boot_file, "bootx64.efi");
  const Subnet& subnet = vrf.subnets.at(0);
  EXPECT_EQ(subnet.pools,
            (std::vector<Range4>{{Ip4{0x0a000064}, Ip4{0x0a000095}}, {Ip4{0x0a0000c8}, Ip4{0x0a0000f9}}}));
  ASSERT_EQ(subnet.terms.size(), 1u);
  EXPECT_EQ(subnet.terms[0].pool, subnet.pools[1]);
  EXPECT_THAT(subnet.terms[0].classes, ElementsAre("some", "uefi"));
  EXPECT_EQ(subnet.lease_time_max_s, 120u);
  EXPECT_EQ(subnet.network, "floor");
  EXPECT_EQ(subnet.next_server, Ip4{0x0a000005});
  EXPECT_EQ(subnet.boot_file, "pxelinux.0");
}

TEST(ConfigNative, MoreSpecificOptionsTakeThePlaceOfOthers) {
  const Vrf vrf = model_of(kAllOfNative).vrfs.at(0);
  ASSERT_EQ(vrf.options.size(), 3u) << "26 and 225 of the VRF, 6 of all";
  EXPECT_EQ(vrf.options[0].data, "1300");
  const auto first = subnet_options_bytes(vrf, vrf.subnets[0]);
  const auto second = subnet_options_bytes(vrf, vrf.subnets[1]);
  EXPECT_EQ(hex_of_bytes(first.value()), "0104ffffff0003040a0000011a020514e1080a0000080a0000090604c0000235");
  EXPECT_EQ(hex_of_bytes(second.value()), "0104ffffff0003040a00010106040a0001021a020514e1080a0000080a000009")
      << "the subnet's dns goes before that of all";
}

TEST(ConfigNative, WhatIsShownReadsAsTheSame) {
  for (const std::string& text : {std::string(kAllOfNative), std::string(kNativeVrf),
                                  "[[options]]\ncode = 26\ndata = \"1400\"\n" + std::string(kKeaVrf)}) {
    const Model model = model_of(text);
    const std::string shown = show_config(model);
    EXPECT_EQ(model_of(shown), model) << shown;
  }
  EXPECT_THAT(show_config(model_of(kNativeVrf)), testing::Not(HasSubstr("[vrf.relay]")));
}

TEST(ConfigNative, DiffSpeaksOfItsKeys) {
  const auto changes = diff_config(model_of(kNativeVrf), model_of(in_native("[vrf.native]\nbootp = true\n")));
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_THAT(changes[0].lines,
              ElementsAre("  [vrf.native]", "  durability = \"local\"", "- bootp = false", "+ bootp = true"));
}

TEST(ConfigNative, WhatDoesNotGoTogether) {
  expect_fine(std::string(kNativeVrf));
  expect_only(in_native("[vrf.relay]\nservers = [\"192.0.2.1\"]\n"),
              "f:10:1: [vrf.relay] means nothing here; it is for engine = \"kea\" or \"relay\", and this VRF "
              "has engine = \"native\"");
  expect_only(in_native("[vrf.kea]\nuser = \"kea\"\n"), "[vrf.kea] means nothing here");
  expect_only(std::string(kKeaVrf) + "[vrf.native]\nbootp = true\n", "[vrf.native] means nothing here");
  expect_only(std::string(kRelayVrf) +
                  "[[vrf.class]]\nname = \"c\"\nmatch = [{key = \"mac\", begins = "
                  "\"02\"}]\n",
              "[vrf.class] means nothing here; it is for engine = \"native\"");
  expect_only("[[vrf]]\nname = \"a\"\nengine = \"native\"\nstatic_by = \"kea\"\n",
              "f:4:13: static_by: there is no Kea in this VRF");
  expect_fine("[[vrf]]\nname = \"a\"\nengine = \"native\"\nstatic_by = \"dataplane\"\n");
  const std::string ha =
      "[store]\nbackend = \"etcd\"\n[store.etcd]\nendpoints = [\"http://127.0.0.1:2379\"]\n[ha]\nenabled = ";
  expect_only(ha + "true\n" + std::string(kNativeVrf), "f:9:10: engine: \"native\" cannot be shared");
  expect_only(ha + "true\n[discovery]\nengine = \"native\"\n", "f:8:10: engine: \"native\" cannot be");
  expect_fine(ha + "false\n" + std::string(kNativeVrf));
  expect_only("[[vrf]]\nname = \"a\"\nengine = \"native\"\n[[vrf.subnet]]\nprefix = \"10.0.0.0/24\"\n",
              "has neither gateway nor server_identifier");
}

TEST(ConfigNative, LeaseTimes) {
  expect_fine(in_native("lease_time_max_s = 3600\n"));
  expect_only(in_native("lease_time_max_s = 3599\n"),
              "f:10:20: lease_time_max_s: 3599 is below lease_time_s, 3600");
  expect_only(std::string(kKeaVrf).insert(std::string(kKeaVrf).find("[[vrf.attach"), "network = \"n\"\n"),
              "network: means nothing here; it is for engine = \"native\"");
}

TEST(ConfigNative, Conditions) {
  expect_fine(in_class("{key = \"option\", code = 1, present = true}"));
  expect_only(in_class("{key = \"option\", present = true}"),
              "f:12:10: key = \"option\" needs the option's code");
  expect_only(in_class("{key = \"mac\", code = 1, begins = \"02\"}"),
              "code: belongs to key = \"option\", and this has key = \"mac\"");
  expect_only(in_class("{key = \"mac\"}"), "has one of equals, begins, contains and present; this has 0");
  expect_only(in_class("{key = \"mac\", begins = \"02\", present = true}"), "this has 2");
  expect_only(in_class("{key = \"user_class\", present = false}"), "present: false is no condition");
  expect_fine(in_class("{key = \"mac\", equals = \"02:00:00:00:00:01\"}"));
  expect_only(in_class("{key = \"mac\", equals = \"02:00:00:00:00:01:02\"}"), "more than the six bytes");
  expect_only(in_class("{key = \"mac\", begins = \"phone\"}"), "begins: \"phone\" is no row of bytes in hex");
  expect_only(in_class("{key = \"vendor_class\", begins = \"0x\"}"), "says nothing");
  expect_fine(in_class("{key = \"vendor_class\", equals = \"" + std::string(255, 'v') + "\"}"));
  expect_only(in_class("{key = \"vendor_class\", equals = \"" + std::string(256, 'v') + "\"}"),
              "has 256 bytes; an option has at most 255");
  expect_fine(in_class("{key = \"vendor_class\", equals = \"0x" + std::string(510, 'f') + "\"}"));
  expect_only(in_class("{key = \"vendor\", begins = \"x\"}"), "key: \"vendor\" is not known; allowed: ");
  expect_only(in_native("[[vrf.class]]\nname = \"c\"\n"), "f:10:1: [[vrf.class]] has no condition");
  std::string many;
  for (int i = 0; i < 8; ++i) many += "{key = \"option\", code = 1, present = true},";
  expect_fine(in_class(many));
  expect_only(in_class(many + "{key = \"mac\", begins = \"02\"}"), "match number 9; at most 8 are allowed");
}

TEST(ConfigNative, Classes) {
  const auto classes = [](int count) {
    std::string text;
    for (int i = 0; i < count; ++i)
      text += "[[vrf.class]]\nname = \"c" + std::to_string(i) +
              "\"\nmatch = [{key = \"mac\", begins = \"02\"}]\n";
    return text;
  };
  expect_fine(in_native(classes(32)));
  expect_only(in_native(classes(33)), "class number 33; at most 32 are allowed");
  expect_only(in_native(classes(1) + classes(1)), "name: class \"c0\" is there already, in line 11");
  const std::string pool = "[[vrf.subnet.pool]]\nrange = \"10.0.0.9\"\nclasses = ";
  expect_fine(in_native(pool + "[\"c1\"]\n" + classes(2)));
  expect_only(in_native(pool + "[\"c2\"]\n" + classes(2)),
              "f:12:12: classes: the VRF has no class \"c2\" (did you mean");
}

TEST(ConfigNative, PoolsOfBothKindsDoNotOverlap) {
  const auto with = [](const std::string& range) {
    return in_native("pools = [\"10.0.0.10-10.0.0.20\"]\n[[vrf.subnet.pool]]\nrange = \"" + range + "\"\n");
  };
  expect_fine(with("10.0.0.21-10.0.0.30"));
  expect_only(with("10.0.0.20-10.0.0.30"),
              "f:12:9: range: \"10.0.0.20-10.0.0.30\" overlaps \"10.0.0.10-10.0.0.20\" in line 10");
  expect_only(with("10.0.0.255"),
              "range: \"10.0.0.255-10.0.0.255\" holds 10.0.0.255, the subnet's broadcast");
  expect_only(with("10.0.1.1"), "range: \"10.0.1.1-10.0.1.1\" is not inside the subnet");
}

TEST(ConfigNative, AddressesAreBounded) {
  const auto with = [](const std::string& last) {
    return "[[vrf]]\nname = \"a\"\nengine = \"native\"\n[[vrf.subnet]]\nprefix = \"10.0.0.0/8\"\n"
           "gateway = \"10.0.0.1\"\npools = [\"10.0.0.2-10.255.255.254\"]\n[[vrf.subnet]]\nprefix = "
           "\"11.0.0.0/24\"\ngateway = \"11.0.0.1\"\npools = [\"11.0.0.2-" +
           last + "\"]\n";
  };
  expect_fine(with("11.0.0.4"));
  expect_only(with("11.0.0.5"), "f:8:1: the pools of the VRF have more than 16777216 addresses");
}

TEST(ConfigNative, OptionsThatTheServerMakes) {
  const std::string options = "options = [{code = CODE, hex = \"00\"}]\n";
  const std::string pool = "[[vrf.subnet.pool]]\nrange = \"10.0.0.9\"\n";
  const std::vector<std::string> places{
      options + std::string(kNativeVrf), "[[vrf]]\nname = \"a\"\nengine = \"native\"\n" + options,
      in_native(options), in_native(pool + options), in_class("{key = \"mac\", begins = \"02\"}") + options};
  for (const std::string& place : places) {
    const auto with = [&](int code) {
      std::string text = place;
      return text.replace(text.find("CODE"), 4, std::to_string(code));
    };
    for (const int code : {1, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 61, 80, 81, 82, 91, 118})
      expect_only(with(code), "code: option " + std::to_string(code) + " ");
    for (const int code : {2, 12, 43, 60, 66, 108, 119, 121, 150, 224}) expect_fine(with(code));
    const bool subnet = place.find("/24\"\ngateway = \"10.0.0.1\"\noptions") != std::string::npos;
    for (const int code : {3, 6, 15, 42}) EXPECT_EQ(mistakes_in(with(code)).size(), subnet ? 1u : 0u) << code;
  }
}

TEST(ConfigNative, OptionsAreTyped) {
  const auto with = [](const std::string& option) { return in_native("options = [{" + option + "}]\n"); };
  expect_fine(with("code = 224, type = \"u16\", data = \"65535\""));
  expect_only(with("code = 224, type = \"u16\", data = \"65536\""),
              "f:10:46: data: option 224: \"65536\" is no number from 0 to 65535");
  expect_only(with("code = 224, data = \"1\""), "data: option 224 has no name");
  expect_only(with("code = 224, hex = \"00\", type = \"u8\""), "type: hex has none");
  expect_only(with("name = \"interface-mtu\", data = \"x\""),
              "data: option \"interface-mtu\": \"x\" is no number");
  expect_only(with("name = \"classless-static-routes\", data = \"10.8.0.0/16\""), "is no route");
  expect_fine(with("name = \"ipv6-only-preferred\", data = \"300\""));
  // RFC 2132 4.3, 5.8, 3.6: pairs of addresses, and addresses.
  expect_fine(with("name = \"static-routes\", data = \"10.8.0.1, 10.0.0.1\""));
  expect_only(with("name = \"policy-filter\", data = \"10.8.0.0, 255.255.0.0, 10.9.0.0\""),
              "it takes pairs of addresses");
  expect_only(with("code = 33, type = \"u32\", data = \"7\""),
              "data: option 33: it takes pairs of addresses");
  expect_only(with("code = 4, type = \"u16\", data = \"7\""),
              "data: option 4 holds addresses; this makes 2 bytes, which is no multiple of 4");
  expect_fine(with("code = 43, hex = \"" + std::string(2040, 'a') + "\""));
  expect_only(with("code = 43, hex = \"" + std::string(2042, 'a') + "\""),
              "has 1021 bytes; an option has at most 1020");
  const std::string of_all = "[[options]]\ncode = 43\nhex = \"";
  expect_fine(of_all + std::string(510, 'a') + "\"\n");
  expect_only(of_all + std::string(512, 'a') + "\"\n", "has 256 bytes; an option has at most 255");
  std::string many;
  for (int code = 224; code < 229; ++code)
    many += "{code = " + std::to_string(code) + ", hex = \"" + std::string(2040, 'a') + "\"},";
  expect_only(in_native("options = [" + many + "]\n"),
              "f:7:1: the options of 10.0.0.0/24, with the VRF's, have 5152 bytes; at most 4096");
}

}  // namespace
}  // namespace xk
