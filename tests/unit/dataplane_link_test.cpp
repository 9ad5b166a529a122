// xdp-kead's end of the socket between the daemons, with the test as the dataplane.
#include "controlplane/dataplane_link/dataplane_link.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>

#include "dataplane/ipc/channel.h"
#include "tests/unit/fake_counters.h"
#include "tests/unit/ipc_samples.h"
#include "tests/unit/kernel_support.h"

namespace xk {
namespace {

using test::FakeCounters;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class DataplaneLinkTest : public testing::Test {
 public:
  DataplaneLinkTest() {
    EXPECT_NE(::mkdtemp(directory_.data()), nullptr);
    EXPECT_EQ(::chmod(directory_.c_str(), 0755), 0);
    path_ = directory_ + "/dataplane.sock";
    const auto listening = link_->listen(path_, "nobody");
    EXPECT_TRUE(listening.has_value()) << listening.error().message;
  }
  ~DataplaneLinkTest() override {
    link_.reset();
    std::filesystem::remove_all(directory_);
  }

  ipc::Channel connected() const {
    auto channel = ipc::connect_to(path_);
    EXPECT_TRUE(channel.has_value()) << channel.error().message;
    return std::move(*channel);
  }
  // What one says that has been set up before.
  static ipc::Hello hello_again() {
    ipc::Hello hello;
    hello.generation = 1;
    return hello;
  }
  // A dataplane that has said Hello and was heard.
  ipc::Channel dataplane(const FakeCounters& counters, const ipc::Hello& hello = hello_again()) const {
    ipc::Channel channel = connected();
    EXPECT_TRUE(channel.send(hello, {counters.fd()}).has_value());
    EXPECT_TRUE(link_->poll());
    return channel;
  }
  // What the daemon has sent, if anything.
  static std::optional<ipc::Received> heard(ipc::Channel& channel) {
    auto received = channel.receive();
    return received ? std::move(*received) : std::nullopt;
  }
  static bool closed(ipc::Channel& channel) {
    auto received = channel.receive();
    return !received && received.error().system_errno == ECONNRESET;
  }
  [[nodiscard]] bool wakes(int timeout_ms = 0) const {
    std::vector<pollfd> waiting;
    for (const int fd : link_->fds()) waiting.push_back({.fd = fd, .events = POLLIN, .revents = 0});
    return ::poll(waiting.data(), waiting.size(), timeout_ms) > 0;
  }

  std::string directory_ = "/tmp/xktc-link-XXXXXX";
  std::string path_;
  std::unique_ptr<DataplaneLink> link_ = make_dataplane_link();
  FakeCounters counters_;
};

TEST_F(DataplaneLinkTest, HelloConnectsAndSettingsAreTheFirstThingSent) {
  counters_.seal();
  ipc::Settings settings;
  settings.user = "nobody";
  EXPECT_TRUE(link_->set_settings(settings));
  EXPECT_FALSE(link_->status().connected);
  ipc::Hello hello;
  hello.generation = 7;
  hello.held_ports = {IfIndex{3}};
  ipc::Channel channel = dataplane(counters_, hello);
  const DataplaneStatus status = link_->status();
  EXPECT_TRUE(status.connected);
  EXPECT_EQ(status.pid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(status.generation, 7u);
  EXPECT_EQ(status.connects, 1u);
  EXPECT_GT(status.connected_unix_ms, 1'600'000'000'000u);
  EXPECT_THAT(status.held_ports, ElementsAre(IfIndex{3}));
  const auto first = heard(channel);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(std::get<ipc::Settings>(first->message), settings);
  EXPECT_FALSE(heard(channel).has_value());
  EXPECT_FALSE(link_->poll());
}

TEST_F(DataplaneLinkTest, ANewProcessIsConnectedWhenItHasSetItselfUp) {
  counters_.seal();
  ipc::Channel channel = dataplane(counters_, {});
  EXPECT_FALSE(heard(channel).has_value()) << "nothing to set up with yet";
  EXPECT_TRUE(link_->set_settings({}));
  ASSERT_TRUE(std::holds_alternative<ipc::Settings>(heard(channel)->message));
  const auto asked = heard(channel);
  ASSERT_TRUE(asked.has_value());
  EXPECT_FALSE(link_->poll());
  EXPECT_FALSE(link_->status().connected);
  EXPECT_EQ(link_->status().connects, 0u);
  link_->tick(kDataplaneSilentMs);
  EXPECT_FALSE(link_->status().silent) << "a slow NIC's driver may take its time";
  const auto again = heard(channel);
  ASSERT_TRUE(again.has_value());
  ASSERT_TRUE(channel.send(ipc::Pong{std::get<ipc::Ping>(asked->message).token}).has_value());
  ASSERT_TRUE(channel.send(ipc::Pong{std::get<ipc::Ping>(again->message).token}).has_value());
  EXPECT_TRUE(link_->poll());
  EXPECT_TRUE(link_->status().connected);
  EXPECT_EQ(link_->status().connects, 1u);
  EXPECT_GT(link_->status().connected_unix_ms, 1'600'000'000'000u);
}

TEST_F(DataplaneLinkTest, ANewProcessThatEndsBeforeItIsSetUpWasNeverConnected) {
  counters_.seal();
  EXPECT_TRUE(link_->set_settings({}));
  {
    const ipc::Channel channel = dataplane(counters_, {});
  }
  EXPECT_TRUE(link_->poll());
  EXPECT_FALSE(link_->status().connected);
  EXPECT_EQ(link_->status().connects, 0u);
  const FakeCounters fresh;
  const ipc::Channel next = dataplane(const_cast<FakeCounters&>(fresh).seal());
  EXPECT_TRUE(link_->status().connected);
}

TEST_F(DataplaneLinkTest, SettingsThatComeLaterAreSentThen) {
  counters_.seal();
  ipc::Channel channel = dataplane(counters_);
  EXPECT_FALSE(heard(channel).has_value());
  EXPECT_TRUE(link_->set_settings({}));
  EXPECT_TRUE(heard(channel).has_value());
}

TEST_F(DataplaneLinkTest, ChangedSettingsWaitForANewProcess) {
  counters_.seal();
  ipc::Settings settings;
  EXPECT_TRUE(link_->set_settings(settings));
  std::optional<ipc::Channel> channel = dataplane(counters_);
  EXPECT_TRUE(link_->set_settings(settings));
  settings.buffers = 4096;
  EXPECT_FALSE(link_->set_settings(settings));
  EXPECT_EQ(std::get<ipc::Settings>(heard(*channel)->message).buffers, 16384u);
  EXPECT_FALSE(heard(*channel).has_value());
  // The same process again: it keeps what it was made with.
  channel.reset();
  EXPECT_TRUE(link_->poll());
  channel = dataplane(counters_);
  EXPECT_FALSE(link_->set_settings(settings));
  channel.reset();
  EXPECT_TRUE(link_->poll());
  const FakeCounters fresh;
  ipc::Channel next = dataplane(const_cast<FakeCounters&>(fresh).seal());
  EXPECT_EQ(std::get<ipc::Settings>(heard(next)->message).buffers, 4096u);
  EXPECT_TRUE(link_->set_settings(settings));
}

TEST_F(DataplaneLinkTest, ServersAreReadAsTheDataplaneSeesThem) {
  EXPECT_TRUE(link_->servers().empty());
  const auto put = [this](std::uint32_t index, VrfId vrf, ServerState state) {
    ServerSlot& slot = counters_.server(index);
    slot.key = server_key(vrf, Ip4{0xc0000201});
    slot.state = state;
    slot.deaths = 3;
    slot.since_ms.set(5000);
    slot.requests.set(20);
    slot.replies.set(10);
    slot.last_reply_ms.set(4000);
  };
  put(0, VrfId{2}, ServerState::dead);
  put(2, VrfId{1}, static_cast<ServerState>(77));     // no state of ours
  put(3, VrfId{XK_VRFS_MAX + 1}, ServerState::live);  // no VRF of ours
  counters_.header().servers_used = 0xffffffff;       // it is read no further than there are slots
  counters_.seal();
  std::optional<ipc::Channel> channel = dataplane(counters_);
  const ServerStatus dead{.vrf = VrfId{2},
                          .address = Ip4{0xc0000201},
                          .state = ServerState::dead,
                          .deaths = 3,
                          .since_ms = 5000,
                          .requests = 20,
                          .replies = 10,
                          .last_reply_ms = 4000};
  ServerStatus unknown = dead;
  unknown.vrf = VrfId{1};
  unknown.state = ServerState::unknown;
  EXPECT_THAT(link_->servers(), ElementsAre(unknown, dead));
  counters_.header().servers_used = 1;
  EXPECT_THAT(link_->servers(), ElementsAre(dead));
  channel.reset();
  EXPECT_TRUE(link_->poll());
  EXPECT_TRUE(link_->servers().empty()) << "nobody knows without a dataplane";
}

TEST_F(DataplaneLinkTest, ADeadDataplaneIsNoticed) {
  counters_.seal();
  std::optional<ipc::Channel> channel = dataplane(counters_);
  EXPECT_FALSE(wakes());
  channel.reset();
  EXPECT_TRUE(wakes());
  EXPECT_TRUE(link_->poll());
  EXPECT_FALSE(link_->status().connected);
  EXPECT_THAT(link_->status().last_error, HasSubstr("closed the connection"));
  EXPECT_FALSE(wakes());
  EXPECT_FALSE(link_->poll());
}

TEST_F(DataplaneLinkTest, ADataplaneThatDoesNotAnswerIsSilentUntilItDoes) {
  counters_.seal();
  link_->tick(1'000'000);  // nobody to ask
  ipc::Channel channel = dataplane(counters_);
  std::uint64_t now_ms = 2'000'000;
  link_->tick(now_ms);
  const auto first = heard(channel);
  ASSERT_TRUE(first.has_value());
  const ipc::Ping asked = std::get<ipc::Ping>(first->message);
  ASSERT_TRUE(channel.send(ipc::Pong{asked.token}).has_value());
  EXPECT_TRUE(link_->poll());
  link_->tick(now_ms + kDataplanePingMs - 1);
  EXPECT_FALSE(heard(channel).has_value()) << "answered: it is not asked again at once";
  link_->tick(now_ms += kDataplanePingMs);
  EXPECT_TRUE(heard(channel).has_value());
  link_->tick(now_ms + kDataplaneSilentMs - 1);
  EXPECT_FALSE(link_->status().silent);
  link_->tick(now_ms += kDataplaneSilentMs);
  EXPECT_TRUE(link_->status().silent);
  EXPECT_TRUE(link_->status().connected);
  const auto again = heard(channel);
  ASSERT_TRUE(again.has_value());
  const auto token = std::get<ipc::Ping>(again->message).token;
  ASSERT_TRUE(channel.send(ipc::Pong{token - 1}).has_value());
  EXPECT_TRUE(link_->poll());
  link_->tick(now_ms + 1);
  EXPECT_TRUE(link_->status().silent) << "an old answer proves nothing";
  ASSERT_TRUE(channel.send(ipc::Pong{token}).has_value());
  EXPECT_TRUE(link_->poll());
  link_->tick(now_ms + 2);
  EXPECT_FALSE(link_->status().silent);
}

TEST_F(DataplaneLinkTest, ASuccessorConnectsInTheSamePollAsItsPredecessorDies) {
  counters_.seal();
  std::optional<ipc::Channel> first = dataplane(counters_);
  FakeCounters fresh;
  ipc::Channel second = connected();
  ASSERT_TRUE(second.send(hello_again(), {fresh.seal().fd()}).has_value());
  first.reset();
  EXPECT_TRUE(link_->poll());
  EXPECT_TRUE(link_->status().connected);
  EXPECT_EQ(link_->status().connects, 2u);
}

TEST_F(DataplaneLinkTest, ASecondDataplaneIsRefusedWhileTheFirstLives) {
  counters_.seal();
  ipc::Channel first = dataplane(counters_);
  FakeCounters other;
  ipc::Channel second = connected();
  ASSERT_TRUE(second.send(ipc::Hello{}, {other.seal().fd()}).has_value());
  static_cast<void>(link_->poll());
  EXPECT_TRUE(closed(second));
  EXPECT_TRUE(link_->status().connected);
  EXPECT_EQ(link_->status().connects, 1u);
  EXPECT_THAT(link_->status().last_error, HasSubstr("a second dataplane"));
  EXPECT_FALSE(closed(first));
}

TEST_F(DataplaneLinkTest, SilentConnectionsNeitherBlockNorPileUp) {
  counters_.seal();
  std::vector<ipc::Channel> silent;
  for (int i = 0; i < 10; ++i) {
    silent.push_back(connected());
    EXPECT_FALSE(link_->poll());
  }
  EXPECT_LE(link_->fds().size(), 6u);
  EXPECT_TRUE(closed(silent.front()));
  ipc::Channel channel = dataplane(counters_);
  EXPECT_TRUE(link_->status().connected);
}

TEST_F(DataplaneLinkTest, OtherVersionsAndOtherFirstMessagesAreRefused) {
  counters_.seal();
  ipc::Channel old = connected();
  ipc::Hello hello;
  hello.version = 99;
  ASSERT_TRUE(old.send(hello, {counters_.fd()}).has_value());
  EXPECT_FALSE(link_->poll());
  EXPECT_TRUE(closed(old));
  EXPECT_THAT(link_->status().last_error, HasSubstr("version 99"));
  ipc::Channel rude = connected();
  ASSERT_TRUE(rude.send(ipc::Pong{}).has_value());
  EXPECT_FALSE(link_->poll());
  EXPECT_TRUE(closed(rude));
}

TEST_F(DataplaneLinkTest, AMessageOutOfTurnEndsTheConnection) {
  counters_.seal();
  ipc::Channel channel = dataplane(counters_);
  ASSERT_TRUE(channel.send(ipc::ReleasePorts{}).has_value());
  EXPECT_TRUE(link_->poll());
  EXPECT_FALSE(link_->status().connected);
  EXPECT_TRUE(closed(channel));
  EXPECT_THAT(link_->status().last_error, HasSubstr("out of turn"));
}

TEST_F(DataplaneLinkTest, NativeEnginesAreKnownAsTheySayTheyAre) {
  counters_.seal();
  EXPECT_FALSE(link_->tell_stored(VrfId{1}, 5).has_value());
  EXPECT_FALSE(link_->forget(VrfId{1}, Ip4{5}).has_value());
  ipc::Channel channel = dataplane(counters_);
  EXPECT_THAT(link_->natives(), IsEmpty());
  ipc::NativeReport report{
      .vrf = VrfId{2}, .state = NativeState::failing, .revision = 7, .error = "disk \x1b full"};
  ASSERT_TRUE(channel.send(report).has_value());
  report.vrf = VrfId{1};
  report.state = NativeState::serving;
  report.error = {};
  ASSERT_TRUE(channel.send(report).has_value());
  EXPECT_TRUE(link_->poll());
  const auto natives = link_->natives();
  ASSERT_EQ(natives.size(), 2u);
  EXPECT_EQ(natives[0], report);
  EXPECT_EQ(natives[1].state, NativeState::failing);
  EXPECT_EQ(natives[1].error, "disk ? full");

  ASSERT_TRUE(link_->tell_stored(VrfId{1}, 7).has_value());
  ASSERT_TRUE(link_->forget(VrfId{2}, Ip4{9}).has_value());
  EXPECT_EQ(std::get<ipc::NativeStored>(heard(channel)->message),
            (ipc::NativeStored{.vrf = VrfId{1}, .revision = 7}));
  EXPECT_EQ(std::get<ipc::NativeForget>(heard(channel)->message),
            (ipc::NativeForget{.vrf = VrfId{2}, .address = Ip4{9}}));

  channel = connected();
  EXPECT_TRUE(link_->poll());
  EXPECT_THAT(link_->natives(), IsEmpty()) << "the next one says it itself";
}

TEST_F(DataplaneLinkTest, UntrustworthyCountersAreRefused) {
  struct Case {
    std::string expected;
    std::function<void(FakeCounters&)> spoil;
  };
  const std::vector<Case> cases = {
      {"not sealed against shrinking", [](FakeCounters& c) { c.seal(F_SEAL_GROW); }},
      {"another layout", [](FakeCounters& c) { c.seal().header().magic = 1; }},
      {"another layout", [](FakeCounters& c) { c.seal().header().outcome_count = 3; }},
      {"out of bounds", [](FakeCounters& c) { c.seal().header().lcore_slots = kLcoresMax + 1; }},
      {"out of bounds", [](FakeCounters& c) { c.seal().header().lcore_slots = 0; }},
      {"out of bounds", [](FakeCounters& c) { c.seal().header().vrf_slots = XK_VRFS_MAX + 2; }},
      {"out of bounds", [](FakeCounters& c) { c.seal().header().vrf_slots = 0; }},
      {"shorter than their slots", [](FakeCounters& c) { c.seal().header().vrf_slots = 5; }},
      {"shorter than their header",
       [](FakeCounters& c) {
         ASSERT_EQ(::ftruncate(c.fd(), kCountersOffset - 1), 0);
         c.seal();
       }},
  };
  const std::size_t descriptors = test::open_descriptors();
  for (const Case& one : cases) {
    FakeCounters spoilt;
    one.spoil(spoilt);
    ipc::Channel channel = dataplane(spoilt);
    EXPECT_FALSE(link_->status().connected) << one.expected;
    EXPECT_THAT(link_->status().last_error, HasSubstr(one.expected));
    EXPECT_TRUE(closed(channel));
  }
  EXPECT_EQ(test::open_descriptors(), descriptors);
  EXPECT_THAT(link_->counters(), IsEmpty());
}

TEST_F(DataplaneLinkTest, CountersInAFileOrPipeAreRefused) {
  const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ipc::Channel channel = connected();
  ASSERT_TRUE(channel.send(ipc::Hello{}, {null.get()}).has_value());
  EXPECT_TRUE(link_->poll());
  EXPECT_THAT(link_->status().last_error, HasSubstr("no memfd"));
}

// The dataplane may scribble into the header at any time: what was checked once is what is used.
TEST_F(DataplaneLinkTest, SlotsThatGrowAfterTheCheckAreNotBelieved) {
  counters_.seal();
  ipc::Channel channel = dataplane(counters_);
  counters_.header().vrf_slots = 0xffffffff;
  counters_.header().lcore_slots = 0xffffffff;
  EXPECT_THAT(link_->counters(), testing::SizeIs(1));
}

TEST_F(DataplaneLinkTest, CountersAreSummedOverLcores) {
  EXPECT_THAT(link_->counters(), IsEmpty());
  counters_.seal();
  ipc::Channel channel = dataplane(counters_);
  ASSERT_THAT(link_->counters(), testing::SizeIs(1));
  EXPECT_EQ(link_->counters()[0].vrf, VrfId{0});
  for (const std::uint32_t lcore : {0u, 1u}) {
    VrfCounters& slot = counters_.slot(lcore, 2);
    slot.rx.add(10 + lcore);
    slot.copies.add(1);
    slot.tx.add(5);
    slot.requests.add(3);
    slot.replies.add(2);
    slot.arp.add(4);
    slot.exceptions.add(6);
    slot.queue_high_water.set(7 + lcore);
    slot.queue_depth.set(2 + lcore);
    counters_.outcomes(lcore, 2)[XK_HOPS_EXCEEDED].add(8);
  }
  const auto counted = link_->counters();
  ASSERT_THAT(counted, testing::SizeIs(2));
  EXPECT_EQ(counted[0].vrf, VrfId{0});
  EXPECT_EQ(counted[1].vrf, VrfId{2});
  EXPECT_EQ(counted[1].rx, 21u);
  EXPECT_EQ(counted[1].copies, 2u);
  EXPECT_EQ(counted[1].tx, 10u);
  EXPECT_EQ(counted[1].requests, 6u);
  EXPECT_EQ(counted[1].replies, 4u);
  EXPECT_EQ(counted[1].arp, 8u);
  EXPECT_EQ(counted[1].exceptions, 12u);
  EXPECT_EQ(counted[1].queue_high_water, 8u);
  EXPECT_EQ(counted[1].queue_depth, 5u);
  ASSERT_EQ(counted[1].outcomes.size(), XK_OUTCOME_COUNT);
  EXPECT_EQ(counted[1].outcomes[XK_HOPS_EXCEEDED], 16u);
}

TEST_F(DataplaneLinkTest, CountersNeverGoBack) {
  counters_.seal();
  std::optional<ipc::Channel> channel = dataplane(counters_);
  counters_.slot(0, 1).rx.add(100);
  counters_.slot(0, 1).queue_high_water.set(9);
  counters_.slot(0, 1).queue_depth.set(4);
  const auto rx = [this] { return link_->counters().at(1).rx; };
  EXPECT_EQ(rx(), 100u);
  EXPECT_EQ(link_->counters().at(1).queue_depth, 4u);
  channel.reset();
  EXPECT_TRUE(link_->poll());
  EXPECT_EQ(rx(), 100u);  // while there is no dataplane
  EXPECT_EQ(link_->counters().at(1).queue_depth, 0u);
  // The same process connects again: nothing counts twice.
  channel = dataplane(counters_);
  counters_.slot(0, 1).rx.add(1);
  EXPECT_EQ(rx(), 101u);
  channel.reset();
  EXPECT_TRUE(link_->poll());
  // A new process starts from zero, with more slots.
  FakeCounters fresh(1, 6);
  channel = dataplane(fresh.seal());
  EXPECT_EQ(rx(), 101u);
  fresh.slot(0, 1).rx.add(1000);
  fresh.slot(0, 5).rx.add(5);
  EXPECT_EQ(rx(), 1101u);
  EXPECT_EQ(link_->counters().at(1).queue_high_water, 9u);
  EXPECT_EQ(link_->counters().at(1).queue_depth, 0u);
  // What the first one had in its hands has a name now; the second one still has the rest.
  EXPECT_EQ(link_->counters().at(1).outcomes[XK_DATAPLANE_ENDED], 101u);
  EXPECT_EQ(link_->counters().at(2).vrf, VrfId{5});
}

TEST_F(DataplaneLinkTest, PortsAreGivenWithDescriptorsAndOurCopiesClosed) {
  counters_.seal();
  ipc::Channel channel = dataplane(counters_);
  const std::size_t before = test::open_descriptors();
  const auto sockets = [] {
    std::vector<PacketSocket> made;
    for (int queue = 0; queue < 2; ++queue)
      made.push_back(
          {Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)), Fd(::memfd_create("xktc-umem", MFD_CLOEXEC))});
    return made;
  };
  ipc::PortSockets port;
  port.ifindex = IfIndex{12};
  port.name = "eth9";
  port.queues = 2;
  const auto given = link_->give_port(port, sockets());
  ASSERT_TRUE(given.has_value()) << given.error().message;
  EXPECT_EQ(test::open_descriptors(), before);
  EXPECT_THAT(link_->status().held_ports, ElementsAre(IfIndex{12}));
  {
    const auto received = heard(channel);
    ASSERT_TRUE(received.has_value());
    EXPECT_EQ(std::get<ipc::PortSockets>(received->message), port);
    EXPECT_THAT(received->fds, testing::SizeIs(4));
    EXPECT_THAT(std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(received->fds[3].get())),
                HasSubstr("xktc-umem"));
  }
  port.queues = 3;
  EXPECT_THAT(link_->give_port(port, sockets()).error().message, HasSubstr("2 sockets for 3 queues"));
  EXPECT_EQ(test::open_descriptors(), before);
  ASSERT_TRUE(link_->release_ports({IfIndex{12}}).has_value());
  EXPECT_THAT(link_->status().held_ports, IsEmpty());
  EXPECT_EQ(std::get<ipc::ReleasePorts>(heard(channel)->message).ifindexes, std::vector{IfIndex{12}});
}

