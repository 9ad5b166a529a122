// A machine in memory whose VRF devices and interfaces come, go, move and change their names while
// the appliance follows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <random>

#include "tests/unit/reconcile_fakes.h"

namespace xk::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class Follow : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/dev/shm/xktgfollow.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    directory_ = pattern;
    daemon_ = std::make_unique<Daemon>(machine_, directory_);
    ASSERT_TRUE(daemon_->loaded());
    machine_.add_link("eth1");
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void start(Engine engine = Engine::kea) {
    Model model;
    model.discovery.enabled = true;
    model.discovery.vrf.engine = engine;
    model.discovery.attachment.circuit_id_template = "{port}:{svlan}.{cvlan}";
    if (engine == Engine::relay) model.discovery.vrf.relay.servers = {parse_ip4("192.0.2.10").value()};
    ASSERT_TRUE((*daemon_)->change(model).has_value());
  }
  LinkInfo& link(const std::string& name) {
    const auto found = std::ranges::find(machine_.state.links, name, &LinkInfo::name);
    EXPECT_NE(found, machine_.state.links.end()) << name;
    return *found;
  }
  void add_vrf(const std::string& name) {
    machine_.add_link(name);
    link(name).kind = "vrf";
  }
  void add_vlan(const std::string& name, std::uint16_t vid, const std::string& vrf,
                const std::string& address) {
    machine_.add_link(name, {address}, link("eth1").ifindex, vid);
    link(name).master = link(vrf).ifindex;
  }
  ChangeReport refresh() { return (*daemon_)->refresh(false); }
  void settle() {
    for (int i = 0; i < 20 && (*daemon_)->next_retry_ms(); ++i) {
      machine_.now_ms += 120'000;
      refresh();
    }
    machine_.reset();
    const ChangeReport report = (*daemon_)->refresh(true);
    EXPECT_THAT(report.steps, IsEmpty());
    EXPECT_THAT(report.failures, IsEmpty());
  }
  // VLANs of eth1 that clients are served on, by VRF.
  [[nodiscard]] std::set<std::pair<std::string, std::uint16_t>> served() const {
    std::set<std::pair<std::string, std::uint16_t>> places;
    const Desired& desired = (*daemon_)->desired();
    for (const AttachmentEntry& entry : machine_.state.snapshot->attachments) {
      if (entry.role != AttachmentRole::client) continue;
      const auto vrf = std::ranges::find(desired.snapshot.vrfs, entry.vrf, &VrfEntry::id);
      const auto port = std::ranges::find(machine_.state.snapshot->ports, entry.port, &PortEntry::id);
      const std::array<std::uint32_t, 3> row{port->ifindex.value, entry.outer.vid.value,
                                             entry.inner.vid.value};
      if (machine_.state.rows.contains(row)) places.emplace(vrf->name, entry.outer.vid.value);
    }
    return places;
  }
  [[nodiscard]] VrfId id_of(const std::string& vrf) const {
    const auto& vrfs = (*daemon_)->desired().snapshot.vrfs;
    const auto found = std::ranges::find(vrfs, vrf, &VrfEntry::name);
    return found == vrfs.end() ? VrfId{} : found->id;
  }

  using Places = std::set<std::pair<std::string, std::uint16_t>>;
  std::string directory_;
  FakeMachine machine_;
  std::unique_ptr<Daemon> daemon_;
};

TEST_F(Follow, AVrfComesIsServedAndGoesWithAllThatIsItsOwn) {
  start();
  const MachineState before = machine_.state;
  add_vrf("vrf-green");
  add_vlan("eth1.100", 100, "vrf-green", "10.7.0.1/24");
  EXPECT_THAT(refresh().failures, IsEmpty());
  EXPECT_EQ(served(), (Places{{"vrf-green", 100}}));
  EXPECT_EQ(machine_.state.keas.size(), 1u);
  EXPECT_EQ(machine_.state.namespaces.size(), 1u);
  machine_.remove_link("eth1.100");
  machine_.remove_link("vrf-green");
  EXPECT_THAT(refresh().failures, IsEmpty());
  EXPECT_THAT(served(), IsEmpty());
  EXPECT_THAT(machine_.state.keas, IsEmpty());
  EXPECT_THAT(machine_.state.namespaces, IsEmpty());
  EXPECT_THAT(machine_.state.rows, IsEmpty());
  EXPECT_THAT(machine_.state.attached, IsEmpty());
  EXPECT_THAT(machine_.state.held, IsEmpty());
  EXPECT_EQ(machine_.state.links, before.links);
  settle();
}

