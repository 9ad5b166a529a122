// Hostile clients in numbers: millions of MACs from one place, client ids of every length.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/serve4/engine_host.h"
#include "tests/serve4/reply_view.h"

namespace xk::test {
namespace {

constexpr AttachmentId kAlley{1};
constexpr AttachmentId kStreet{2};
constexpr std::uint32_t kOfAnAttachment = 100;  // leases
constexpr std::uint32_t kOfACircuit = 10;
constexpr std::uint32_t kCircuits = 50;
constexpr std::uint32_t kMacs = 2'000'000;

std::unique_ptr<EngineHost> host_with(const char* limits) {
  NamedNative named;
  const std::string attachment = " port=1 vrf=1 subnet=10.0.0.0/16 server_identifier=10.0.0.1 trusted=1";
  const std::vector<std::string> lines{
      "port 1 name=port1 mac=02:00:00:00:01:01",
      "vrf 1 name=red engine=native",
      "subnet 1 10.0.0.0/16 lease=3600 renew=1800 rebind=3150",
      "attachment 1 name=alley" + attachment,
      "attachment 2 name=street outer=100" + attachment,
      limits,
      "pool 10.0.0.0/16 10.0.1.0-10.0.4.255",
  };
  for (const std::string& line : lines)
    if (const auto done = named.apply(line); !done) ADD_FAILURE() << done.error().message;
  auto host = std::make_unique<EngineHost>(named);
  EXPECT_EQ(host->error(), "");
  return host;
}

// A DISCOVER without a client id that a relay has brought from the circuit.
Packet discover_from(std::uint8_t circuit) {
  Packet packet = *packet_named("discover");
  std::erase_if(packet.options, [](const PacketOption& option) { return option.code == std::uint8_t{61}; });
  packet.giaddr = Ip4{0x0a000002};
  packet.udp_checksum = "none";
  packet.options.push_back({std::uint8_t{82}, {1, 1, circuit}});
  return packet;
}

constexpr std::size_t kChaddrInFrame = 14 + 20 + 8 + 28;

// The same message of another client.
void set_mac(std::vector<std::uint8_t>& frame, std::uint32_t number) {
  frame[kChaddrInFrame] = 0x02;
  for (std::size_t i = 0; i < 4; ++i)
    frame[kChaddrInFrame + 2 + i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
}

using Outcomes = std::map<std::string_view, std::uint64_t>;
std::string_view outcome_of(const Reaction& reaction) {
  return reaction.verdict.dropped() ? kOutcomes[reaction.verdict.drop_reason].name : "answered";
}

TEST(Hostile, MillionsOfMacsStarveNobody) {
  const auto host = host_with("native 1 attachment_leases=100 circuit_leases=10");
  std::vector<std::vector<std::uint8_t>> frames;
  for (std::uint8_t circuit = 0; circuit < kCircuits; ++circuit)
    frames.push_back(discover_from(circuit).frame());
  Outcomes outcomes;
  for (std::uint32_t number = 0; number < kMacs; ++number) {
    std::vector<std::uint8_t>& frame = frames[number % kCircuits];
    set_mac(frame, number);
    ++outcomes[outcome_of(host->receive(kAlley, frame, 1))];
  }
  EXPECT_EQ(outcomes, (Outcomes{{"answered", kOfAnAttachment}, {"serve_limit", kMacs - kOfAnAttachment}}));
  EXPECT_EQ(host->offered(), kOfAnAttachment);
  auto other = discover_from(kCircuits).frame();
  set_mac(other, kMacs);
  EXPECT_EQ(outcome_of(host->receive(kStreet, other, 1)), "answered") << "another attachment's clients";
}

TEST(Hostile, ACircuitHasNoMoreThanItsShare) {
  const auto host = host_with("native 1 circuit_leases=10");
  auto flood = discover_from(7).frame();
  Outcomes outcomes;
  for (std::uint32_t number = 0; number < kMacs / 10; ++number) {
    set_mac(flood, number);
    ++outcomes[outcome_of(host->receive(kAlley, flood, 1))];
  }
  EXPECT_EQ(outcomes, (Outcomes{{"answered", kOfACircuit}, {"serve_limit", kMacs / 10 - kOfACircuit}}));
  auto neighbour = discover_from(8).frame();
  set_mac(neighbour, kMacs);
  EXPECT_EQ(outcome_of(host->receive(kAlley, neighbour, 1)), "answered");
}

// Option 61 of 0 to 255 bytes: each length is another client, and comes back; without a byte the MAC counts.
TEST(Hostile, ClientIdsOfEveryLength) {
  const auto host = host_with("native 1");
  std::set<std::uint32_t> given;
  for (int round = 0; round < 2; ++round)
    for (std::size_t size = 0; size <= 255; ++size) {
      Packet packet = discover_from(1);
      const std::vector<std::uint8_t> id(size, 0);
      packet.options.push_back({std::uint8_t{61}, id});
      const auto view = view_reply(host->receive(kAlley, packet.frame(), 1).frame);
      ASSERT_TRUE(view.has_value()) << size;
      ASSERT_EQ(view->option(61).has_value(), size != 0) << size;
      if (size != 0) {
        EXPECT_EQ(*view->option(61), id) << size;
      }
      given.insert(view->ip4(kYiaddrAt).value);
    }
  EXPECT_EQ(given.size(), 256u) << "the same client is offered the same address again";
}

}  // namespace
}  // namespace xk::test
