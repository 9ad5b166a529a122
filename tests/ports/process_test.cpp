// xdp-kea-dataplane as it is started on a router, with this test as its xdp-kead.
#include "tests/ports/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "tests/ports/xsk_port.h"
#include "tests/unit/pipeline_rig.h"

namespace xk {
namespace {

using test::Frame;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr uid_t kNobody = 65534;

ipc::Settings settings() {
  ipc::Settings settings;
  settings.user = "nobody";
  settings.buffers = 2048;
  settings.memory_mib = 64;
  return settings;
}

// The VRF of pipeline_rig.h without its tags, on the two ports.
Snapshot snapshot_on(IfIndex clients, IfIndex servers, std::uint64_t generation) {
  Snapshot snapshot = test::snapshot_of(1, generation);
  snapshot.ports[0].ifindex = clients;
  snapshot.ports[1].ifindex = servers;
  for (PortEntry& port : snapshot.ports) port.kind = PortKind::af_xdp;
  for (AttachmentEntry& attachment : snapshot.attachments) attachment.outer = VlanTag{};
  return snapshot;
}

Frame untagged_discover(std::uint32_t client) {
  Frame frame = test::discover(VrfId{1}, client);
  frame.erase(frame.begin() + 12, frame.begin() + 16);
  return frame;
}

bool is_dhcp(const Frame& frame) { return frame.size() > 300 && frame[12] == 0x08 && frame[13] == 0x00; }

class DataplaneProcess : public testing::Test {
 protected:
  DataplaneProcess() {
    // The unprivileged process must reach the socket, and the log.
    chmod(directory.path().c_str(), 0755);
  }
  void give(test::XskPort& port, const std::string& name) {
    const PacketSocket made = port.make_socket();
    kead.send(ipc::PortSockets{port.ifindex(), name, 1, false, test::kSmallUmem},
              {made.socket.get(), made.memory.get()});
  }
  [[nodiscard]] std::string log() const {
    std::ifstream file(log_path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  test::XskPort clients{"xktd0", "xktd1"};
  test::XskPort servers{"xktd2", "xktd3", XK_ROLE_HANDOFF};
  test::TempDir directory;
  std::string path = directory.path() + "/dataplane.sock";
  std::string log_path = directory.path() + "/log";
  test::Kead kead{path};
};

TEST_F(DataplaneProcess, ForwardsWithoutPrivilegesWhateverBecomesOfKead) {
  test::Process process(path, log_path);
  auto hello = kead.accept();
  ASSERT_TRUE(hello) << log();
  EXPECT_EQ(hello->version, ipc::kVersion);
  EXPECT_EQ(hello->pid, static_cast<std::uint32_t>(process.pid()));
  EXPECT_EQ(hello->generation, 0u);
  EXPECT_THAT(hello->held_ports, IsEmpty());
  EXPECT_EQ(fcntl(kead.counters_fd(), F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(fcntl(kead.counters_fd(), F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW),
            F_SEAL_SHRINK | F_SEAL_GROW);

  kead.send(settings());
  give(clients, "xktd0");
  give(servers, "xktd2");
  auto applied = kead.publish(snapshot_on(clients.ifindex(), servers.ifindex(), 1));
  ASSERT_TRUE(applied) << log();
  EXPECT_EQ(*applied, (ipc::Applied{1, ""}));

  const std::string nobody = "65534\t65534\t65534\t65534";
  EXPECT_THAT(process.status("Uid"), testing::AllOf(Not(IsEmpty()), Each(nobody)));
  EXPECT_THAT(process.status("Gid"), Each(nobody));
  EXPECT_THAT(process.status("NoNewPrivs"), Each("1"));
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"})
    EXPECT_THAT(process.status(set), Each("0000000000000000")) << set;
  for (std::string& groups : process.status("Groups"))
    EXPECT_EQ(groups.find_first_not_of(' '), std::string::npos);

  const test::Wire client("xktd1");
  const test::Wire server("xktd3");
  client.send(untagged_discover(1));
  EXPECT_TRUE(server.receive(is_dhcp)) << log();
  EXPECT_TRUE(test::eventually([&] { return kead.count(1, &VrfCounters::tx) == 1; }));

  // xdp-kead goes away: packets flow on, and the next one is told what is held.
  kead.hang_up();
  client.send(untagged_discover(2));
  EXPECT_TRUE(server.receive(is_dhcp));
  hello = kead.accept();
  ASSERT_TRUE(hello) << log();
  EXPECT_EQ(hello->generation, 1u);
  EXPECT_THAT(hello->held_ports, testing::UnorderedElementsAre(clients.ifindex(), servers.ifindex()));
  EXPECT_EQ(kead.count(1, &VrfCounters::tx), 2u);

  // The same settings are fine; others are for the next process.
  kead.send(settings());
  kead.send(ipc::Ping{77});
  EXPECT_EQ(kead.receive<ipc::Pong>(), ipc::Pong{77});
  ipc::Settings other = settings();
  other.buffers *= 2;
  kead.send(other);
  applied = kead.receive<ipc::Applied>();
  ASSERT_TRUE(applied);
  EXPECT_THAT(applied->error, HasSubstr("restart"));

  // A snapshot that cannot be is refused as a whole.
  Snapshot broken = snapshot_on(clients.ifindex(), servers.ifindex(), 2);
  broken.vrfs.push_back(broken.vrfs[0]);
  applied = kead.publish(broken);
  ASSERT_TRUE(applied);
  EXPECT_NE(applied->error, "");
  Snapshot simulated = snapshot_on(clients.ifindex(), servers.ifindex(), 2);
  simulated.ports[0].kind = PortKind::sim;
  EXPECT_THAT(kead.publish(simulated)->error, HasSubstr("tests only"));
  Snapshot unknown = snapshot_on(clients.ifindex(), servers.ifindex(), 2);
  unknown.ports[0].kind = PortKind::ethdev;
  EXPECT_THAT(kead.publish(unknown)->error, HasSubstr("restart"));
  client.send(untagged_discover(3));
  EXPECT_TRUE(server.receive(is_dhcp));

  // A released port's socket is closed: XDP leaves its packets to the kernel.
  kead.send(ipc::ReleasePorts{{clients.ifindex()}});
  kead.send(ipc::Ping{78});
  EXPECT_EQ(kead.receive<ipc::Pong>(), ipc::Pong{78});
  const std::uint64_t before = clients.without_socket();
  EXPECT_TRUE(test::eventually([&] {
    client.send(untagged_discover(4));
    return clients.without_socket() > before;
  }));

  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(), 0) << log();
  EXPECT_THAT(log(), HasSubstr("stopped"));
}

TEST_F(DataplaneProcess, UsesNoProcessorWhileIdle) {
  test::Process process(path, log_path);
  ASSERT_TRUE(kead.accept());
  kead.send(settings());
  give(clients, "xktd0");
  give(servers, "xktd2");
  ASSERT_EQ(kead.publish(snapshot_on(clients.ifindex(), servers.ifindex(), 1)), (ipc::Applied{1, ""}));
  const test::Wire client("xktd1");
  const test::Wire server("xktd3");
  client.send(untagged_discover(1));
  ASSERT_TRUE(server.receive(is_dhcp));
  const double before = process.cpu_seconds();
  // Nothing comes: the second goes by while this waits for a message that must not be sent.
  pollfd nothing{kead.counters_fd(), 0, 0};
  EXPECT_EQ(poll(&nothing, 0, 1000), 0);
  EXPECT_LE(process.cpu_seconds() - before, 0.03);
}

TEST_F(DataplaneProcess, SeveralLcores) {
  test::Process process(path, log_path);
  ASSERT_TRUE(kead.accept());
  ipc::Settings several = settings();
  several.lcores = {{0, ipc::kLoopRx | ipc::kLoopTx}, {1, ipc::kLoopVrf}};
  kead.send(several);
  give(clients, "xktd0");
  give(servers, "xktd2");
  ASSERT_EQ(kead.publish(snapshot_on(clients.ifindex(), servers.ifindex(), 1)), (ipc::Applied{1, ""}))
      << log();
  const test::Wire client("xktd1");
  const test::Wire server("xktd3");
  for (std::uint32_t i = 0; i < 100; ++i) {
    client.send(untagged_discover(i));
    ASSERT_TRUE(server.receive(is_dhcp)) << i;
  }
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(), 0) << log();
}

TEST_F(DataplaneProcess, RunsForAnUnprivilegedUserToo) {
  test::Process process(path, log_path, kNobody);
  ASSERT_TRUE(kead.accept()) << log();
  kead.send(settings());
  give(clients, "xktd0");
  give(servers, "xktd2");
  ASSERT_EQ(kead.publish(snapshot_on(clients.ifindex(), servers.ifindex(), 1)), (ipc::Applied{1, ""}))
      << log();
  const test::Wire client("xktd1");
  const test::Wire server("xktd3");
  client.send(untagged_discover(1));
  EXPECT_TRUE(server.receive(is_dhcp));
}

TEST_F(DataplaneProcess, SaysWhatItCannotBe) {
  const auto refused = [&](const ipc::Settings& wanted, uid_t as_user) {
    test::Process process(path, log_path, as_user);
    if (!kead.accept()) return std::string("no hello");
    kead.send(wanted);
    const auto applied = kead.receive<ipc::Applied>();
    EXPECT_EQ(process.wait(), 1);
    return applied ? applied->error : std::string("no answer");
  };
  ipc::Settings wanted = settings();
  wanted.user = "xktd-nobody-has-this-name";
  EXPECT_THAT(refused(wanted, 0), HasSubstr("unknown user 'xktd-nobody-has-this-name'"));
  wanted.user = "root";
  EXPECT_THAT(refused(wanted, 0), HasSubstr("is root"));
  wanted.user = "daemon";
  EXPECT_THAT(refused(wanted, kNobody), HasSubstr("not allowed to become user 'daemon'"));
  wanted = settings();
  wanted.buffers = 1u << 20;
  EXPECT_THAT(refused(wanted, 0), HasSubstr("packet buffers"));
  wanted = settings();
  wanted.lcores = {{0, ipc::kLoopRx}};
  EXPECT_THAT(refused(wanted, 0), HasSubstr("rx, vrf and tx"));
  wanted.lcores = {{1000, ipc::kLoopRx | ipc::kLoopVrf | ipc::kLoopTx}};
  EXPECT_THAT(refused(wanted, 0), HasSubstr("no CPU 1000"));
  wanted = settings();
  wanted.ethdevs = {{"wan", "net_af_packet0,iface=xktdnone", ""}};
  EXPECT_THAT(refused(wanted, 0), HasSubstr("port wan"));
}

// What the kernel could not put into a full ring is named too, whether the port stays or goes.
TEST_F(DataplaneProcess, NamesWhatAPortLost) {
  test::Process process(path, log_path);
  ASSERT_TRUE(kead.accept());
  kead.send(settings());
  give(clients, "xktd0");
  give(servers, "xktd2");
  ASSERT_EQ(kead.publish(snapshot_on(clients.ifindex(), servers.ifindex(), 1)), (ipc::Applied{1, ""}));
  const test::Wire client("xktd1");
  process.stop();
  for (std::uint32_t i = 0; i < 100; ++i) client.send(untagged_discover(i));
  process.signal(SIGCONT);
  EXPECT_TRUE(test::eventually([&] {
    return kead.count(0, XK_PORT_OVERRUN) == 36 && kead.count(1, &VrfCounters::rx) == 64;
  })) << kead.count(0, XK_PORT_OVERRUN);
  process.stop();
  for (std::uint32_t i = 0; i < 100; ++i) client.send(untagged_discover(i));
  kead.send(ipc::ReleasePorts{{clients.ifindex()}});
  process.signal(SIGCONT);
  EXPECT_TRUE(test::eventually([&] { return kead.count(0, XK_PORT_OVERRUN) == 72; }));
}

// A port that cannot be taken refuses the snapshots that have it, not the connection.
TEST_F(DataplaneProcess, APortThatCannotBeTakenIsNamed) {
  test::Process process(path, log_path);
  ASSERT_TRUE(kead.accept());
  kead.send(settings());
  const PacketSocket made = clients.make_socket();
  kead.send(ipc::PortSockets{clients.ifindex(), "xktd0", 1, false, test::kSmallUmem},
            {made.memory.get(), made.memory.get()});
  give(servers, "xktd2");
  const Snapshot snapshot = snapshot_on(clients.ifindex(), servers.ifindex(), 1);
  auto applied = kead.publish(snapshot);
  ASSERT_TRUE(applied);
  EXPECT_THAT(applied->error, testing::AllOf(HasSubstr("port xktd0"), HasSubstr("no AF_XDP socket")));
  kead.send(ipc::PortSockets{clients.ifindex(), "xktd0", 1, false, test::kSmallUmem},
            {made.socket.get(), made.memory.get()});
  EXPECT_EQ(kead.publish(snapshot), (ipc::Applied{1, ""}));
}

// Whoever speaks out of turn loses the connection, and the dataplane comes again.
TEST_F(DataplaneProcess, MessagesOutOfTurnEndTheConnection) {
  test::Process process(path, log_path);
  ASSERT_TRUE(kead.accept());
  kead.send(ipc::ReleasePorts{{IfIndex{1}}});
  EXPECT_TRUE(kead.sees_the_end());
  ASSERT_TRUE(kead.accept());
  kead.send(ipc::Pong{1});
  EXPECT_TRUE(kead.sees_the_end());
  ASSERT_TRUE(kead.accept());
  kead.hang_up();
  ASSERT_TRUE(kead.accept());
  EXPECT_THAT(log(), HasSubstr("refused before any settings came"));
  process.signal(SIGINT);
  EXPECT_EQ(process.wait(), 0);
}

}  // namespace
}  // namespace xk
