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
    for (int event = 0; event < 100; ++event) {
      const auto pick = [&random](std::size_t count) { return random() % count; };
      const auto any_vrf = [&] {
        return std::next(vrfs.begin(), static_cast<long>(pick(vrfs.size())))->first;
      };
      const auto any_vlan = [&] {
        return std::next(vlans.begin(), static_cast<long>(pick(vlans.size())))->first;
      };
      const auto name_of = [](std::uint16_t vid) { return "eth1." + std::to_string(vid); };
      switch (pick(7)) {
        case 0: {
          const std::string name = "v" + std::to_string(++names);
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
          break;
        }
        case 2: {
          if (vrfs.empty()) break;
          const std::string from = any_vrf();
          const std::string to = "v" + std::to_string(++names);
          link(from).name = to;
          vrfs.erase(from);
          vrfs[to] = true;
          for (auto& [vid, vlan] : vlans) {
            if (vlan.first == from) vlan.first = to;
          }
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
      if (pick(3) == 0) refresh();
    }
    refresh();
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
