// Capture files as a port.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "dataplane/port/mbuf.h"
#include "dataplane/port/pcap_port.h"
#include "tests/bpf/sandbox.h"
#include "tests/unit/pipeline_rig.h"

namespace xk {
namespace {

std::unique_ptr<PortQueue> open(const std::string& device, rte_mempool* pool) {
  auto opened = open_pcap(device, pool);
  if (!opened) {
    ADD_FAILURE() << opened.error().message;
    std::abort();
  }
  return std::move(*opened);
}

TEST(Pcap, WhatIsWrittenIsRead) {
  test::need_eal();
  const Mempool pool = test::pool_of(511);
  const test::TempDir directory;
  const std::string path = directory.path() + "/frames.pcap";
  constexpr std::uint32_t kFrames = 200;
  {
    const auto out = open("out=" + path, pool.get());
    for (std::uint32_t i = 0; i < kFrames; ++i) {
      std::array<rte_mbuf*, 1> mbuf = {mbuf_from(pool.get(), test::discover(VrfId{1}, i))};
      ASSERT_EQ(out->tx_burst(mbuf), 1);
    }
    EXPECT_TRUE(out->flush());
    std::array<rte_mbuf*, kBurstMax> none;
    EXPECT_EQ(out->rx_burst(none), 0);
  }
  const auto in = open("in=" + path, pool.get());
  EXPECT_FALSE(in->arm()) << "there is more to read";
  std::uint32_t next = 0;
  std::array<rte_mbuf*, kBurstMax> mbufs;
  for (std::uint16_t got = in->rx_burst(mbufs); got != 0; got = in->rx_burst(mbufs)) {
    for (std::uint16_t i = 0; i < got; ++i, ++next) {
      const Bytes bytes = frame_of(mbufs[i]);
      EXPECT_EQ(std::vector(bytes.begin(), bytes.end()), test::discover(VrfId{1}, next));
    }
    free_all(std::span(mbufs.data(), got));
  }
  EXPECT_EQ(next, kFrames);
  EXPECT_TRUE(in->arm()) << "nothing comes any more";
  EXPECT_EQ(rte_mempool_avail_count(pool.get()), 511u);
}

// A capture in, a capture out: the whole path without any device.
TEST(Pcap, ThePipelineRelaysACapture) {
  const test::TempDir directory;
  test::Rig rig;
  {
    const auto out = open("out=" + directory.path() + "/in.pcap", rig.wire_pool.get());
    for (std::uint32_t i = 0; i < 100; ++i) {
      std::array<rte_mbuf*, 1> mbuf = {mbuf_from(rig.wire_pool.get(), test::discover(VrfId{1}, i))};
      ASSERT_EQ(out->tx_burst(mbuf), 1);
    }
  }
  Snapshot snapshot = test::snapshot_of(1);
  snapshot.ports[0].kind = PortKind::pcap;
  PortQueues queues;
  queues.queues.push_back(
      open("in=" + directory.path() + "/in.pcap,out=" + directory.path() + "/out.pcap", rig.pool.get()));
  rig.publish(snapshot);
  ASSERT_TRUE(rig.pipeline->add_port(PortKey::of(snapshot.ports[0]), std::move(queues)));
  rig.settle();
  std::uint32_t relayed = 0;
  for (auto frame = rig.servers->take(); !frame.empty(); frame = rig.servers->take(), ++relayed)
    ASSERT_TRUE(rig.servers->put(test::offer_for(frame, Ip4{0x0a000064})));
  EXPECT_EQ(relayed, 100u);
  rig.settle();
  EXPECT_EQ(rig.count(VrfId{1}, &VrfCounters::replies), 100u);
  EXPECT_EQ(rig.imbalance(1), "");
  rig.pipeline->remove_port(PortKey::of(snapshot.ports[0]));
  const auto back = open("in=" + directory.path() + "/out.pcap", rig.wire_pool.get());
  std::array<rte_mbuf*, kBurstMax> mbufs;
  std::uint32_t replies = 0;
  for (std::uint16_t got = back->rx_burst(mbufs); got != 0; got = back->rx_burst(mbufs)) {
    replies += got;
    free_all(std::span(mbufs.data(), got));
  }
  EXPECT_EQ(replies, 100u);
}

TEST(Pcap, RefusesWhatItCannotRead) {
  test::need_eal();
  const Mempool pool = test::pool_of(63);
  const test::TempDir directory;
  const auto error_of = [&](const std::string& device) {
    auto opened = open_pcap(device, pool.get());
    return opened ? std::string() : opened.error().message;
  };
  EXPECT_THAT(error_of("file.pcap"), testing::HasSubstr("neither in=FILE nor out=FILE"));
  EXPECT_THAT(error_of("in=" + directory.path() + "/none"), testing::HasSubstr("none"));
  EXPECT_THAT(error_of("out=" + directory.path() + "/none/out"), testing::HasSubstr("none/out"));
  std::ofstream(directory.path() + "/text") << "this is no capture file at all";
  EXPECT_NE(error_of("in=" + directory.path() + "/text"), "");
}

}  // namespace
}  // namespace xk
