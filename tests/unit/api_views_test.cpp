// JSON and back: limits of the parser, the path of what is wrong, nothing lost on the way.
#include <gtest/gtest.h>

#include <string>

#include "controlplane/api/views_json.h"
#include "tests/unit/api_fake.h"

namespace xk::api {
namespace {

constexpr std::size_t kMax = 1000;

TEST(ParseJson, SaysWhereItStopsBeingJson) {
  EXPECT_EQ(parse_json("{\"a\": }", kMax).error().message, "not JSON, from byte 7");
  EXPECT_FALSE(parse_json("", kMax).has_value());
  EXPECT_FALSE(parse_json("{} {}", kMax).has_value());
  EXPECT_FALSE(parse_json("\"\xff\"", kMax).has_value()) << "invalid UTF-8";
  EXPECT_EQ(parse_json("1e999", kMax).error().message, "JSON with a number out of range");
}

TEST(ParseJson, SizeIsBoundedOnBothSides) {
  const std::string fits = "\"" + std::string(kMax - 2, 'a') + "\"";
  EXPECT_TRUE(parse_json(fits, kMax).has_value());
  EXPECT_EQ(parse_json(fits + " ", kMax).error().message, "JSON of 1001 bytes; at most 1000 are read");
}

TEST(ParseJson, DepthIsBoundedOnBothSides) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(parse_json(nested(kJsonDepthMax), kMax).has_value());
  EXPECT_EQ(parse_json(nested(kJsonDepthMax + 1), kMax).error().message,
            "JSON nested deeper than 64 levels at byte 64");
  const std::string in_text = "[\"" + std::string(200, '[') + "\\\"" + std::string(200, '{') + "\"]";
  EXPECT_TRUE(parse_json(in_text, kMax).has_value()) << "brackets inside strings do not count";
}

TEST(DumpJson, ReplacesWhatIsNoUtf8) {
  EXPECT_EQ(dump_json(Json("a\xff\x62")),
            "\"a\xef\xbf\xbd"
            "b\"");
}

template <typename View>
void expect_same_after_the_trip(const View& view) {
  const Json json = to_json(view);
  const auto parsed = parse_json(dump_json(json), kAnswerBytesMax);
  ASSERT_TRUE(parsed.has_value());
  const auto back = from_json<View>(*parsed);
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_EQ(to_json(*back), json);
}

TEST(Views, SurviveTheTrip) {
  FakeControl control;
  expect_same_after_the_trip(control.status().value());
  expect_same_after_the_trip(control.counters().value());
  expect_same_after_the_trip(VrfsBody{control.vrfs().value()});
  expect_same_after_the_trip(AttachmentsBody{control.attachments().value()});
  expect_same_after_the_trip(control.leases({}).value());
  expect_same_after_the_trip(control.lease_changes({}).value());
  expect_same_after_the_trip(control.delete_lease({"red", "10.0.0.100"}).value());
  expect_same_after_the_trip(PoolsBody{control.pools("").value()});
  expect_same_after_the_trip(PausesBody{control.pauses("").value()});
  expect_same_after_the_trip(KeasBody{control.keas().value()});
  expect_same_after_the_trip(control.reload().value());
  expect_same_after_the_trip(control.config_diff(std::nullopt).value());
  expect_same_after_the_trip(control.events({}).value());
  expect_same_after_the_trip(control.explain("eth1", "").value());
  expect_same_after_the_trip(control.teardown().value());
  expect_same_after_the_trip(control.static_leases({}).value());
  expect_same_after_the_trip(StaticRequest{control.statics, true, false});
  expect_same_after_the_trip(StaticDoneView{1, 2, 3, 4, {"gone"}, {{7, "bad"}}});
  expect_same_after_the_trip(DeleteRequest{true});
  expect_same_after_the_trip(HaRequest{"red"});
  expect_same_after_the_trip(control.hand_over("red", true).value());
  expect_same_after_the_trip(ConfigText{"a.toml", "[appliance]\n"});
  expect_same_after_the_trip(ConfigBody{"[appliance]\n"});
  expect_same_after_the_trip(
      VrfBody{control.vrfs().value()[0], {}, std::nullopt, std::nullopt, control.servers().value(), {}});
  expect_same_after_the_trip(VrfBody{control.vrfs().value()[0],
                                     {},
                                     control.keas().value()[0],
                                     control.natives().value()[0],
                                     {},
                                     control.counters().value().vrfs[1]});
  expect_same_after_the_trip(control.natives().value()[0]);
}

TEST(Views, ZeroCountsKeepTheirName) {
  AllCountersView view;
  view.xdp = {{"redirect_arp", 0}};
  EXPECT_EQ(dump_json(to_json(view)["xdp"]), R"({"redirect_arp":0})");
}

std::string error_of(const std::string& json) {
  const auto view = from_json<VrfsBody>(parse_json(json, kMax).value());
  return view ? "none" : view.error().message;
}

TEST(Views, ErrorsNameTheField) {
  const std::string rest =
      R"("origin":"","device":"","table":0,"engine":"kea","state":"","reason":"","netns":"","handoff":"","giaddr":"",)"
      R"("attachments":1,"attachments_serving":1,"subnets":[],"servers":[],"queue_capacity":512,"standing":"",)"
      R"("active_on":"","active_since_unix_s":0,"standby_reason":""})";
  EXPECT_EQ(error_of("[]"), "the document: not an object");
  EXPECT_EQ(error_of("{}"), "vrfs: missing");
  EXPECT_EQ(error_of(R"({"vrfs": {}})"), "vrfs: not an array");
  EXPECT_EQ(error_of(R"({"vrfs": [7]})"), "vrfs[0]: not an object");
  EXPECT_EQ(error_of(R"({"vrfs": [{"name": 7}]})"), "vrfs[0].name: not a string");
  EXPECT_EQ(error_of(R"({"vrfs": [{"name": "a", "id": -1,)" + rest + "]}"),
            "vrfs[0].id: not a number from 0 to 4294967295");
  EXPECT_EQ(error_of(R"({"vrfs": [{"name": "a", "id": 4294967296,)" + rest + "]}"),
            "vrfs[0].id: not a number from 0 to 4294967295");
  EXPECT_EQ(error_of(R"({"vrfs": [{"name": "a", "id": 1.0,)" + rest + "]}"),
            "vrfs[0].id: not a number from 0 to 4294967295");
  EXPECT_EQ(error_of(R"({"vrfs": [{"name": "a", "id": 4294967295, "newer": [],)" + rest + "]}"), "none");
}

TEST(Views, CountsMustBeCounts) {
  const auto view = from_json<AllCountersView>(Json::parse(R"({"vrfs": [], "total": {"vrf": "total", "rx": 1,
    "copies": 0, "tx": 0, "requests": 0, "replies": 0, "arp": 0, "exceptions": 0, "queue_high_water": 0,
    "queue_depth": 0, "drops": {"not_ours": "many"}, "notes": {}}, "xdp": {}})"));
  ASSERT_FALSE(view.has_value());
  EXPECT_EQ(view.error().message, "total.drops.not_ours: not a number from 0 to 18446744073709551615");
}

}  // namespace
}  // namespace xk::api
