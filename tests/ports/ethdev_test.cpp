// Ports that DPDK drivers serve, with drivers that need no NIC.
#include "dataplane/port/ethdev.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <poll.h>

#include "dataplane/port/eal.h"
#include "dataplane/port/mbuf.h"
#include "tests/bpf/frames.h"
#include "tests/bpf/sandbox.h"
#include "tests/bpf/wire.h"
#include "tests/unit/pipeline_rig.h"

namespace xk {
namespace {

using test::Frame;

class EthdevTest : public testing::Test {
 protected:
  EthdevTest() {
    test::enter_sandbox();
    test::need_eal();
  }

  std::unique_ptr<Ethdev> open(const std::string& device) {
    auto opened = Ethdev::open(device, false, pool.get());
    if (!opened) {
      ADD_FAILURE() << opened.error().message;
      std::abort();
    }
    return std::move(*opened);
  }
  // The first frame that is wanted; others are freed.
  static Frame receive(PortQueue& queue, const std::function<bool(const Frame&)>& wanted) {
    Frame found;
    EXPECT_TRUE(test::eventually([&] {
      std::array<rte_mbuf*, kBurstMax> mbufs;
      const std::uint16_t got = queue.rx_burst(mbufs);
      for (std::uint16_t i = 0; i < got; ++i) {
        const Bytes bytes = frame_of(mbufs[i]);
        const Frame frame(bytes.begin(), bytes.end());
        if (found.empty() && wanted(frame)) found = frame;
        rte_pktmbuf_free(mbufs[i]);
      }
      return !found.empty();
    }));
    return found;
  }
  void send(PortQueue& queue, const Frame& frame) {
    std::array<rte_mbuf*, 1> mbuf = {mbuf_from(pool.get(), frame)};
    ASSERT_EQ(queue.tx_burst(mbuf), 1);
  }

