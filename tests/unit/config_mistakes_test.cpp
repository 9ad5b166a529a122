// One file with many mistakes: each is reported, at its place, in the file's order, all at once.
#include <gmock/gmock.h>

#include "tests/unit/config_files.h"

namespace xk {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

constexpr std::string_view kManyMistakes = R"(colour = "red"

[appliance]
nmae = "edge1"
name = "1st"
api_socket_mode = 660
handoff_prefix = "169.254.0.0/30"
log_level = "verbose"

[dataplane]
buffers = "many"
queue_depth = 500
memory_mib = 99999999999
user = ""

[[dataplane.lcore]]
cpu = 1
loops = ["rx", "rx"]

[[dataplane.lcore]]
cpu = 1
loops = ["tx", "fly"]

[[port]]
name = "an-interface-name-too-long"
driver = "ethdev"

[option82]
circuit_id = "{port}:{vlan}"

[[vrf]]
name = "red"
engine = "dnsmasq"

[[vrf]]
name = "red"

  [[vrf.subnet]]
  prefix = "10.0.0.5/24"

  [[vrf.subnet]]
  prefix = "10.1.0.0/24"
  gateway = "10.2.0.1"
  pools = ["10.1.0.1-10.1.0.20", "10.1.0.10-10.1.0.300", "10.1.0.15-10.1.0.30"]
  options = [{name = "domain-serach", data = "a"}, {code = 224, data = "x"}]

  [[vrf.subnet]]
  prefix = "10.1.0.128/25"
  gateway = "10.1.0.129"

  [[vrf.attachment]]
  interface = "eth1"
  vlan = 200.300
  subnet = "10.1.0.0/24"

  [[vrf.attachment]]
  interface = "eth1"
  vlan = 4095
  subnet = "10.9.0.0/24"

  [[vrf.attachment]]
  vlan = 0

  [vrf.relay]
  servers = ["192.0.2.1"]
  hops_max = 17
  vss = "foo"
)";

