// Each rule by itself: the exact mistake, and the neighbouring configuration that is fine.
#include <gmock/gmock.h>

#include "tests/unit/config_files.h"

namespace xk {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A VRF called red with these lines in its subnet 10.0.0.0/24.
std::string in_subnet(const std::string& lines) {
  return "[[vrf]]\nname = \"red\"\n[[vrf.subnet]]\nprefix = \"10.0.0.0/24\"\n" + lines;
}
std::string in_kea_attachment(const std::string& lines) { return std::string(kKeaVrf) + lines; }
std::string in_relay(const std::string& lines) { return std::string(kRelayVrf) + lines; }
std::string in_port(const std::string& lines) { return "[[port]]\nname = \"up\"\n" + lines; }

// The message behind "f:line:col: ".
void expect_mistake(const std::string& toml, const std::string& expected) {
  const auto texts = mistakes_in(toml);
  ASSERT_EQ(texts.size(), 1u) << testing::PrintToString(texts) << "\n" << toml;
  EXPECT_EQ(texts[0].substr(texts[0].find(": ") + 2), expected) << toml;
}
void expect_good(const std::string& toml) { EXPECT_THAT(mistakes_in(toml), IsEmpty()) << toml; }

TEST(ConfigRules, KeysOfTheWrongPlace) {
  expect_mistake(
      "buffers = 4\n",
      "unknown key \"buffers\" at the top of the file; there is one in [dataplane]; allowed: [appliance], "
      "[dataplane], [store], [ha], [[port]], [option82], [[options]], [discovery], [[vrf]]");
  expect_mistake("[vfr]\n",
                 "unknown key \"vfr\" at the top of the file (did you mean \"vrf\"?); allowed: [appliance], "
                 "[dataplane], [store], [ha], [[port]], [option82], [[options]], [discovery], [[vrf]]");
  expect_mistake(
      "[[vrf]]\nname = \"red\"\nservers = []\n",
      "unknown key \"servers\" in [vrf]; there is one in [vrf.relay]; allowed: name, device, "
      "discover, engine, "
      "queue_depth, static_by, paused_renewals, options, class, subnet, attachment, relay, kea, native");
  expect_mistake(
      in_kea_attachment("template = \"x\"\n"),
      "unknown key \"template\" in [vrf.attachment]; there is one in [vrf.kea]; allowed: interface, vlan, "
      "outer_tpid, inner_tpid, subnet, address, circuit_id, remote_id, policy, trusted");
}

TEST(ConfigRules, TablesAndLists) {
  expect_mistake("[[appliance]]\n", "appliance: found a list; it is one table, written [appliance]");
  expect_mistake("appliance = 1\n", "appliance: found an integer; it is one table, written [appliance]");
  expect_mistake("[vrf]\nname = \"red\"\n",
                 "vrf: found a table; it is a list of tables, each written [[vrf]]");
  expect_mistake("vrf = [1]\n", "vrf: found an integer; it is a list of tables, each written [[vrf]]");
  expect_mistake(in_relay("[[vrf.kea]]\n"), "kea: found a list; it is one table, written [vrf.kea]");
}

TEST(ConfigRules, Types) {
  expect_mistake(in_subnet("gateway = \"10.0.0.1\"\ndns = \"10.0.0.2\"\n"),
                 "dns: found a text; expected a list, as in [\"10.0.0.2\", \"10.0.0.3\"]");
  expect_mistake(in_subnet("gateway = 10\n"),
                 "gateway: found an integer; expected an address in quotes, as in \"10.0.0.1\"");
  expect_mistake("[option82]\ntrusted = 1\n",
                 "trusted: found an integer; expected true or false, as in true");
  expect_mistake("[dataplane]\nbuffers = 2020-01-01\n",
                 "buffers: found a date or time; expected an integer, as in 65536");
  expect_mistake("[dataplane]\nbuffers = {}\n", "buffers: found a table; expected an integer, as in 65536");
}

TEST(ConfigRules, Names) {
  expect_mistake("[[vrf]]\n", "[[vrf]] has no name, which it needs, as in name = \"red\"");
  expect_mistake("[[vrf]]\nname = \"-x\"\n",
                 "name: \"-x\" is no VRF name; allowed: letters, digits, \"-\", \"_\" and \".\", a letter or "
                 "digit first");
  expect_mistake("[[vrf]]\nname = \"..\"\n",
                 "name: \"..\" is no VRF name; allowed: letters, digits, \"-\", \"_\" and \".\", a letter or "
                 "digit first");
  expect_mistake("[[vrf]]\nname = \"" + std::string(64, 'v') + "\"\n",
                 "name: \"" + std::string(64, 'v') + "\" has 64 characters; 1 to 63 are allowed");
  expect_good("[[vrf]]\nname = \"" + std::string(63, 'v') + "\"\n");
  expect_mistake("[[vrf]]\nname = \"a\"\ndevice = \"d\"\n[[vrf]]\nname = \"b\"\ndevice = \"d\"\n",
                 "device: \"d\" is the device of the VRF in line 3 already; each is allowed once");
  expect_mistake("[appliance]\nhostname = \"a b\"\n",
                 "hostname: \"a b\" is no host name; allowed: letters, digits, \"-\", \"_\" and \".\"");
  expect_mistake("[appliance]\napi_group = \"1st\"\n",
                 "api_group: \"1st\" is no user or group name; allowed: letters, digits, \"-\", \"_\" and "
                 "\".\", a letter "
                 "or \"_\" first");
}

TEST(ConfigRules, InterfaceNames) {
  const auto with = [](const std::string& name) { return "[[port]]\nname = '" + name + "'\n"; };
  expect_good(with("e"));
  expect_good(with("fifteen-letters"));
  expect_mistake(with("sixteen-letters!"),
                 "name: \"sixteen-letters!\" has 16 characters; 1 to 15 are allowed in an interface name");
  expect_mistake(with(""), "name: \"\" has 0 characters; 1 to 15 are allowed in an interface name");
  for (const std::string name : {"a b", "a/b", "a:b", ".", "..", "a\"b", "a\\b"}) {
    EXPECT_THAT(mistakes_in(with(name)), ElementsAre(HasSubstr("is no interface name; allowed: "))) << name;
  }
}

TEST(ConfigRules, Paths) {
  expect_mistake("[appliance]\nrun_dir = \"run\"\n",
                 "run_dir: \"run\" is no absolute path; it must start with \"/\"");
  expect_mistake("[appliance]\nrun_dir = \"/run/../etc\"\n",
                 "run_dir: \"/run/../etc\" has a \"..\" in it; write it out");
  expect_mistake("[appliance]\nrun_dir = \"/run/..\"\n",
                 "run_dir: \"/run/..\" has a \"..\" in it; write it out");
  expect_good("[appliance]\nrun_dir = \"/run/..x\"\n");
  expect_good("[appliance]\nrun_dir = \"/" + std::string(79, 'x') + "\"\n");
  EXPECT_THAT(mistakes_in("[appliance]\nrun_dir = \"/" + std::string(80, 'x') + "\"\n"),
              ElementsAre(HasSubstr("has 81 characters; 1 to 80 are allowed")));
  expect_good("[appliance]\napi_socket = \"/" + std::string(106, 'x') + "\"\n");
  EXPECT_THAT(mistakes_in("[appliance]\napi_socket = \"/" + std::string(107, 'x') + "\"\n"),
              ElementsAre(HasSubstr("has 108 characters; 1 to 107 are allowed")));
}

TEST(ConfigRules, ApiSocketIsNotTheDataplanes) {
  expect_mistake("[appliance]\nrun_dir = \"/r\"\napi_socket = \"/r/dataplane.sock\"\n",
                 "api_socket: \"/r/dataplane.sock\" is the socket of the dataplane; choose another name");
}

TEST(ConfigRules, NobodyRunsAsRoot) {
  expect_mistake("[dataplane]\nuser = \"root\"\n",
                 "user: \"root\" has every privilege; allowed: a user without");
  expect_mistake(in_kea_attachment("[vrf.kea]\nuser = \"root\"\n"),
                 "user: \"root\" has every privilege; allowed: a user without");
  expect_good("[appliance]\napi_group = \"root\"\n");
  expect_good("[appliance]\nmetrics_address = \"127.0.0.1:9547\"\n");
  expect_good("[appliance]\nmetrics_address = \"[::1]:9547\"\n");
  expect_good("[appliance]\nmetrics_address = \"\"\n");
  expect_mistake("[appliance]\nmetrics_address = \"localhost:9547\"\n",
                 "metrics_address: \"localhost:9547\" is no numeric address with a port; allowed: "
                 "127.0.0.1:9547 or [::1]:9547");
}

TEST(ConfigRules, HandoffAddressesAreTheAppliancesOwn) {
  const std::string why =
      " is inside appliance.handoff_prefix, 169.254.0.0/16; choose another address or another handoff_prefix";
  expect_mistake(in_subnet("server_identifier = \"169.254.1.1\"\n"),
                 "server_identifier: \"169.254.1.1\"" + why);
  expect_mistake(in_relay("source = \"169.254.1.1\"\n"), "source: \"169.254.1.1\"" + why);
  expect_mistake("[[vrf]]\nname = \"b\"\nengine = \"relay\"\n[vrf.relay]\nservers = [\"169.254.0.3\"]\n",
                 "servers: \"169.254.0.3\"" + why);
}

TEST(ConfigRules, SocketMode) {
  for (const std::string good : {"0600", "660", "0777", "0000"}) {
    expect_good("[appliance]\napi_socket_mode = \"" + good + "\"\n");
  }
  for (const std::string bad : {"", "1", "60", "0o660", "1000", "4755", "0800", "-600", "0660 ", "00660"}) {
    expect_mistake("[appliance]\napi_socket_mode = \"" + bad + "\"\n",
                   "api_socket_mode: \"" + bad + "\" is no file mode; allowed: octal, \"0000\" to \"0777\"");
  }
}

TEST(ConfigRules, HandoffPrefix) {
  const auto with = [](const std::string& prefix) {
    return "[appliance]\nhandoff_prefix = \"" + prefix + "\"\n";
  };
  expect_good(with("100.64.0.0/10"));
  for (const std::string bad : {"127.0.0.0/8", "224.0.0.0/8", "0.0.0.0/8", "0.0.0.0/0"}) {
    expect_mistake(with(bad), "handoff_prefix: \"" + bad +
                                  "\" holds addresses no host may have; allowed: unicast, /8 to /30");
  }
  expect_mistake(with("10.0.0.0/16") + in_subnet("gateway = \"10.0.0.1\"\n"),
                 "prefix: \"10.0.0.0/24\" overlaps appliance.handoff_prefix, 10.0.0.0/16; choose another "
                 "handoff_prefix");
  expect_mistake(
      with("169.254.0.0"),
      "handoff_prefix: \"169.254.0.0\" is no prefix; it is a network and a length, as in \"10.0.0.0/24\"");
}

TEST(ConfigRules, Dataplane) {
  for (const int depth : {16, 32, 512, 32768})
    expect_good("[dataplane]\nqueue_depth = " + std::to_string(depth) + "\n");
  expect_mistake("[dataplane]\nqueue_depth = 8\n", "queue_depth: 8 is out of range; allowed: 16 to 32768");
  expect_mistake("[dataplane]\nqueue_depth = 65536\n",
                 "queue_depth: 65536 is out of range; allowed: 16 to 32768");
  expect_mistake("[[vrf]]\nname = \"a\"\nqueue_depth = 48\n",
                 "queue_depth: 48 is no power of two; allowed: 16, 32, 64 and so on to 32768");
  expect_mistake("[dataplane]\nbuffers = 1048576\n",
                 "buffers: 1048576 buffers take 2560 MiB; memory_mib = 256 allows 104857");
  expect_mistake("[dataplane]\nmemory_mib = 64\nbuffers = 26215\n",
                 "buffers: 26215 buffers take 65 MiB; memory_mib = 64 allows 26214");
  expect_good("[dataplane]\nmemory_mib = 64\nbuffers = 26214\n");
}

TEST(ConfigRules, Lcores) {
  const auto lcore = [](int cpu, const std::string& loops) {
    return "[[dataplane.lcore]]\ncpu = " + std::to_string(cpu) + "\nloops = [" + loops + "]\n";
  };
  expect_good(lcore(0, "\"rx\", \"vrf\", \"tx\""));
  expect_good(lcore(0, "\"rx\"") + lcore(1, "\"vrf\"") + lcore(2, "\"vrf\"") + lcore(3, "\"tx\""));
  expect_mistake(lcore(0, "\"rx\"") + lcore(1, "\"tx\""),
                 "no [[dataplane.lcore]] runs the loop \"vrf\"; \"rx\", \"vrf\" and \"tx\" must each be on "
                 "at least one");
  expect_mistake(lcore(2, "\"rx\", \"tx\"") + lcore(2, "\"vrf\""),
                 "cpu: 2 has an lcore already, in line 2; two busy loops must not share a CPU");
  expect_mistake(lcore(0, "\"rx\", \"vrf\", \"tx\"") + lcore(1, ""), "loops: has 0 items; allowed: 1 to 3");
  expect_mistake(lcore(0, "\"rx\", \"vrf\", \"tx\"") + "[[dataplane.lcore]]\nloops = [\"rx\"]\n",
                 "[[dataplane.lcore]] has no cpu, which it needs, as in cpu = 1");
}

TEST(ConfigRules, Ports) {
  expect_good(in_port("driver = \"pcap\"\ndevice = \"in.pcap\"\n"));
  expect_mistake(in_port("driver = \"sim\"\n"),
                 "driver: \"sim\" is not known; allowed: \"af_xdp\", \"ethdev\", \"pcap\"");
  expect_mistake(in_port("driver = \"pcap\"\n"),
                 "[[port]] with driver = \"pcap\" has no device, which it needs");
  expect_mistake(
      in_port("device = \"net_tap0\"\n"),
      "device: means nothing with driver = \"af_xdp\"; the name is the interface. It is for \"ethdev\" and "
      "\"pcap\"");
  expect_mistake(in_port("driver = \"ethdev\"\ndevice = \"net_tap0\"\ngeneric = true\n"),
                 "generic: means nothing with driver = \"ethdev\"; it is for \"af_xdp\"");
  expect_mistake(
      in_port("driver = \"ethdev\"\ndevice = \"net_tap0\"\nexception = \"port\"\n"),
      "exception: \"port\" needs exception_device, as in exception_device = \"net_tap0,iface=exc0\"");
  expect_mistake(in_port("driver = \"ethdev\"\ndevice = \"net_tap0\"\nexception_device = \"net_tap1\"\n"),
                 "exception_device: means nothing without exception = \"port\"");
  expect_mistake(
      in_port("exception = \"port\"\nexception_device = \"net_tap1\"\n"),
      "exception: \"port\" means nothing with driver = \"af_xdp\"; it is for \"ethdev\"; XDP passes other "
      "traffic to the kernel by itself");
  expect_mistake(in_port("") + in_port(""),
                 "name: port \"up\" is there already, in line 2; each name is allowed once");
  expect_mistake(
      in_port("driver = \"ethdev\"\ndevice = \"net_tap0\"\nexception = \"port\"\nexception_device = "
              "\"net_tap0\"\n"),
      "device \"net_tap0\" is used already, in line 4; each is allowed once");
  expect_mistake(in_port("queues = 65\n"), "queues: 65 is out of range; allowed: 0 to 64");
}

TEST(ConfigRules, SubnetPrefixes) {
  const auto with = [](const std::string& prefix, const std::string& gateway) {
    return "[[vrf]]\nname = \"red\"\n[[vrf.subnet]]\nprefix = \"" + prefix + "\"\ngateway = \"" + gateway +
           "\"\n";
  };
  expect_good(with("10.0.0.0/8", "10.0.0.1"));
  expect_good(with("10.0.0.0/30", "10.0.0.1"));
  expect_mistake(with("10.0.0.0/31", "10.0.0.1"),
                 "prefix: \"10.0.0.0/31\" is no subnet for clients; allowed: /8 to /30");
  expect_mistake(with("10.0.0.0/7", "10.0.0.1"),
                 "prefix: \"10.0.0.0/7\" is no subnet for clients; allowed: /8 to /30");
  expect_mistake(with("127.0.0.0/8", "10.0.0.1"),
                 "prefix: \"127.0.0.0/8\" holds addresses no host may have; allowed: unicast networks");
  expect_mistake(with("10.0.0.0/33", "10.0.0.1"),
                 "prefix: \"10.0.0.0/33\" is no prefix; it is a network and a length, as in \"10.0.0.0/24\"");
}

TEST(ConfigRules, OverlapsWithinAVrfOnly) {
  const auto subnet = [](const std::string& prefix, const std::string& gateway) {
    return "[[vrf.subnet]]\nprefix = \"" + prefix + "\"\ngateway = \"" + gateway + "\"\n";
  };
  const std::string small = subnet("10.0.1.0/24", "10.0.1.1");
  const std::string large = subnet("10.0.0.0/16", "10.0.0.1");
  expect_good("[[vrf]]\nname = \"a\"\n" + small + "[[vrf]]\nname = \"b\"\n" + small +
              "[[vrf]]\nname = \"c\"\n" + large);
  expect_mistake("[[vrf]]\nname = \"a\"\n" + small + large,
                 "prefix: \"10.0.0.0/16\" overlaps \"10.0.1.0/24\" in line 4; subnets of one VRF must not "
                 "overlap, those "
                 "of different VRFs may");
  expect_mistake("[[vrf]]\nname = \"a\"\n" + small + small,
                 "prefix: \"10.0.1.0/24\" overlaps \"10.0.1.0/24\" in line 4; subnets of one VRF must not "
                 "overlap, those "
                 "of different VRFs may");
  EXPECT_EQ(mistakes_in("[[vrf]]\nname = \"a\"\n" + large + small + subnet("10.0.2.0/24", "10.0.2.1")).size(),
            2u);
}

TEST(ConfigRules, Excludes) {
  const auto with = [](const std::string& exclude) {
    return in_subnet("gateway = \"10.0.0.1\"\npools = [\"10.0.0.10-10.0.0.99\"]\nexclude = [" + exclude +
                     "]\n");
  };
  expect_good(with("\"10.0.0.20\", \"10.0.0.15-10.0.0.30\", \"10.0.0.1\""));
  expect_mistake(with("\"10.0.0.99-10.0.1.0\""),
                 "exclude: \"10.0.0.99-10.0.1.0\" is not inside the subnet; allowed: 10.0.0.1 to 10.0.0.254");
  EXPECT_FALSE(mistakes_in(with("\"10.0.0.20/30\"")).empty());
  EXPECT_FALSE(mistakes_in(with("\"10.0.0.20-10.0.0.10\"")).empty());
}

TEST(ConfigRules, Pools) {
  const auto with = [](const std::string& pools) {
    return in_subnet("gateway = \"10.0.0.1\"\nserver_identifier = \"10.0.0.2\"\npools = [" + pools + "]\n");
  };
  expect_good(with("\"10.0.0.3-10.0.0.254\""));
  expect_good(with("\"10.0.0.20-10.0.0.29\", \"10.0.0.10-10.0.0.19\", \"10.0.0.30-10.0.0.30\""));
  expect_good(with("\"10.0.0.1-10.0.0.9\", \"10.0.0.12\""));
  EXPECT_EQ(mistakes_in(with("\"10.0.0.0-10.0.0.255\"")).size(), 2u);
  expect_mistake(with("\"10.0.0.254-10.0.0.255\""),
                 "pools: \"10.0.0.254-10.0.0.255\" holds 10.0.0.255, the subnet's broadcast address, which "
                 "no client can have; leave it out of the pool");
  expect_mistake(with("\"10.0.0.200-10.0.1.10\""),
                 "pools: \"10.0.0.200-10.0.1.10\" is not inside the subnet; allowed: 10.0.0.1 to 10.0.0.254");
  expect_mistake(
      with("\"10.0.0.10-10.0.0.20\", \"10.0.0.20-10.0.0.30\""),
      "pools: \"10.0.0.20-10.0.0.30\" overlaps \"10.0.0.10-10.0.0.20\" in line 7; pools must not overlap");
  expect_mistake(with("\"10.0.0.20-10.0.0.10\""),
                 "pools: \"10.0.0.20-10.0.0.10\" ends before it begins; the lower address is first");
}

TEST(ConfigRules, GatewayAndServerIdentifier) {
  expect_mistake(
      in_subnet(""),
      "[[vrf.subnet]] 10.0.0.0/24 has neither gateway nor server_identifier; one is needed: clients renew "
      "there");
  expect_good(in_subnet("server_identifier = \"192.0.2.1\"\n"));
  expect_mistake(in_subnet("gateway = \"10.0.0.0\"\n"),
                 "gateway: \"10.0.0.0\" is no host address of 10.0.0.0/24; allowed: 10.0.0.1 to 10.0.0.254");
  expect_mistake(
      in_subnet("server_identifier = \"10.0.0.255\"\n"),
      "server_identifier: \"10.0.0.255\" is the network or broadcast address of 10.0.0.0/24; allowed: a host "
      "address");
  expect_mistake(in_subnet("server_identifier = \"224.0.0.1\"\n"),
                 "server_identifier: \"224.0.0.1\" is no address of a host; allowed: unicast, 1.0.0.0 to "
                 "223.255.255.255 "
                 "without 127.0.0.0/8");
  expect_mistake(
      in_subnet("gateway = \"10.0.0.256\"\n"),
      "gateway: \"10.0.0.256\" is no IPv4 address; it is four numbers 0 to 255, as in \"10.0.0.1\"");
}

TEST(ConfigRules, Domains) {
  const auto with = [](const std::string& domain) {
    return in_subnet("gateway = \"10.0.0.1\"\ndomain = \"" + domain + "\"\n");
  };
  for (const std::string good : {"", "a", "a.b.c", "example.net.", "x-y.z_1"}) expect_good(with(good));
  for (const std::string bad : {".", "a..b", ".a", "a b", "\\u00fc.de"}) {
    EXPECT_THAT(mistakes_in(with(bad)), ElementsAre(HasSubstr("f:6:10: domain: "))) << bad;
  }
  expect_good(with(std::string(63, 'a') + ".b"));
  expect_mistake(
      with(std::string(64, 'a')),
      "domain: \"" + std::string(64, 'a') + "\" has a label of more than 63 characters (RFC 1035 2.3.4)");
}

TEST(ConfigRules, Options) {
  const auto with = [](const std::string& option) {
    return in_subnet("gateway = \"10.0.0.1\"\noptions = [" + option + "]\n");
  };
  expect_good(with("{name = \"interface-mtu\", data = \"1400\"}, {code = 254, hex = \"\"}"));
  expect_good(with("{code = 119, data = \"example.net\"}"));
  expect_mistake(with("{data = \"1\"}"), "the option has neither name nor code; one of the two is needed");
  expect_mistake(with("{code = 26, name = \"interface-mtu\", data = \"1\"}"),
                 "code: there is a name already; one of the two is needed");
  expect_mistake(with("{code = 26}"), "the option has neither data nor hex; one of the two is needed");
  expect_mistake(with("{code = 26, data = \"1\", hex = \"01\"}"),
                 "hex: there is data already; one of the two is needed");
  expect_mistake(with("{code = 0, hex = \"00\"}"), "code: 0 is out of range; allowed: 1 to 254");
  expect_mistake(with("{code = 255, hex = \"00\"}"), "code: 255 is out of range; allowed: 1 to 254");
  expect_mistake(with("{code = 82, hex = \"00\"}"), "code: option 82 belongs to relays: see [option82]");
  expect_mistake(with("{name = \"routers\", data = \"10.0.0.1\"}"),
                 "name: \"routers\" has a key of its own: gateway");
  expect_mistake(with("{code = 54, hex = \"00\"}"),
                 "code: option 54 has a key of its own: server_identifier");
  expect_mistake(with("{code = 26, hex = \"0\"}"),
                 "hex: \"0\" is no data in hex; it is two digits 0-9, a-f a byte, nothing between");
  expect_mistake(with("{code = 26, hex = \"0x05\"}"),
                 "hex: \"0x05\" is no data in hex; it is two digits 0-9, a-f a byte, nothing between");
  expect_good(with("{code = 224, hex = \"" + std::string(510, 'a') + "\"}"));
  EXPECT_THAT(mistakes_in(with("{code = 224, hex = \"" + std::string(512, 'a') + "\"}")),
              ElementsAre(HasSubstr("has 256 bytes; an option has at most 255")));
  expect_mistake(with("{name = \"interface-mtu\", data = \"1\"}, {code = 26, data = \"2\"}"),
                 "option 26 is there already, in line 6; each is allowed once a subnet");
  expect_mistake(with("{nam = \"interface-mtu\", code = 26, data = \"1\"}"),
                 "unknown key \"nam\" in [vrf.subnet.options] (did you mean \"name\"?); allowed: name, code, "
                 "data, type, "
                 "hex");
}

TEST(ConfigRules, Vlans) {
  const auto with = [](const std::string& vlan) { return in_kea_attachment("vlan = " + vlan + "\n"); };
  const std::string zero =
      "VLAN 0 marks a priority tag: such a frame is untagged (802.1Q 9.6); leave the key out for that";
  const std::string reserved = "VLAN 4095 is reserved (802.1Q table 9-2); allowed: 1 to 4094";
  expect_mistake(with("0"), "vlan: " + zero);
  expect_mistake(with("\"0\""), "vlan: \"0\" is refused: " + zero);
  expect_mistake(with("4095"), "vlan: " + reserved);
  expect_mistake(with("\"4095\""), "vlan: \"4095\" is refused: " + reserved);
  expect_mistake(with("\"100.4095\""), "vlan: \"100.4095\" is refused: " + reserved);
  expect_mistake(with("\"100.0\""), "vlan: \"100.0\" is refused: " + zero);
  expect_mistake(with("4096"), "vlan: VLAN 4096 is out of range; allowed: 1 to 4094");
  expect_mistake(with("-1"), "vlan: VLAN -1 is out of range; allowed: 1 to 4094");
  for (const std::string inner_only : {"\".300\"", "\"0.300\"", "\"none.300\""}) {
    expect_mistake(with(inner_only),
                   "vlan: " + inner_only +
                       " has an inner tag without an outer one; one tag is written alone, as in \"100\"");
  }
  for (const std::string bad :
       {"\"\"", "\".\"", "\"100.\"", "\"100.200.300\"", "\"a\"", "\" 100\"", "\"+1\"", "\"1e2\""}) {
    expect_mistake(
        with(bad),
        "vlan: " + bad + " is no VLAN; allowed: \"none\", 100, \"100\" or \"200.300\" (outer.inner)");
  }
}

TEST(ConfigRules, Tpids) {
  expect_good(in_kea_attachment("vlan = 100\nouter_tpid = \"0x88A8\"\n"));
  expect_good(in_kea_attachment("vlan = \"1.2\"\nouter_tpid = 0x88a8\ninner_tpid = \"0x8100\"\n"));
  expect_mistake(
      in_kea_attachment("vlan = 100\nouter_tpid = \"0x9100\"\n"),
      "outer_tpid: \"0x9100\" is no tag protocol of ours; allowed: \"0x8100\" (802.1Q) and \"0x88a8\" "
      "(802.1ad)");
  expect_mistake(in_kea_attachment("outer_tpid = \"0x88a8\"\n"),
                 "outer_tpid: there is no tag; it needs a VLAN beside it");
  expect_mistake(in_kea_attachment("vlan = 100\ninner_tpid = \"0x8100\"\n"),
                 "inner_tpid: there is no inner tag; it needs two, as in \"200.300\"");
}

TEST(ConfigRules, AttachmentsAreUniqueOverAllVrfs) {
  const std::string other =
      "[[vrf]]\nname = \"other\"\n[[vrf.subnet]]\nprefix = \"10.5.0.0/24\"\ngateway = \"10.5.0.1\"\n"
      "[[vrf.attachment]]\ninterface = \"eth1\"\n";
  expect_mistake(
      std::string(kKeaVrf) + other,
      "[[vrf.attachment]] eth1 is there already, in line 6; interface and tags together are allowed once in "
      "all VRFs");
  expect_good(std::string(kKeaVrf) + other + "vlan = 100\n");
  // The tag protocol makes no difference: frames are told apart by the ids only.
  const std::string twice = in_kea_attachment(
      "vlan = 100\n[[vrf.attachment]]\ninterface = \"eth1\"\nvlan = 100\n"
      "outer_tpid = \"0x88a8\"\ncircuit_id = \"x\"\n");
  expect_mistake(
      twice,
      "[[vrf.attachment]] eth1 vlan 100 is there already, in line 6; interface and tags together are allowed "
      "once in all VRFs");
}

TEST(ConfigRules, AttachmentSubnets) {
  expect_mistake(in_kea_attachment("subnet = \"10.9.0.0/24\"\n"),
                 "subnet: the VRF has no subnet \"10.9.0.0/24\"; allowed: 10.0.0.0/24");
  expect_mistake("[[vrf]]\nname = \"red\"\n[[vrf.attachment]]\ninterface = \"eth1\"\n",
                 "[[vrf.attachment]] eth1 in a VRF without a subnet; it needs a [[vrf.subnet]]");
  expect_mistake(in_kea_attachment("[[vrf.subnet]]\nprefix = \"10.1.0.0/24\"\ngateway = \"10.1.0.1\"\n"),
                 "[[vrf.attachment]] eth1 has no subnet, and the VRF has 2; say which");
}

TEST(ConfigRules, Templates) {
  expect_mistake("[option82]\ncircuit_id = \"{port\"\n",
                 "circuit_id: \"{port\" has \"{\" without \"}\"; a plain brace is written \"{{\"");
  expect_mistake("[option82]\nremote_id = \"}\"\n",
                 "remote_id: \"}\" has \"}\" without \"{\"; a plain brace is written \"}}\"");
  expect_mistake(
      in_kea_attachment("circuit_id = \"\\u0001\"\n"),
      "circuit_id: \"\\x01\" has a character that is not printable ASCII; templates are ASCII text");
}

TEST(ConfigRules, Option82Fits) {
  // link selection 6, circuit-id 2 + n, remote-id 2 + 4: n = 241 is the last that fits.
  const auto with = [](std::size_t size) {
    return in_kea_attachment("remote_id = \"abcd\"\ncircuit_id = \"" + std::string(size, 'c') + "\"\n");
  };
  expect_good(with(241));
  expect_mistake(
      with(242),
      "option 82 of eth1 would have 256 bytes (circuit-id 242, remote-id 4); at most 255 are allowed");
  // {mac} is 17 bytes, {hostname} 64 unless it is known.
  expect_mistake(
      in_kea_attachment("remote_id = \"\"\ncircuit_id = \"{mac}" + std::string(231, 'c') + "\"\n"),
      "option 82 of eth1 would have 256 bytes (circuit-id 248, remote-id 0); at most 255 are allowed");
  expect_good(in_kea_attachment("remote_id = \"\"\ncircuit_id = \"{mac}" + std::string(230, 'c') + "\"\n"));
  expect_good(
      "[appliance]\nhostname = \"h\"\n" +
      in_kea_attachment("remote_id = \"{hostname}\"\ncircuit_id = \"" + std::string(244, 'c') + "\"\n"));
  EXPECT_EQ(mistakes_in(in_kea_attachment("remote_id = \"{hostname}\"\ncircuit_id = \"" +
                                          std::string(244, 'c') + "\"\n"))
                .size(),
            1u);
  // vss: 2 + 1 + 3 and 2 for sub-option 152; flags 3; override 6.
  const std::string more = "[vrf.relay]\nvss = \"name:abc\"\nrelay_flags = true\nserver_id_override = true\n";
  expect_good(with(224) + more);
  EXPECT_EQ(mistakes_in(with(225) + more).size(), 1u);
}

TEST(ConfigRules, CircuitIdsTellAttachmentsApart) {
  const auto second = [](const std::string& circuit_id) {
    return in_kea_attachment("circuit_id = \"x\"\n[[vrf.attachment]]\ninterface = \"eth2\"\ncircuit_id = \"" +
                             circuit_id + "\"\n");
  };
  expect_good(second("y"));
  expect_mistake(second("x"),
                 "circuit_id: \"x\" of eth2 is that of the attachment in line 6; attachments whose servers "
                 "are in the same "
                 "VRF need different ones, for by the circuit-id a reply finds its way");
  // Another VRF has a Kea of its own.
  const std::string other =
      "[[vrf]]\nname = \"other\"\n[[vrf.subnet]]\nprefix = \"10.5.0.0/24\"\ngateway = \"10.5.0.1\"\n"
      "[[vrf.attachment]]\ninterface = \"eth3\"\ncircuit_id = \"x\"\n";
  expect_good(second("y") + other);
}

TEST(ConfigRules, CircuitIdsOfVrfsThatShareServers) {
  const auto relayed = [](const std::string& name, const std::string& circuit_id) {
    return "[[vrf]]\nname = \"" + name +
           "\"\nengine = \"relay\"\n[[vrf.subnet]]\nprefix = \"10.5.0.0/24\"\ngateway = "
           "\"10.5.0.1\"\n[[vrf.attachment]]\ninterface = \"" +
           name + "\"\ncircuit_id = \"" + circuit_id +
           "\"\n[vrf.relay]\nservers = [\"192.0.2.1\"]\nserver_vrf = \"core\"\n";
  };
  const std::string core = "[[vrf]]\nname = \"core\"\n";
  expect_good(core + relayed("a", "{vrf}") + relayed("b", "{vrf}"));
  EXPECT_THAT(mistakes_in(core + relayed("a", "same") + relayed("b", "same")),
              ElementsAre(HasSubstr("circuit_id: \"same\" of b is that of the attachment in line 9;")));
}

TEST(ConfigRules, ACircuitIdThatSpellsAMac) {
  const auto pair = [](const std::string& first, const std::string& other) {
    return in_kea_attachment("circuit_id = \"" + first +
                             "\"\n[[vrf.attachment]]\ninterface = \"eth2\"\ncircuit_id = \"" + other +
                             "\"\n");
  };
  expect_good(pair("a {mac}", "b 02:00:00:00:00:01"));
  expect_good(pair("02:00:00:00:00:02", "02:00:00:00:00:01"));
  const std::string text = "is what {mac} can make of that of the attachment in line";
  EXPECT_THAT(mistakes_in(pair("{mac}", "02:00:00:00:00:01")), ElementsAre(HasSubstr(text)));
  EXPECT_THAT(mistakes_in(pair("02:00:00:00:00:01", "{mac}")), ElementsAre(HasSubstr(text)));
  EXPECT_THAT(mistakes_in(pair("{mac}/{mac}", "02:00:00:00:00:01/02:00:00:00:00:01")),
              ElementsAre(HasSubstr(text)));
}

TEST(ConfigRules, RelayEngine) {
  expect_mistake(
      "[[vrf]]\nname = \"b\"\nengine = \"relay\"\n[[vrf.subnet]]\nprefix = \"10.0.0.0/24\"\ngateway = "
      "\"10.0.0.1\"\n[[vrf.attachment]]\ninterface = \"e\"\n",
      "engine = \"relay\" needs [vrf.relay] servers, as in servers = [\"192.0.2.10\"]");
  expect_good("[[vrf]]\nname = \"b\"\nengine = \"relay\"\n");
  expect_mistake(
      in_relay("server_vrf = \"bluee\"\n"),
      "server_vrf: there is no VRF \"bluee\" (did you mean \"blue\"?); it must be one of the file");
  expect_mistake(in_relay("next_hop = \"02:00:00:00:00:01\"\n"),
                 "next_hop: needs server_interface, to know where it is");
  expect_mistake(in_relay("server_vlan = 5\n"), "server_vlan: needs server_interface, to know where it is");
  expect_mistake(in_relay("server_interface = \"e\"\nnext_hop = \"01:00:00:00:00:01\"\n"),
                 "next_hop: \"01:00:00:00:00:01\" is no unicast MAC address; its first byte must be even, "
                 "and not all may "
                 "be zero");
  expect_mistake(in_relay("source = \"192.0.2.10\"\n"),
                 "servers: \"192.0.2.10\" is our own source address; a server must be another host");
  expect_mistake(
      in_relay("source = \"192.0.2.1\"\nlink_selection = false\n"),
      "link_selection: false with source: the servers could not tell the client's subnet; leave one out");
  expect_mistake(
      "[[vrf]]\nname = \"b\"\nengine = \"relay\"\n[vrf.relay]\nservers = [\"192.0.2.1\", \"192.0.2.1\"]\n",
      "servers: \"192.0.2.1\" is there already, in line 5; each server is allowed once");
  std::string many = "[[vrf]]\nname = \"b\"\nengine = \"relay\"\n[vrf.relay]\nservers = [";
  for (int i = 1; i <= 33; ++i) many += "\"192.0.2." + std::to_string(i) + "\",";
  expect_mistake(many + "]\n", "servers: has 33 items; allowed: 0 to 32");
}

TEST(ConfigRules, ServerModes) {
  for (const char* mode : {"all", "failover", "hash"})
    expect_good(in_relay("server_mode = \"" + std::string(mode) + "\"\n"));
  expect_mistake(in_relay("server_mode = \"random\"\n"),
                 "server_mode: \"random\" is not known; allowed: \"all\", \"failover\", \"hash\"");
  for (const char* key : {"dead_after_s", "probe_interval_s"}) {
    for (const char* good : {"1", "3600"}) expect_good(in_relay(std::string(key) + " = " + good + "\n"));
    for (const char* bad : {"0", "3601"})
      expect_mistake(in_relay(std::string(key) + " = " + bad + "\n"),
                     std::string(key) + ": " + bad + " is out of range; allowed: 1 to 3600");
    expect_mistake(in_kea_attachment("[vrf.relay]\n" + std::string(key) + " = 5\n"),
                   std::string(key) +
                       ": means nothing here; it is for engine = \"relay\", and this VRF has "
                       "engine = \"kea\"");
  }
}

TEST(ConfigRules, AllServersTogetherAreBounded) {
  const auto vrfs = [](int servers) {
    std::string text;
    for (int vrf = 0; servers > 0; ++vrf, servers -= 32) {
      text +=
          "[[vrf]]\nname = \"v" + std::to_string(vrf) + "\"\nengine = \"relay\"\n[vrf.relay]\nservers = [";
      for (int i = 1; i <= std::min(servers, 32); ++i) text += "\"192.0.2." + std::to_string(i) + "\",";
      text += "]\n";
    }
    return text;
  };
  expect_good(vrfs(65'536));
  expect_mistake(vrfs(65'537), "servers: these are more than 65536 over all VRFs; that many can be watched");
}

TEST(ConfigRules, RelayAddresses) {
  const std::string head =
      "[[vrf]]\nname = \"b\"\nengine = \"relay\"\n[[vrf.subnet]]\nprefix = \"10.0.0.0/24\"\n"
      "[[vrf.attachment]]\ninterface = \"e\"\n";
  const std::string servers = "[vrf.relay]\nservers = [\"192.0.2.1\"]\n";
  expect_mistake(head + servers,
                 "[[vrf.attachment]] e has no giaddr; it needs an address, its subnet a gateway, or the VRF "
                 "a relay.source");
  expect_good(head + "address = \"10.0.0.1\"\n" + servers);
  expect_good(head + servers + "source = \"192.0.2.9\"\n");
  expect_mistake(
      head + "address = \"10.0.1.1\"\n" + servers,
      "address: \"10.0.1.1\" is no host address of 10.0.0.0/24, by which servers find the client's subnet");
  expect_mistake(head + "address = \"10.0.0.1\"\n" + servers + "server_id_override = true\n",
                 "server_id_override: the subnet 10.0.0.0/24 in line 4 has neither gateway nor "
                 "server_identifier; one is "
                 "needed for sub-option 11");
}

TEST(ConfigRules, WaysToServers) {
  const auto relayed = [](const std::string& name, const std::string& more) {
    return "[[vrf]]\nname = \"" + name + "\"\nengine = \"relay\"\n[vrf.relay]\nserver_interface = \"up\"\n" +
           more;
  };
  expect_good(relayed("a", "server_vrf = \"b\"\n") + relayed("b", ""));
  expect_good(relayed("a", "") + relayed("b", "server_vlan = 5\n"));
  expect_mistake(relayed("a", "") + relayed("b", ""),
                 "server_interface: up leads to another server VRF in line 5; it can be in one VRF only");
  expect_mistake(
      in_relay("server_interface = \"eth2\"\n"),
      "server_interface: eth2 is the clients' attachment in line 7; servers and clients need different ones");
}

TEST(ConfigRules, KeysOfTheOtherEngine) {
  const auto other = [](const std::string& key, const std::string& engine, const std::string& has) {
    return key + " means nothing here; it is for engine = \"" + engine + "\", and this VRF has engine = \"" +
           has + "\"";
  };
  expect_mistake(in_kea_attachment("[vrf.relay]\nservers = [\"192.0.2.1\"]\n"),
                 other("servers:", "relay", "kea"));
  expect_mistake(in_kea_attachment("[vrf.relay]\nlink_selection = false\n"),
                 other("link_selection:", "relay", "kea"));
  expect_mistake(in_kea_attachment("address = \"10.0.0.1\"\n"), other("address:", "relay", "kea"));
  expect_mistake(in_relay("[vrf.kea]\nuser = \"kea\"\n"), other("[vrf.kea]", "kea", "relay"));
  const std::string relay_subnet =
      "[[vrf]]\nname = \"b\"\nengine = \"relay\"\n[[vrf.subnet]]\nprefix = \"10.0.0.0/24\"\n"
      "gateway = \"10.0.0.1\"\n";
  expect_mistake(relay_subnet + "pools = []\n", other("pools:", "kea\" or \"native", "relay"));
  expect_mistake(relay_subnet + "lease_time_s = 60\n", other("lease_time_s:", "kea\" or \"native", "relay"));
  expect_mistake(relay_subnet + "options = [{code = 26, data = \"1\"}]\n",
                 other("[vrf.subnet.options]", "kea\" or \"native", "relay"));
}

TEST(ConfigRules, Engines) {
  expect_good("[[vrf]]\nname = \"a\"\nengine = \"native\"\n");
  EXPECT_THAT(mistakes_in("[[vrf]]\nname = \"a\"\nengine = \"dnsmasq\"\n"),
              ElementsAre(HasSubstr("engine: \"dnsmasq\" is not known; allowed: ")));
}

TEST(ConfigRules, Vss) {
  const auto with = [](const std::string& vss) { return in_relay("vss = \"" + vss + "\"\n"); };
  expect_good(with("name:" + std::string(64, 'n')));
  expect_mistake(
      with("name:" + std::string(65, 'n')),
      "vss: \"name:" + std::string(65, 'n') + "\" has a name of 65 characters; 1 to 64 are allowed");
  expect_mistake(with("name:"), "vss: \"name:\" has a name of 0 characters; 1 to 64 are allowed");
  EXPECT_THAT(mistakes_in(with("name:a\\tb")), ElementsAre(HasSubstr("not printable ASCII (RFC 6607 3.5)")));
  for (const std::string bad : {"vpn-id:", "vpn-id:00005e", "vpn-id:00005e:2a", "vpn-id:00005g:0000002a",
                                "vpn-id:00005e-0000002a", "vpn-id:00005e:0000002a0"}) {
    EXPECT_THAT(mistakes_in(with(bad)), ElementsAre(HasSubstr("is no VPN-ID; "))) << bad;
  }
}

TEST(ConfigRules, TwoAppliances) {
  const std::string etcd =
      "[store]\nbackend = \"etcd\"\n[store.etcd]\nendpoints = [\"http://127.0.0.1:2379\"]\n";
  const std::string ha = "[ha]\nenabled = true\n";
  const std::string vrf =
      "[[vrf]]\nname = \"a\"\n[[vrf.subnet]]\nprefix = \"10.0.0.0/24\"\ngateway = \"10.0.0.1\"\n";
  expect_good(etcd + ha + "name = \"edge-1\"\nttl_s = 60\n" + vrf);
  expect_good(etcd + ha + vrf + "[vrf.kea]\ndurability = \"strict\"\n");
  expect_good("[ha]\nenabled = false\n" + vrf);
  expect_mistake(ha, "enabled: [ha] needs backend = \"etcd\" in [store]: that is what the appliances share");
  expect_mistake(etcd + ha + "ttl_s = 1\n", "ttl_s: 1 is out of range; allowed: 2 to 60");
  for (const std::string other : {"available", "none"})
    EXPECT_THAT(mistakes_in(etcd + ha + vrf + "[vrf.kea]\ndurability = \"" + other + "\"\n"),
                ElementsAre(HasSubstr("durability: with [ha] it is \"strict\"")));
}

TEST(ConfigRules, HopsMax) {
  expect_good(in_relay("hops_max = 1\n"));
  expect_good(in_relay("hops_max = 16\n"));
  expect_mistake(in_relay("hops_max = 0\n"), "hops_max: 0 is out of range; allowed: 1 to 16");
  expect_mistake(in_relay("hops_max = 17\n"), "hops_max: 17 is out of range; allowed: 1 to 16");
}

}  // namespace
}  // namespace xk
