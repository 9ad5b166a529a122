// Static leases in the control plane: their records, what stands in their way, and the dataplane's table.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <thread>

#include "controlplane/kea/static_hook/table.h"
#include "controlplane/statics/decide.h"
#include "controlplane/statics/feed.h"
#include "controlplane/statics/kea_file.h"
#include "controlplane/statics/record.h"
#include "tests/unit/reconcile_fakes.h"

namespace xk::statics {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Kind = ipc::StaticUpdateKind;

StaticEntry entry_of(const std::string& vrf, std::uint32_t number, const std::string& address) {
  char mac[18];
  std::snprintf(mac, sizeof mac, "02:00:00:00:%02x:%02x", number >> 8 & 255u, number & 255u);
  return parse_static({vrf, mac, {}, {}, {}, address, {}, {}}).value();
}

TEST(StaticRecord, ComesBackAsItWas) {
  for (const StaticTexts& texts : {
           StaticTexts{"red", "02:00:00:00:00:01", {}, {}, {}, "10.0.0.5", "host", {"43=hex:0102"}},
           StaticTexts{"red", {}, {}, "a/b", "edge", {}, {}, {}},
       }) {
    const StaticEntry entry = parse_static(texts).value();
    const auto again = parse_record(key_of(entry), value_of(entry));
    ASSERT_TRUE(again.has_value()) << again.error().message;
    EXPECT_TRUE(*again == entry);
  }
  const StaticEntry entry = entry_of("red", 1, "10.0.0.5");
  EXPECT_EQ(key_of(entry), "/xdp-kea/v1/static/red/mac/020000000001");
  EXPECT_EQ(value_of(entry), R"({"v":1,"mac":"02:00:00:00:00:01","address":"10.0.0.5"})");
}

TEST(StaticRecord, OfAnotherIsRefusedByName) {
  const std::string key = "/xdp-kea/v1/static/red/mac/020000000001";
  EXPECT_THAT(parse_record(key, "{}").error().message, HasSubstr("another version"));
  EXPECT_THAT(parse_record(key, R"({"v":2})").error().message, HasSubstr("another version"));
  EXPECT_THAT(parse_record(key, "no JSON").error().message, HasSubstr("no JSON object"));
  EXPECT_THAT(parse_record(key, R"({"v":1,"address":7})").error().message, HasSubstr("another type"));
  EXPECT_THAT(parse_record(key, R"({"v":1,"options":["x"]})").error().message, HasSubstr(key));
  EXPECT_FALSE(parse_key("/xdp-kea/v1/static/red/mac/0200").has_value());
  EXPECT_FALSE(parse_key("/xdp-kea/v1/static/red/ip/020000000001").has_value());
  EXPECT_FALSE(parse_key("/xdp-kea/v1/static/red").has_value());
  EXPECT_FALSE(parse_key("/xdp-kea/v1/lease/red/0a000001").has_value());
}

TEST(StaticLeases, FindsAndPages) {
  StaticLeases leases;
  for (std::uint32_t i = 1; i <= 10; ++i) leases.put(entry_of("red", i, "10.0.0." + std::to_string(i)));
  EXPECT_EQ(leases.size("red"), 10u);
  EXPECT_EQ(leases.size("blue"), 0u);
  EXPECT_TRUE(*leases.holder("red", Ip4{0x0a000003}) == entry_of("red", 3, "10.0.0.3"));
  const Change moved = leases.put(entry_of("red", 3, "10.0.0.30"));
  EXPECT_EQ(moved.before->address, Ip4{0x0a000003});
  EXPECT_FALSE(leases.holder("red", Ip4{0x0a000003}).has_value());
  std::size_t seen = 0;
  std::vector<StaticEntry> page = leases.page("red", nullptr, 4);
  for (; !page.empty(); page = leases.page("red", &page.back(), 4)) seen += page.size();
  EXPECT_EQ(seen, 10u);
  EXPECT_TRUE(leases.erase(entry_of("red", 3, "")).before.has_value());
  EXPECT_FALSE(leases.erase(entry_of("red", 3, "")).before.has_value());
  EXPECT_FALSE(leases.holder("red", Ip4{0x0a00001e}).has_value());
}

class Deciding : public testing::Test {
 protected:
  void SetUp() override {
    Vrf red;
    red.name = "red";
    Subnet subnet;
    subnet.prefix = Prefix4{Ip4{0x0a000000}, 24};
    subnet.gateway = Ip4{0x0a000001};
    subnet.server_identifier = Ip4{0x0a000002};
    red.subnets = {subnet};
    Vrf blue;
    blue.name = "blue";
    blue.engine = Engine::relay;
    model.vrfs = {red, blue};
    leases.put(entry_of("red", 1, "10.0.0.10"));
  }
  [[nodiscard]] std::string problem(const StaticEntry& entry, bool force = false,
                                    const std::optional<Leased>& leased = {}) const {
    const Decision decision = decide(entry, model, leases, leased, force);
    return decision.problems.empty() ? "none" : decision.problems.front();
  }
  Model model;
  StaticLeases leases;
};

TEST_F(Deciding, WhatCannotBeIsRefusedWhateverForce) {
  for (const bool force : {false, true}) {
    EXPECT_THAT(problem(entry_of("green", 2, "10.0.0.11"), force), HasSubstr("there is no VRF 'green'"));
    EXPECT_THAT(problem(entry_of("blue", 2, "10.0.0.11"), force), HasSubstr("relayed to servers elsewhere"));
    EXPECT_THAT(problem(entry_of("red", 2, "10.0.1.11"), force),
                HasSubstr("in no subnet of VRF red: 10.0.0.0/24"));
    EXPECT_THAT(problem(entry_of("red", 2, "10.0.0.1"), force), HasSubstr("is the gateway"));
    EXPECT_THAT(problem(entry_of("red", 2, "10.0.0.2"), force), HasSubstr("is the server identifier"));
    EXPECT_THAT(problem(entry_of("red", 2, "10.0.0.0"), force), HasSubstr("network or broadcast"));
    EXPECT_THAT(problem(entry_of("red", 2, "10.0.0.255"), force), HasSubstr("network or broadcast"));
  }
  EXPECT_EQ(problem(entry_of("red", 2, "10.0.0.3")), "none");
  EXPECT_EQ(problem(entry_of("red", 2, "10.0.0.254")), "none");
  EXPECT_EQ(problem(entry_of("red", 2, "")), "none");
  model.vrfs[0].engine = Engine::native;
  EXPECT_EQ(problem(entry_of("red", 2, "10.0.0.3")), "none") << "the native engine has static leases too";
}

TEST_F(Deciding, AnothersGivesWayToForce) {
  const StaticEntry wanted = entry_of("red", 2, "10.0.0.10");
  EXPECT_THAT(problem(wanted), HasSubstr("is the static lease of mac 02:00:00:00:00:01; --force"));
  const Decision forced = decide(wanted, model, leases, std::nullopt, true);
  EXPECT_TRUE(forced.problems.empty());
  ASSERT_EQ(forced.giving_way.size(), 1u);
  EXPECT_TRUE(forced.giving_way[0] == entry_of("red", 1, "10.0.0.10"));
}

TEST_F(Deciding, TheSameAgainChangesNothing) {
  EXPECT_EQ(decide(entry_of("red", 1, "10.0.0.10"), model, leases, std::nullopt, false).effect,
            Effect::unchanged);
  EXPECT_THAT(problem(entry_of("red", 1, "10.0.0.12")), HasSubstr("has a static lease with 10.0.0.10"));
  EXPECT_EQ(decide(entry_of("red", 1, "10.0.0.12"), model, leases, std::nullopt, true).effect,
            Effect::changed);
}

TEST_F(Deciding, AClientThatHoldsTheAddressIsNamed) {
  const StaticEntry wanted = entry_of("red", 2, "10.0.0.20");
  EXPECT_EQ(problem(wanted, false, Leased{.mac = "02:00:00:00:00:02"}), "none") << "it holds it itself";
  EXPECT_THAT(problem(wanted, false, Leased{.mac = "02:00:00:00:00:09", .client_id = "01ff"}),
              HasSubstr("leased by another client now (MAC 02:00:00:00:00:09, client-id 01ff)"));
  EXPECT_THAT(problem(wanted, false, Leased{.mac = "02:00:00:00:00:02", .declined = true}),
              HasSubstr("declined"));
  EXPECT_TRUE(decide(wanted, model, leases, Leased{.mac = "02:00:00:00:00:09"}, true).takes_from_client);
}

class Feeding : public testing::Test {
 protected:
  Feeding() {
    for (std::uint32_t i = 1; i <= 3; ++i) leases.put(entry_of("red", i, "10.0.0." + std::to_string(i)));
    leases.put(entry_of("blue", 1, "10.0.0.1"));
    snapshot = served({{"red", 1}});
  }
  static Snapshot served(const std::vector<std::pair<std::string, std::uint32_t>>& vrfs) {
    Snapshot made;
    for (const auto& [name, id] : vrfs) {
      VrfEntry& vrf = made.vrfs.emplace_back();
      vrf.name = name;
      vrf.id = VrfId{id};
      vrf.static_leases = true;
    }
    return made;
  }
  [[nodiscard]] std::size_t there(std::uint32_t vrf) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        machine.static_leases, [vrf](const auto& lease) { return std::get<0>(lease.first) == VrfId{vrf}; }));
  }
  test::FakeMachine machine;
  test::FakeDataplane dataplane{machine};
  StaticLeases leases;
  Feed feed{leases, dataplane};
  Snapshot snapshot;
};