// A configuration is tried out beside a Kea that serves; one that comes says itself what it does not like.
TEST_F(Follow, OnlyAKeaThatServesIsProtectedByATest) {
  start();
  add_vrf("vrf-green");
  add_vlan("eth1.100", 100, "vrf-green", "10.7.0.1/24");
  machine_.broken = {"test kea vrf-green"};
  EXPECT_THAT(refresh().failures, IsEmpty());
  EXPECT_EQ(served(), (Places{{"vrf-green", 100}}));
  link("eth1.100").addresses = {{.network = ip("10.8.0.1"), .length = 24}};
  EXPECT_THAT(refresh().failures, testing::ElementsAre(HasSubstr("vrf vrf-green: test Kea's configuration")));
  machine_.broken.clear();
  settle();
}

TEST_F(Follow, AnInterfaceMovesToAnotherVrf) {
  start();
  add_vrf("vrf-green");
  add_vrf("vrf-red");
  add_vlan("eth1.100", 100, "vrf-green", "10.7.0.1/24");
  refresh();
  link("eth1.100").master = link("vrf-red").ifindex;
  EXPECT_THAT(refresh().failures, IsEmpty());
  EXPECT_EQ(served(), (Places{{"vrf-red", 100}}));
  ASSERT_EQ(machine_.state.keas.size(), 1u) << "green has no subnet any more";
  EXPECT_EQ(machine_.state.keas.begin()->second.vrf_name, "vrf-red");
  settle();
}

TEST_F(Follow, ARenamedVrfKeepsItsIdItsNamespaceAndItsLeases) {
  start();
  add_vrf("vrf-green");
  add_vlan("eth1.100", 100, "vrf-green", "10.7.0.1/24");
  refresh();
  const VrfId id = id_of("vrf-green");
  const KeaSpec kea = machine_.state.keas.at(id);
  const auto namespaces = machine_.state.namespaces;
  link("vrf-green").name = "vrf-lime";
  EXPECT_THAT(refresh().failures, IsEmpty());
  EXPECT_EQ(id_of("vrf-lime"), id);
  EXPECT_EQ(machine_.state.namespaces, namespaces);
  EXPECT_EQ(machine_.state.keas.at(id).directory, kea.directory);
  EXPECT_EQ(machine_.state.keas.at(id).vrf_name, "vrf-lime");
  settle();
  // A new VRF of the old name is another one: it must not get the other's leases.
  add_vrf("vrf-green");
  add_vlan("eth1.200", 200, "vrf-green", "10.7.0.1/24");
  EXPECT_THAT(refresh().failures, IsEmpty());
  EXPECT_NE(id_of("vrf-green"), id);
  EXPECT_NE(machine_.state.keas.at(id_of("vrf-green")).directory, kea.directory);
  settle();
  // And all that is remembered over a restart.
  Daemon again(machine_, directory_);
  ASSERT_TRUE(again.loaded());
  ASSERT_TRUE(again->change(*(*daemon_)->configured()).has_value());
  EXPECT_EQ(again->desired().keas.at(id).spec.directory, kea.directory);
}

// The machine starts: interfaces come after xdp-kead.
TEST_F(Follow, WhatIsNotThereYetKeepsItsStateAndItsIds) {
  start();
  for (const char* name : {"vrf-red", "vrf-blue", "vrf-green"}) add_vrf(name);
  add_vlan("eth1.100", 100, "vrf-red", "10.7.0.1/24");
  add_vlan("eth1.200", 200, "vrf-blue", "10.7.0.1/24");
  refresh();
  const VrfId blue = id_of("vrf-blue");
  const AttachmentId last = machine_.state.snapshot->attachments.back().id;
  ASSERT_TRUE((*daemon_)->set_admin("vrf-red", AdminState::deleted).has_value());
  ASSERT_TRUE((*daemon_)->set_admin("vrf-blue", AdminState::draining).has_value());
  const Model model = *(*daemon_)->configured();
  for (const char* name : {"eth1.100", "eth1.200", "vrf-red", "vrf-blue"}) machine_.remove_link(name);
  for (const auto& [name, spec] : std::map(machine_.state.handoffs)) machine_.remove_link(name);
  machine_.state.namespaces.clear();
  machine_.state.keas.clear();
  machine_.state.rows.clear();
  machine_.restart_dataplane();
  daemon_->restart();
  ASSERT_TRUE((*daemon_)->change(model).has_value());
  settle();
  EXPECT_THAT((*daemon_)->awaited(), testing::ElementsAre("vrf-blue", "vrf-red"));
  add_vrf("vrf-new");
  add_vrf("vrf-red");
  add_vlan("eth1.100", 100, "vrf-red", "10.7.0.1/24");
  refresh();
  EXPECT_THAT(served(), IsEmpty()) << "deleted still";
  add_vrf("vrf-blue");
  add_vlan("eth1.200", 200, "vrf-blue", "10.7.0.1/24");
  refresh();
  EXPECT_EQ(id_of("vrf-blue"), blue);
  EXPECT_EQ(machine_.state.snapshot->attachments.back().id, last);
  EXPECT_EQ((*daemon_)->admin().find("vrf-blue"), AdminState::draining);
  EXPECT_THAT((*daemon_)->awaited(), IsEmpty());
  settle();
}