TEST_F(DataplaneLinkTest, WithoutADataplaneNothingIsSent) {
  EXPECT_THAT(link_->publish({}).error().message, HasSubstr("no dataplane is connected"));
  EXPECT_FALSE(link_->release_ports({IfIndex{1}}).has_value());
  ipc::PortSockets port;
  port.name = "eth9";
  port.queues = 1;
  std::vector<PacketSocket> sockets;
  sockets.push_back({Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)), Fd(::memfd_create("u", MFD_CLOEXEC))});
  EXPECT_THAT(link_->give_port(port, std::move(sockets)).error().message,
              HasSubstr("port eth9: no dataplane"));
}

// Runs publish() while a thread, as the dataplane, hears it and does what answer says.
Result<> publish_while(DataplaneLink& link, ipc::Channel& channel, const Snapshot& snapshot,
                       const std::function<void(const ipc::Publish&, const Snapshot&)>& answer) {
  std::thread dataplane([&] {
    ASSERT_TRUE(test::readable(channel.fd(), 5000));
    const auto received = channel.receive();
    ASSERT_TRUE(received.has_value() && received->has_value());
    const auto& publish = std::get<ipc::Publish>((*received)->message);
    const auto bytes = ipc::read_sealed_memfd((*received)->fds.at(0).get(), ipc::kSnapshotMax);
    ASSERT_TRUE(bytes.has_value()) << bytes.error().message;
    EXPECT_EQ(bytes->size(), publish.bytes);
    const auto decoded = ipc::decode_snapshot(*bytes);
    ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
    answer(publish, *decoded);
  });
  auto published = link.publish(snapshot);
  dataplane.join();
  return published;
}

