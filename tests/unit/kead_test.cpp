// What xdp-kead adds to the reconciler: the loop, the views, and what it insists on before it starts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "controlplane/app/event_loop.h"
#include "controlplane/app/exclusive.h"
#include "controlplane/app/link_watch.h"
#include "controlplane/app/options.h"
#include "controlplane/app/purges.h"
#include "controlplane/app/server_watch.h"
#include "controlplane/app/views.h"
#include "tests/unit/kead_rig.h"

namespace xk::kead {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// ---- event loop ------------------------------------------------------------------------------------

TEST(EventLoop, MakesPostedCallsInOrderOnItsThread) {
  auto loop = EventLoop::make();
  ASSERT_TRUE(loop.has_value());
  std::vector<int> order;
  std::thread::id thread;
  std::thread poster([&] {
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE((*loop)->post([&order, i] { order.push_back(i); }));
    }
    (*loop)->post([&] {
      thread = std::this_thread::get_id();
      (*loop)->stop();
    });
  });
  ASSERT_TRUE((*loop)->run().has_value());
  poster.join();
  EXPECT_THAT(order, ElementsAre(0, 1, 2));
  EXPECT_EQ(thread, std::this_thread::get_id());
  EXPECT_FALSE((*loop)->post([] {}));
}

TEST(EventLoop, TimersAndDescriptorsMayEndThemselves) {
  auto loop = EventLoop::make();
  ASSERT_TRUE(loop.has_value());
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const Fd in(ends[0]);
  const Fd out(ends[1]);
  int reads = 0;
  int timers = 0;
  EventSource readable;
  EventSource timer;
  readable = (*loop)
                 ->on_readable(in.get(),
                               [&] {
                                 ++reads;
                                 readable = EventSource();  // from within its own call
                               })
                 .value();
  timer = (*loop)
              ->at(EventLoop::now_ms() + 5,
                   [&] {
                     if (++timers == 2) return (*loop)->stop();
                     timer = (*loop)
                                 ->at(EventLoop::now_ms() + 5,
                                      [&] {
                                        ++timers;
                                        (*loop)->stop();
                                      })
                                 .value();
                   })
              .value();
  ASSERT_EQ(::write(out.get(), "x", 1), 1);
  ASSERT_TRUE((*loop)->run().has_value());
  EXPECT_EQ(reads, 1);
  EXPECT_EQ(timers, 2);
}

// ---- before the start ------------------------------------------------------------------------------

using Exclusive = Directory;

TEST_F(Exclusive, OneDaemonARunDirectory) {
  auto first = take_lock(directory_);
  ASSERT_TRUE(first.has_value()) << first.error().message;
  const auto second = take_lock(directory_);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().system_errno, EWOULDBLOCK);
  EXPECT_THAT(second.error().message,
              HasSubstr("pid " + std::to_string(::getpid()) + " holds " + directory_));
  first->reset();
  EXPECT_TRUE(take_lock(directory_).has_value());
}

TEST_F(Exclusive, ALockThatIsALinkIsNotFollowed) {
  std::ofstream(directory_ + "/precious") << "do not touch";
  std::filesystem::create_symlink(directory_ + "/precious", directory_ + "/xdp-kead.lock");
  EXPECT_FALSE(take_lock(directory_).has_value());
  EXPECT_EQ(std::filesystem::file_size(directory_ + "/precious"), 12u);
}

TEST_F(Exclusive, DirectoriesAreMadeOrTheirNameSaid) {
  Appliance appliance;
  appliance.state_dir = directory_ + "/a/state";
  appliance.run_dir = directory_ + "/b/run";
  ASSERT_TRUE(make_directories(appliance).has_value());
  EXPECT_TRUE(std::filesystem::is_directory(appliance.run_dir));
  std::ofstream(directory_ + "/file") << "";
  appliance.state_dir = directory_ + "/file/state";
  const auto refused = make_directories(appliance);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr(appliance.state_dir));
}

