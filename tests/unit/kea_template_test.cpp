// Templates: comments, placeholders, positions of mistakes, and what is imposed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include <nlohmann/json.hpp>

#include "controlplane/kea/template.h"
#include "tests/unit/kea_lab.h"

namespace xk::kea {
namespace {

using kea_lab::Lab;
using kea_lab::vrf_red;
using nlohmann::json;
using testing::HasSubstr;

Place place() {
  Place place;
  place.interface = "kea0";
  place.interface_ip = Ip4{0xa9fe0003};
  place.directory = "/run/k";
  place.lease_cmds = "/usr/lib/kea/hooks/libdhcp_lease_cmds.so";
  return place;
}

Result<std::string> rendered(const std::string& text, const Vrf& vrf = vrf_red()) {
  return render_kea_template(text, "t.conf", vrf, place());
}

json dhcp4_of(const std::string& text, const Vrf& vrf = vrf_red()) {
  const auto config = rendered(text, vrf);
  EXPECT_TRUE(config) << config.error().message;
  return config ? json::parse(*config)["Dhcp4"] : json();
}

std::string mistake(const std::string& text, const Vrf& vrf = vrf_red()) {
  const auto config = rendered(text, vrf);
  EXPECT_FALSE(config) << *config;
  return config ? "" : config.error().message;
}

constexpr const char* kTemplate = R"(# one comment
// another
{ /* and
   a long one */
  "Dhcp4": {
    "interfaces-config": { "interfaces": [ "%%VETH_NS_INTERFACE%%" ] }, # at the end
    "valid-lifetime": 600,
    "authoritative": true,
    "user-context": { "vrf": "%%VRF_NAME%%", "ip": "%%VETH_NS_IP%%", "url": "http://x/#a" },
    "subnet4": [ {
      "subnet": "%%SUBNET4_PREFIX%%",
      "pools": [ { "pool": "%%SUBNET4_POOL_START%% - %%SUBNET4_POOL_END%%" } ],
      "option-data": [
        { "name": "routers", "data": "%%SUBNET4_GATEWAY%%" },
        { "name": "domain-name-servers", "data": "%%DNS_SERVERS%%" }
      ]
    } ]
  }
}
)";

TEST(KeaTemplate, FillsEveryPlaceholder) {
  const json dhcp4 = dhcp4_of(kTemplate);
  EXPECT_EQ(dhcp4["interfaces-config"]["interfaces"], json::array({"kea0"}));
  EXPECT_EQ(dhcp4["user-context"]["vrf"], "red");
  EXPECT_EQ(dhcp4["user-context"]["ip"], "169.254.0.3");
  EXPECT_EQ(dhcp4["user-context"]["url"], "http://x/#a");
  const json& subnet = dhcp4["subnet4"][0];
  EXPECT_EQ(subnet["subnet"], "10.0.0.0/24");
  EXPECT_EQ(subnet["pools"][0]["pool"], "10.0.0.100 - 10.0.0.199");
  EXPECT_EQ(subnet["option-data"][0]["data"], "10.0.0.1");
  EXPECT_EQ(subnet["option-data"][1]["data"], "8.8.8.8, 9.9.9.9");
}

TEST(KeaTemplate, FurtherSubnetsByNumber) {
  Vrf vrf = vrf_red();
  vrf.subnets.push_back(vrf.subnets[0]);
  vrf.subnets[1].prefix = Prefix4{Ip4{0x0a010000}, 16};
  vrf.subnets[1].server_identifier = Ip4{0x0a010001};
  const json dhcp4 =
      dhcp4_of(R"({"Dhcp4":{"user-context":{"a":"%%SUBNET4_PREFIX_1%%","b":"%%SUBNET4_PREFIX_2%%",
      "c":"%%SUBNET4_SERVER_IDENTIFIER_2%%"}}})",
               vrf);
  EXPECT_EQ(dhcp4["user-context"], (json{{"a", "10.0.0.0/24"}, {"b", "10.1.0.0/16"}, {"c", "10.1.0.1"}}));
  EXPECT_THAT(mistake(R"({"Dhcp4":{"x":"%%SUBNET4_PREFIX_3%%"}})", vrf),
              HasSubstr("t.conf:1:16: %%SUBNET4_PREFIX_3%%: vrf red has 2 subnets, and this wants number 3"));
}

