// Rendered configurations: what is in them, and that Kea itself takes them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "controlplane/kea/dialect.h"
#include "controlplane/kea/paths.h"
#include "controlplane/kea/render.h"
#include "tests/unit/kea_lab.h"

namespace xk::kea {
namespace {

using kea_lab::Lab;
using kea_lab::vrf_red;
using nlohmann::json;
using testing::HasSubstr;

Place plain_place() {
  Place place;
  place.interface = "kea0";
  place.interface_ip = Ip4{0xa9fe0003};
  place.directory = "/var/lib/xdp-kea/kea/1";
  place.lease_cmds = "/usr/lib/kea/hooks/libdhcp_lease_cmds.so";
  return place;
}

json dhcp4_of(const Vrf& vrf, const Place& place) {
  return json::parse(render_kea_config(vrf, place))["Dhcp4"];
}

json option_named(const json& subnet, const std::string& name) {
  json found;
  for (const json& option : subnet["option-data"])
    if (option.value("name", "") == name) found.push_back(option["data"]);
  return found;
}

TEST(KeaRender, KeepsEveryFileInItsOwnDirectory) {
  const json dhcp4 = dhcp4_of(vrf_red(), plain_place());
  EXPECT_EQ(dhcp4["control-socket"]["socket-name"], "/var/lib/xdp-kea/kea/1/kea-dhcp4.sock");
  EXPECT_EQ(dhcp4["lease-database"]["name"], "/var/lib/xdp-kea/kea/1/kea-leases4.csv");
  EXPECT_EQ(dhcp4["lease-database"]["persist"], true);
  EXPECT_EQ(dhcp4["loggers"][0]["output_options"][0]["output"], "/var/lib/xdp-kea/kea/1/kea-dhcp4.log");
  EXPECT_EQ(dhcp4["loggers"][0]["severity"], "WARN");
}

TEST(KeaRender, ListensOnTheHandoffByUdpOnly) {
  const json dhcp4 = dhcp4_of(vrf_red(), plain_place());
  EXPECT_EQ(dhcp4["interfaces-config"]["interfaces"], json::array({"kea0"}));
  EXPECT_EQ(dhcp4["interfaces-config"]["dhcp-socket-type"], "udp");
  EXPECT_EQ(dhcp4["authoritative"], true);
  EXPECT_EQ(dhcp4["store-extended-info"], true);
  EXPECT_FALSE(dhcp4.contains("match-client-id"));
}

TEST(KeaRender, WritesASubnetWithItsStableIdAndTimes) {
  const json subnet = dhcp4_of(vrf_red(), plain_place())["subnet4"][0];
  EXPECT_EQ(subnet["id"], 7);
  EXPECT_EQ(subnet["subnet"], "10.0.0.0/24");
  EXPECT_EQ(subnet["pools"][0]["pool"], "10.0.0.100 - 10.0.0.199");
  EXPECT_EQ(subnet["valid-lifetime"], 1200);
  EXPECT_EQ(subnet["renew-timer"], 600);
  EXPECT_EQ(subnet["rebind-timer"], 1050);
  EXPECT_EQ(option_named(subnet, "routers"), json::array({"10.0.0.1"}));
  EXPECT_EQ(option_named(subnet, "dhcp-server-identifier"), json::array({"10.0.0.1"}));
  EXPECT_EQ(option_named(subnet, "domain-name-servers"), json::array({"8.8.8.8, 9.9.9.9"}));
  EXPECT_EQ(option_named(subnet, "domain-name"), json::array({"red.example"}));
  EXPECT_EQ(option_named(subnet, "ntp-servers"), json::array({"10.0.0.2"}));
}

TEST(KeaRender, LongestLeaseTimeDoesNotOverflowT2) {
  Vrf vrf = vrf_red();
  vrf.subnets[0].lease_time_s = 0xffffffff;
  const json subnet = dhcp4_of(vrf, plain_place())["subnet4"][0];
  EXPECT_EQ(subnet["renew-timer"], 0x7fffffffu);
  EXPECT_EQ(subnet["rebind-timer"], 3758096383u);
}

TEST(KeaRender, LeavesOutWhatASubnetHasNot) {
  Vrf vrf = vrf_red();
  Subnet& subnet = vrf.subnets[0];
  subnet.gateway = {};
  subnet.dns.clear();
  subnet.domain.clear();
  subnet.ntp.clear();
  const json rendered = dhcp4_of(vrf, plain_place())["subnet4"][0];
  ASSERT_EQ(rendered["option-data"].size(), 1u);
  EXPECT_EQ(rendered["option-data"][0]["name"], "dhcp-server-identifier");
}

TEST(KeaRender, ExtraOptionsByNameAndCodeReplaceOurs) {
  Vrf vrf = vrf_red();
  vrf.subnets[0].options = {
      OptionData{.name = "routers", .code = 0, .data = "10.0.0.254", .hex = false},
      OptionData{.name = "", .code = 42, .data = "0a0000fe", .hex = true},
      OptionData{.name = "boot-file-name", .code = 0, .data = "pxe.bin", .hex = false},
  };
  const json subnet = dhcp4_of(vrf, plain_place())["subnet4"][0];
  EXPECT_EQ(option_named(subnet, "routers"), json::array({"10.0.0.254"}));
  EXPECT_TRUE(option_named(subnet, "ntp-servers").is_null());
  EXPECT_EQ(option_named(subnet, "boot-file-name"), json::array({"pxe.bin"}));
  const json expected{{"code", 42}, {"data", "0a0000fe"}, {"csv-format", false}};
  EXPECT_THAT(subnet["option-data"], testing::Contains(expected));
}

TEST(KeaRender, OptionsOfTheVrfAreTheSubnetsUnlessItSaysOtherwise) {
  Vrf vrf = vrf_red();
  vrf.subnets[0].dns.clear();
  vrf.subnets[0].options = {{"interface-mtu", 0, "1400", false}};
  vrf.options = {{"", 26, "1300", false},
                 {"domain-name-servers", 0, "10.0.0.53", false},
                 {"ntp-servers", 0, "10.0.0.99", false},
                 {"classless-static-routes", 0, "0.0.0.0/0 10.0.0.1", false},
                 {"", 224, "7", false, OptionType::u16}};
  const json subnet = dhcp4_of(vrf, plain_place())["subnet4"][0];
  EXPECT_EQ(option_named(subnet, "interface-mtu"), json::array({"1400"}));
  EXPECT_EQ(option_named(subnet, "domain-name-servers"), json::array({"10.0.0.53"}));
  EXPECT_NE(option_named(subnet, "ntp-servers"), json::array({"10.0.0.99"})) << "the subnet's own";
  const json routes{{"code", 121}, {"data", "000a000001"}, {"csv-format", false}};
  const json number{{"code", 224}, {"data", "0007"}, {"csv-format", false}};
  EXPECT_THAT(subnet["option-data"], testing::IsSupersetOf({routes, number}));
  for (const json& option : subnet["option-data"])
    EXPECT_FALSE(option.contains("code") && option["code"] == 26);
}

TEST(KeaRender, ThreadsAndHookAreAsThePlaceSays) {
  Place place = plain_place();
  place.threads = 3;
  json dhcp4 = dhcp4_of(vrf_red(), place);
  EXPECT_EQ(dhcp4["multi-threading"]["thread-pool-size"], 3);
  EXPECT_EQ(dhcp4["hooks-libraries"][0]["library"], place.lease_cmds);
  place.threads = 0;
  place.lease_cmds.clear();
  dhcp4 = dhcp4_of(vrf_red(), place);
  EXPECT_EQ(dhcp4["multi-threading"], (json{{"enable-multi-threading", false}}));
  EXPECT_FALSE(dhcp4.contains("hooks-libraries"));
}

TEST(KeaRender, RenamedKeysOfKea3) {
  for (const char* version : {"2.7.1", "3.0.4", "10.0.0"}) {
    Place place = plain_place();
    place.dialect = dialect_of(version);
    const json dhcp4 = dhcp4_of(vrf_red(), place);
    EXPECT_FALSE(dhcp4.contains("control-socket")) << version;
    EXPECT_EQ(dhcp4["control-sockets"][0]["socket-name"], "/var/lib/xdp-kea/kea/1/kea-dhcp4.sock");
    EXPECT_TRUE(dhcp4["loggers"][0].contains("output-options"));
  }
  for (const char* version : {"2.2.0", "2.6.3", "", "unknown"})
    EXPECT_FALSE(dialect_of(version).control_sockets) << version;
}

TEST(KeaPaths, SocketPathFitsSunPath) {
  const std::size_t room = kSocketPathMax - std::string("/").size() - std::string(kSocketName).size();
  EXPECT_TRUE(check_directory("/" + std::string(room - 1, 'd')));
  const auto refused = check_directory("/" + std::string(room, 'd'));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("too long: 108 bytes, at most 107"));
}

TEST(KeaPaths, DirectoryIsAbsoluteAndPlain) {
  EXPECT_FALSE(check_directory(""));
  EXPECT_FALSE(check_directory("kea/1"));
  EXPECT_FALSE(check_directory("/var/../etc"));
  EXPECT_FALSE(check_directory("/var/./kea"));
  EXPECT_TRUE(check_directory("/var/lib/..kea/1.x"));
}

// ---- with the real Kea -----------------------------------------------------------------------------

TEST(KeaRenderReal, KeaTakesAPlainConfiguration) {
  const Lab lab;
  const auto supervisor = Supervisor::make();
  ASSERT_TRUE(supervisor);
  EXPECT_FALSE(lab.place().lease_cmds.empty());
  const auto tested = (*supervisor)->test(lab.spec(vrf_red()));
  EXPECT_TRUE(tested) << tested.error().message;
  EXPECT_FALSE(std::filesystem::exists(lab.path("1/kea-dhcp4.test.conf")));
}

TEST(KeaRenderReal, KeaTakesManySubnetsAndAwkwardValues) {
  const Lab lab;
  const auto supervisor = Supervisor::make();
  ASSERT_TRUE(supervisor);
  Vrf vrf = vrf_red();
  vrf.name = "a \"quoted\" \\ name\xff";
  vrf.subnets[0].options = {
      OptionData{.name = "", .code = 200, .data = "deadbeef", .hex = true},
      OptionData{.name = "tftp-server-name", .code = 0, .data = R"(a\, b "c")", .hex = false},
  };
  vrf.options = {{"classless-static-routes", 0, "0.0.0.0/0 10.0.0.1", false},
                 {"domain-search", 0, "example.net, lab.example.net", false},
                 {"", 201, "10.0.0.9", false, OptionType::address},
                 {"ipv6-only-preferred", 0, "300", false},
                 {"tftp-server-addresses", 0, "10.0.0.9", false}};
  for (std::uint32_t n = 1; n < 200; ++n) {
    Subnet subnet = vrf_red().subnets[0];
    subnet.id = 100 + n;
    subnet.prefix.network.value += n << 8;
    subnet.pools = {Range4{Ip4{subnet.prefix.network.value + 10}, Ip4{subnet.prefix.network.value + 20}},
                    Range4{Ip4{subnet.prefix.network.value + 30}, Ip4{subnet.prefix.network.value + 30}}};
    vrf.subnets.push_back(subnet);
  }
  const auto tested = (*supervisor)->test(lab.spec(vrf));
  EXPECT_TRUE(tested) << tested.error().message;
}

TEST(KeaRenderReal, PoolsAreCutToWhatMayBeGiven) {
  const Lab lab;
  const auto supervisor = Supervisor::make();
  ASSERT_TRUE(supervisor);
  Vrf vrf = vrf_red();
  vrf.subnets[0].exclude = {Range4{Ip4{0x0a00006e}, Ip4{0x0a000077}}};
  vrf.subnets[0].gateway = Ip4{0x0a000082};
  Place place = lab.place();
  place.lease_grace_s = 7200;
  KeaSpec spec = lab.spec(vrf);
  spec.config_json = render_kea_config(vrf, place);
  const json dhcp4 = json::parse(spec.config_json)["Dhcp4"];
  std::vector<std::string> pools;
  for (const json& pool : dhcp4["subnet4"][0]["pools"]) pools.push_back(pool["pool"]);
  EXPECT_THAT(pools, testing::ElementsAre("10.0.0.100 - 10.0.0.109", "10.0.0.120 - 10.0.0.129",
                                          "10.0.0.131 - 10.0.0.199"));
  EXPECT_EQ(dhcp4["subnet4"][0]["user-context"]["xdp-kea"]["exclude"][0], "10.0.0.110-10.0.0.119");
  EXPECT_EQ(dhcp4["expired-leases-processing"]["hold-reclaimed-time"], 7200);
  place.gate.library = "gate.so";
  EXPECT_EQ(dhcp4_of(vrf, place)["expired-leases-processing"]["flush-reclaimed-timer-wait-time"], 0);
  const auto tested = (*supervisor)->test(spec);
  EXPECT_TRUE(tested) << tested.error().message;
}

TEST(KeaRenderReal, KeaTakesASingleThreadedOne) {
  const Lab lab;
  const auto supervisor = Supervisor::make();
  ASSERT_TRUE(supervisor);
  Place place = lab.place();
  place.threads = 0;
  KeaSpec spec = lab.spec(vrf_red());
  spec.config_json = render_kea_config(vrf_red(), place);
  const auto tested = (*supervisor)->test(spec);
  EXPECT_TRUE(tested) << tested.error().message;
}

TEST(KeaRenderReal, ARefusalIsInKeasOwnWordsAndTheFileStays) {
  const Lab lab;
  const auto supervisor = Supervisor::make();
  ASSERT_TRUE(supervisor);
  Vrf vrf = vrf_red();
  vrf.subnets[0].pools[0].last.value += 0x100;
  const auto tested = (*supervisor)->test(lab.spec(vrf));
  ASSERT_FALSE(tested);
  EXPECT_THAT(tested.error().message, HasSubstr("vrf red: Kea refuses the configuration: "));
  EXPECT_THAT(tested.error().message, HasSubstr("10.0.0.100-10.0.1.199 does not match the prefix"));
  EXPECT_TRUE(std::filesystem::exists(lab.path("1/kea-dhcp4.test.conf")));
}

}  // namespace
}  // namespace xk::kea