TEST_F(Follow, ADeletedVrfKeepsItsLeasesWhateverItWasCalled) {
  start();
  add_vrf("vrf-a");
  add_vlan("eth1.100", 100, "vrf-a", "10.7.0.1/24");
  refresh();
  const auto directory = (*daemon_)->lease_directory("vrf-a");
  ASSERT_TRUE(directory.has_value());
  link("vrf-a").name = "vrf-b";
  refresh();
  EXPECT_EQ((*daemon_)->lease_directory("vrf-b"), directory);
  ASSERT_TRUE((*daemon_)->set_admin("vrf-b", AdminState::deleted).has_value());
  EXPECT_EQ((*daemon_)->lease_directory("vrf-b"), directory);
  EXPECT_EQ((*daemon_)->lease_directory("vrf-a"), std::nullopt);
  link("vrf-b").name = "vrf-c";  // deleted, it is followed too
  add_vrf("vrf-a");
  add_vlan("eth1.200", 200, "vrf-a", "10.7.0.1/24");
  refresh();
  EXPECT_EQ((*daemon_)->lease_directory("vrf-c"), directory);
  EXPECT_NE((*daemon_)->lease_directory("vrf-a"), directory);
  ASSERT_TRUE((*daemon_)->set_admin("vrf-c", std::nullopt).has_value());
  EXPECT_EQ(machine_.state.keas.at(id_of("vrf-c")).directory, *directory);
  EXPECT_EQ(served(), (Places{{"vrf-a", 200}, {"vrf-c", 100}}));
  settle();
  // Gone, its leases are nobody else's.
  machine_.remove_link("eth1.100");
  machine_.remove_link("vrf-c");
  link("vrf-a").name = "vrf-x";
  refresh();
  add_vrf("vrf-a");
  refresh();
  EXPECT_NE((*daemon_)->lease_directory("vrf-a"), directory);
}

TEST_F(Follow, NamesThatChangeAllAtOnceAreFollowedToTheirDevices) {
  start();
  const std::vector<std::string> names{"a", "b", "c"};
  for (std::uint16_t i = 0; i < 3; ++i) {
    add_vrf(names[i]);
    add_vlan("eth1." + std::to_string(i + 1), static_cast<std::uint16_t>(i + 1), names[i], "10.7.0.1/24");
  }
  refresh();
  ASSERT_TRUE((*daemon_)->set_admin("c", AdminState::draining).has_value());
  for (const std::vector<std::string>& now : {std::vector<std::string>{"b", "a", "c"}, {"d", "b", "a"}}) {
    std::vector<VrfId> ids;
    std::vector<std::optional<std::string>> directories;
    std::vector<IfIndex> devices;
    std::vector<std::string> before;
    for (std::uint16_t i = 0; i < 3; ++i) {
      const IfIndex device = link("eth1." + std::to_string(i + 1)).master;
      const auto found = std::ranges::find(machine_.state.links, device, &LinkInfo::ifindex);
      before.push_back(found->name);
      ids.push_back(id_of(found->name));
      directories.push_back((*daemon_)->lease_directory(found->name));
      found->name = now[i];
    }
    EXPECT_THAT((*daemon_)->preview(*(*daemon_)->configured()).value(),
                testing::Not(testing::Contains(HasSubstr("namespace"))));
    EXPECT_THAT(refresh().failures, IsEmpty());
    for (std::uint16_t i = 0; i < 3; ++i) {
      EXPECT_EQ(id_of(now[i]), ids[i]) << before[i] << " -> " << now[i];
      EXPECT_EQ((*daemon_)->lease_directory(now[i]), directories[i]) << before[i] << " -> " << now[i];
      EXPECT_EQ((*daemon_)->admin().find(now[i]).has_value(), i == 2) << now[i];
    }
    settle();
  }
}