TEST_F(Feeding, ANewDataplaneGetsTheWholeTable) {
  ASSERT_TRUE(feed.sync(snapshot).has_value());
  EXPECT_THAT(machine.static_updates, ElementsAre(Kind::begin, Kind::finish));
  EXPECT_EQ(there(1), 3u);
  ASSERT_TRUE(feed.sync(snapshot).has_value());
  EXPECT_EQ(machine.static_updates.size(), 2u) << "it has them";
  machine.dataplane_pid = 501;
  machine.static_leases.clear();
  ASSERT_TRUE(feed.sync(snapshot).has_value());
  EXPECT_EQ(there(1), 3u);
}

TEST_F(Feeding, ChangesGoOneByOne) {
  ASSERT_TRUE(feed.sync(snapshot).has_value());
  machine.static_updates.clear();
  ASSERT_TRUE(
      feed.changed({leases.erase(entry_of("red", 1, "")), leases.put(entry_of("red", 9, "10.0.0.1"))}));
  EXPECT_THAT(machine.static_updates, ElementsAre(Kind::change));
  EXPECT_EQ(there(1), 3u);
  ASSERT_TRUE(feed.changed({leases.put(entry_of("blue", 5, "10.0.0.5"))}));
  EXPECT_EQ(machine.static_updates.size(), 1u) << "of a VRF that is not served there";
}

