// The supervisor with real Keas in namespaces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <array>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "controlplane/kea/paths.h"
#include "controlplane/kea/proc.h"
#include "controlplane/kea/supervisor.h"
#include "tests/unit/kea_lab.h"

namespace xk::kea {
namespace {

using kea_lab::Lab;
using kea_lab::now_ms;
using kea_lab::tick_until;
using kea_lab::vrf_red;
using nlohmann::json;
using testing::HasSubstr;

constexpr VrfId kRed{1};

std::string file(const std::string& path) {
  std::ifstream in(path);
  return (std::ostringstream() << in.rdbuf()).str();
}

class KeaSupervisor : public testing::Test {
 public:
  KeaSupervisor() : supervisor(Supervisor::make().value()) {}
  ~KeaSupervisor() override {
    for (const KeaStatus& status : supervisor->status()) (void)supervisor->stop(status.vrf);
    // A Kea that does not go is killed: nothing of a test stays.
    EXPECT_TRUE(tick_until(*supervisor, [&] { return supervisor->status().empty(); }));
  }

 protected:
  KeaStatus status() {
    const auto all = supervisor->status();
    return all.empty() ? KeaStatus{} : all.front();
  }
  bool wait_for(KeaState state) {
    return tick_until(*supervisor, [&] { return status().state == state; });
  }
  void start(const KeaSpec& spec) {
    const auto applied = supervisor->apply(spec);
    ASSERT_TRUE(applied) << applied.error().message;
    ASSERT_TRUE(wait_for(KeaState::running)) << status().last_error;
  }
  json ask(const std::string& command) {
    const auto answer = supervisor->command(kRed, json{{"command", command}}.dump());
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? json::parse(*answer) : json();
  }
  std::string pool() { return ask("config-get")["arguments"]["Dhcp4"]["subnet4"][0]["pools"][0]["pool"]; }

  Lab lab;
  std::unique_ptr<Supervisor> supervisor;
};

Vrf with_pool_to(std::uint32_t last) {
  Vrf vrf = vrf_red();
  vrf.subnets[0].pools[0].last = Ip4{last};
  return vrf;
}

TEST_F(KeaSupervisor, StartsInItsNamespaceWithoutPrivileges) {
  start(lab.spec(vrf_red()));
  const KeaStatus now = status();
  EXPECT_EQ(now.vrf_name, "red");
  EXPECT_EQ(now.version, "2.2.0");
  EXPECT_EQ(now.last_error, "");
  EXPECT_GT(now.started_unix_ms, 0u);
  const std::string process = "/proc/" + std::to_string(now.pid);
  const std::string facts = file(process + "/status");
  EXPECT_THAT(facts, HasSubstr("CapPrm:\t0000000000000400\n"));
  EXPECT_THAT(facts, HasSubstr("CapEff:\t0000000000000400\n"));
  EXPECT_THAT(facts, HasSubstr("CapBnd:\t0000000000000400\n"));
  EXPECT_THAT(facts, HasSubstr("NoNewPrivs:\t1\n"));
  EXPECT_THAT(facts, testing::Not(HasSubstr("Uid:\t0")));
  EXPECT_THAT(facts, testing::Not(HasSubstr("Gid:\t0")));
  std::error_code error;
  EXPECT_TRUE(std::filesystem::equivalent(process + "/ns/net", "/run/netns/" + lab.netns(), error));
  struct stat directory{};
  ASSERT_EQ(::stat(lab.path("1").c_str(), &directory), 0);
  EXPECT_EQ(directory.st_mode & 07777, 0750u);
  EXPECT_NE(directory.st_uid, 0u);
  EXPECT_EQ(ask("status-get")["arguments"]["pid"], now.pid);
}

TEST_F(KeaSupervisor, HoldsNoDescriptorOfOurs) {
  const Fd leaked(::open("/dev/null", O_RDONLY));  // without O_CLOEXEC
  start(lab.spec(vrf_red()));
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(status().pid) + "/fd")) {
    std::error_code error;
    const std::string target = std::filesystem::read_symlink(entry.path(), error).string();
    if (entry.path().filename() != "0") {
      EXPECT_NE(target, "/dev/null");
    }
    EXPECT_THAT(target, testing::Not(HasSubstr("pidfd")));
  }
}

