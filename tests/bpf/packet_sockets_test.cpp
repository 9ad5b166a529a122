// AF_XDP sockets made by a privileged process and used by another one that may do nothing.
#include "controlplane/xsk/packet_sockets.h"

#include <bpf/libbpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>

#include "controlplane/bpfmaps/classifier.h"
#include "tests/bpf/rings.h"
#include "tests/bpf/sandbox.h"
#include "tests/bpf/wire.h"

namespace xk::test {
namespace {

using testing::HasSubstr;

constexpr ipc::UmemGeometry kSmall{.frame_size = 2048,
                                   .frame_count = 128,
                                   .rx_frames = 64,
                                   .fill_size = 64,
                                   .completion_size = 64,
                                   .rx_size = 64,
                                   .tx_size = 64};
constexpr uid_t kNobody = 65534;
constexpr std::size_t kFds = 2;

bool send_fds(int channel, const std::array<int, kFds>& fds) {
  char byte = 'f';
  iovec data{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof fds)> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof fds);
  std::memcpy(CMSG_DATA(rights), fds.data(), sizeof fds);
  return ::sendmsg(channel, &message, 0) == 1;
}

std::array<int, kFds> receive_fds(int channel) {
  char byte = 0;
  iovec data{&byte, 1};
  std::array<int, kFds> fds{-1, -1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof fds)> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  if (::recvmsg(channel, &message, 0) != 1) return fds;
  const cmsghdr* rights = CMSG_FIRSTHDR(&message);
  if (rights != nullptr && rights->cmsg_len == CMSG_LEN(sizeof fds))
    std::memcpy(fds.data(), CMSG_DATA(rights), sizeof fds);
  return fds;
}

// Exit statuses of the unprivileged process: each step that may fail has its own.
enum Status : int {
  kFine = 0,
  kNotDropped,
  kNoFds,
  kNoRings,
  kNotBound,
  kNotTold,
  kNoFrame,
  kFrameDiffers,
  kNotSent
};

// The unprivileged process: gets two descriptors, receives one frame and sends it back.
[[noreturn]] void run_unprivileged(int channel, std::uint32_t port, const Frame& expected) {
  const rlimit none{0, 0};
  if (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::setrlimit(RLIMIT_MEMLOCK, &none) != 0 || ::setuid(0) == 0)
    ::_exit(kNotDropped);
  const auto [socket, memory] = receive_fds(channel);
  if (socket < 0 || memory < 0) ::_exit(kNoFds);
  auto rings = Rings::map(socket, memory, kSmall);
  if (!rings) ::_exit(kNoRings);
  rings->fill();
  if (!ensure_bound(socket, port, 0)) ::_exit(kNotBound);
  if (::write(channel, "r", 1) != 1) ::_exit(kNotTold);
  const auto frame = rings->receive(5000);
  if (!frame) ::_exit(kNoFrame);
  if (*frame != expected) ::_exit(kFrameDiffers);
  ::_exit(rings->send(*frame) ? kFine : kNotSent);
}

class PacketSocketsTest : public testing::Test {
 protected:
  PacketSocketsTest() {
    enter_sandbox();
    libbpf_set_print(nullptr);
    make_veth("xkta0", "xkta1");
    port = IfIndex{ifindex_of("xkta0")};
  }
  void TearDown() override { shell("ip link del dev xkta0"); }

  // A frame from the far end reaches an unprivileged process and comes back from it; after its end
  // the kernel gets the next one.
  void there_and_back(bool generic);

  IfIndex port;
  std::unique_ptr<PacketSockets> sockets = make_packet_sockets();
};

void PacketSocketsTest::there_and_back(bool generic) {
  const TempDir directory;
  const auto classifier = make_classifier(directory.path());
  ASSERT_TRUE(classifier->open(directory.path() + "/bpf"));
  ASSERT_TRUE(classifier->attach(port, "xkta0", generic));
  ASSERT_TRUE(classifier->put_attachment({{port.value, 0, 0}, {1, 1, 40, 1, XK_ROLE_CLIENT, 0}}));
  const Frame discover = frame_of(Udp4{});
  int channel[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, channel), 0);
  const pid_t child = ::fork();
  if (child == 0) run_unprivileged(channel[1], port.value, discover);
  ::close(channel[1]);
  {
    auto made = sockets->make(port, 0, kSmall);
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_FALSE(made->zero_copy) << "no such thing on a veth";
    ASSERT_TRUE(classifier->put_socket(40, made->socket.get()));
    ASSERT_TRUE(send_fds(channel[0], {made->socket.get(), made->memory.get()}));
  }
  char ready = 0;
  const bool is_ready = ::read(channel[0], &ready, 1) == 1;
  const Wire wire("xkta1");
  if (is_ready) wire.send(discover);
  EXPECT_TRUE(is_ready && wire.receive([&](const Frame& frame) { return frame == discover; }).has_value());
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), kFine);
  const auto counters = classifier->counters();
  EXPECT_EQ((*counters)[XK_REDIRECT_DHCP4], 1u);

  EXPECT_TRUE(eventually([&] {
    wire.send(discover);
    return (*classifier->counters())[XK_PASS_NO_SOCKET] > 0;
  })) << "the socket died with its process, so the kernel gets the packets";
  ASSERT_TRUE(classifier->detach(port, "xkta0"));
  ::close(channel[0]);
}

