// Which server gets a request, and when one is dead.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <set>
#include <string>

#include "dataplane/relay/choose_servers.h"
#include "dataplane/relay/server_health.h"
#include "tests/packets/packet_text.h"
#include "tests/packets/snapshot_text.h"

namespace xk {
namespace {

constexpr std::uint64_t kStart = 100'000;  // ms

TEST(ServerHealth, TwoUnansweredRequestsOverTheTimeAreDeath) {
  ServerSlot slot;
  count_request(slot, kStart, true);
  count_request(slot, kStart + 1000, true);
  judge_server(slot, kStart + 9999, 10'000);
  EXPECT_FALSE(is_dead(slot));
  judge_server(slot, kStart + 10'000, 10'000);
  EXPECT_TRUE(is_dead(slot));
  EXPECT_EQ(slot.since_ms.get(), kStart + 10'000);
  EXPECT_EQ(slot.deaths.load(), 1u);
  judge_server(slot, kStart + 20'000, 10'000);
  EXPECT_EQ(slot.since_ms.get(), kStart + 10'000) << "dead since it was found so";
  EXPECT_EQ(slot.deaths.load(), 1u);
}

TEST(ServerHealth, OneLostRequestIsNone) {
  ServerSlot slot;
  count_request(slot, kStart, true);
  judge_server(slot, kStart + 3'600'000, 10'000);
  EXPECT_FALSE(is_dead(slot));
  // A burst an hour later: the answer to its first is still under way.
  for (std::uint64_t i = 0; i < 1000; ++i) {
    count_request(slot, kStart + 3'600'000 + i, true);
    judge_server(slot, kStart + 3'600'000 + i, 10'000);
    EXPECT_FALSE(is_dead(slot)) << i;
  }
  judge_server(slot, kStart + 3'601'000, 10'000);
  EXPECT_TRUE(is_dead(slot));
}

TEST(ServerHealth, AnAnswerIsLife) {
  ServerSlot slot;
  count_request(slot, kStart, true);
  count_request(slot, kStart + 5000, true);
  count_reply(slot, kStart + 5001);
  EXPECT_EQ(slot.state.load(), ServerState::live);
  EXPECT_EQ(slot.since_ms.get(), kStart + 5001);
  count_request(slot, kStart + 10'000, true);
  count_request(slot, kStart + 12'000, true);
  judge_server(slot, kStart + 19'999, 10'000);
  EXPECT_FALSE(is_dead(slot)) << "the time begins with the first that is unanswered";
  judge_server(slot, kStart + 20'000, 10'000);
  EXPECT_TRUE(is_dead(slot));
  EXPECT_FALSE(is_probe_due(slot, kStart + 16'999, 5000));
  EXPECT_TRUE(is_probe_due(slot, kStart + 17'000, 5000));
  count_request(slot, kStart + 21'000, true);
  EXPECT_FALSE(is_probe_due(slot, kStart + 25'999, 5000));
  count_reply(slot, kStart + 26'000);
  EXPECT_EQ(slot.state.load(), ServerState::live);
  EXPECT_EQ(slot.since_ms.get(), kStart + 26'000);
  EXPECT_EQ(slot.requests.get(), 5u);
  EXPECT_EQ(slot.replies.get(), 2u);
  EXPECT_EQ(slot.last_reply_ms.get(), kStart + 26'000);
}

TEST(ServerHealth, WhatNobodyAnswersSaysNothing) {
  ServerSlot slot;
  for (std::uint64_t i = 0; i < 100; ++i) count_request(slot, kStart + i * 1000, false);
  judge_server(slot, kStart + 100'000, 10'000);
  EXPECT_FALSE(is_dead(slot));
  EXPECT_EQ(slot.requests.get(), 100u);
}

// A VRF with three servers, 198.51.100.1 to .3, and packets of its clients.
class Choice : public testing::Test {
 protected:
  Choice() {
    const std::string lan = std::string("attachment 1 name=lan port=1 vrf=1 subnet=10.0.0.0/24 ") +
                            "server_identifier=10.0.0.1 relay_address=10.0.0.1";
    for (const char* line : {"port 1 name=lan mac=02:00:00:00:01:01", "port 3 name=wan mac=02:00:00:00:01:03",
                             "vrf 1 name=blue engine=relay", lan.c_str(),
                             "attachment 2 name=wan role=server port=3 vrf=1 outer=10 local=192.0.2.1",
                             "server 1 198.51.100.1 via=2 next_hop=02:00:00:00:0f:01 source=192.0.2.1",
                             "server 1 198.51.100.2 via=2 next_hop=02:00:00:00:0f:01 source=192.0.2.1",
                             "server 1 198.51.100.3 via=2 next_hop=02:00:00:00:0f:01 source=192.0.2.1"})
      EXPECT_TRUE(named_.apply(line)) << line;
    for (std::size_t i = 0; i < kServers; ++i) pointers_[i] = &slots_[i];
  }
  void mode(ServerMode mode) { vrf().server_mode = mode; }
  VrfEntry& vrf() { return named_.snapshot.vrfs[0]; }
  void kill(std::size_t server, std::uint64_t last_try_ms = kStart) {
    slots_[server].state = ServerState::dead;
    slots_[server].last_try_ms.set(last_try_ms);
  }
  // Numbers of the servers, from 1.
  std::set<int> chosen(const std::string& packet, const std::vector<std::string>& statements = {},
                       std::uint64_t now_ms = kStart) {
    auto made = test::packet_named(packet);
    EXPECT_TRUE(made);
    for (const std::string& statement : statements)  // what is to be removed need not be there
      EXPECT_TRUE(made->apply(statement) || statement.starts_with("remove")) << statement;
    const std::vector<std::uint8_t> frame = made->frame();
    Received received{.frame = frame, .now_ms = now_ms};
    xk_walk(frame.data(), frame.data() + frame.size(), &received.headers);
    received.attachment = named_.snapshot.attachments.data();
    received.vrf = &vrf();
    const std::uint64_t mask = choose_servers(received, pointers_);
    std::set<int> numbers;
    for (int i = 0; i < 64; ++i)
      if ((mask >> i & 1) != 0) numbers.insert(i + 1);
    return numbers;
  }
  std::set<int> chosen_by(int client, std::uint64_t now_ms = kStart) {
    return chosen("discover",
                  {"chaddr 02:00:00:00:" + hex(client / 256) + ":" + hex(client % 256), "remove 61"}, now_ms);
  }
  static std::string hex(int byte) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    return {kDigits[static_cast<std::size_t>(byte / 16)], kDigits[static_cast<std::size_t>(byte % 16)]};
  }

  static constexpr std::size_t kServers = 3;
  test::NamedSnapshot named_;
  std::array<ServerSlot, kServers> slots_;
  std::array<ServerSlot*, kServers> pointers_{};
};

using Numbers = std::set<int>;

TEST_F(Choice, AllMeansAll) {
  kill(0);
  EXPECT_EQ(chosen("discover"), (Numbers{1, 2, 3}));
  EXPECT_EQ(chosen("request", {"remove 54", "option 54 198.51.100.2"}), (Numbers{1, 2, 3}));
}

TEST_F(Choice, AllFindsTheDeadToo) {
  count_request(slots_[1], kStart, true);
  count_request(slots_[1], kStart + 1000, true);
  EXPECT_EQ(chosen("discover", {}, kStart + 10'000), (Numbers{1, 2, 3}));
  EXPECT_TRUE(is_dead(slots_[1]));
}

TEST_F(Choice, FailoverTakesTheFirstThatLives) {
  mode(ServerMode::failover);
  EXPECT_EQ(chosen("discover"), Numbers{1});
  kill(0);
  EXPECT_EQ(chosen("discover"), Numbers{2});
  kill(1);
  EXPECT_EQ(chosen("discover"), Numbers{3});
  kill(2);
  EXPECT_EQ(chosen("discover"), (Numbers{1, 2, 3}));
}

TEST_F(Choice, FailoverMovesWhenTheFirstIsDueToBeDead) {
  mode(ServerMode::failover);
  vrf().dead_after_s = 3;
  count_request(slots_[0], kStart, true);
  count_request(slots_[0], kStart + 1000, true);
  EXPECT_EQ(chosen("discover", {}, kStart + 2999), Numbers{1});
  EXPECT_EQ(chosen("discover", {}, kStart + 3000), Numbers{2});
}

TEST_F(Choice, AServerWithoutANextHopIsPassedOver) {
  mode(ServerMode::failover);
  vrf().servers[0].next_hop = Mac{};
  EXPECT_EQ(chosen("discover"), Numbers{2});
  vrf().servers[1].via = AttachmentId{};
  vrf().servers[2].next_hop = Mac{};
  EXPECT_EQ(chosen("discover"), (Numbers{1, 2, 3})) << "so that each is counted as unresolved";
}

TEST_F(Choice, TheDeadAreProbedByWhatDoesNoHarm) {
  mode(ServerMode::failover);
  vrf().probe_interval_s = 5;
  kill(0);
  EXPECT_EQ(chosen("discover", {}, kStart + 4999), Numbers{2});
  EXPECT_EQ(chosen("discover", {}, kStart + 5000), (Numbers{1, 2}));
  EXPECT_EQ(chosen("inform", {}, kStart + 5000), (Numbers{1, 2}));
  EXPECT_EQ(chosen("request", {"remove 54"}, kStart + 5000), Numbers{2}) << "it might be refused there";
  count_request(slots_[0], kStart + 5000, true);
  EXPECT_EQ(chosen("discover", {}, kStart + 9999), Numbers{2});
  count_reply(slots_[0], kStart + 10'000);
  EXPECT_EQ(chosen("discover", {}, kStart + 10'000), Numbers{1});
}

TEST_F(Choice, ANamedServerGetsItsRequest) {
  for (const ServerMode each : {ServerMode::failover, ServerMode::hash}) {
    mode(each);
    for (const char* packet : {"request", "decline", "release"}) {
      EXPECT_EQ(chosen(packet, {"remove 54", "option 54 198.51.100.3"}), Numbers{3}) << packet;
      EXPECT_EQ(chosen(packet, {"remove 54", "option 54 198.51.100.1"}), Numbers{1}) << packet;
    }
  }
  mode(ServerMode::failover);
  kill(2);
  EXPECT_EQ(chosen("request", {"remove 54", "option 54 198.51.100.3"}), Numbers{3}) << "dead or not";
  // Our own address (RFC 5107), another's, and what is no address: by the mode.
  for (const char* id :
       {"option 54 10.0.0.1", "option 54 198.51.100.4", "option 54 c63364", "option 54 0.0.0.0"})
    EXPECT_EQ(chosen("request", {"remove 54", id}), Numbers{1}) << id;
}

TEST_F(Choice, HashKeepsAClientAtItsServer) {
  mode(ServerMode::hash);
  std::map<int, Numbers> home;
  std::map<int, int> load;
  for (int client = 0; client < 3000; ++client) {
    home[client] = chosen_by(client);
    ASSERT_EQ(home[client].size(), 1u);
    ++load[*home[client].begin()];
  }
  for (const auto& [server, clients] : load) EXPECT_NEAR(clients, 1000, 120) << server;
  kill(1);
  std::map<int, int> moved;
  for (int client = 0; client < 3000; ++client) {
    const Numbers now = chosen_by(client);
    if (home[client] != Numbers{2})
      EXPECT_EQ(now, home[client]) << client;
    else
      ++moved[*now.begin()];
  }
  EXPECT_NEAR(moved[1], load[2] / 2.0, 80) << "a dead server's clients are shared by the others";
  EXPECT_EQ(moved[1] + moved[3], load[2]);
  // In another order of the list they meet the same servers.
  std::swap(vrf().servers[0], vrf().servers[2]);
  for (int client = 0; client < 100; ++client) {
    if (home[client] == Numbers{2}) continue;
    EXPECT_EQ(chosen_by(client), Numbers{4 - *home[client].begin()}) << client;
  }
}

TEST_F(Choice, HashProbesByTheDeadServersOwnClients) {
  mode(ServerMode::hash);
  std::map<int, Numbers> home;
  for (int client = 0; client < 300; ++client) home[client] = chosen_by(client);
  kill(1);
  for (int client = 0; client < 300; ++client) {
    const Numbers now = chosen_by(client, kStart + 5000);
    EXPECT_EQ(now.contains(2), home[client] == Numbers{2}) << client;
    EXPECT_EQ(now.size(), home[client] == Numbers{2} ? 2u : 1u) << client;
  }
}

TEST_F(Choice, HashKnowsAClientByItsIdentifier) {
  mode(ServerMode::hash);
  std::set<Numbers> by_mac;
  std::set<Numbers> by_id;
  for (int client = 0; client < 50; ++client) {
    const std::string mac = "chaddr 02:00:00:00:00:" + hex(client);
    by_mac.insert(chosen("discover", {mac, "remove 61", "option 61 0102030405"}));
    by_id.insert(chosen("discover", {"remove 61", "option 61 01020304" + hex(client)}));
  }
  EXPECT_EQ(by_mac.size(), 1u) << "one identifier, whatever the MAC address";
  EXPECT_EQ(by_id.size(), kServers);
}

TEST_F(Choice, WhatIsNoRequestGoesToTheFirst) {
  mode(ServerMode::hash);
  EXPECT_EQ(chosen("discover", {"raw 0c20", "end no", "size 240"}), Numbers{1});
  EXPECT_EQ(chosen("discover", {"op 2"}), Numbers{1});
  EXPECT_EQ(chosen("discover", {"ip.checksum bad"}), Numbers{1});
}

}  // namespace
}  // namespace xk