TEST(KeaTemplate, ValuesAreEscapedForJson) {
  Vrf vrf = vrf_red();
  vrf.name = "a\"b\\c\n";
  EXPECT_EQ(dhcp4_of(R"({"Dhcp4":{"user-context":{"v":"<%%VRF_NAME%%>"}}})", vrf)["user-context"]["v"],
            "<a\"b\\c\n>");
}

TEST(KeaTemplate, AllBadPlaceholdersAreReportedWithTheirPlaces) {
  const std::string all =
      mistake("{\"Dhcp4\":{\n  \"a\": \"%%NOPE%%\",\n  \"b\": \"100%% sure\",\n \"c\": %%VRF_NAME%% }}");
  EXPECT_THAT(all, HasSubstr("t.conf:2:9: unknown placeholder %%NOPE%%; known are VRF_NAME"));
  EXPECT_THAT(all, HasSubstr("\nt.conf:3:12: '%%' begins a placeholder"));
  EXPECT_THAT(all, HasSubstr("\nt.conf:4:7: %%VRF_NAME%% stands outside a string"));
}

TEST(KeaTemplate, AMissingValueIsAMistakeHere) {
  Vrf vrf = vrf_red();
  vrf.subnets[0].dns.clear();
  EXPECT_THAT(mistake(R"({"Dhcp4":{"x":"%%DNS_SERVERS%%"}})", vrf),
              HasSubstr("subnet 10.0.0.0/24 of vrf red has no such value"));
}

TEST(KeaTemplate, SyntaxMistakesHaveThePlaceInTheTemplate) {
  // Behind a placeholder whose value has another length, and behind comments.
  EXPECT_THAT(mistake("{ # c\n \"Dhcp4\": { \"a\": \"%%SUBNET4_PREFIX%%\", ! } }"),
              HasSubstr("t.conf:2:40: "));
  EXPECT_THAT(mistake("{\"Dhcp4\": {}}\n /* open"), HasSubstr("t.conf:2:2: this comment is not closed"));
  EXPECT_THAT(mistake(""), HasSubstr("t.conf:1:1: "));
  EXPECT_THAT(mistake(R"({"Dhcp4": {"a": 1e999}})"), HasSubstr("number overflow"));
  EXPECT_THAT(mistake(R"({"Dhcp6": {}})"), HasSubstr("t.conf: a template is an object with one member"));
  EXPECT_THAT(mistake(std::string(100, '[')), HasSubstr("nested deeper than 64"));
}

TEST(KeaTemplate, CommasBehindTheLastElementAreTakenAsKeaTakesThem) {
  const json dhcp4 =
      dhcp4_of("{\"Dhcp4\": {\"user-context\": {\"a\": [1, 2 , // two\n ], \"b\": \",]\\\",}\",}, \n},}");
  EXPECT_EQ(dhcp4["user-context"], (json{{"a", {1, 2}}, {"b", ",]\",}"}}));
  EXPECT_THAT(mistake(R"({"Dhcp4": {"a": [1,,]}})"), HasSubstr("t.conf:1:21: "));
}

TEST(KeaTemplate, KeysThatAreThereTwiceAndIncludesAreRefused) {
  EXPECT_EQ(mistake(R"({"Dhcp4": {"valid-lifetime": 1, "x": {"valid-lifetime": 3}, "valid-lifetime": 2}})"),
            "t.conf: 'valid-lifetime' is twice in one object");
  EXPECT_THAT(mistake("{\n <?include \"x\"?> }"), HasSubstr("t.conf:2:2: <?include?> is not supported"));
}