TEST_F(Follow, ANameThatIsTakenOverBringsNothingOfItsFormerOwner) {
  start();
  add_vrf("a");
  add_vrf("b");
  add_vlan("eth1.100", 100, "a", "10.7.0.1/24");
  add_vlan("eth1.200", 200, "b", "10.7.0.1/24");
  refresh();
  const VrfId a = id_of("a");
  const auto directory = (*daemon_)->lease_directory("a");
  ASSERT_TRUE((*daemon_)->set_admin("b", AdminState::draining).has_value());
  machine_.remove_link("eth1.200");
  machine_.remove_link("b");
  link("a").name = "b";
  EXPECT_THAT(refresh().failures, IsEmpty());
  EXPECT_EQ(id_of("b"), a);
  EXPECT_EQ((*daemon_)->lease_directory("b"), directory);
  EXPECT_EQ((*daemon_)->admin(), AdminTable{});
  EXPECT_EQ(served(), (Places{{"b", 100}}));
  settle();
}

// The kernel changes no VRF's table: its device is made anew, in one burst of events.
TEST_F(Follow, AVrfWhoseTableChangesIsServedOn) {
  start();
  add_vrf("vrf-green");
  link("vrf-green").vrf_table = 10;
  add_vlan("eth1.100", 100, "vrf-green", "10.7.0.1/24");
  refresh();
  const VrfId id = id_of("vrf-green");
  const auto directory = (*daemon_)->lease_directory("vrf-green");
  EXPECT_EQ((*daemon_)->vrf_table("vrf-green"), 10u);
  machine_.remove_link("vrf-green");
  add_vrf("vrf-green");
  link("vrf-green").vrf_table = 20;
  link("eth1.100").master = link("vrf-green").ifindex;
  EXPECT_THAT(refresh().failures, IsEmpty());
  EXPECT_EQ((*daemon_)->vrf_table("vrf-green"), 20u);
  EXPECT_EQ(served(), (Places{{"vrf-green", 100}}));
  EXPECT_EQ(id_of("vrf-green"), id);
  EXPECT_EQ((*daemon_)->lease_directory("vrf-green"), directory);
  settle();
  // And seen in between: its clients wait, and keep their leases.
  machine_.remove_link("vrf-green");
  link("eth1.100").master = {};
  refresh();
  EXPECT_THAT(served(), IsEmpty());
  add_vrf("vrf-green");
  link("eth1.100").master = link("vrf-green").ifindex;
  EXPECT_THAT(refresh().failures, IsEmpty());
  EXPECT_EQ(served(), (Places{{"vrf-green", 100}}));
  EXPECT_EQ((*daemon_)->lease_directory("vrf-green"), directory);
  settle();
}

TEST_F(Follow, AnInterfaceThatIsMadeAgainOrRenamedIsServedAgain) {
  start();
  add_vrf("vrf-green");
  add_vlan("eth1.100", 100, "vrf-green", "10.7.0.1/24");
  refresh();
  machine_.remove_link("eth1.100");
  refresh();
  EXPECT_THAT(served(), IsEmpty());
  add_vlan("v100", 100, "vrf-green", "10.7.0.1/24");
  EXPECT_THAT(refresh().failures, IsEmpty());
  EXPECT_EQ(served(), (Places{{"vrf-green", 100}}));
  link("eth1").name = "lan1";
  EXPECT_THAT(refresh().failures, IsEmpty());
  EXPECT_EQ(served(), (Places{{"vrf-green", 100}}));
  EXPECT_NE(std::ranges::find(machine_.state.snapshot->ports, "lan1", &PortEntry::name),
            machine_.state.snapshot->ports.end());
  settle();
}

TEST_F(Follow, DownIsNotServedAndUpAgainIs) {
  start();
  add_vrf("vrf-green");
  add_vlan("eth1.100", 100, "vrf-green", "10.7.0.1/24");
  refresh();
  for (const char* name : {"eth1.100", "eth1"}) {
    link(name).up = false;
    EXPECT_THAT(refresh().failures, IsEmpty());
    EXPECT_THAT(served(), IsEmpty());
    ASSERT_EQ((*daemon_)->desired().pending.size(), 1u);
    EXPECT_THAT((*daemon_)->desired().pending[0].reason, HasSubstr(std::string(name) + " is down"));
    link(name).up = true;
    EXPECT_THAT(refresh().failures, IsEmpty());
    EXPECT_EQ(served(), (Places{{"vrf-green", 100}}));
  }
  settle();
}