TEST(ConfigMistakes, AllAtOnceEachAtItsPlace) {
  const std::vector<std::string> expected{
      R"(f:1:1: unknown key "colour" at the top of the file; allowed: [appliance], [dataplane], [store], [ha], [[port]], [option82], [[options]], [discovery], [[vrf]])",
      R"(f:4:1: unknown key "nmae" in [appliance] (did you mean "name"?); allowed: name, hostname, state_dir, run_dir, bpf_dir, api_socket, api_socket_mode, api_group, metrics_address, log_level, handoff_prefix)",
      R"(f:5:8: name: "1st" is no name; allowed: letters, digits, "-" and "_", a letter first)",
      R"(f:6:19: api_socket_mode: found an integer; expected an octal mode in quotes, as in "0600")",
      R"(f:7:18: handoff_prefix: "169.254.0.0/30" has 4 addresses; 2 VRFs need 6)",
      R"(f:8:13: log_level: "verbose" is not known; allowed: "trace", "debug", "info", "warn", "error")",
      R"(f:11:11: buffers: found a text; expected an integer, as in 65536)",
      R"(f:12:15: queue_depth: 500 is no power of two; allowed: 16, 32, 64 and so on to 32768)",
      R"(f:13:14: memory_mib: 99999999999 is out of range; allowed: 64 to 65536)",
      R"(f:14:8: user: "" has 0 characters; 1 to 32 are allowed)",
      R"(f:18:16: loops: "rx" is there twice; each is allowed once an lcore)",
      R"(f:21:7: cpu: 1 has an lcore already, in line 17; two busy loops must not share a CPU)",
      R"(f:22:16: loops: "fly" is not known; allowed: "rx", "vrf", "tx")",
      R"(f:24:1: [[port]] with driver = "ethdev" has no device, which it needs)",
      R"(f:25:8: name: "an-interface-name-too-long" has 26 characters; 1 to 15 are allowed in an interface name)",
      R"(f:29:14: circuit_id: "{port}:{vlan}" has unknown placeholder {vlan}; there are {port}, {svlan}, {cvlan}, {vrf}, {mac} and {hostname})",
      R"(f:33:10: engine: "dnsmasq" is not known; allowed: "kea", "relay", "native")",
      R"(f:36:8: name: VRF "red" is there already, in line 32; each name is allowed once)",
      R"(f:39:12: prefix: "10.0.0.5/24" has host bits that are not zero; the network is "10.0.0.0/24")",
      R"(f:43:13: gateway: "10.2.0.1" is no host address of 10.1.0.0/24; allowed: 10.1.0.1 to 10.1.0.254)",
      R"(f:44:34: pools: "10.1.0.10-10.1.0.300" is no range; it is two addresses, as in "10.0.0.100-10.0.0.199", or one)",
      R"(f:44:58: pools: "10.1.0.15-10.1.0.30" overlaps "10.1.0.1-10.1.0.20" in line 44; pools must not overlap)",
      R"(f:45:22: name: "domain-serach" is no name of an option (did you mean "domain-search"?); give others by code)",
      R"(f:45:72: data: option 224 has no name, so what the text means is not known; say it by type, or give the bytes as hex)",
      R"(f:48:12: prefix: "10.1.0.128/25" overlaps "10.1.0.0/24" in line 42; subnets of one VRF must not overlap, those of different VRFs may)",
      R"(f:53:10: vlan: found a number with a fraction, where 200.300 is 200.3; two tags are written in quotes, as in "200.300")",
      R"(f:58:10: vlan: VLAN 4095 is reserved (802.1Q table 9-2); allowed: 1 to 4094)",
      R"(f:61:3: [[vrf.attachment]] has no interface, which it needs, as in interface = "eth1")",
      R"(f:61:3: [[vrf.attachment]] has no subnet, and the VRF has 3; say which)",
      R"(f:62:10: vlan: VLAN 0 marks a priority tag: such a frame is untagged (802.1Q 9.6); leave the key out for that)",
      R"(f:65:13: servers: means nothing here; it is for engine = "relay", and this VRF has engine = "kea")",
      R"(f:66:14: hops_max: 17 is out of range; allowed: 1 to 16)",
      R"(f:67:9: vss: "foo" is no VSS setting; allowed: "" (none), "global", "name:TEXT" or "vpn-id:OUI:INDEX")",
  };
  EXPECT_THAT(mistakes_in(kManyMistakes), ElementsAreArray(expected));
}

TEST(ConfigMistakes, WhatIsNotTomlHasItsPlaceToo) {
  const auto texts = mistakes_in("[appliance]\nname = \"x\"\nname = \"y\"\n");
  ASSERT_EQ(texts.size(), 1u);
  EXPECT_THAT(texts[0], testing::StartsWith("f:3:"));
  EXPECT_THAT(texts[0], testing::HasSubstr("not TOML: "));
  EXPECT_THAT(mistakes_in("[appliance]\nname = \"x\n"), ElementsAre(testing::StartsWith("f:2:")));
}

TEST(ConfigMistakes, WhatTheTomlLibraryRepeatsStaysOnOneLine) {
  EXPECT_THAT(mistakes_in("x = tru\ne"), ElementsAre(testing::EndsWith("expected 'true', saw 'tru\\x0a'")));
}

TEST(ConfigMistakes, NoMoreThanAThousandAreListed) {
  std::string text = "[dataplane]\n";
  for (int i = 0; i < 1500; ++i) text += "k" + std::to_string(i) + " = 1\n";
  const auto texts = mistakes_in(text);
  ASSERT_EQ(texts.size(), 1001u);
  EXPECT_THAT(texts.back(), testing::EndsWith(": and 500 more mistakes"));
}

TEST(ConfigMistakes, AFileThatIsNotThere) {
  const auto model = load_config("/nonexistent/xdp-kea.toml");
  ASSERT_FALSE(model);
  ASSERT_EQ(model.error().size(), 1u);
  EXPECT_EQ(model.error()[0].text(), "/nonexistent/xdp-kea.toml: cannot be read: No such file or directory");
}

TEST(ConfigMistakes, ADirectoryIsNoFile) {
  const auto model = load_config("/");
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error()[0].text(), "/: cannot be read: Is a directory");
}

}  // namespace
}  // namespace xk