TEST_F(KeaSupervisor, RestartsWhatWasKilled) {
  start(lab.spec(vrf_red()));
  const std::int64_t first = status().pid;
  ASSERT_EQ(::kill(static_cast<pid_t>(first), SIGKILL), 0);
  ASSERT_TRUE(wait_for(KeaState::backoff));
  EXPECT_EQ(status().pid, 0);
  EXPECT_EQ(status().last_error, "Kea was killed by signal 9");
  ASSERT_TRUE(wait_for(KeaState::running));
  EXPECT_NE(status().pid, first);
  EXPECT_EQ(status().restarts, 1u);
}

TEST_F(KeaSupervisor, SetsAChangedConfigurationLive) {
  start(lab.spec(vrf_red()));
  const std::int64_t pid = status().pid;
  EXPECT_EQ(pool(), "10.0.0.100-10.0.0.199");
  const KeaSpec changed = lab.spec(with_pool_to(0x0a0000fa));
  const auto applied = supervisor->apply(changed);
  ASSERT_TRUE(applied) << applied.error().message;
  EXPECT_EQ(pool(), "10.0.0.100-10.0.0.250");
  EXPECT_EQ(status().pid, pid);
  EXPECT_EQ(file(lab.path("1/kea-dhcp4.conf")), changed.config_json);
  EXPECT_FALSE(std::filesystem::exists(lab.path("1/kea-dhcp4.new.conf")));
  // And keeps it over a crash.
  ASSERT_EQ(::kill(static_cast<pid_t>(pid), SIGKILL), 0);
  ASSERT_TRUE(wait_for(KeaState::backoff));
  ASSERT_TRUE(wait_for(KeaState::running));
  EXPECT_EQ(pool(), "10.0.0.100-10.0.0.250");
}

TEST_F(KeaSupervisor, ARefusedConfigurationLeavesTheOldOne) {
  const KeaSpec good = lab.spec(vrf_red());
  start(good);
  const std::int64_t pid = status().pid;
  const auto refused = supervisor->apply(lab.spec(with_pool_to(0x0a0001fa)));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("vrf red: Kea refuses the configuration: "));
  EXPECT_THAT(refused.error().message, HasSubstr("does not match the prefix of a subnet"));
  EXPECT_EQ(status().pid, pid);
  EXPECT_EQ(status().state, KeaState::running);
  EXPECT_THAT(status().last_error, HasSubstr("does not match the prefix"));
  EXPECT_EQ(pool(), "10.0.0.100-10.0.0.199");
  EXPECT_EQ(file(lab.path("1/kea-dhcp4.conf")), good.config_json);
  // A good one heals the status.
  ASSERT_TRUE(supervisor->apply(lab.spec(with_pool_to(0x0a0000fa))));
  EXPECT_EQ(status().last_error, "");
}

TEST_F(KeaSupervisor, ACrashLoopBacksOff) {
  ASSERT_TRUE(supervisor->apply(lab.spec(with_pool_to(0x0a0001fa))));
  const auto wait_for_death = [&](std::uint64_t now) {
    const std::uint64_t deadline = now_ms() + 20'000;
    while (status().state != KeaState::backoff && now_ms() < deadline) {
      pollfd waited{.fd = supervisor->events_fd(), .events = POLLIN, .revents = 0};
      (void)::poll(&waited, 1, 1000);
      supervisor->tick(now);
    }
    return status().state == KeaState::backoff;
  };
  std::uint64_t now = 1'000'000;  // a clock of our own: the backoff takes no time here
  std::uint32_t restarts = 0;
  for (const std::uint64_t delay :
       {100u, 200u, 400u, 800u, 1600u, 3200u, 6400u, 12800u, 25600u, 30000u, 30000u}) {
    ASSERT_TRUE(wait_for_death(now));
    EXPECT_THAT(status().last_error, HasSubstr("Kea exited with status 1: "));
    EXPECT_THAT(status().last_error, HasSubstr("does not match the prefix of a subnet"));
    supervisor->tick(now + delay - 1);
    EXPECT_EQ(status().restarts, restarts) << delay;
    now += delay;
    supervisor->tick(now);
    EXPECT_EQ(status().restarts, ++restarts) << delay;
  }
  ASSERT_TRUE(wait_for_death(now));
  // Asked for something else it does not wait.
  ASSERT_TRUE(supervisor->apply(lab.spec(vrf_red())));
  ASSERT_TRUE(wait_for(KeaState::running));
}