TEST_F(DataplaneLinkTest, PublishedIsInForceWhenTheDataplaneSaysSo) {
  counters_.seal();
  ipc::Channel channel = dataplane(counters_);
  const Snapshot snapshot = ipc::sample_snapshot();
  const auto published =
      publish_while(*link_, channel, snapshot, [&](const ipc::Publish& publish, const Snapshot& received) {
        EXPECT_TRUE(received == snapshot);
        EXPECT_TRUE(channel.send(ipc::Pong{1}).has_value());
        ipc::Applied earlier;
        earlier.generation = publish.generation - 1;
        EXPECT_TRUE(channel.send(earlier).has_value());
        ipc::Applied applied;
        applied.generation = publish.generation;
        EXPECT_TRUE(channel.send(applied).has_value());
      });
  ASSERT_TRUE(published.has_value()) << published.error().message;
  EXPECT_EQ(link_->status().generation, snapshot.generation);
}

TEST_F(DataplaneLinkTest, ARefusedSnapshotSaysWhyInPrintableText) {
  counters_.seal();
  ipc::Hello hello;
  hello.generation = 5;
  ipc::Channel channel = dataplane(counters_, hello);
  const auto published = publish_while(*link_, channel, ipc::sample_snapshot(),
                                       [&](const ipc::Publish& publish, const Snapshot&) {
                                         ipc::Applied applied;
                                         applied.generation = publish.generation;
                                         applied.error = "port 3\nis\xff missing";
                                         EXPECT_TRUE(channel.send(applied).has_value());
                                       });
  ASSERT_FALSE(published.has_value());
  EXPECT_EQ(published.error().message, "the dataplane refused generation 99: port 3?is? missing");
  EXPECT_EQ(link_->status().last_error, "port 3?is? missing");
  EXPECT_EQ(link_->status().generation, 5u);
  EXPECT_TRUE(link_->status().connected);
}

