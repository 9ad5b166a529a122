// The unix socket between the daemons: whole messages, no descriptor ever leaks, clear refusals.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

#include "dataplane/ipc/channel.h"
#include "tests/unit/ipc_samples.h"

namespace xk::ipc {
namespace {

using testing::HasSubstr;

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

// Two ends; raw is for what a Channel would refuse to send.
struct Pair {
  Pair() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
    raw = Fd(ends[0]);
    channel = std::make_unique<Channel>(Fd(ends[1]));
  }
  void send_raw(Bytes bytes, std::size_t descriptors) const {
    const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const std::vector<int> fds(descriptors, null.get());
    std::vector<char> control(CMSG_SPACE(descriptors * sizeof(int)));
    iovec vector{.iov_base = const_cast<std::uint8_t*>(bytes.data()), .iov_len = bytes.size()};
    msghdr header{};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    if (descriptors != 0) {
      header.msg_control = control.data();
      header.msg_controllen = control.size();
      cmsghdr* part = CMSG_FIRSTHDR(&header);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
      std::memcpy(CMSG_DATA(part), fds.data(), descriptors * sizeof(int));
    }
    ASSERT_EQ(::sendmsg(raw.get(), &header, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  Fd raw;
  std::unique_ptr<Channel> channel;
};

class TempDir {
 public:
  TempDir() { EXPECT_NE(::mkdtemp(path_.data()), nullptr); }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_ = "/tmp/xktc-ipc-XXXXXX";
};

TEST(IpcChannel, MessagesAndTheirDescriptorsArriveInOrder) {
  Pair pair;
  Channel sender(std::move(pair.raw));
  const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  for (const Message& message : sample_messages())
    ASSERT_TRUE(sender.send(message, std::vector<int>(descriptors_of(message), null.get())).has_value());
  struct stat expected{};
  ASSERT_EQ(::fstat(null.get(), &expected), 0);
  for (const Message& message : sample_messages()) {
    auto received = pair.channel->receive();
    ASSERT_TRUE(received.has_value()) << received.error().message;
    ASSERT_TRUE(received->has_value());
    EXPECT_TRUE((*received)->message == message);
    ASSERT_EQ((*received)->fds.size(), descriptors_of(message));
    for (const Fd& fd : (*received)->fds) {
      struct stat status{};
      ASSERT_EQ(::fstat(fd.get(), &status), 0);
      EXPECT_EQ(status.st_rdev, expected.st_rdev);
      EXPECT_EQ(::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    }
  }
  const auto nothing = pair.channel->receive();
  ASSERT_TRUE(nothing.has_value());
  EXPECT_FALSE(nothing->has_value());
}

TEST(IpcChannel, EndOfFileIsAnErrorWithItsErrno) {
  Pair pair;
  pair.raw.reset();
  const auto received = pair.channel->receive();
  ASSERT_FALSE(received.has_value());
  EXPECT_EQ(received.error().system_errno, ECONNRESET);
  EXPECT_FALSE(pair.channel->send(Ping{}).has_value());
}

TEST(IpcChannel, WrongNumberOfDescriptorsIsRefusedOnBothSidesAndNoneLeaks) {
  Pair pair;
  EXPECT_THAT(pair.channel->send(Hello{}).error().message, HasSubstr("needs 1 descriptors, has 0"));
  const std::size_t before = open_descriptors();
  pair.send_raw(encode(Ping{1}), 3);
  EXPECT_THAT(pair.channel->receive().error().message, HasSubstr("needs 0 descriptors, has 3"));
  EXPECT_EQ(open_descriptors(), before);
}

TEST(IpcChannel, MalformedDatagramLeaksNoDescriptor) {
  Pair pair;
  const std::size_t before = open_descriptors();
  const std::vector<std::uint8_t> garbage(100, 0xee);
  pair.send_raw(garbage, kDescriptorsMax);
  EXPECT_FALSE(pair.channel->receive().has_value());
  EXPECT_EQ(open_descriptors(), before);
}

TEST(IpcChannel, MoreDescriptorsThanFitLeakNone) {
  Pair pair;
  const std::size_t before = open_descriptors();
  pair.send_raw(encode(PortSockets{.name = "x", .queues = kDescriptorsMax / 2}), kDescriptorsMax + 20);
  EXPECT_THAT(pair.channel->receive().error().message, HasSubstr("too many"));
  EXPECT_EQ(open_descriptors(), before);
}

TEST(IpcChannel, TooLongDatagramIsRefusedAndLeaksNone) {
  Pair pair;
  const std::size_t before = open_descriptors();
  pair.send_raw(std::vector<std::uint8_t>(kMessageMax + 1), 2);
  EXPECT_THAT(pair.channel->receive().error().message, HasSubstr("too long"));
  EXPECT_EQ(open_descriptors(), before);
}

TEST(IpcChannel, OutOfBoundsMessageIsNotSent) {
  Pair pair;
  Channel sender(std::move(pair.raw));
  EXPECT_THAT(sender.send(Settings{.user = std::string(kNameMax + 1u, 'u')}).error().message,
              HasSubstr("out of its bounds"));
  EXPECT_FALSE(pair.channel->receive()->has_value());
}

TEST(IpcChannel, AReaderThatSleepsTimesTheSenderOut) {
  Pair pair;
  Channel sender(std::move(pair.raw));
  std::expected<void, Error> sent;
  for (int i = 0; i < 100'000 && sent.has_value(); ++i) sent = sender.send(Ping{});
  ASSERT_FALSE(sent.has_value());
  EXPECT_EQ(sent.error().system_errno, ETIMEDOUT);
}

TEST(IpcListen, ConnectAndTalk) {
  const TempDir dir;
  auto listening = listen_at(dir.file("s"), "");
  ASSERT_TRUE(listening.has_value()) << listening.error().message;
  EXPECT_FALSE(accept_from(listening->get())->has_value());
  auto client = connect_to(dir.file("s"));
  ASSERT_TRUE(client.has_value()) << client.error().message;
  auto server = accept_from(listening->get());
  ASSERT_TRUE(server.has_value() && server->has_value());
  ASSERT_TRUE(client->send(Ping{3}).has_value());
  auto received = (*server)->receive();
  ASSERT_TRUE(received.has_value() && received->has_value());
  EXPECT_EQ(std::get<Ping>((*received)->message).token, 3u);
}

TEST(IpcListen, ModeAndGroupAreTheUsersOrRootsOnly) {
  const TempDir dir;
  struct stat status{};
  const auto only_root = listen_at(dir.file("a"), "");
  ASSERT_TRUE(only_root.has_value());
  ASSERT_EQ(::stat(dir.file("a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  const auto nobody = listen_at(dir.file("b"), "nobody");
  ASSERT_TRUE(nobody.has_value()) << nobody.error().message;
  ASSERT_EQ(::stat(dir.file("b").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0660u);
  EXPECT_EQ(status.st_gid, 65534u);
}

TEST(IpcListen, UnknownUserIsNamedAndNoFileStays) {
  const TempDir dir;
  const auto listening = listen_at(dir.file("s"), "xktc-no-such-user");
  ASSERT_FALSE(listening.has_value());
  EXPECT_THAT(listening.error().message, HasSubstr("xktc-no-such-user"));
  EXPECT_FALSE(std::filesystem::exists(dir.file("s")));
}

TEST(IpcListen, APathInUseIsRefusedAndKept) {
  const TempDir dir;
  const auto first = listen_at(dir.file("s"), "");
  ASSERT_TRUE(first.has_value());
  const auto second = listen_at(dir.file("s"), "");
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().system_errno, EADDRINUSE);
  EXPECT_THAT(second.error().message, HasSubstr("in use"));
  EXPECT_TRUE(connect_to(dir.file("s")).has_value());
}

TEST(IpcListen, AStaleSocketIsReplaced) {
  const TempDir dir;
  ASSERT_TRUE(listen_at(dir.file("s"), "").has_value());  // closed at once, its file stays
  ASSERT_TRUE(std::filesystem::exists(dir.file("s")));
  const auto again = listen_at(dir.file("s"), "");
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_TRUE(connect_to(dir.file("s")).has_value());
}

TEST(IpcListen, AnotherKindOfFileIsNeverRemoved) {
  const TempDir dir;
  std::ofstream(dir.file("s")) << "precious";
  const auto listening = listen_at(dir.file("s"), "");
  ASSERT_FALSE(listening.has_value());
  EXPECT_EQ(listening.error().system_errno, EEXIST);
  EXPECT_EQ(std::filesystem::file_size(dir.file("s")), 8u);
}

TEST(IpcListen, PathsThatDoNotFitAreRefused) {
  EXPECT_THAT(listen_at("/tmp/" + std::string(200, 'p'), "").error().message, HasSubstr("socket path"));
  EXPECT_THAT(connect_to("").error().message, HasSubstr("socket path"));
  EXPECT_EQ(connect_to("/tmp/xktc-nobody-listens-here").error().system_errno, ENOENT);
}

TEST(IpcMemfd, SealedBytesComeBack) {
  const std::vector<std::uint8_t> bytes(100'000, 0x5a);
  const auto memory = sealed_memfd("xktc", bytes);
  ASSERT_TRUE(memory.has_value()) << memory.error().message;
  EXPECT_EQ(read_sealed_memfd(memory->get(), 100'000), bytes);
  EXPECT_FALSE(read_sealed_memfd(memory->get(), 99'999).has_value());
  EXPECT_LT(::write(memory->get(), "x", 1), 0);
  EXPECT_NE(::ftruncate(memory->get(), 1), 0);
}

TEST(IpcMemfd, UnsealedAndForeignDescriptorsAreRefused) {
  const Fd unsealed(::memfd_create("xktc", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_THAT(read_sealed_memfd(unsealed.get(), 10).error().message, HasSubstr("not sealed"));
  ASSERT_EQ(::fcntl(unsealed.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);  // still writable
  EXPECT_THAT(read_sealed_memfd(unsealed.get(), 10).error().message, HasSubstr("not sealed"));
  const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_THAT(read_sealed_memfd(null.get(), 10).error().message, HasSubstr("no memfd"));
}

}  // namespace
}  // namespace xk::ipc