  Mempool pool = test::pool_of(8191);
};

TEST_F(EthdevTest, AfPacketThereAndBack) {
  test::make_veth("xktd2", "xktd3");
  const test::Wire wire("xktd3");
  const auto device = open("net_af_packet0,iface=xktd2");
  EXPECT_FALSE(device->mac().is_zero());
  const auto queue = device->queue();
  const Frame discover = test::frame_of(test::Udp4{});
  wire.send(discover);
  EXPECT_EQ(receive(*queue, [&](const Frame& frame) { return frame == discover; }), discover);
  send(*queue, discover);
  EXPECT_TRUE(wire.receive([&](const Frame& frame) { return frame == discover; }));
}

// The kernel takes the outer tag out of what a packet socket receives; classification needs it.
TEST_F(EthdevTest, TagsAreBackInTheFrame) {
  test::make_veth("xktd4", "xktd5");
  const test::Wire wire("xktd5");
  const auto device = open("net_af_packet1,iface=xktd4");
  const auto queue = device->queue();
  const Frame tagged = test::frame_of(test::Udp4{.tags = {{0x8100, 200}, {0x8100, 300}}});
  wire.send(tagged);
  EXPECT_EQ(receive(*queue, [&](const Frame& frame) { return frame.size() == tagged.size(); }), tagged);
}

// A driver with receive interrupts lets a loop sleep; one without must be polled.
TEST_F(EthdevTest, ATapTellsOfFrames) {
  const auto device = open("net_tap1,iface=xktdtap1");
  const auto queue = device->queue();
  test::shell("ip link set dev xktdtap1 up");
  const test::Wire kernel("xktdtap1");
  ASSERT_GE(queue->wait_fd(), 0);
  const Frame discover = test::frame_of(test::Udp4{});
  for (int i = 0; i < 3; ++i) {
    // The kernel speaks on its own when a link comes up: taken away until nothing is left.
    pollfd waiting{queue->wait_fd(), POLLIN, 0};
    std::array<rte_mbuf*, kBurstMax> mbufs;
    do {
      queue->disarm();
      free_all(std::span(mbufs.data(), queue->rx_burst(mbufs)));
      EXPECT_TRUE(queue->arm());
    } while (poll(&waiting, 1, 0) != 0);
    kernel.send(discover);
    EXPECT_EQ(poll(&waiting, 1, 5000), 1);
    EXPECT_EQ(receive(*queue, [&](const Frame& frame) { return frame == discover; }), discover);
  }
  test::make_veth("xktd8", "xktd9");
  EXPECT_EQ(open("net_af_packet3,iface=xktd8")->queue()->wait_fd(), -1);
}

TEST_F(EthdevTest, MemifThereAndBack) {
  const test::TempDir directory;
  const std::string socket = ",socket=" + directory.path() + "/memif,socket-abstract=no";
  const auto server = open("net_memif0,role=server" + socket);
  const auto client = open("net_memif1,role=client" + socket);
  const auto one = server->queue();
  const auto other = client->queue();
  const Frame discover = test::frame_of(test::Udp4{});
  // The two ends find each other in a thread of the EAL's.
  ASSERT_TRUE(test::eventually([&] {
    std::array<rte_mbuf*, 1> mbuf = {mbuf_from(pool.get(), discover)};
    const bool sent = other->tx_burst(mbuf) == 1;
    if (!sent) free_all(mbuf);
    return sent;
  }));
  EXPECT_EQ(receive(*one, [&](const Frame& frame) { return frame == discover; }), discover);
  // The client gives the server buffers when it looks for frames.
  std::array<rte_mbuf*, kBurstMax> none;
  EXPECT_EQ(other->rx_burst(none), 0);
  send(*one, discover);
  EXPECT_EQ(receive(*other, [&](const Frame& frame) { return frame == discover; }), discover);
}

TEST_F(EthdevTest, RefusesWhatIsNotThere) {
  const auto error_of = [&](const std::string& device) {
    auto opened = Ethdev::open(device, false, pool.get());
    return opened ? std::string() : opened.error().message;
  };
  EXPECT_THAT(error_of("net_af_packet7,iface=xktdnone"), testing::HasSubstr("net_af_packet7,iface=xktdnone"));
  EXPECT_THAT(error_of("no_such_driver0"), testing::HasSubstr("no DPDK driver takes it"));
}

TEST(EalDevices, ArePciOrNot) {
  EXPECT_TRUE(is_pci_device("0000:01:00.0"));
  EXPECT_TRUE(is_pci_device("pci:0000:01:00.0,arg=1"));
  EXPECT_TRUE(is_pci_device("01:00.0"));
  EXPECT_FALSE(is_pci_device("net_af_packet0,iface=eth1"));
  EXPECT_FALSE(is_pci_device("net_tap0"));
}

// From a veth served by net_af_packet: DHCP is relayed, everything else goes to the kernel through a
// net_tap, and what the kernel sends there goes out of the veth.
TEST_F(EthdevTest, ThePipelineSharesAPortWithTheKernel) {
  test::make_veth("xktd6", "xktd7");
  const test::Wire wire("xktd7");
  test::Rig rig;
  auto near = Ethdev::open("net_af_packet2,iface=xktd6", true, rig.pool.get());
  ASSERT_TRUE(near) << near.error().message;
  auto far = Ethdev::open("net_tap0,iface=xktdtap", false, rig.pool.get());
  ASSERT_TRUE(far) << far.error().message;
  PortQueues queues;
  queues.queues.push_back((*near)->queue());
  queues.exception = (*far)->queue();
  Snapshot snapshot = test::snapshot_of(1);
  snapshot.ports[0].kind = PortKind::ethdev;
  ASSERT_TRUE(rig.pipeline->add_port(PortKey::of(snapshot.ports[0]), std::move(queues)));
  rig.publish(snapshot);
  test::shell("ip link set dev xktdtap up");
  const test::Wire tap("xktdtap");
  ASSERT_TRUE(rig.pipeline->start());

  wire.send(test::discover(VrfId{1}, 5));
  EXPECT_TRUE(test::eventually([&] { return !rig.servers->take().empty(); }));
  const Frame foreign = test::frame_of(test::Udp4{.destination_port = 53});
  const auto is_foreign = [&](const Frame& frame) { return frame == foreign; };
  wire.send(foreign);
  EXPECT_TRUE(tap.receive(is_foreign));
  tap.send(foreign);
  EXPECT_TRUE(wire.receive(is_foreign));
  EXPECT_EQ(rig.count(VrfId{1}, &VrfCounters::requests), 1u);
  EXPECT_TRUE(test::eventually([&] { return rig.imbalance(1).empty(); })) << rig.imbalance(1);
  EXPECT_GE(rig.count(VrfId{}, &VrfCounters::exceptions), 2u);
  rig.pipeline.reset();
}

}  // namespace
}  // namespace xk