// In a process of its own, which may give its capabilities away.
TEST(Capabilities, WhatIsMissingIsNamed) {
  EXPECT_TRUE(check_capabilities().has_value()) << "the tests run as root";
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setuid(65534) != 0) ::_exit(2);
    const auto allowed = check_capabilities();
    const std::string text = allowed ? "all there" : allowed.error().message;
    ::_exit(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 2);
  }
  ::close(ends[1]);
  char text[1024] = {};
  const ssize_t length = ::read(ends[0], text, sizeof text - 1);
  ::close(ends[0]);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  ASSERT_GT(length, 0);
  EXPECT_THAT(text, HasSubstr("CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_BPF"));
}

std::variant<Options, ExitCode> parse(std::vector<std::string> words) {
  words.insert(words.begin(), "xdp-kead");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  return parse_options(static_cast<int>(argv.size()), argv.data());
}

TEST(CommandLine, IsParsedOrRefused) {
  const auto parsed = parse({"--config", "a.toml", "--teardown", "--log-level", "debug"});
  const auto* options = std::get_if<Options>(&parsed);
  ASSERT_NE(options, nullptr);
  EXPECT_EQ(options->config, "a.toml");
  EXPECT_TRUE(options->teardown);
  EXPECT_EQ(options->log_level, "debug");
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  EXPECT_EQ(parse({}), (std::variant<Options, ExitCode>(ExitCode::usage)));
  EXPECT_EQ(parse({"--config", "a", "--log-level", "loud"}),
            (std::variant<Options, ExitCode>(ExitCode::usage)));
  EXPECT_EQ(parse({"--config", "a", "extra"}), (std::variant<Options, ExitCode>(ExitCode::usage)));
  EXPECT_EQ(parse({"--help"}), (std::variant<Options, ExitCode>(ExitCode::ok)));
  EXPECT_EQ(parse({"--version"}), (std::variant<Options, ExitCode>(ExitCode::ok)));
  const std::string out = testing::internal::GetCapturedStdout();
  testing::internal::GetCapturedStderr();
  for (const char* code : {"0  ", "1  ", "2  ", "75 ", "77 ", "78 "}) EXPECT_THAT(out, HasSubstr(code));
  EXPECT_THAT(out, HasSubstr(XK_VERSION));
}

// ---- views -----------------------------------------------------------------------------------------

TEST_F(Served, TheStateOfAVrfIsTheWorstThatIsTrue) {
  serve();
  EXPECT_EQ(vrf("red").state, "serving");
  EXPECT_EQ(vrf("red").reason, "");
  EXPECT_EQ(vrf("red").giaddr, "169.254.0.2");
  EXPECT_EQ(vrf("red").attachments_serving, 1u);
  EXPECT_EQ(vrf("blue").state, "degraded");
  EXPECT_THAT(vrf("blue").reason, HasSubstr("eth2 does not exist"));
  EXPECT_EQ(vrf("blue").attachments, 2u);
  EXPECT_EQ(vrf("blue").attachments_serving, 1u);

  machine_.kea_states[VrfId{1}] = KeaState::backoff;
  EXPECT_EQ(vrf("red").state, "degraded");
  EXPECT_THAT(vrf("red").reason, HasSubstr("Kea is backoff"));
  machine_.kea_states[VrfId{1}] = KeaState::running;

  machine_.dataplane_generation += 1;
  EXPECT_THAT(vrf("red").reason, HasSubstr("has not taken"));
  machine_.dataplane_generation -= 1;
  machine_.dataplane_silent = true;
  EXPECT_THAT(vrf("red").reason, HasSubstr("does not answer"));
  EXPECT_THAT(views().warnings(), Contains(HasSubstr("does not answer")));
  machine_.dataplane_silent = false;
  machine_.dataplane_connected = false;
  EXPECT_THAT(vrf("red").reason, HasSubstr("not connected"));
  machine_.dataplane_connected = true;

  machine_.remove_link("eth1");
  (*daemon_)->refresh(true);
  EXPECT_EQ(vrf("red").state, "pending");
  EXPECT_THAT(vrf("red").reason, HasSubstr("eth1 does not exist"));
}

