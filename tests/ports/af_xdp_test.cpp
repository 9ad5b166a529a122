// The AF_XDP port on a veth of its own.
#include "dataplane/port/af_xdp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>

#include "dataplane/port/mbuf.h"
#include "tests/ports/xsk_port.h"
#include "tests/unit/pipeline_rig.h"

namespace xk {
namespace {

using test::Frame;
using test::kSmallUmem;
using testing::HasSubstr;

Frame numbered(std::size_t number) {
  Frame frame = test::frame_of(test::Udp4{});
  frame[frame.size() - 2] = static_cast<std::uint8_t>(number >> 8);
  frame[frame.size() - 1] = static_cast<std::uint8_t>(number);
  return frame;
}

class AfXdp : public testing::Test {
 protected:
  AfXdp() { test::need_eal(); }

  void open(rte_mempool* buffers) {
    PacketSocket made = port.make_socket();
    auto opened = open_af_xdp("xktd0", std::move(made.socket), made.memory, test::geometry_of(kSmallUmem),
                              AfXdpPlace{port.ifindex(), 0, false}, buffers);
    ASSERT_TRUE(opened) << opened.error().message;
    queue = std::move(*opened);
  }
  // All that has come, at least so many.
  std::vector<Frame> receive(std::size_t count) {
    std::vector<Frame> frames;
    EXPECT_TRUE(test::eventually([&] {
      std::array<rte_mbuf*, kBurstMax> mbufs;
      const std::uint16_t got = queue->rx_burst(mbufs);
      for (std::uint16_t i = 0; i < got; ++i) {
        const Bytes bytes = frame_of(mbufs[i]);
        frames.emplace_back(bytes.begin(), bytes.end());
        rte_pktmbuf_free(mbufs[i]);
      }
      return frames.size() >= count;
    })) << frames.size();
    return frames;
  }

