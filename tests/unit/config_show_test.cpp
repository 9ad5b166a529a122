// "config show": the model as TOML, and back.
#include <gmock/gmock.h>

#include "controlplane/config/keys.h"
#include "tests/unit/config_files.h"

namespace xk {
namespace {

using testing::HasSubstr;
using testing::Not;

void expect_round_trip(const std::string& text) {
  const Model model = model_of(text);
  const std::string shown = show_config(model);
  const auto again = parse_config(shown, "shown");
  ASSERT_TRUE(again) << again.error().front().text() << "\n" << shown;
  EXPECT_EQ(*again, model) << shown;
  EXPECT_EQ(show_config(*again), shown);
}

TEST(ConfigShow, RoundTrips) {
  expect_round_trip("");
  expect_round_trip(std::string(kKeaVrf));
  expect_round_trip(std::string(kRelayVrf));
  expect_round_trip(std::string(kKeaVrf) + std::string(kRelayVrf));
  expect_round_trip(source_file("conf/demo.toml"));
  expect_round_trip(source_file("conf/xdp-kea.toml"));
}

TEST(ConfigShow, RoundTripsWhatNeedsEscaping) {
  const std::string text = std::string(kKeaVrf) + R"(circuit_id = 'a "quoted" \ {port} {{}}'
[[vrf.subnet]]
prefix = "10.1.0.0/24"
gateway = "10.1.0.1"
options = [{name = "boot-file-name", data = 'C:\boot\"x"'}]
)";
  const std::string with_subnet =
      text + "[[vrf.attachment]]\ninterface = \"eth5\"\nsubnet = \"10.1.0.0/24\"\n";
  std::string named = with_subnet;
  named.insert(named.find("circuit_id"), "subnet = \"10.0.0.0/24\"\n");
  expect_round_trip(named);
}

TEST(ConfigShow, RoundTripsEveryVss) {
  for (const std::string vss :
       {"", "global", "name:red vrf", "vpn-id:00005e:0000002a", "vpn-id:ABCDEF:ffffffff"}) {
    expect_round_trip(std::string(kRelayVrf) + "vss = \"" + vss + "\"\n");
  }
}

TEST(ConfigShow, SpellsOutEveryKeyThatMeansSomething) {
  const std::string kea = show_config(model_of(kKeaVrf));
  EXPECT_THAT(kea, HasSubstr("lease_time_s = 3600\n"));
  EXPECT_THAT(kea, HasSubstr("circuit_id = \"{port}:{svlan}.{cvlan}\"\n"));
  EXPECT_THAT(kea, HasSubstr("api_socket_mode = \"0660\"\n"));
  EXPECT_THAT(kea, Not(HasSubstr("servers")));
  EXPECT_THAT(kea, Not(HasSubstr("link_selection")));
  const std::string relay = show_config(model_of(kRelayVrf));
  EXPECT_THAT(relay, HasSubstr("servers = [\"192.0.2.10\"]\n"));
  EXPECT_THAT(relay, HasSubstr("address = \"10.0.0.1\"\n"));
  EXPECT_THAT(relay, Not(HasSubstr("lease_time_s")));
  EXPECT_THAT(relay, Not(HasSubstr("[vrf.kea]")));
}

std::vector<std::string> diff_of(const std::string& before, const std::string& after) {
  std::vector<std::string> lines;
  for (const ConfigChange& change : diff_config(model_of(before), model_of(after))) {
    lines.push_back(change.change + " " + change.section);
    lines.insert(lines.end(), change.lines.begin(), change.lines.end());
  }
  return lines;
}

TEST(ConfigDiff, SaysWhichKeysOfWhichSection) {
  const std::string kea(kKeaVrf);
  const std::string relay(kRelayVrf);
  EXPECT_THAT(diff_of(kea, "# a comment\n" + kea), testing::IsEmpty());
  EXPECT_THAT(diff_of(kea, kea + relay), testing::ElementsAre("added [[vrf]] blue"));
  EXPECT_THAT(diff_of(kea + relay, relay), testing::ElementsAre("removed [[vrf]] red"));
  EXPECT_THAT(diff_of(kea, "[appliance]\nlog_level = \"debug\"\n" + kea),
              testing::ElementsAre("changed [appliance]", "  [appliance]", "  name = \"xdp-kea\"",
                                   "- log_level = \"info\"", "+ log_level = \"debug\""));
  std::string slower = kea;
  slower.insert(slower.find("[[vrf.attachment]]"), "lease_time_s = 60\n");
  EXPECT_THAT(diff_of(kea, slower),
              testing::ElementsAre("changed [[vrf]] red", "  [[vrf.subnet]]", "  prefix = \"10.0.0.0/24\"",
                                   "- lease_time_s = 3600", "+ lease_time_s = 60"));
}

TEST(ConfigShow, MovingLinesMakesNoDifference) {
  EXPECT_EQ(model_of(kKeaVrf), model_of("# a comment\n\n" + std::string(kKeaVrf)));
}

}  // namespace
}  // namespace xk