TEST_F(DataplaneLinkTest, ADataplaneThatDiesWhilePublishedToIsReported) {
  counters_.seal();
  std::optional<ipc::Channel> channel = dataplane(counters_);
  const auto published = publish_while(*link_, *channel, ipc::sample_snapshot(),
                                       [&](const ipc::Publish&, const Snapshot&) { channel.reset(); });
  ASSERT_FALSE(published.has_value());
  EXPECT_THAT(published.error().message, HasSubstr("went while it was taking generation 99"));
  EXPECT_FALSE(link_->status().connected);
  EXPECT_TRUE(wakes());
  EXPECT_TRUE(link_->poll());
}

TEST_F(DataplaneLinkTest, ASilentDataplaneTimesPublishOutAndMayAnswerLater) {
  counters_.seal();
  ipc::Channel channel = dataplane(counters_);
  const auto start = std::chrono::steady_clock::now();
  const auto published = link_->publish(ipc::sample_snapshot());
  const auto took = std::chrono::steady_clock::now() - start;
  ASSERT_FALSE(published.has_value());
  EXPECT_EQ(published.error().system_errno, ETIMEDOUT);
  EXPECT_GE(took, std::chrono::milliseconds(1990));
  EXPECT_LT(took, std::chrono::milliseconds(3000));
  ipc::Applied late;
  late.generation = 99;
  ASSERT_TRUE(channel.send(late).has_value());
  EXPECT_TRUE(wakes());
  EXPECT_TRUE(link_->poll());
  EXPECT_EQ(link_->status().generation, 99u);
}