TEST_F(Served, ServersElsewhereAreShownAsTheDataplaneSeesThem) {
  Vrf green = test::relay_vrf("green", {test::attachment("eth1", 7, 0, "10.0.0.0/24", "10.0.0.1")},
                              {"192.0.2.10", "192.0.2.11"});
  green.relay.server_mode = ServerMode::failover;
  green.relay.server_interface = "eth3";
  green.relay.next_hop = Mac{{2, 0, 0, 0, 0, 1}};
  machine_.add_link("eth3", {"192.0.2.1/24"});
  model_.vrfs.push_back(green);
  serve();
  const VrfId id{vrf("green").id};
  auto servers = views().servers();
  ASSERT_EQ(servers.size(), 2u);
  EXPECT_EQ(servers[0].vrf, "green");
  EXPECT_EQ(servers[0].address, "192.0.2.10");
  EXPECT_EQ(servers[0].mode, "failover");
  EXPECT_EQ(servers[0].state, "unknown");
  EXPECT_EQ(vrf("green").state, "serving");

  const std::uint64_t now_ms = EventLoop::now_ms();
  machine_.servers = {
      {.vrf = id,
       .address = test::ip("192.0.2.10"),
       .state = ServerState::dead,
       .deaths = 1,
       .since_ms = now_ms - 60'000,
       .requests = 9,
       .replies = 4,
       .last_reply_ms = now_ms - 80'000},
      {.vrf = id, .address = test::ip("192.0.2.11"), .state = ServerState::live, .since_ms = now_ms}};
  servers = views().servers();
  EXPECT_EQ(servers[0].state, "dead");
  EXPECT_EQ(servers[0].deaths, 1u);
  EXPECT_EQ(servers[0].requests, 9u);
  EXPECT_EQ(servers[0].replies, 4u);
  EXPECT_EQ(servers[0].since_unix_s - servers[0].last_reply_unix_s, 20u);
  EXPECT_NEAR(static_cast<double>(servers[1].since_unix_s - servers[0].since_unix_s), 60, 1);
  EXPECT_EQ(servers[1].state, "live");
  EXPECT_EQ(servers[1].last_reply_unix_s, 0u);
  EXPECT_EQ(vrf("green").state, "degraded");
  EXPECT_EQ(vrf("green").reason, "server 192.0.2.10 does not answer");

  // With "all" a silent one may be a stand-by: it is trouble if every one is silent.
  model_.vrfs.back().relay.server_mode = ServerMode::all;
  serve();
  EXPECT_EQ(vrf("green").state, "serving");
  machine_.servers[1].state = ServerState::dead;
  EXPECT_EQ(vrf("green").reason, "2 servers do not answer, 192.0.2.10 is the first");

  // No way there: that is what counts.
  machine_.remove_link("eth3");
  (*daemon_)->refresh(true);
  EXPECT_EQ(views().servers()[0].state, "unreachable");
}

TEST_F(Served, AVrfsDeviceIsShownWithItsTable) {
  machine_.add_link("vrf-red");
  machine_.state.links.back().kind = "vrf";
  machine_.state.links.back().vrf_table = 4711;
  model_.vrfs[0].device = "vrf-red";
  serve();
  EXPECT_EQ(vrf("red").device, "vrf-red");
  EXPECT_EQ(vrf("red").table, 4711u);
  EXPECT_EQ(vrf("blue").table, 0u);
  ASSERT_TRUE((*daemon_)->set_admin("red", AdminState::deleted).has_value());
  EXPECT_EQ(vrf("red").table, 4711u);
  machine_.remove_link("vrf-red");
  (*daemon_)->refresh(true);
  EXPECT_EQ(vrf("red").table, 0u);
}

TEST_F(Served, WhatAnOperatorDecidedOfAVrfThatIsNotThereYetIsShown) {
  serve();
  ASSERT_TRUE((*daemon_)->set_admin("red", AdminState::deleted).has_value());
  const Vrf red = model_.vrfs[0];
  model_.vrfs.erase(model_.vrfs.begin());
  daemon_->restart();
  serve();
  EXPECT_EQ(vrf("red").state, "deleted");
  EXPECT_THAT(vrf("red").reason, HasSubstr("not there since xdp-kead started"));
  model_.vrfs.push_back(red);
  serve();
  EXPECT_THAT(vrf("red").reason, HasSubstr("brings it back"));
  EXPECT_EQ(views().vrfs().size(), 2u);
}

// ---- events of the kernel --------------------------------------------------------------------------

TEST_F(Served, EventsThatWereLostAreALookAtEverything) {
  serve();
  LinkWatch watch;
  Links& links = parts_machine().links;
  EXPECT_FALSE(watch.drain(links).look);
  machine_.events = true;
  EXPECT_TRUE(watch.drain(links).look);
  EXPECT_FALSE(watch.drain(links).look);
  machine_.add_link("eth2");
  ++machine_.overruns;
  const LinkWatch::News news = watch.drain(links);
  EXPECT_TRUE(news.lost);
  ASSERT_TRUE(news.look);
  EXPECT_EQ(vrf("blue").state, "degraded");
  (*daemon_)->refresh(false);
  EXPECT_EQ(vrf("blue").state, "serving") << vrf("blue").reason;
  EXPECT_EQ(vrf("blue").attachments_serving, 2u);
  EXPECT_FALSE(watch.drain(links).look) << "told once";
  machine_.events_broken = true;
  EXPECT_TRUE(watch.drain(links).look);
  EXPECT_EQ(watch.drain(links).error, "no events");
}

// ---- leases of deleted VRFs ------------------------------------------------------------------------

class Purged : public Served {
 protected:
  void SetUp() override {
    Served::SetUp();
    model_.appliance.state_dir = directory_;
    serve();
    leases_ = (*daemon_)->lease_directory("red").value();
    std::filesystem::create_directories(leases_);
  }
  std::vector<Purges::Outcome> look(const std::vector<KeaStatus>& keas = {}) {
    return purges_.look(keas, journals_, (*daemon_)->desired(), (*daemon_)->admin());
  }
  [[nodiscard]] bool there() const { return std::filesystem::exists(leases_); }
  void remove() { ASSERT_TRUE((*daemon_)->set_admin("red", AdminState::deleted).has_value()); }

  Purges purges_;
  std::set<std::string> journals_;
  std::string leases_;
};

TEST_F(Purged, WhenItsKeaHasEnded) {
  remove();
  purges_.ask(leases_, "red");
  KeaStatus ending;
  ending.directory = leases_;
  EXPECT_THAT(look({ending}), IsEmpty());
  journals_ = {leases_};
  EXPECT_THAT(look(), IsEmpty());
  journals_.clear();
  EXPECT_TRUE(there());
  EXPECT_THAT(look(), ElementsAre(Purges::Outcome{"red", leases_, false, ""}));
  EXPECT_FALSE(there());
  EXPECT_THAT(look(), IsEmpty());
}

TEST_F(Purged, NotOnceItIsTakenBack) {
  remove();
  purges_.ask(leases_, "red");
  ASSERT_TRUE((*daemon_)->set_admin("red", std::nullopt).has_value());
  EXPECT_TRUE(purges_.take_back(leases_));
  EXPECT_FALSE(purges_.take_back(leases_));
  remove();
  EXPECT_THAT(look(), IsEmpty());
  EXPECT_TRUE(there()) << "a later delete does not mean them";
}

TEST_F(Purged, NotOnceItIsServedAgainInSomeOtherWay) {
  remove();
  purges_.ask(leases_, "red");
  KeaStatus ending;
  ending.directory = leases_;
  Model without = model_;
  without.vrfs.erase(without.vrfs.begin());
  ASSERT_TRUE((*daemon_)->change(without).has_value());
  ASSERT_TRUE((*daemon_)->change(model_).has_value());
  EXPECT_THAT(look({ending}), ElementsAre(Purges::Outcome{"red", leases_, true, ""}));
  remove();
  EXPECT_THAT(look(), IsEmpty());
  EXPECT_TRUE(there());
}

// The machine could not be looked at since: it is desired still.
TEST_F(Purged, NotBeforeItIsTakenOff) {
  purges_.ask(leases_, "red");
  AdminTable deleted;
  deleted.set("red", AdminState::deleted);
  EXPECT_THAT(purges_.look({}, {}, (*daemon_)->desired(), deleted), IsEmpty());
  EXPECT_TRUE(there());
  remove();
  EXPECT_EQ(look().size(), 1u);
}

TEST(ServerWatch, TellsDeathsAndReturnsOnce) {
  ServerWatch watch;
  ServerStatus a{.vrf = VrfId{1}, .address = Ip4{1}};
  ServerStatus b{.vrf = VrfId{1}, .address = Ip4{2}, .state = ServerState::dead, .deaths = 4};
  using Change = ServerWatch::Change;
  EXPECT_THAT(watch.look({a, b}), ElementsAre(Change{VrfId{1}, Ip4{2}, true})) << "dead when first seen";
  EXPECT_THAT(watch.look({a, b}), ElementsAre());
  a.state = ServerState::live;
  EXPECT_THAT(watch.look({a, b}), ElementsAre()) << "its first answer is no return";
  a.state = ServerState::dead;
  a.deaths = 1;
  b.state = ServerState::live;
  EXPECT_THAT(watch.look({a, b}),
              ElementsAre(Change{VrfId{1}, Ip4{1}, true}, Change{VrfId{1}, Ip4{2}, false}));
  b.deaths = 5;  // and live again: between two looks
  EXPECT_THAT(watch.look({a, b}),
              ElementsAre(Change{VrfId{1}, Ip4{2}, true}, Change{VrfId{1}, Ip4{2}, false}));
  a.deaths = 2;  // came back and died again
  EXPECT_THAT(watch.look({a, b}), ElementsAre());
  EXPECT_THAT(watch.look({}), ElementsAre());
  a.state = ServerState::live;
  EXPECT_THAT(watch.look({a}), ElementsAre()) << "forgotten with its VRF";
}

TEST_F(Served, AKeaThatRefusesIsADegradedVrfWithItsWords) {
  machine_.broken = {"test kea red"};
  serve();
  EXPECT_EQ(vrf("red").state, "degraded");
  EXPECT_THAT(vrf("red").reason, HasSubstr("fake failure of test kea red"));
  const auto keas = views().keas();
  ASSERT_EQ(keas.size(), 2u);
  EXPECT_EQ(keas[0].vrf, "red");
  EXPECT_NE(keas[0].state, "running");
  EXPECT_THAT(keas[0].last_error, HasSubstr("fake failure"));
  EXPECT_EQ(keas[0].netns, "xdp-kea-1");
  EXPECT_EQ(keas[1].state, "running");
  EXPECT_THAT(views().warnings(), Contains(HasSubstr("vrf red: test Kea's configuration")));
}

TEST_F(Served, AttachmentsAreThoseOfTheMapAndThoseThatWait) {
  serve();
  const auto rows = views().attachments();
  ASSERT_TRUE(rows.has_value());
  std::vector<std::string> lines;
  for (const api::AttachmentView& row : *rows) {
    lines.push_back(row.vrf + " " + row.interface + " " + row.vlan + " " + row.role + " " + row.state);
  }
  EXPECT_THAT(lines, testing::UnorderedElementsAre(
                         "red eth1 - client serving", "blue eth1 200.300 client serving",
                         "red xdp-kea-h1 - handoff serving", "blue xdp-kea-h2 - handoff serving",
                         "blue eth2 - client pending"));
  // A row that nobody wrote here is shown for what it is.
  machine_.state.rows[{77, 5, 0}] = {};
  const auto with_stray = views().attachments();
  ASSERT_TRUE(with_stray.has_value());
  EXPECT_THAT(with_stray->at(4).reason, HasSubstr("not configured"));
  // And one that is missing there too.
  machine_.state.rows.clear();
  EXPECT_THAT(views().attachments()->at(0).reason, HasSubstr("not in the classifier's map"));
}

TEST_F(Served, PortsSayHowTheyAreAttachedAndWhyNot) {
  serve();
  const auto ports = views().ports();
  ASSERT_EQ(ports.size(), 4u);
  EXPECT_EQ(ports[0].name, "eth1");
  EXPECT_EQ(ports[0].mode, "native");
  EXPECT_EQ(ports[0].state, "serving");
  EXPECT_EQ(ports[3].name, "eth2");
  EXPECT_EQ(ports[3].state, "pending");
  machine_.foreign_xdp = {machine_.add_link("eth2")};
  (*daemon_)->refresh(true);
  for (const api::PortView& port : views().ports()) {
    if (port.name == "eth2") {
      EXPECT_EQ(port.state, "pending");
      EXPECT_THAT(port.warning, HasSubstr("a foreign program"));
    }
  }
  EXPECT_THAT(vrf("blue").reason, HasSubstr("a foreign program"));
}

TEST_F(Served, CountersAddUpAndNameWhatTheyCount) {
  serve();
  VrfCounts red;
  red.vrf = VrfId{1};
  red.rx = 10;
  red.tx = 8;
  red.outcomes.resize(XK_OUTCOME_COUNT);
  red.outcomes[XK_HOPS_EXCEEDED] = 2;
  red.outcomes[XK_NOTE_REPLY_FALLBACK] = 3;
  VrfCounts none;
  none.rx = 1;
  none.outcomes.resize(XK_OUTCOME_COUNT);
  none.outcomes[XK_UNMAPPED] = 1;
  machine_.counts = {none, red};
  const auto all = views().counters();
  ASSERT_TRUE(all.has_value());
  ASSERT_EQ(all->vrfs.size(), 3u);
  EXPECT_EQ(all->vrfs[0].vrf, "-");
  EXPECT_EQ(all->vrfs[1].vrf, "red");
  EXPECT_THAT(all->vrfs[1].drops, ElementsAre(std::pair<std::string, std::uint64_t>("hops_exceeded", 2)));
  EXPECT_THAT(all->vrfs[1].notes, ElementsAre(std::pair<std::string, std::uint64_t>("reply_fallback", 3)));
  EXPECT_EQ(all->vrfs[2].vrf, "blue");  // configured, nothing counted yet
  EXPECT_EQ(all->total.rx, 11u);
  EXPECT_EQ(all->total.drops.size(), 2u);
  EXPECT_THAT(all->xdp, Contains(std::pair<std::string, std::uint64_t>("redirect_dhcp4", 7)));
  EXPECT_THAT(all->xdp, Contains(std::pair<std::string, std::uint64_t>("pass_no_socket", 0)));
}

TEST_F(Served, ALeasesAttachmentIsReadFromItsCircuitId) {
  model_.vrfs[1].attachments[0].circuit_id_template = "{port}/{mac}";
  serve();
  const Desired& desired = (*daemon_)->desired();
  EXPECT_EQ(attachment_of_circuit(desired, VrfId{1}, "eth1:0.0", "02:00:00:00:00:01"), "eth1");
  EXPECT_EQ(attachment_of_circuit(desired, VrfId{2}, "eth1/02:00:00:00:00:01", "02:00:00:00:00:01"),
            "eth1 200.300");
  EXPECT_EQ(attachment_of_circuit(desired, VrfId{2}, "eth1/02:00:00:00:00:02", "02:00:00:00:00:01"), "");
  EXPECT_EQ(attachment_of_circuit(desired, VrfId{2}, "eth1:0.0", "02:00:00:00:00:01"), "");
  EXPECT_EQ(attachment_of_circuit(desired, VrfId{1}, "", ""), "");
}

}  // namespace
}  // namespace xk::kead