TEST(KeaTemplate, ImposesWhatRunningItDependsOn) {
  const json dhcp4 = dhcp4_of(R"({"Dhcp4": {
    "control-socket": {"socket-type":"unix","socket-name":"/tmp/other"},
    "lease-database": {"type":"memfile","persist":true,"name":"/tmp/leases","lfc-interval":60},
    "hooks-libraries": [{"library":"/x/libdhcp_stat_cmds.so"}],
    "subnet4": [{"id": 3, "subnet":"10.0.0.0/24"}, {"subnet":"192.0.2.0/24"}]}})");
  EXPECT_EQ(dhcp4["control-socket"]["socket-name"], "/run/k/kea-dhcp4.sock");
  EXPECT_EQ(dhcp4["lease-database"]["name"], "/run/k/kea-leases4.csv");
  EXPECT_EQ(dhcp4["lease-database"]["lfc-interval"], 60);
  EXPECT_EQ(dhcp4["store-extended-info"], true);
  EXPECT_EQ(dhcp4["interfaces-config"]["dhcp-socket-type"], "udp");
  EXPECT_EQ(dhcp4["hooks-libraries"].size(), 2u);
  EXPECT_EQ(dhcp4["loggers"][0]["severity"], "WARN");
  EXPECT_EQ(dhcp4["subnet4"][0]["id"], 3);
  EXPECT_EQ(dhcp4["subnet4"][0]["option-data"],
            json::array({{{"name", "dhcp-server-identifier"}, {"data", "10.0.0.1"}}}));
  EXPECT_EQ(dhcp4["subnet4"][1], (json{{"subnet", "192.0.2.0/24"}}));
}

TEST(KeaTemplate, LeavesTheUsersOwnChoices) {
  const json dhcp4 = dhcp4_of(R"({"Dhcp4": {
    "lease-database": {"type":"mysql","name":"kea"}, "store-extended-info": false,
    "loggers": [], "hooks-libraries": [{"library":"/x/libdhcp_lease_cmds.so"}],
    "shared-networks": [{"name":"n","subnet4":[{"subnet":"10.0.0.0/24",
       "option-data":[{"code":54,"data":"10.0.0.9"}]}]}]}})");
  EXPECT_EQ(dhcp4["lease-database"]["name"], "kea");
  EXPECT_EQ(dhcp4["store-extended-info"], false);
  EXPECT_EQ(dhcp4["loggers"], json::array());
  EXPECT_EQ(dhcp4["hooks-libraries"].size(), 1u);
  const json& subnet = dhcp4["shared-networks"][0]["subnet4"][0];
  EXPECT_EQ(subnet["id"], 7);
  EXPECT_EQ(subnet["option-data"].size(), 1u);
}

TEST(KeaTemplate, RefusesWhatCannotWork) {
  EXPECT_THAT(mistake(R"({"Dhcp4":{"interfaces-config":{"dhcp-socket-type":"raw"}}})"),
              HasSubstr("must be \"udp\""));
  EXPECT_THAT(mistake(R"({"Dhcp4":{"interfaces-config":[]}})"),
              HasSubstr("interfaces-config is not an object"));
  EXPECT_THAT(mistake(R"({"Dhcp4":{"lease-database":1}})"), HasSubstr("lease-database is not an object"));
  EXPECT_THAT(mistake(R"({"Dhcp4":{"hooks-libraries":{}}})"), HasSubstr("hooks-libraries is not a list"));
  EXPECT_THAT(mistake(R"({"Dhcp4":{"subnet4":{}}})"), HasSubstr("subnet4 is not a list"));
}

TEST(KeaTemplate, KeaTakesATemplateFile) {
  const Lab lab;
  const auto supervisor = Supervisor::make();
  ASSERT_TRUE(supervisor);
  Vrf vrf = vrf_red();
  vrf.kea.template_file = lab.path("template.conf");
  std::ofstream(vrf.kea.template_file) << kTemplate;
  const auto tested = (*supervisor)->test(lab.spec(vrf));
  EXPECT_TRUE(tested) << tested.error().message;
}

TEST(KeaTemplate, AMissingTemplateFileIsNamed) {
  Vrf vrf = vrf_red();
  vrf.kea.template_file = "/nonexistent/t.conf";
  const auto config = make_kea_config(vrf, place());
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message,
              HasSubstr("cannot read the Kea template: /nonexistent/t.conf: No such file"));
}

}  // namespace
}  // namespace xk::kea
