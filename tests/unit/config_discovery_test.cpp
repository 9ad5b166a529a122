// [discovery], and discover of a [[vrf]].
#include <gmock/gmock.h>

#include "controlplane/config/pool_rule.h"
#include "tests/unit/config_files.h"

namespace xk {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kEverything = R"([option82]
circuit_id = "{vrf}:{port}"
policy = "replace"
[discovery]
enabled = true
include = ["vrf-*", "red"]
exclude = ["vrf-m*"]
interfaces = ["eth*"]
exclude_interfaces = ["eth0*"]
pool = "10-200"
dns = ["192.0.2.53"]
domain = "example.net"
ntp = ["192.0.2.123"]
lease_time_s = 600
options = [{name = "interface-mtu", data = "1400"}]
[discovery.relay]
hops_max = 4
[discovery.kea]
user = "kea"
)";

TEST(ConfigDiscovery, EveryKeyLands) {
  const Discovery d = model_of(kEverything).discovery;
  EXPECT_TRUE(d.enabled);
  EXPECT_THAT(d.include, ElementsAre("vrf-*", "red"));
  EXPECT_THAT(d.exclude, ElementsAre("vrf-m*"));
  EXPECT_THAT(d.interfaces, ElementsAre("eth*"));
  EXPECT_THAT(d.exclude_interfaces, ElementsAre("eth0*"));
  EXPECT_EQ(d.pool, (PoolRule{PoolRule::Kind::range, 10, 200}));
  EXPECT_EQ(d.subnet.lease_time_s, 600u);
  EXPECT_EQ(d.subnet.domain, "example.net");
  EXPECT_EQ(d.subnet.dns.size(), 1u);
  EXPECT_EQ(d.subnet.ntp.size(), 1u);
  EXPECT_EQ(d.subnet.options.at(0).name, "interface-mtu");
  EXPECT_EQ(d.vrf.relay.hops_max, 4);
  EXPECT_TRUE(d.vrf.relay.link_selection) << "our Kea finds the subnet by it";
  EXPECT_EQ(d.vrf.kea.user, "kea");
  EXPECT_EQ(d.attachment.circuit_id_template, "{vrf}:{port}");
  EXPECT_EQ(d.attachment.option82_policy, Option82Policy::replace);
}

TEST(ConfigDiscovery, OffUnlessAskedForAndNothingLeftOutByDefault) {
  EXPECT_EQ(model_of("").discovery, Discovery{});
  const Discovery on = model_of("[discovery]\nenabled = true\n").discovery;
  EXPECT_THAT(on.include, ElementsAre("*"));
  EXPECT_THAT(on.interfaces, ElementsAre("*"));
  EXPECT_EQ(on.pool.kind, PoolRule::Kind::all);
  EXPECT_EQ(on.attachment.circuit_id_template, "{port}:{svlan}.{cvlan}");
}

TEST(ConfigDiscovery, WhatIsShownReadsAsTheSame) {
  for (const std::string& text :
       {std::string(kEverything),
        std::string("[discovery]\nenabled = true\nengine = \"relay\"\n"
                    "[discovery.relay]\nservers = [\"192.0.2.1\"]\n"),
        std::string("[[vrf]]\nname = \"red\"\ndevice = \"vrf-red\"\ndiscover = true\n")}) {
    const Model model = model_of(text);
    EXPECT_EQ(model_of(show_config(model)), model) << show_config(model);
  }
}

TEST(ConfigDiscovery, AVrfNeedsADeviceToBeDiscovered) {
  EXPECT_THAT(mistakes_in("[[vrf]]\nname = \"red\"\ndiscover = true\n"),
              ElementsAre(HasSubstr("f:3:12: discover: needs device")));
  EXPECT_TRUE(model_of("[[vrf]]\nname = \"red\"\ndevice = \"v\"\ndiscover = true\n").vrfs.at(0).discover);
}

TEST(ConfigDiscovery, ServersAreNeededWhereTheyAnswer) {
  EXPECT_THAT(mistakes_in("[discovery]\nenabled = true\nengine = \"relay\"\n"),
              ElementsAre(HasSubstr("f:3:10: engine = \"relay\" needs [discovery.relay] servers")));
  EXPECT_THAT(mistakes_in("[discovery]\nengine = \"relay\"\n"), IsEmpty()) << "while it is off";
  EXPECT_THAT(mistakes_in("[[vrf]]\nname = \"a\"\ndevice = \"v\"\ndiscover = true\nengine = \"relay\"\n"),
              ElementsAre(HasSubstr("engine = \"relay\" needs [vrf.relay] servers")));
}

TEST(ConfigDiscovery, KeysOfTheOtherEngine) {
  EXPECT_THAT(mistakes_in("[discovery]\nengine = \"relay\"\npool = \"all\"\n"),
              ElementsAre(HasSubstr("f:3:8: pool: means nothing here; it is for engine = \"kea\"")));
  EXPECT_THAT(mistakes_in("[discovery]\n[discovery.relay]\nservers = [\"192.0.2.1\"]\n"),
              ElementsAre(HasSubstr("f:3:11: servers: means nothing here; it is for engine = \"relay\"")));
}

TEST(ConfigDiscovery, TheNativeEngine) {
  const Discovery found = model_of(R"([[options]]
code = 26
data = "1400"
[discovery]
enabled = true
engine = "native"
pool = "10-20"
dns = ["192.0.2.53"]
[discovery.native]
rapid_commit = true
)")
                              .discovery;
  EXPECT_EQ(found.vrf.engine, Engine::native);
  EXPECT_TRUE(found.vrf.native.rapid_commit);
  EXPECT_EQ(found.subnet.dns.size(), 1u);
  EXPECT_EQ(found.vrf.options.size(), 1u);
  EXPECT_THAT(mistakes_in("[discovery]\nengine = \"native\"\n[discovery.relay]\nhops_max = 4\n"),
              ElementsAre(HasSubstr("f:3:1: [discovery.relay] means nothing here; it is for engine = "
                                    "\"kea\" or \"relay\"")));
  EXPECT_THAT(mistakes_in("[discovery]\n[discovery.native]\nbootp = true\n"),
              ElementsAre(HasSubstr("f:2:1: [discovery.native] means nothing here")));
}

TEST(ConfigDiscovery, PoolRules) {
  for (const char* good : {"all", "none", "upper-half", "lower-half", "1-1", "10-200", "1-16777214"}) {
    const auto rule = config::parse_pool_rule(good);
    ASSERT_TRUE(rule.has_value()) << good;
    EXPECT_EQ(config::pool_rule_text(*rule), good);
  }
  for (const char* bad :
       {"", "half", "0-5", "9-8", "-", "1-", "-1", "1-16777215", "1-2-3", " 1-2", "0x1-2"}) {
    EXPECT_FALSE(config::parse_pool_rule(bad).has_value()) << bad;
    EXPECT_EQ(mistakes_in("[discovery]\npool = \"" + std::string(bad) + "\"\n").size(), 1u) << bad;
  }
}

TEST(ConfigDiscovery, Globs) {
  for (const char* bad : {"", "a b", "a\\tb"})
    EXPECT_THAT(mistakes_in("[discovery]\ninclude = [\"" + std::string(bad) + "\"]\n"),
                ElementsAre(HasSubstr("include: ")))
        << bad;
  EXPECT_THAT(mistakes_in("[discovery]\ninclude = \"vrf-*\"\n"), ElementsAre(HasSubstr("expected a list")));
}

}  // namespace
}  // namespace xk