TEST_F(DataplaneLinkTest, OutOfBoundsSnapshotIsNotSent) {
  counters_.seal();
  ipc::Channel channel = dataplane(counters_);
  Snapshot snapshot;
  snapshot.ports.resize(ipc::kPortsMax + 1);
  EXPECT_THAT(link_->publish(snapshot).error().message, HasSubstr("out of its bounds"));
  EXPECT_TRUE(link_->status().connected);
}

// Exit status of a child that runs as the user and does work(): its result.
int as_user(uid_t uid, const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgid(uid) != 0 || ::setuid(uid) != 0) ::_exit(100);
    ::_exit(work());
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(DataplaneLinkTest, TheUserMayConnectAndOthersNot) {
  constexpr uid_t kNobody = 65534;
  constexpr uid_t kStranger = 54321;
  const auto connects = [this] { return ipc::connect_to(path_) ? 0 : 1; };
  EXPECT_EQ(as_user(kNobody, connects), 0);
  EXPECT_EQ(as_user(kStranger, connects), 1);  // the socket's mode
  // Even where the mode lets anybody in, who it is decides.
  ASSERT_EQ(::chmod(path_.c_str(), 0777), 0);
  EXPECT_EQ(as_user(kStranger, connects), 0);
  EXPECT_FALSE(link_->poll());
  EXPECT_THAT(link_->status().last_error, HasSubstr("user id 54321"));
}

TEST_F(DataplaneLinkTest, PathTakenAndUnknownUserAreErrors) {
  const auto second = make_dataplane_link()->listen(path_, "nobody");
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().system_errno, EADDRINUSE);
  const auto unknown = make_dataplane_link()->listen(path_ + "2", "xktc-no-such-user");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_THAT(unknown.error().message, HasSubstr("xktc-no-such-user"));
  EXPECT_TRUE(ipc::connect_to(path_).has_value());
}

TEST_F(DataplaneLinkTest, TheSocketGoesWithTheLink) {
  EXPECT_TRUE(std::filesystem::exists(path_));
  link_.reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace xk