TEST_F(KeaSupervisor, RunningWellForAMinuteResetsTheBackoff) {
  start(lab.spec(vrf_red()));
  const auto crash = [&](std::uint64_t now) {
    EXPECT_EQ(::kill(static_cast<pid_t>(status().pid), SIGKILL), 0);
    while (status().state != KeaState::backoff) {
      pollfd waited{.fd = supervisor->events_fd(), .events = POLLIN, .revents = 0};
      (void)::poll(&waited, 1, 1000);
      supervisor->tick(now);
    }
  };
  const auto run_again = [&](std::uint64_t now) {
    while (status().state != KeaState::running) {
      supervisor->tick(now += 20);
      pollfd waited{.fd = supervisor->events_fd(), .events = POLLIN, .revents = 0};
      (void)::poll(&waited, 1, 1000);
    }
    return now;
  };
  std::uint64_t now = now_ms();
  crash(now);
  now = run_again(now + 100);
  crash(now);
  supervisor->tick(now + 199);
  EXPECT_EQ(status().state, KeaState::backoff);
  now = run_again(now + 200);
  crash(now + 60'000);
  supervisor->tick(now + 60'000 + 99);
  EXPECT_EQ(status().state, KeaState::backoff);
  supervisor->tick(now + 60'000 + 100);
  EXPECT_EQ(status().state, KeaState::starting);
}

TEST_F(KeaSupervisor, SurvivesItsSupervisorAndIsAdopted) {
  const KeaSpec spec = lab.spec(vrf_red());
  start(spec);
  const KeaStatus before = status();
  supervisor = Supervisor::make().value();
  start(spec);
  EXPECT_EQ(status().pid, before.pid);
  EXPECT_EQ(status().restarts, 0u);
  EXPECT_NEAR(static_cast<double>(status().started_unix_ms), static_cast<double>(before.started_unix_ms),
              1000);
  // Still watched.
  ASSERT_EQ(::kill(static_cast<pid_t>(before.pid), SIGKILL), 0);
  ASSERT_TRUE(wait_for(KeaState::backoff));
  ASSERT_TRUE(wait_for(KeaState::running));
  EXPECT_NE(status().pid, before.pid);
}

TEST_F(KeaSupervisor, AdoptsWithAChangedConfiguration) {
  start(lab.spec(vrf_red()));
  const std::int64_t pid = status().pid;
  supervisor = Supervisor::make().value();
  start(lab.spec(with_pool_to(0x0a0000fa)));
  EXPECT_EQ(status().pid, pid);
  EXPECT_EQ(pool(), "10.0.0.100-10.0.0.250");
}

TEST_F(KeaSupervisor, AdoptsByKeasOwnPidFileToo) {
  const KeaSpec spec = lab.spec(vrf_red());
  start(spec);
  const std::int64_t pid = status().pid;
  supervisor = Supervisor::make().value();
  std::filesystem::remove(lab.path("1/kea-dhcp4.started"));
  start(spec);
  EXPECT_EQ(status().pid, pid);
}

TEST_F(KeaSupervisor, AConfigSetCutShortIsDoneAgain) {
  const KeaSpec spec = lab.spec(vrf_red());
  start(spec);
  // Another configuration is live, and xdp-kead died before it could say so.
  std::ofstream(lab.path("1/kea-dhcp4.new.conf")) << "{}";
  const json other = json::parse(lab.spec(with_pool_to(0x0a0000fa)).config_json);
  ASSERT_TRUE(supervisor->command(kRed, json{{"command", "config-set"}, {"arguments", other}}.dump()));
  EXPECT_EQ(pool(), "10.0.0.100-10.0.0.250");
  supervisor = Supervisor::make().value();
  start(spec);
  EXPECT_EQ(pool(), "10.0.0.100-10.0.0.199");
  EXPECT_FALSE(std::filesystem::exists(lab.path("1/kea-dhcp4.new.conf")));
}

TEST_F(KeaSupervisor, NeverTouchesAForeignProcess) {
  const pid_t foreign = ::fork();
  if (foreign == 0) {
    ::execl("/bin/sleep", "sleep", "600", nullptr);
    ::_exit(127);
  }
  std::filesystem::create_directory(lab.path("1"));
  for (const char* name : {kPidName, kStartedName}) std::ofstream(lab.path("1/") + name) << foreign << "\n";
  start(lab.spec(vrf_red()));
  EXPECT_NE(status().pid, foreign);
  ASSERT_TRUE(supervisor->stop(kRed));
  EXPECT_EQ(::kill(foreign, 0), 0);
  EXPECT_EQ(::waitpid(foreign, nullptr, WNOHANG), 0);
  ::kill(foreign, SIGKILL);
  ::waitpid(foreign, nullptr, 0);
}

TEST_F(KeaSupervisor, StopsCleanlyAndAtOnce) {
  start(lab.spec(vrf_red()));
  const auto pid = static_cast<pid_t>(status().pid);
  const std::uint64_t before = now_ms();
  ASSERT_TRUE(supervisor->stop(kRed));
  EXPECT_LE(now_ms() - before, 100u);
  ASSERT_TRUE(tick_until(*supervisor, [&] { return supervisor->status().empty(); }));
  EXPECT_NE(::kill(pid, 0), 0);
  EXPECT_FALSE(std::filesystem::exists(lab.path("1/") + kPidName)) << "Kea ended by itself";
  EXPECT_TRUE(std::filesystem::exists(lab.path("1/") + kLeasesName));
  EXPECT_TRUE(supervisor->stop(kRed)) << "a VRF without a Kea is no error";
}

TEST_F(KeaSupervisor, KillsWhatDoesNotStop) {
  start(lab.spec(vrf_red()));
  const auto pid = static_cast<pid_t>(status().pid);
  ASSERT_EQ(::kill(pid, SIGSTOP), 0);
  const std::uint64_t before = now_ms();
  ASSERT_TRUE(supervisor->stop(kRed));
  EXPECT_LE(now_ms() - before, 100u);
  EXPECT_EQ(status().state, KeaState::stopping);
  supervisor->tick(1'000);
  supervisor->tick(1'000 + kKillAfterMs - 1);
  EXPECT_EQ(status().state, KeaState::stopping);
  EXPECT_EQ(::kill(pid, 0), 0);
  supervisor->tick(1'000 + kKillAfterMs);
  pollfd waited{.fd = supervisor->events_fd(), .events = POLLIN, .revents = 0};
  (void)::poll(&waited, 1, 5000);
  ASSERT_TRUE(tick_until(*supervisor, [&] { return supervisor->status().empty(); }));
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST_F(KeaSupervisor, AppliedAgainWhileStoppingItComesBack) {
  start(lab.spec(vrf_red()));
  const std::int64_t pid = status().pid;
  ASSERT_EQ(::kill(static_cast<pid_t>(pid), SIGSTOP), 0);
  ASSERT_TRUE(supervisor->stop(kRed));
  ASSERT_TRUE(supervisor->apply(lab.spec(vrf_red())));
  EXPECT_EQ(supervisor->status().size(), 1u);
  ASSERT_EQ(::kill(static_cast<pid_t>(pid), SIGCONT), 0);
  ASSERT_TRUE(wait_for(KeaState::running));
  EXPECT_NE(status().pid, pid);
}

TEST_F(KeaSupervisor, AnotherNamespaceReplacesTheProcess) {
  const Lab other;
  KeaSpec spec = lab.spec(vrf_red());
  start(spec);
  const std::int64_t pid = status().pid;
  spec.netns = other.netns();
  ASSERT_TRUE(supervisor->apply(spec));
  ASSERT_TRUE(
      tick_until(*supervisor, [&] { return status().state == KeaState::running && status().pid != pid; }));
  std::error_code error;
  EXPECT_TRUE(std::filesystem::equivalent("/proc/" + std::to_string(status().pid) + "/ns/net",
                                          "/run/netns/" + other.netns(), error));
  // A supervisor that finds it in another namespace than asked for replaces it as well.
  const std::int64_t second = status().pid;
  supervisor = Supervisor::make().value();
  spec.netns = lab.netns();
  start(spec);
  EXPECT_NE(status().pid, second);
  EXPECT_TRUE(std::filesystem::equivalent("/proc/" + std::to_string(status().pid) + "/ns/net",
                                          "/run/netns/" + lab.netns(), error));
}

TEST_F(KeaSupervisor, StraysOfRemovedVrfsAreStopped) {
  const KeaSpec wanted = lab.spec(vrf_red(), "1");
  start(wanted);
  const std::int64_t kept = status().pid;
  const Lab other;
  KeaSpec removed = lab.spec(vrf_red(), "2");
  removed.vrf = VrfId{2};
  removed.netns = other.netns();
  ASSERT_TRUE(supervisor->apply(removed));
  ASSERT_TRUE(tick_until(*supervisor, [&] { return supervisor->status()[1].state == KeaState::running; }));
  const auto stray = static_cast<pid_t>(supervisor->status()[1].pid);

  supervisor = Supervisor::make().value();
  start(wanted);
  EXPECT_EQ(supervisor->stop_strays(lab.path(""), KeaSettings{}),
            std::vector<std::string>{removed.directory});
  ASSERT_TRUE(tick_until(*supervisor, [&] { return supervisor->status().size() == 1; }));
  EXPECT_NE(::kill(stray, 0), 0);
  EXPECT_EQ(status().pid, kept);
}

TEST_F(KeaSupervisor, AMissingBinaryIsNamedAndStartedWhenItComes) {
  KeaSpec spec = lab.spec(vrf_red());
  spec.settings.binary = lab.path("kea-dhcp4");
  for (const auto& failed : {supervisor->test(spec), supervisor->apply(spec)}) {
    ASSERT_FALSE(failed);
    EXPECT_THAT(failed.error().message, HasSubstr("vrf red: Kea is not installed: "));
    EXPECT_THAT(failed.error().message, HasSubstr("install the package kea-dhcp4-server"));
  }
  EXPECT_EQ(status().state, KeaState::missing);
  EXPECT_THAT(status().last_error, HasSubstr("kea-dhcp4-server"));
  std::filesystem::create_symlink("/usr/sbin/kea-dhcp4", spec.settings.binary);
  EXPECT_TRUE(wait_for(KeaState::running));
  EXPECT_EQ(status().last_error, "");
  EXPECT_EQ(status().restarts, 0u);
}

TEST_F(KeaSupervisor, WhatTheMachineLacksIsNamed) {
  const auto failure = [&](const std::function<void(KeaSpec&)>& spoil) {
    KeaSpec spec = lab.spec(vrf_red());
    spoil(spec);
    const auto applied = supervisor->apply(spec);
    EXPECT_FALSE(applied);
    const auto tested = supervisor->test(spec);
    EXPECT_FALSE(tested);
    EXPECT_EQ(applied.error().message, tested.error().message);
    (void)supervisor->stop(kRed);
    return applied.error().message;
  };
  EXPECT_THAT(failure([](KeaSpec& spec) { spec.settings.user = "xktf-nobody"; }),
              HasSubstr("the user 'xktf-nobody' that Kea shall run as does not exist"));
  EXPECT_THAT(failure([](KeaSpec& spec) { spec.netns = "xktf-nowhere"; }),
              HasSubstr("cannot open the network namespace /run/netns/xktf-nowhere: No such file"));
  EXPECT_THAT(failure([](KeaSpec& spec) { spec.netns = "../../proc/self/ns/net"; }),
              HasSubstr("is not a name"));
  EXPECT_THAT(failure([](KeaSpec& spec) { spec.settings.binary = "/etc/passwd"; }),
              HasSubstr("is not a program"));
  EXPECT_THAT(failure([](KeaSpec& spec) { spec.directory = "/" + std::string(107, 'x'); }),
              HasSubstr("control socket is too long"));
  EXPECT_THAT(failure([this](KeaSpec& spec) {
                ::mkdir(lab.path("closed").c_str(), 0700);
                spec.directory = lab.path("closed/1");
              }),
              HasSubstr("its user cannot enter its directory: Permission denied"));
}

TEST_F(KeaSupervisor, AFailedStartIsTriedAgain) {
  KeaSpec spec = lab.spec(vrf_red());
  spec.netns = lab.netns() + "-later";
  ASSERT_FALSE(supervisor->apply(spec));
  EXPECT_EQ(status().state, KeaState::backoff);
  EXPECT_THAT(status().last_error, HasSubstr("cannot open the network namespace"));
  std::filesystem::create_symlink("/run/netns/" + lab.netns(), "/run/netns/" + spec.netns);
  EXPECT_TRUE(wait_for(KeaState::running));
  std::filesystem::remove("/run/netns/" + spec.netns);
}

TEST_F(KeaSupervisor, AnUnresponsiveKeaIsNotCalledRunning) {
  start(lab.spec(vrf_red()));
  const auto pid = static_cast<pid_t>(status().pid);
  ASSERT_EQ(::kill(pid, SIGSTOP), 0);
  std::uint64_t now = now_ms() + 10'000;
  supervisor->tick(now);  // asks
  EXPECT_EQ(status().state, KeaState::running);
  supervisor->tick(now + 5'000);
  EXPECT_EQ(status().state, KeaState::silent);
  EXPECT_EQ(status().last_error, "Kea's control socket does not answer");
  EXPECT_EQ(status().pid, pid);
  // Nobody waits for it meanwhile.
  const auto asked = supervisor->command(kRed, R"({"command":"list-commands"})");
  ASSERT_FALSE(asked);
  EXPECT_THAT(asked.error().message, HasSubstr("vrf red: Kea does not answer"));
  const auto changed = supervisor->apply(lab.spec(with_pool_to(0x0a0000aa)));
  ASSERT_FALSE(changed);
  EXPECT_THAT(changed.error().message, HasSubstr("vrf red: Kea does not answer"));
  ASSERT_EQ(::kill(pid, SIGCONT), 0);
  now += 5'100;
  EXPECT_TRUE(tick_until(*supervisor, [&] {
    supervisor->tick(now += 20);
    return status().state == KeaState::running;
  }));
  // What was refused is said until it is set, or not wanted any more.
  EXPECT_THAT(status().last_error, HasSubstr("Kea does not answer"));
  ASSERT_TRUE(supervisor->apply(lab.spec(vrf_red())));
  EXPECT_EQ(status().last_error, "");
}

TEST_F(KeaSupervisor, AHangingKeaIsReplaced) {
  start(lab.spec(vrf_red()));
  const std::int64_t pid = status().pid;
  ASSERT_EQ(::kill(static_cast<pid_t>(pid), SIGSTOP), 0);
  // All its threads stand still before their CPU time is looked at.
  siginfo_t stopped{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &stopped, WSTOPPED | WNOWAIT), 0);
  std::uint64_t now = now_ms() + 10'000;
  supervisor->tick(now);  // asks
  for (const std::uint64_t end = now + 9'900; now < end; now += 100) supervisor->tick(now);
  EXPECT_EQ(status().state, KeaState::silent);
  EXPECT_EQ(status().pid, pid);
  ASSERT_TRUE(tick_until(*supervisor, [&] {
    supervisor->tick(now += 100);
    return status().state == KeaState::running;
  }));
  EXPECT_NE(status().pid, pid);
  EXPECT_EQ(status().restarts, 1u);
  EXPECT_THAT(status().last_error,
              HasSubstr("pid " + std::to_string(pid) + ", left its control socket without answer for 10 s"));
}

TEST_F(KeaSupervisor, WhatItsSocketsLoseIsCountedOverConfigurationsAndProcesses) {
  start(lab.spec(vrf_red()));
  const auto lost = [&] {
    const SocketDrops drops = udp_drops(static_cast<pid_t>(status().pid), 67);
    EXPECT_FALSE(drops.empty());
    std::uint64_t sum = 0;
    for (const auto& [inode, count] : drops) sum += count;
    return sum;
  };
  std::uint64_t now = now_ms();
  const auto next_look = [&] {
    supervisor->tick(now += 10'000);  // asks
    return tick_until(*supervisor, [&] {
      supervisor->tick(now += 20);
      return status().socket_drops > 0;
    });
  };
  const auto flood = [&] {
    ASSERT_EQ(::kill(static_cast<pid_t>(status().pid), SIGSTOP), 0);
    lab.in_host_netns([] { kea_lab::send_datagrams("169.254.0.3", 67, 2'000); });
    ASSERT_EQ(::kill(static_cast<pid_t>(status().pid), SIGCONT), 0);
  };
  EXPECT_EQ(status().socket_drops, 0u);
  flood();
  const std::uint64_t first = lost();
  ASSERT_GT(first, 0u);
  EXPECT_LT(first, 2'000u);
  ASSERT_TRUE(next_look());
  EXPECT_EQ(status().socket_drops, first);
  // A configuration set live closes the sockets: what they lost last is read before.
  flood();
  const std::uint64_t second = lost();
  EXPECT_GT(second, first);
  ASSERT_TRUE(supervisor->apply(lab.spec(with_pool_to(0x0a0000aa))));
  EXPECT_EQ(status().socket_drops, second);
  EXPECT_EQ(lost(), 0u);
  ASSERT_EQ(::kill(static_cast<pid_t>(status().pid), SIGKILL), 0);
  ASSERT_TRUE(tick_until(*supervisor, [&] {
    supervisor->tick(now += 100);
    return status().restarts == 1 && status().state == KeaState::running;
  }));
  EXPECT_EQ(status().socket_drops, second);
}

TEST_F(KeaSupervisor, ItIsNotRunningBeforeItsSocketsAreOpen) {
  kea_lab::run("ip -n " + lab.netns() + " link set kea0 down");
  ASSERT_TRUE(supervisor->apply(lab.spec(vrf_red())));
  ASSERT_TRUE(tick_until(*supervisor, [&] { return !status().last_error.empty(); }));
  EXPECT_EQ(status().state, KeaState::starting);
  EXPECT_EQ(status().last_error, "Kea cannot open its sockets: the interface kea0 is down");
  kea_lab::run("ip -n " + lab.netns() + " link set kea0 up");
  ASSERT_TRUE(wait_for(KeaState::running));
  EXPECT_EQ(status().last_error, "");
  EXPECT_EQ(status().restarts, 0u);
}

TEST_F(KeaSupervisor, ANamespaceMadeAnewGetsAKeaOfItsOwn) {
  start(lab.spec(vrf_red()));
  const std::int64_t pid = status().pid;
  lab.remake_netns();
  std::uint64_t now = now_ms() + 10'000;  // time to look again
  ASSERT_TRUE(tick_until(*supervisor, [&] {
    supervisor->tick(now += 20);
    return status().state == KeaState::running && status().pid != pid;
  }));
  std::error_code error;
  EXPECT_TRUE(std::filesystem::equivalent("/proc/" + std::to_string(status().pid) + "/ns/net",
                                          "/run/netns/" + lab.netns(), error));
  // An equal spec finds it too, without waiting for the next look.
  const std::int64_t second = status().pid;
  lab.remake_netns();
  ASSERT_TRUE(supervisor->apply(lab.spec(vrf_red())));
  EXPECT_EQ(status().state, KeaState::stopping);
  ASSERT_TRUE(tick_until(*supervisor, [&] {
    supervisor->tick(now += 20);
    return status().state == KeaState::running;
  }));
  EXPECT_NE(status().pid, second);
}

TEST_F(KeaSupervisor, LinksInItsDirectoryLeadNowhere) {
  // Kea's user owns the directory; root must not write through what it puts there.
  const std::string victim = lab.path("victim");
  std::ofstream(victim) << "untouched";
  std::filesystem::create_directory(lab.path("1"));
  for (const char* name : {kConfigName, kTestConfigName, kOutputName, kStartedName, "kea-dhcp4.conf.tmp"})
    std::filesystem::create_symlink(victim, lab.path("1/") + name);
  const KeaSpec spec = lab.spec(vrf_red());
  ASSERT_TRUE(supervisor->test(spec));
  start(spec);
  EXPECT_EQ(file(victim), "untouched");
  std::filesystem::create_symlink(lab.path("1"), lab.path("linked"));
  KeaSpec linked = spec;
  linked.directory = lab.path("linked");
  EXPECT_FALSE(supervisor->test(linked));
}

TEST_F(KeaSupervisor, CommandsAreCheckedAndAnswered) {
  EXPECT_THAT(supervisor->command(kRed, "{}").error().message, HasSubstr("vrf 1 has no Kea"));
  start(lab.spec(vrf_red()));
  EXPECT_EQ(ask("version-get")["text"], "2.2.0");
  EXPECT_EQ(ask("no-such-command")["result"], 2);
  EXPECT_THAT(supervisor->command(kRed, "{").error().message, HasSubstr("the command is not JSON"));
  EXPECT_THAT(supervisor->command(kRed, "[1]").error().message, HasSubstr("a command is an object like"));
}

}  // namespace
}  // namespace xk::kea