TEST_F(Follow, AnAddressThatChangesIsANewSubnet) {
  start();
  add_vrf("vrf-green");
  add_vlan("eth1.100", 100, "vrf-green", "10.7.0.1/24");
  refresh();
  link("eth1.100").addresses = {Prefix4{parse_ip4("10.8.0.9").value(), 16}};
  EXPECT_THAT(refresh().failures, IsEmpty());
  const AttachmentEntry& entry = machine_.state.snapshot->attachments.at(0);
  EXPECT_EQ(to_string(entry.subnet), "10.8.0.0/16");
  EXPECT_EQ(to_string(entry.server_identifier), "10.8.0.9");
  settle();
}

TEST_F(Follow, AVrfWhoseKeaIsStartingHoldsUpNobody) {
  start();
  add_vrf("vrf-a");
  add_vrf("vrf-b");
  add_vlan("eth1.100", 100, "vrf-a", "10.7.0.1/24");
  machine_.kea_looks_needed = 1000;
  const std::uint64_t began_ms = machine_.now_ms;
  EXPECT_THAT(refresh().failures, IsEmpty()) << "a Kea that is starting is no failure";
  EXPECT_EQ(machine_.now_ms, began_ms) << "and nobody waits for it";
  EXPECT_THAT(served(), IsEmpty());
  machine_.kea_looks_needed = 0;
  add_vlan("eth1.200", 200, "vrf-b", "10.7.0.1/24");
  EXPECT_THAT(refresh().failures, IsEmpty());
  EXPECT_EQ(served(), (Places{{"vrf-b", 200}}));
  machine_.kea_states[id_of("vrf-a")] = KeaState::running;
  (*daemon_)->retry(id_of("vrf-a"));
  EXPECT_THAT(refresh().failures, IsEmpty());
  EXPECT_EQ(served(), (Places{{"vrf-a", 100}, {"vrf-b", 200}}));
  settle();
}

TEST_F(Follow, APortInTroubleIsTriedAtOnceWhenItsInterfaceChanges) {
  start();
  add_vrf("vrf-a");
  add_vlan("eth1.100", 100, "vrf-a", "10.7.0.1/24");
  machine_.foreign_xdp.insert(link("eth1").ifindex);
  EXPECT_THAT(refresh().failures, testing::Not(IsEmpty()));
  EXPECT_THAT(refresh().failures, IsEmpty()) << "left alone until its time";
  EXPECT_THAT(served(), IsEmpty());
  link("eth1").ifindex = IfIndex{900};
  link("eth1.100").parent = IfIndex{900};
  EXPECT_THAT(refresh().failures, IsEmpty());
  EXPECT_EQ(served(), (Places{{"vrf-a", 100}}));
}

TEST_F(Follow, VrfsThatHaveToWaitForAnIdAreServedWhenOthersAreGone) {
  start(Engine::relay);
  for (std::uint32_t i = 0; i < XK_VRFS_MAX; ++i) add_vrf("a" + std::to_string(i));
  EXPECT_THAT(refresh().failures, IsEmpty());
  for (std::uint32_t i = 0; i < XK_VRFS_MAX; ++i) link("a" + std::to_string(i)).kind = "dummy";
  add_vrf("late");
  add_vlan("eth1.100", 100, "late", "10.7.0.1/24");
  refresh();
  EXPECT_EQ(id_of("late"), VrfId{}) << "every id is somebody's still";
  ASSERT_FALSE((*daemon_)->general_troubles().empty());
  EXPECT_THAT((*daemon_)->general_troubles()[0], HasSubstr("vrf late: all 4096 ids"));
  machine_.now_ms += 60'000;
  refresh();
  EXPECT_NE(id_of("late"), VrfId{});
  EXPECT_EQ(served(), (Places{{"late", 100}}));
}

