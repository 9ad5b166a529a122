// The pipeline between simulated ports: one loop in the test's own thread, step by step.
#include "dataplane/pipeline/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "dataplane/pipeline/classify.h"
#include "pipeline_rig.h"

namespace xk {
namespace {

using test::arp_request;
using test::discover;
using test::Rig;
using test::snapshot_of;

constexpr VrfId kRed{1};
constexpr VrfId kBlue{2};

// Takes everything sent on the wire, counted by outer VLAN.
std::map<int, int> taken_by_vlan(SimWire& wire) {
  std::map<int, int> counts;
  for (auto frame = wire.take(); !frame.empty(); frame = wire.take())
    ++counts[(frame[14] & 0x0f) << 8 | frame[15]];
  return counts;
}

TEST(Pipeline, RelaysARequestAndItsReply) {
  Rig rig;
  rig.publish(snapshot_of(2));
  ASSERT_TRUE(rig.clients->put(discover(kRed, 7)));
  rig.settle();
  const auto relayed = rig.servers->take();
  ASSERT_FALSE(relayed.empty());
  EXPECT_EQ(relayed[15], 101);
  ASSERT_TRUE(rig.servers->put(test::offer_for(relayed, Ip4{0x0a000064})));
  rig.settle();
  const auto reply = rig.clients->take();
  ASSERT_FALSE(reply.empty());
  EXPECT_EQ(reply[15], 101);
  EXPECT_EQ(rig.count(kRed, &VrfCounters::rx), 2u);
  EXPECT_EQ(rig.count(kRed, &VrfCounters::requests), 1u);
  EXPECT_EQ(rig.count(kRed, &VrfCounters::replies), 1u);
  EXPECT_EQ(rig.count(kRed, &VrfCounters::tx), 2u);
  EXPECT_EQ(rig.imbalance(2), "");
}

TEST(Pipeline, AnswersArpForTheServerIdentifierOnly) {
  Rig rig;
  rig.publish(snapshot_of(1));
  ASSERT_TRUE(rig.clients->put(arp_request(kRed, Ip4{0x0a000001})));
  ASSERT_TRUE(rig.clients->put(arp_request(kRed, Ip4{0x0a000002})));
  rig.settle();
  EXPECT_EQ(rig.clients->sent(), 1u);
  EXPECT_EQ(rig.count(kRed, &VrfCounters::arp), 1u);
  EXPECT_EQ(rig.count(kRed, XK_ARP_NOT_OURS), 1u);
  EXPECT_EQ(rig.imbalance(1), "");
}

TEST(Pipeline, NamesWhatIsNotOurs) {
  Rig rig;
  rig.publish(snapshot_of(1));
  ASSERT_TRUE(rig.clients->put(discover(VrfId{9}, 1)));
  ASSERT_TRUE(rig.clients->put(test::udp_frame(kRed, Ip4{0x08080808}, 67, {})));
  ASSERT_TRUE(rig.clients->put(test::udp_frame(kRed, Ip4::limited_broadcast(), 53, {})));
  ASSERT_TRUE(rig.clients->put(std::vector<std::uint8_t>(13, 0)));
  auto truncated = discover(kRed, 1);
  truncated.resize(100);
  ASSERT_TRUE(rig.clients->put(truncated));
  rig.settle();
  EXPECT_EQ(rig.count(VrfId{}, XK_UNMAPPED), 1u);
  EXPECT_EQ(rig.count(kRed, XK_NOT_OURS), 1u);
  EXPECT_EQ(rig.count(kRed, XK_NOT_DHCP), 1u);
  EXPECT_EQ(rig.count(VrfId{}, XK_FRAME_TRUNCATED), 1u);
  EXPECT_EQ(rig.count(kRed, XK_IP_HEADER_BAD), 1u);
  EXPECT_EQ(rig.imbalance(1), "");
}

TEST(Pipeline, WithoutASnapshotNothingIsForwarded) {
  Rig rig;
  ASSERT_TRUE(rig.clients->put(discover(kRed, 1)));
  rig.settle();
  EXPECT_EQ(rig.count(VrfId{}, XK_UNMAPPED), 1u);
  EXPECT_EQ(rig.imbalance(1), "");
}

TEST(Pipeline, SendsToEveryServerAndCountsTheCopies) {
  Rig rig;
  Snapshot snapshot = snapshot_of(1);
  snapshot.vrfs[0].engine = Engine::relay;
  ServerEntry further = snapshot.vrfs[0].servers[0];
  for (const std::uint32_t last : {0x10u, 0x11u}) {
    further.address = Ip4{0xa9fe0100 + last};
    snapshot.vrfs[0].servers.push_back(further);
  }
  snapshot.vrfs[0].servers[1].next_hop = Mac{};
  rig.publish(std::move(snapshot));
  ASSERT_TRUE(rig.clients->put(discover(kRed, 1)));
  rig.settle();
  EXPECT_EQ(rig.servers->sent(), 2u);
  EXPECT_EQ(rig.count(kRed, &VrfCounters::copies), 2u);
  EXPECT_EQ(rig.count(kRed, XK_SERVER_UNRESOLVED), 1u);
  EXPECT_EQ(rig.imbalance(1), "");
}

// A port more than half full is emptied first: its packets cannot all find room in a queue of 64.
TEST(Pipeline, AFloodFillsItsOwnQueueOnly) {
  Rig rig({}, 16384, 2100);
  Snapshot snapshot = snapshot_of(2);
  for (VrfEntry& vrf : snapshot.vrfs) vrf.queue_depth = 64;
  rig.publish(std::move(snapshot));
  for (std::uint32_t i = 0; i < 2000; ++i) {
    ASSERT_TRUE(rig.clients->put(discover(kRed, i)));
    if (i % 40 == 0) {
      ASSERT_TRUE(rig.clients->put(discover(kBlue, i)));
    }
  }
  rig.settle();
  EXPECT_GT(rig.count(kRed, XK_VRF_QUEUE_FULL), 0u);
  EXPECT_EQ(rig.count(kBlue, XK_VRF_QUEUE_FULL), 0u);
  EXPECT_EQ(rig.count(kBlue, &VrfCounters::tx), 50u);
  EXPECT_EQ(rig.gauge(kRed, &VrfCounters::queue_high_water), 64u);
  EXPECT_EQ(rig.imbalance(2), "");
}

// What a turn leaves in the queue is told, and that it is empty in the end.
void expect_depth_told(std::vector<LoopPlacement> loops) {
  Rig rig(std::move(loops), 16384, 2000);
  Snapshot snapshot = snapshot_of(1);
  snapshot.vrfs[0].queue_depth = 1024;
  rig.publish(std::move(snapshot));
  for (std::uint32_t i = 0; i < 1900; ++i) ASSERT_TRUE(rig.clients->put(discover(kRed, i)));
  std::uint32_t deepest = 0;
  while (rig.pipeline->iterate()) deepest = std::max(deepest, rig.gauge(kRed, &VrfCounters::queue_depth));
  EXPECT_GT(deepest, 0u);
  EXPECT_LT(deepest, rig.gauge(kRed, &VrfCounters::queue_high_water));
  EXPECT_EQ(rig.gauge(kRed, &VrfCounters::queue_depth), 0u);
  EXPECT_EQ(rig.imbalance(1), "");
}

TEST(Pipeline, TellsHowDeepAQueueIs) { expect_depth_told({}); }
TEST(Pipeline, TellsHowDeepAQueueIsBetweenLoops) {
  expect_depth_told({{.cpu = -1, .stages = kStageRx | kStageTx}, {.cpu = -1, .stages = kStageVrf}});
}

// Two full queues share the relay stage by their quanta: bytes, not packets, and in turns.
TEST(Pipeline, SharesByQuantum) {
  Rig rig({}, 16384, 2000);
  Snapshot snapshot = snapshot_of(2);
  for (VrfEntry& vrf : snapshot.vrfs) vrf.queue_depth = 1024;
  snapshot.vrfs[0].quantum_bytes = 3000;
  snapshot.vrfs[1].quantum_bytes = 1000;
  rig.publish(std::move(snapshot));
  for (std::uint32_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(rig.clients->put(discover(kRed, i)));
    ASSERT_TRUE(rig.clients->put(discover(kBlue, i)));
  }
  while (rig.servers->sent() < 800) rig.pipeline->iterate();
  auto counts = taken_by_vlan(*rig.servers);
  EXPECT_NEAR(counts[101], 3 * counts[102], 40);
  rig.settle();
  EXPECT_EQ(rig.count(kRed, &VrfCounters::tx), 1000u);
  EXPECT_EQ(rig.count(kBlue, &VrfCounters::tx), 1000u);
  EXPECT_EQ(rig.imbalance(2), "");
}

// Below half of the port's ring nothing is dropped, however small the VRF's queue: it waits in the port.
TEST(Pipeline, ABurstWaitsInThePort) {
  Rig rig;
  Snapshot snapshot = snapshot_of(1);
  snapshot.vrfs[0].queue_depth = 64;
  rig.publish(std::move(snapshot));
  for (std::uint32_t i = 0; i < 4000; ++i) ASSERT_TRUE(rig.clients->put(discover(kRed, i)));
  rig.settle();
  EXPECT_EQ(rig.count(kRed, &VrfCounters::tx), 4000u);
}

TEST(Pipeline, AQuantumSmallerThanAPacketStillServes) {
  Rig rig;
  Snapshot snapshot = snapshot_of(2);
  snapshot.vrfs[0].quantum_bytes = 1;
  rig.publish(std::move(snapshot));
  for (std::uint32_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(rig.clients->put(discover(kRed, i)));
    ASSERT_TRUE(rig.clients->put(discover(kBlue, i)));
  }
  rig.settle();
  EXPECT_EQ(rig.servers->sent(), 40u);
}

TEST(Pipeline, AFullTransmitQueueIsNamed) {
  Rig rig({}, 16384, 8192, 100);
  rig.publish(snapshot_of(1));
  for (std::uint32_t i = 0; i < 300; ++i) ASSERT_TRUE(rig.clients->put(discover(kRed, i)));
  rig.settle();
  EXPECT_EQ(rig.servers->sent(), 100u);
  EXPECT_EQ(rig.count(kRed, XK_TX_QUEUE_FULL), 200u);
  EXPECT_EQ(rig.imbalance(1), "");
}

TEST(Pipeline, APortThatIsGoneIsNamed) {
  Rig rig;
  rig.publish(snapshot_of(1));
  rig.servers->unplug();
  ASSERT_TRUE(rig.clients->put(discover(kRed, 1)));
  rig.settle();
  EXPECT_EQ(rig.count(kRed, XK_TX_PORT_GONE), 1u);
  rig.pipeline->remove_port(test::sim_key("servers"));
  ASSERT_TRUE(rig.clients->put(discover(kRed, 2)));
  rig.settle();
  EXPECT_EQ(rig.count(kRed, XK_TX_PORT_GONE), 2u);
  EXPECT_EQ(rig.imbalance(1), "");
}

TEST(Pipeline, WithoutABufferThePacketIsNamed) {
  Rig rig({}, 1);
  rig.publish(snapshot_of(1));
  rte_mbuf* all = rte_pktmbuf_alloc(rig.pool.get());
  ASSERT_NE(all, nullptr);
  ASSERT_TRUE(rig.clients->put(discover(kRed, 1)));
  rig.settle();
  EXPECT_EQ(rig.count(kRed, XK_BUFFER_NONE), 1u);
  rte_pktmbuf_free(all);
  ASSERT_TRUE(rig.clients->put(discover(kRed, 2)));
  rig.settle();
  EXPECT_EQ(rig.count(kRed, &VrfCounters::tx), 1u);
  EXPECT_EQ(rig.imbalance(1), "");
}

TEST(Pipeline, WithoutABufferTheFurtherCopiesAreNamed) {
  Rig rig({}, 1);
  Snapshot snapshot = snapshot_of(1);
  snapshot.vrfs[0].engine = Engine::relay;
  for (int i = 0; i < 2; ++i) snapshot.vrfs[0].servers.push_back(snapshot.vrfs[0].servers[0]);
  snapshot.vrfs[0].servers[1].address = Ip4{0xa9fe0110};
  snapshot.vrfs[0].servers[2].address = Ip4{0xa9fe0111};
  rig.publish(std::move(snapshot));
  ASSERT_TRUE(rig.clients->put(discover(kRed, 1)));
  rig.settle();
  EXPECT_EQ(rig.servers->sent(), 1u);
  EXPECT_EQ(rig.count(kRed, &VrfCounters::copies), 2u);
  EXPECT_EQ(rig.count(kRed, XK_BUFFER_NONE), 2u);
  EXPECT_EQ(rig.imbalance(1), "");
}

// Packets that wait when their VRF's queue is resized, or when only the generation changes, are
// relayed; those whose VRF is taken away have a name.
TEST(Pipeline, ASwapLosesNothing) {
  Rig rig({}, 16384, 400);
  rig.publish(snapshot_of(2, 1));
  for (std::uint32_t i = 0; i < 200; ++i) {
    ASSERT_TRUE(rig.clients->put(discover(kRed, i)));
    ASSERT_TRUE(rig.clients->put(discover(kBlue, i)));
  }
  rig.pipeline->iterate();
  ASSERT_LT(rig.servers->sent(), 400u);
  Snapshot larger = snapshot_of(2, 2);
  larger.vrfs[0].queue_depth = 1024;
  rig.publish(std::move(larger));
  EXPECT_EQ(rig.pipeline->generation(), 2u);
  EXPECT_EQ(rig.counters.header().generation.load(), 2u);
  rig.settle();
  EXPECT_EQ(rig.servers->sent(), 400u);

  for (std::uint32_t i = 0; i < 400; ++i) ASSERT_TRUE(rig.clients->put(discover(kBlue, i)));
  rig.pipeline->iterate();
  const std::uint64_t sent = rig.count(kBlue, &VrfCounters::tx);
  ASSERT_LT(sent, 600u);
  rig.publish(snapshot_of(1, 3));
  rig.settle();
  EXPECT_GT(rig.count(kBlue, XK_UNMAPPED), 0u) << "waited in the VRF's queue";
  EXPECT_EQ(rig.count(kBlue, XK_UNMAPPED) + rig.count(VrfId{}, XK_UNMAPPED), 600 - sent);
  EXPECT_EQ(rig.imbalance(2), "");
}

// Exception ports: what is not ours goes across untouched, in both directions.
// What was asked before a change is answered after it, by whatever name the attachment goes now.
TEST(Pipeline, TheOption82OfAReplyMayBeOfAnEarlierGeneration) {
  Rig rig;
  rig.publish(snapshot_of(1));
  ASSERT_TRUE(rig.clients->put(discover(kRed, 1)));
  rig.settle();
  const auto relayed = rig.servers->take();
  ASSERT_FALSE(relayed.empty());
  Snapshot changed = snapshot_of(1, 2);
  for (AttachmentEntry& attachment : changed.attachments) {
    if (attachment.role != AttachmentRole::client) continue;
    attachment.circuit_id = "renamed";
    attachment.remote_id = "too";
  }
  rig.publish(std::move(changed));
  ASSERT_TRUE(rig.servers->put(test::offer_for(relayed, Ip4{0x0a000064})));
  rig.settle();
  const auto reply = rig.clients->take();
  ASSERT_FALSE(reply.empty());
  constexpr std::string_view kOldId = "clients:101";
  EXPECT_EQ(std::ranges::search(reply, kOldId).begin(), reply.end())
      << "our option stays between us and the server";

  // A name that is not ours is not explained by a change that was before the request.
  ASSERT_TRUE(rig.clients->put(discover(kRed, 2)));
  rig.settle();
  std::vector<std::uint8_t> other = test::offer_for(rig.servers->take(), Ip4{0x0a000065});
  constexpr std::string_view kNewId = "renamed";
  const auto at = std::ranges::search(other, kNewId).begin();
  ASSERT_NE(at, other.end());
  *at = 'X';
  constexpr std::size_t kUdpChecksum = 14 + 4 + 20 + 6;
  other[kUdpChecksum] = other[kUdpChecksum + 1] = 0;  // not computed
  ASSERT_TRUE(rig.servers->put(other));
  rig.settle();
  EXPECT_TRUE(rig.clients->take().empty());
  EXPECT_EQ(rig.count(kRed, XK_REPLY_OPTION82_FOREIGN), 1u);
  EXPECT_EQ(rig.imbalance(1), "");
}

TEST(Pipeline, AnExceptionPortTakesOtherTraffic) {
  Rig rig;
  auto near = SimWire::make(64, 64, rig.wire_pool.get());
  auto far = SimWire::make(64, 2, rig.wire_pool.get());
  ASSERT_TRUE(near && far);
  PortQueues queues;
  queues.queues.push_back((*near)->queue());
  queues.exception = (*far)->queue();
  ASSERT_TRUE(rig.pipeline->add_port(test::sim_key("clients"), std::move(queues)));
  const auto foreign = test::udp_frame(kRed, Ip4{0x08080808}, 53, {1, 2, 3});
  ASSERT_TRUE((*near)->put(foreign));
  rig.settle();
  EXPECT_EQ((*far)->take(), foreign) << "before there is a snapshot";
  rig.publish(snapshot_of(1));
  ASSERT_TRUE((*near)->put(foreign));
  ASSERT_TRUE((*near)->put(discover(kRed, 1)));
  ASSERT_TRUE((*far)->put(foreign));
  rig.settle();
  EXPECT_EQ((*far)->take(), foreign);
  EXPECT_EQ((*near)->take(), foreign);
  EXPECT_EQ(rig.servers->sent(), 1u);
  EXPECT_EQ(rig.count(VrfId{}, &VrfCounters::exceptions), 3u);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE((*near)->put(foreign));
  rig.settle();
  EXPECT_EQ(rig.count(VrfId{}, XK_EXCEPTION_FULL), 1u);
  EXPECT_EQ(rig.imbalance(1), "");
  rig.pipeline->remove_port(test::sim_key("clients"));
  EXPECT_FALSE(rig.pipeline->has_port(test::sim_key("clients")));
  EXPECT_THAT(rig.pipeline->port_keys(), testing::ElementsAre(test::sim_key("servers")));
}

TEST(Pipeline, RefusesLoopsThatCannotWork) {
  test::need_eal();
  auto counters = CountersRegion::make();
  ASSERT_TRUE(counters);
  const Mempool pool = test::pool_of(64);
  const auto error_of = [&](std::vector<LoopPlacement> loops) {
    PipelineOptions options;
    options.loops = std::move(loops);
    options.pool = pool.get();
    options.counters = &*counters;
    auto pipeline = Pipeline::make(std::move(options));
    return pipeline ? std::string() : pipeline.error().message;
  };
  EXPECT_THAT(error_of({{.cpu = 0, .stages = kStageRx}, {.cpu = 1, .stages = kStageTx}}),
              testing::HasSubstr("rx, vrf and tx"));
  EXPECT_THAT(error_of({{.cpu = 1, .stages = kStagesAll}, {.cpu = 1, .stages = kStagesAll}}),
              testing::HasSubstr("two lcores on CPU 1"));
  EXPECT_THAT(error_of(std::vector<LoopPlacement>(kLoopsMax + 1)), testing::HasSubstr("more than"));
}

}  // namespace
}  // namespace xk