  test::XskPort port{"xktd0", "xktd1"};
  test::Wire wire{"xktd1"};
  Mempool pool = test::pool_of(1023);
  std::unique_ptr<PortQueue> queue;
};

TEST_F(AfXdp, ReceivesMoreFramesThanItHasFrames) {
  open(pool.get());
  for (std::size_t i = 0; i < 500; ++i) {
    wire.send(numbered(i));
    const auto frames = receive(1);
    ASSERT_EQ(frames.size(), 1u);
    ASSERT_EQ(frames[0], numbered(i));
  }
  EXPECT_EQ(queue->buffer_none(), 0u);
  EXPECT_EQ(af_xdp_lost(*queue), 0u);
}

TEST_F(AfXdp, ItsDescriptorTellsOfFrames) {
  open(pool.get());
  pollfd waiting{queue->wait_fd(), POLLIN, 0};
  EXPECT_TRUE(queue->arm());
  EXPECT_EQ(poll(&waiting, 1, 0), 0);
  wire.send(numbered(1));
  EXPECT_EQ(poll(&waiting, 1, 5000), 1);
  EXPECT_FALSE(queue->arm()) << "a frame is waiting";
  EXPECT_EQ(receive(1).size(), 1u);
  EXPECT_EQ(poll(&waiting, 1, 0), 0);
}

// More than the 32 that one sendto() sends in copy mode, and more than there are frames to send.
TEST_F(AfXdp, SendsWholeBursts) {
  open(pool.get());
  for (std::size_t sent = 0; sent < 640;) {
    std::array<rte_mbuf*, kBurstMax> mbufs;
    for (std::size_t i = 0; i < mbufs.size(); ++i) mbufs[i] = mbuf_from(pool.get(), numbered(sent + i));
    ASSERT_EQ(queue->tx_burst(mbufs), kBurstMax);
    EXPECT_TRUE(queue->flush());
    for (std::size_t i = 0; i < mbufs.size(); ++i, ++sent) {
      const auto frame = wire.receive([](const Frame& any) { return any.size() > 300; });
      ASSERT_TRUE(frame);
      ASSERT_EQ(*frame, numbered(sent));
    }
  }
  EXPECT_EQ(rte_mempool_avail_count(pool.get()), 1023u) << "sent packets are freed";
}

TEST_F(AfXdp, WithoutBuffersFramesAreCountedAndComeBack) {
  const Mempool tiny = test::pool_of(4);
  open(tiny.get());
  std::array<rte_mbuf*, 4> held{};
  ASSERT_EQ(rte_pktmbuf_alloc_bulk(tiny.get(), held.data(), 3), 0);
  for (std::size_t i = 0; i < 200; ++i) {
    wire.send(numbered(i));
    ASSERT_TRUE(test::eventually([&] {
      std::array<rte_mbuf*, kBurstMax> mbufs;
      const std::uint16_t got = queue->rx_burst(mbufs);
      if (got == 1) held[3] = mbufs[0];
      return got == 1 || queue->buffer_none() == i;
    }));
  }
  EXPECT_EQ(queue->buffer_none(), 199u);
  free_all(held);
  wire.send(numbered(7));
  EXPECT_EQ(receive(1).size(), 1u);
  queue.reset();
}

// What the kernel could not put into the ring is known, to the frame.
TEST_F(AfXdp, KnowsWhatTheKernelLost) {
  open(pool.get());
  for (std::size_t i = 0; i < 100; ++i) wire.send(numbered(i));
  ASSERT_TRUE(test::eventually([&] { return af_xdp_lost(*queue) == 36; })) << af_xdp_lost(*queue);
  EXPECT_EQ(receive(64).size(), 64u);
}

TEST_F(AfXdp, AnInterfaceThatIsDeletedIsGone) {
  open(pool.get());
  test::shell("ip link del dev xktd0");
  std::array<rte_mbuf*, 1> mbuf = {mbuf_from(pool.get(), numbered(1))};
  EXPECT_TRUE(test::eventually([&] { return queue->tx_burst(mbuf) == 0 && queue->gone(); }));
  EXPECT_TRUE(queue->flush());
  EXPECT_EQ(queue->wait_fd(), -1);
  free_all(mbuf);
}

TEST_F(AfXdp, RefusesWhatItCannotTrust) {
  const auto error_of = [&](AfXdpGeometry geometry, Fd socket, const Fd& memory) {
    auto opened = open_af_xdp("xktd0", std::move(socket), memory, geometry,
                              AfXdpPlace{port.ifindex(), 0, false}, pool.get());
    return opened ? std::string() : opened.error().message;
  };
  const AfXdpGeometry good = test::geometry_of(kSmallUmem);
  const auto with = [&](auto change) {
    AfXdpGeometry geometry = good;
    change(geometry);
    PacketSocket made = port.make_socket();
    return error_of(geometry, std::move(made.socket), made.memory);
  };
  EXPECT_THAT(with([](auto& g) { g.rx_size = 65; }), HasSubstr("power of two"));
  EXPECT_THAT(with([](auto& g) { g.frame_size = 1024; }), HasSubstr("frame size"));
  EXPECT_THAT(with([](auto& g) { g.rx_frames = g.frame_count; }), HasSubstr("no frames are left"));
  EXPECT_THAT(with([](auto& g) { g.rx_frames = 100; }), HasSubstr("fill ring"));
  EXPECT_THAT(with([](auto& g) { g.rx_frames = 10; }), HasSubstr("completion ring"));
  EXPECT_THAT(with([](auto& g) { g.frame_count = 0; }), HasSubstr("frame count"));
  EXPECT_THAT(with([](auto& g) { g.frame_size = 4096; }), HasSubstr("shorter than its geometry"));
  EXPECT_THAT(with([](auto& g) { g.rx_size = 4096; }), HasSubstr("cannot map a ring"));

  Fd unsealed(memfd_create("xktd", MFD_CLOEXEC));
  ASSERT_EQ(ftruncate(unsealed.get(), 1 << 20), 0);
  EXPECT_THAT(error_of(good, port.make_socket().socket, unsealed), HasSubstr("sealed"));
  EXPECT_THAT(error_of(good, Fd(socket(AF_UNIX, SOCK_STREAM, 0)), unsealed), HasSubstr("no AF_XDP socket"));
  EXPECT_THAT(error_of(good, port.make_socket().socket, Fd(socket(AF_UNIX, SOCK_STREAM, 0))),
              HasSubstr("frame memory"));

  PacketSocket twice = port.make_socket();
  Fd copy(dup(twice.socket.get()));
  EXPECT_EQ(error_of(good, std::move(twice.socket), twice.memory), "");
  // Kernels before 6.4 do not even map the rings of a socket that is bound.
  EXPECT_THAT(error_of(good, std::move(copy), twice.memory),
              testing::AnyOf(HasSubstr("in use already"), HasSubstr("cannot map a ring")));
}

}  // namespace
}  // namespace xk