// Any order of events ends where the machine says it should.
TEST_F(Follow, RandomEventsEndInWhatIsThere) {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    TearDown();
    machine_ = FakeMachine{};
    SetUp();
    start(seed % 2 == 0 ? Engine::kea : Engine::relay);
    std::mt19937 random(seed);
    std::map<std::string, bool> vrfs;                             // name -> there
    std::map<std::uint16_t, std::pair<std::string, bool>> vlans;  // vid -> VRF, up
    std::uint32_t names = 0;
    std::vector<std::string> free;               // names that were somebody's
    std::map<IfIndex, std::string> directories;  // of the VRFs of devices, as first seen
    const auto look = [&] {
      refresh();
      for (const LinkInfo& device : machine_.state.links) {
        if (device.kind != "vrf") continue;
        const auto directory = (*daemon_)->lease_directory(device.name);
        if (!directory) continue;
        const auto [known, first] = directories.emplace(device.ifindex, *directory);
        EXPECT_EQ(known->second, *directory) << device.name << ", seed " << seed;
      }
      std::set<std::string> owned;
      for (const auto& [name, there] : vrfs) {
        const auto directory = (*daemon_)->lease_directory(name);
        EXPECT_TRUE(!directory || owned.insert(*directory).second) << *directory << ", seed " << seed;
      }
    };
    for (int event = 0; event < 100; ++event) {
      const auto pick = [&random](std::size_t count) { return random() % count; };
      const auto any_vrf = [&] {
        return std::next(vrfs.begin(), static_cast<long>(pick(vrfs.size())))->first;
      };
      const auto any_vlan = [&] {
        return std::next(vlans.begin(), static_cast<long>(pick(vlans.size())))->first;
      };
      const auto new_name = [&] {
        if (free.empty() || pick(2) == 0) return "v" + std::to_string(++names);
        const auto place = std::next(free.begin(), static_cast<long>(pick(free.size())));
        std::string name = *place;
        free.erase(place);
        return name;
      };
      const auto rename = [&](const std::string& from, const std::string& to) {
        link(from).name = to;
        vrfs.erase(from);
        vrfs[to] = true;
        for (auto& [vid, vlan] : vlans) {
          if (vlan.first == from) vlan.first = to;
        }
      };
      const auto name_of = [](std::uint16_t vid) { return "eth1." + std::to_string(vid); };
      switch (pick(8)) {
        case 0: {
          const std::string name = new_name();
          add_vrf(name);
          vrfs[name] = true;
          break;
        }
        case 1: {
          if (vrfs.empty()) break;
          const std::string name = any_vrf();
          for (auto& [vid, vlan] : vlans) {
            if (vlan.first != name) continue;
            link(name_of(vid)).master = {};
            vlan.first.clear();
          }
          machine_.remove_link(name);
          vrfs.erase(name);
          free.push_back(name);
          break;
        }
        case 2: {
          if (vrfs.empty()) break;
          const std::string from = any_vrf();
          rename(from, new_name());
          free.push_back(from);
          break;
        }
        case 7: {
          if (vrfs.size() < 2) break;
          const std::string one = any_vrf();
          const std::string other = any_vrf();
          if (one == other) break;
          rename(one, "swapping");
          rename(other, one);
          rename("swapping", other);
          break;
        }
        case 3: {
          if (vrfs.empty()) break;
          const auto vid = static_cast<std::uint16_t>(1 + pick(200));
          if (vlans.contains(vid)) break;
          const std::string vrf = any_vrf();
          add_vlan(name_of(vid), vid, vrf, "10." + std::to_string(vid) + ".0.1/24");
          vlans[vid] = {vrf, true};
          break;
        }
        case 4: {
          if (vlans.empty()) break;
          const std::uint16_t vid = any_vlan();
          machine_.remove_link(name_of(vid));
          vlans.erase(vid);
          break;
        }
        case 5: {
          if (vlans.empty() || vrfs.empty()) break;
          const std::uint16_t vid = any_vlan();
          const std::string vrf = any_vrf();
          link(name_of(vid)).master = link(vrf).ifindex;
          vlans[vid].first = vrf;
          break;
        }
        default: {
          if (vlans.empty()) break;
          const std::uint16_t vid = any_vlan();
          vlans[vid].second = !vlans[vid].second;
          link(name_of(vid)).up = vlans[vid].second;
        }
      }
      if (pick(3) == 0) look();
    }
    look();
    settle();
    Places expected;
    for (const auto& [vid, vlan] : vlans) {
      if (!vlan.first.empty() && vlan.second) expected.emplace(vlan.first, vid);
    }
    EXPECT_EQ(served(), expected) << "seed " << seed;
  }
}

}  // namespace
}  // namespace xk::test