TEST_F(Feeding, VrfsComeAndGoAndTheirIdsAreUsedAgain) {
  ASSERT_TRUE(feed.sync(snapshot).has_value());
  ASSERT_TRUE(feed.sync(served({{"red", 1}, {"blue", 2}})).has_value());
  EXPECT_EQ(there(2), 1u);
  ASSERT_TRUE(feed.sync(served({{"blue", 1}})).has_value());
  EXPECT_EQ(there(1), 1u);
  EXPECT_EQ(there(2), 0u);
}

TEST_F(Feeding, WhatWasNotTakenIsSentAgain) {
  machine.broken = {"static"};
  EXPECT_FALSE(feed.sync(snapshot).has_value());
  EXPECT_THAT(feed.trouble(), HasSubstr("static"));
  machine.broken.clear();
  ASSERT_TRUE(feed.sync(snapshot).has_value());
  EXPECT_EQ(there(1), 3u);
  machine.dataplane_connected = false;
  ASSERT_TRUE(feed.changed({leases.put(entry_of("red", 4, "10.0.0.4"))})) << "it gets them when it comes";
  machine.dataplane_connected = true;
  ASSERT_TRUE(feed.sync(snapshot).has_value());
  EXPECT_EQ(there(1), 4u);
}

TEST_F(Feeding, OfTwoThatClaimAnAddressTheFirstHasIt) {
  leases.put(entry_of("red", 8, "10.0.0.2"));
  ASSERT_TRUE(feed.sync(snapshot).has_value());
  EXPECT_EQ(there(1), 3u);
}

// ---- the files for Kea -------------------------------------------------------------------------------