TEST_F(PacketSocketsTest, AnUnprivilegedProcessUsesThem) { there_and_back(false); }

TEST_F(PacketSocketsTest, AlsoInGenericMode) { there_and_back(true); }

TEST_F(PacketSocketsTest, TheMakerKeepsNoMappingOfTheFrames) {
  const auto made = sockets->make(port, 0, kSmall);
  ASSERT_TRUE(made) << made.error().message;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    EXPECT_EQ(line.find("xdp-kea-frames"), std::string::npos) << line;
  EXPECT_NE(::ftruncate(made->memory.get(), 4096), 0) << "its size is sealed";
}

TEST_F(PacketSocketsTest, DefaultGeometryOnEveryQueue) {
  make_veth("xkta2", "xkta3", 2);
  const IfIndex wide{ifindex_of("xkta2")};
  std::vector<PacketSocket> held;
  for (const std::uint16_t queue : std::initializer_list<std::uint16_t>{0, 1}) {
    auto made = sockets->make(wide, queue, ipc::UmemGeometry{});
    ASSERT_TRUE(made) << made.error().message;
    held.push_back(std::move(*made));
  }
  const auto past = sockets->make(wide, 2, kSmall);
  ASSERT_FALSE(past);
  EXPECT_THAT(past.error().message, HasSubstr("queue 2"));
  shell("ip link del dev xkta2");
}

TEST_F(PacketSocketsTest, AQueueHasOneSocket) {
  auto first = sockets->make(port, 0, kSmall);
  ASSERT_TRUE(first);
  ASSERT_TRUE(ensure_bound(first->socket.get(), port.value, 0));
  const auto second = sockets->make(port, 0, kSmall);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr("another AF_XDP socket holds this queue"));
  first->socket.reset();
  EXPECT_TRUE(sockets->make(port, 0, kSmall)) << "waits for the kernel to tear the first one down";
}

TEST_F(PacketSocketsTest, MissingInterface) {
  const auto made = sockets->make(IfIndex{99999}, 0, kSmall);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr("99999"));
  EXPECT_EQ(made.error().system_errno, ENODEV);
}

TEST_F(PacketSocketsTest, GeometriesThatMakeNoSense) {
  const auto refused = [&](auto change) {
    ipc::UmemGeometry geometry = kSmall;
    change(geometry);
    return !sockets->make(port, 0, geometry).has_value();
  };
  EXPECT_FALSE(refused([](ipc::UmemGeometry&) {}));
  EXPECT_TRUE(refused([](ipc::UmemGeometry& g) { g.frame_size = 1024; }));
  EXPECT_TRUE(refused([](ipc::UmemGeometry& g) { g.frame_size = 3000; }));
  EXPECT_TRUE(refused([](ipc::UmemGeometry& g) { g.frame_size = 8192; }));
  EXPECT_TRUE(refused([](ipc::UmemGeometry& g) { g.frame_count = 0; }));
  EXPECT_TRUE(refused([](ipc::UmemGeometry& g) { g.frame_count = 0xffffffff; }));
  EXPECT_TRUE(refused([](ipc::UmemGeometry& g) { g.rx_frames = g.frame_count + 1; }));
  EXPECT_TRUE(refused([](ipc::UmemGeometry& g) { g.fill_size = 0; }));
  EXPECT_TRUE(refused([](ipc::UmemGeometry& g) { g.completion_size = 63; }));
  EXPECT_TRUE(refused([](ipc::UmemGeometry& g) { g.rx_size = 0x80000000; }));
  EXPECT_TRUE(refused([](ipc::UmemGeometry& g) { g.tx_size = 65; }));
}

}  // namespace
}  // namespace xk::test