class Files : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/dev/shm/xktgstatics.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    directory = pattern;
    files.emplace(leases, directory + "/static",
                  [](const std::string&) { return static_cast<unsigned>(::getegid()); });
  }
  void TearDown() override { std::filesystem::remove_all(directory); }
  [[nodiscard]] std::unique_ptr<hook::StaticFollower> follow() const {
    auto started = hook::StaticFollower::start(KeaFiles::path_of(directory + "/static", "red"));
    EXPECT_TRUE(started.has_value()) << started.error().message;
    return std::move(*started);
  }
  // The follower reads when it is told that there is something.
  static bool await(const std::function<bool()>& condition) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    return condition();
  }
  std::string directory;
  StaticLeases leases;
  std::optional<KeaFiles> files;
};

TEST_F(Files, AreFollowed) {
  ASSERT_TRUE(files->write_all().has_value());
  const auto kea = follow();
  EXPECT_FALSE(kea->find(Ip4{0x0a000001}).has_value());
  ASSERT_TRUE(files->changed(
      {leases.put(entry_of("red", 1, "10.0.0.1")), leases.put(entry_of("blue", 2, "10.0.0.2"))}));
  EXPECT_TRUE(await([&] { return kea->find(Ip4{0x0a000001}).has_value(); })) << "a file that is new";
  EXPECT_FALSE(kea->find(Ip4{0x0a000002}).has_value());
  const StaticEntry line =
      parse_static({"red", {}, {}, "c", "r", "10.0.0.3", "host", {"43=hex:0102"}}).value();
  ASSERT_TRUE(files->changed({leases.put(line)}));
  EXPECT_TRUE(await([&] { return kea->find(Ip4{0x0a000003}).has_value(); })) << "a line that is new";
  const auto found = kea->find(StaticKind::circuit, static_circuit_identity("c", "r"));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->options, render_static(line, VrfId{1})->options);
  // The address moves to another, in one go.
  ASSERT_TRUE(
      files->changed({leases.erase(entry_of("red", 1, "")), leases.put(entry_of("red", 4, "10.0.0.1"))}));
  EXPECT_TRUE(await([&] {
    const auto holder = kea->find(Ip4{0x0a000001});
    return holder && holder->identity.back() == 4;
  }));
  leases.clear();
  leases.put(entry_of("red", 5, "10.0.0.5"));
  ASSERT_TRUE(files->write_all().has_value());
  EXPECT_TRUE(await([&] { return kea->find(Ip4{0x0a000005}).has_value(); })) << "another file";
  EXPECT_FALSE(kea->find(Ip4{0x0a000003}).has_value());
  leases.clear();
  ASSERT_TRUE(files->write_all().has_value());
  EXPECT_TRUE(await([&] { return !kea->find(Ip4{0x0a000005}).has_value(); })) << "the file is gone";
  EXPECT_EQ(kea->bad_lines(), 0u);
}

TEST_F(Files, AreMadeAnewWhenTheyAreMostlyOfThePast) {
  ASSERT_TRUE(files->write_all().has_value());
  std::uintmax_t most = 0;
  for (std::uint32_t i = 0; i < 25'000; ++i) {
    ASSERT_TRUE(files->changed({leases.put(entry_of("red", 1, "10.0.0." + std::to_string(1 + i % 200)))}));
    most = std::max(most, std::filesystem::file_size(KeaFiles::path_of(directory + "/static", "red")));
  }
  EXPECT_LT(most, 10'100u * 40u);
  const auto kea = follow();
  EXPECT_TRUE(kea->find(leases.page("red", nullptr, 1).front().address).has_value());
}

TEST(StaticHookTable, TakesNoLineThatIsNone) {
  hook::StaticLeases table;
  EXPECT_TRUE(table.apply("xdp-kea-static 1").has_value());
  EXPECT_TRUE(table.apply("+ mac 020000000001 0a000001 0c0178").has_value());
  EXPECT_TRUE(table.apply("+ client-id 01ff - -").has_value());
  for (const char* line :
       {"", "+", "+ mac 0200 0a000001 -", "+ ip 020000000001 - -", "+ mac 020000000001 0a0000 -",
        "+ mac 020000000001 - 0c", "+ mac 020000000001 - 3601aa", "- mac", "- mac 0g", "? mac 01 - -",
        "+ mac 020000000001 0a000001 0c0178 more"})
    EXPECT_FALSE(table.apply(line).has_value()) << line;
  EXPECT_EQ(table.size(), 2u);
  EXPECT_TRUE(table.apply("- mac 020000000001").has_value());
  EXPECT_FALSE(table.find(Ip4{0x0a000001}).has_value());
}

}  // namespace
}  // namespace xk::statics
