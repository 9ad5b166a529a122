// The classifier's adapter on veths of the test's own: pins, links, offloads, and all it must refuse.
#include "controlplane/bpfmaps/classifier.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "controlplane/bpfmaps/vlan_offload.h"
#include "controlplane/bpfmaps/xdp_link.h"
#include "tests/bpf/frames.h"
#include "tests/bpf/sandbox.h"
#include "tests/bpf/wire.h"
#include "xdp_pass.skel.h"

namespace xk::test {
namespace {

using bpfmaps::active_vlan_offloads;
using bpfmaps::xdp_state;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class ClassifierTest : public testing::Test {
 protected:
  ClassifierTest() {
    enter_sandbox();
    libbpf_set_print(nullptr);
    make_veth("xkta0", "xkta1");
    port = IfIndex{ifindex_of("xkta0")};
    classifier = restarted();
  }
  void TearDown() override {
    if (ifindex_of("xkta0") != 0) shell("ip link del dev xkta0");
  }

  // As a new daemon finds the machine.
  [[nodiscard]] std::unique_ptr<Classifier> restarted() {
    classifier.reset();
    auto fresh = make_classifier(state_dir());
    const auto opened = fresh->open(bpf_dir());
    EXPECT_TRUE(opened) << opened.error().message;
    return fresh;
  }
  [[nodiscard]] std::string bpf_dir() const { return directory.path() + "/bpf"; }
  [[nodiscard]] std::string state_dir() const { return directory.path() + "/state"; }
  [[nodiscard]] std::string pin() const { return bpf_dir() + "/links/" + std::to_string(port.value); }
  [[nodiscard]] std::string record() const {
    return state_dir() + "/xdp-ports/" + std::to_string(port.value) + ".json";
  }
  [[nodiscard]] std::vector<std::string> offloads() const {
    return active_vlan_offloads(port).value_or(bpfmaps::VlanOffloads{{"unknown"}, {}}).strips;
  }
  [[nodiscard]] static bool exists(const std::string& path) { return std::filesystem::exists(path); }

  TempDir directory;
  IfIndex port;
  std::unique_ptr<Classifier> classifier;
};

const std::vector<std::string> kBothOffloads = {"rx-vlan-hw-parse", "rx-vlan-stag-hw-parse"};

TEST_F(ClassifierTest, MountsBpffsAndPinsTheMapsByName) {
  struct statfs info{};
  ASSERT_EQ(::statfs(bpf_dir().c_str(), &info), 0);
  EXPECT_EQ(static_cast<std::uint32_t>(info.f_type), static_cast<std::uint32_t>(BPF_FS_MAGIC));
  for (const char* name : {XK_MAP_ATTACHMENTS, XK_MAP_ADDRESSES, XK_MAP_XSKS, XK_MAP_COUNTERS})
    EXPECT_TRUE(exists(bpf_dir() + "/" + name)) << name;
}

TEST_F(ClassifierTest, AttachesNativeAndDetachesWithoutTrace) {
  ASSERT_EQ(offloads(), kBothOffloads);
  const auto attached = classifier->attach(port, "xkta0", false);
  ASSERT_TRUE(attached) << attached.error().message;
  EXPECT_EQ(attached->ifindex, port);
  EXPECT_EQ(attached->mode, AttachMode::native);
  EXPECT_EQ(attached->warning, "");
  EXPECT_TRUE(attached->vlan_offload_taken);
  EXPECT_THAT(offloads(), IsEmpty());
  EXPECT_NE(xdp_state(port)->native_id, 0u);
  EXPECT_EQ(classifier->attached().size(), 1u);

  ASSERT_TRUE(classifier->detach(port, "xkta0"));
  EXPECT_TRUE(xdp_state(port)->empty());
  EXPECT_EQ(offloads(), kBothOffloads);
  EXPECT_THAT(classifier->attached(), IsEmpty());
  EXPECT_FALSE(exists(pin()));
  EXPECT_FALSE(exists(record()));
  EXPECT_TRUE(classifier->detach(port, "xkta0")) << "twice is no error";
}

TEST_F(ClassifierTest, AttachingTwiceChangesNothing) {
  ASSERT_TRUE(classifier->attach(port, "xkta0", false));
  const std::uint32_t program = xdp_state(port)->native_id;
  const auto again = classifier->attach(port, "xkta0", false);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->mode, AttachMode::native);
  EXPECT_TRUE(again->vlan_offload_taken);
  EXPECT_EQ(xdp_state(port)->native_id, program);
}

TEST_F(ClassifierTest, OffloadThatWasOffStaysOff) {
  shell("ethtool -K xkta0 rxvlan off >/dev/null");
  ASSERT_THAT(offloads(), ElementsAre("rx-vlan-stag-hw-parse"));
  ASSERT_TRUE(classifier->attach(port, "xkta0", false));
  EXPECT_THAT(offloads(), IsEmpty());
  ASSERT_TRUE(classifier->detach(port, "xkta0"));
  EXPECT_THAT(offloads(), ElementsAre("rx-vlan-stag-hw-parse"));
}

TEST_F(ClassifierTest, SurvivesTheDaemonAndIsAdopted) {
  ASSERT_TRUE(classifier->attach(port, "xkta0", false));
  const AttachmentRow row{{port.value, 100, 0}, {7, 3, 0, 1, XK_ROLE_CLIENT, 0}};
  ASSERT_TRUE(classifier->put_attachment(row));
  const std::uint32_t before = xdp_state(port)->native_id;
  classifier.reset();
  EXPECT_EQ(xdp_state(port)->native_id, before) << "packets flow while the daemon is away";

  classifier = restarted();
  const auto adopted = classifier->attached();
  ASSERT_EQ(adopted.size(), 1u);
  EXPECT_EQ(adopted[0].ifindex, port);
  EXPECT_EQ(adopted[0].mode, AttachMode::native);
  EXPECT_TRUE(adopted[0].vlan_offload_taken);
  const std::uint32_t after = xdp_state(port)->native_id;
  EXPECT_NE(after, 0u);
  EXPECT_NE(after, before) << "the link runs the new daemon's program";
  const auto rows = classifier->attachments();
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ((*rows)[0].value.attachment_id, 7u);

  ASSERT_TRUE(classifier->attach(port, "xkta0", false));
  ASSERT_TRUE(classifier->detach(port, "xkta0"));
  EXPECT_EQ(offloads(), kBothOffloads) << "restored by a daemon that did not take them";
}

TEST_F(ClassifierTest, RefusesAForeignProgram) {
  xdp_pass* foreign = xdp_pass__open_and_load();
  ASSERT_NE(foreign, nullptr);
  const int program = bpf_program__fd(foreign->progs.xk_pass_all);
  for (const __u32 flags : {XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE}) {
    ASSERT_EQ(bpf_xdp_attach(static_cast<int>(port.value), program, flags, nullptr), 0);
    const auto state = *xdp_state(port);
    const auto attached = classifier->attach(port, "xkta0", false);
    ASSERT_FALSE(attached);
    const std::uint32_t id = std::max(state.native_id, state.generic_id);
    EXPECT_THAT(attached.error().message, HasSubstr("xkta0"));
    EXPECT_THAT(attached.error().message, HasSubstr("'xk_pass_all' (id " + std::to_string(id) + ")"));
    EXPECT_EQ(std::max(xdp_state(port)->native_id, xdp_state(port)->generic_id), id) << "still there";
    EXPECT_EQ(offloads(), kBothOffloads) << "nothing was touched";
    EXPECT_FALSE(exists(pin()));
    ASSERT_EQ(bpf_xdp_detach(static_cast<int>(port.value), flags, nullptr), 0);
  }
  xdp_pass__destroy(foreign);
  EXPECT_TRUE(classifier->attach(port, "xkta0", false)) << "once it is gone";
}

TEST_F(ClassifierTest, FallsBackToGenericWithAWarningThatStays) {
  const IfIndex lo{1};  // its driver knows no XDP
  const auto attached = classifier->attach(lo, "lo", false);
  ASSERT_TRUE(attached) << attached.error().message;
  EXPECT_EQ(attached->mode, AttachMode::generic);
  EXPECT_THAT(attached->warning, HasSubstr("native"));
  EXPECT_NE(xdp_state(lo)->generic_id, 0u);
  const std::string warning = attached->warning;

  classifier = restarted();
  ASSERT_EQ(classifier->attached().size(), 1u);
  EXPECT_EQ(classifier->attached()[0].mode, AttachMode::generic);
  EXPECT_EQ(classifier->attached()[0].warning, warning);
  EXPECT_EQ(classifier->attach(lo, "lo", false)->warning, warning);
  ASSERT_TRUE(classifier->detach(lo, "lo"));
  EXPECT_TRUE(xdp_state(lo)->empty());
}

TEST_F(ClassifierTest, GenericAsConfiguredAndBack) {
  const auto forced = classifier->attach(port, "xkta0", true);
  ASSERT_TRUE(forced) << forced.error().message;
  EXPECT_EQ(forced->mode, AttachMode::generic);
  EXPECT_THAT(forced->warning, HasSubstr("generic"));
  classifier = restarted();
  const auto native = classifier->attach(port, "xkta0", false);
  ASSERT_TRUE(native) << native.error().message;
  EXPECT_EQ(native->mode, AttachMode::native);
  EXPECT_EQ(native->warning, "");
  EXPECT_EQ(xdp_state(port)->generic_id, 0u);
  EXPECT_EQ(classifier->attach(port, "xkta0", true)->mode, AttachMode::generic);
  ASSERT_TRUE(classifier->detach(port, "xkta0"));
  EXPECT_EQ(offloads(), kBothOffloads);
}

// The interface goes while attached, and another one gets its index.
TEST_F(ClassifierTest, AnotherInterfaceWithTheSameIndex) {
  for (const bool restart : {false, true}) {
    ASSERT_TRUE(classifier->attach(port, "xkta0", false));
    shell("ip link del dev xkta0");
    EXPECT_THAT(classifier->attached(), IsEmpty());
    EXPECT_TRUE(exists(pin()));
    shell("ip link add dev xkta0 index " + std::to_string(port.value) + " type veth peer name xkta1");
    ASSERT_EQ(ifindex_of("xkta0"), port.value);
    if (restart) classifier = restarted();
    EXPECT_THAT(classifier->attached(), IsEmpty());
    const auto attached = classifier->attach(port, "xkta0", false);
    ASSERT_TRUE(attached) << attached.error().message;
    EXPECT_NE(xdp_state(port)->native_id, 0u);
    ASSERT_TRUE(classifier->detach(port, "xkta0"));
    EXPECT_EQ(offloads(), kBothOffloads);
  }
}

TEST_F(ClassifierTest, DetachingWhatIsGoneIsNoError) {
  ASSERT_TRUE(classifier->attach(port, "xkta0", false));
  shell("ip link del dev xkta0");
  EXPECT_TRUE(classifier->detach(port, "xkta0"));
  EXPECT_FALSE(exists(pin()));
  EXPECT_FALSE(exists(record()));
}

TEST_F(ClassifierTest, StalePinsGoAtStart) {
  ASSERT_TRUE(classifier->attach(port, "xkta0", false));
  shell("ip link del dev xkta0");
  classifier = restarted();
  EXPECT_FALSE(exists(pin()));
  EXPECT_FALSE(exists(record()));
}

TEST_F(ClassifierTest, LinkTakenAwayByAnotherHand) {
  for (const bool restart : {false, true}) {
    ASSERT_TRUE(classifier->attach(port, "xkta0", false));
    {
      const Fd link{bpf_obj_get(pin().c_str())};
      ASSERT_EQ(bpf_link_detach(link.get()), 0);
    }
    EXPECT_THAT(classifier->attached(), IsEmpty());
    if (restart) classifier = restarted();
    ASSERT_TRUE(classifier->attach(port, "xkta0", false));
    EXPECT_EQ(classifier->attached().size(), 1u);
    EXPECT_THAT(offloads(), IsEmpty());
    ASSERT_TRUE(classifier->detach(port, "xkta0"));
    EXPECT_EQ(offloads(), kBothOffloads) << "what the first attachment took is not forgotten";
  }
}

// The daemon died between taking the offloads off and attaching.
TEST_F(ClassifierTest, RecordWithoutALinkIsUndoneAtStart) {
  ASSERT_TRUE(classifier->attach(port, "xkta0", false));
  const std::string kept = directory.path() + "/kept.json";
  std::filesystem::copy_file(record(), kept);
  ASSERT_TRUE(classifier->detach(port, "xkta0"));
  std::filesystem::copy_file(kept, record());
  ASSERT_TRUE(bpfmaps::set_vlan_offloads(port, kBothOffloads, false));
  classifier = restarted();
  EXPECT_EQ(offloads(), kBothOffloads);
  EXPECT_FALSE(exists(record()));
}

TEST_F(ClassifierTest, RecordsThatAreNoRecords) {
  ASSERT_TRUE(classifier->attach(port, "xkta0", false));
  for (const char* text : {"", "{", "[]", "null", R"({"boot_id": 7})", R"({"boot_id": "an earlier boot"})"}) {
    std::ofstream(record()) << text;
    classifier = restarted();
    EXPECT_EQ(classifier->attached().size(), 1u) << text;
    EXPECT_FALSE(classifier->attached().at(0).vlan_offload_taken) << text;
  }
}

// A link that moved away with its interface is not what stands here under its index.
TEST_F(ClassifierTest, InterfaceMovedToAnotherNamespace) {
  ASSERT_TRUE(classifier->attach(port, "xkta0", false));
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t elsewhere = ::fork();
  if (elsewhere == 0) {
    const char done = ::unshare(CLONE_NEWNET) == 0 ? 1 : 0;
    (void)!::write(ready[1], &done, 1);
    for (;;) ::pause();
  }
  char done = 0;
  ASSERT_EQ(::read(ready[0], &done, 1), 1);
  EXPECT_EQ(done, 1);
  shell("ip link set dev xkta0 netns " + std::to_string(elsewhere));
  shell("ip link add dev xkta0 index " + std::to_string(port.value) + " type veth peer name xkta2");
  classifier = restarted();
  EXPECT_THAT(classifier->attached(), IsEmpty());
  EXPECT_TRUE(classifier->attach(port, "xkta0", false));
  EXPECT_EQ(classifier->attached().size(), 1u);
  ::kill(elsewhere, SIGKILL);
  ::waitpid(elsewhere, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(ClassifierTest, MissingInterface) {
  const auto attached = classifier->attach(IfIndex{99999}, "xkta9", false);
  ASSERT_FALSE(attached);
  EXPECT_THAT(attached.error().message, HasSubstr("xkta9"));
  EXPECT_THAT(classifier->attached(), IsEmpty());
}

TEST_F(ClassifierTest, PinnedMapOfAnotherLayoutIsRefused) {
  classifier.reset();
  const std::string path = bpf_dir() + "/" XK_MAP_ATTACHMENTS;
  ASSERT_EQ(::unlink(path.c_str()), 0);
  const Fd other{bpf_map_create(BPF_MAP_TYPE_HASH, XK_MAP_ATTACHMENTS, 8, 12, 64, nullptr)};
  ASSERT_EQ(bpf_obj_pin(other.get(), path.c_str()), 0);
  auto fresh = make_classifier(state_dir());
  const auto opened = fresh->open(bpf_dir());
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr(path));
  EXPECT_THAT(opened.error().message, HasSubstr("value size 12 instead of 16"));
  EXPECT_THAT(opened.error().message, HasSubstr("size 64 instead of 65536"));
}

TEST_F(ClassifierTest, DirectoryThatCannotBe) {
  std::ofstream(directory.path() + "/file") << "in the way";
  auto fresh = make_classifier(state_dir());
  const auto opened = fresh->open(directory.path() + "/file/bpf");
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("/file/bpf"));
}

TEST_F(ClassifierTest, Attachments) {
  constexpr std::uint16_t kRows = 1000;
  for (std::uint16_t vid = 1; vid <= kRows; ++vid)
    ASSERT_TRUE(classifier->put_attachment({{5, vid, 0}, {vid, 1, 0, 1, XK_ROLE_CLIENT, 0}}));
  ASSERT_TRUE(classifier->put_attachment({{5, 7, 0}, {4242, 1, 0, 1, XK_ROLE_CLIENT, 0}})) << "replaces";
  auto rows = classifier->attachments();
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), kRows);
  std::ranges::sort(*rows, {}, [](const AttachmentRow& row) { return row.key.outer_vid; });
  for (std::uint16_t vid = 1; vid <= kRows; ++vid) {
    EXPECT_EQ((*rows)[vid - 1u].key.outer_vid, vid);
    EXPECT_EQ((*rows)[vid - 1u].value.attachment_id, vid == 7 ? 4242u : vid);
  }
  for (std::uint16_t vid = 1; vid <= kRows; ++vid) ASSERT_TRUE(classifier->remove_attachment({5, vid, 0}));
  EXPECT_TRUE(classifier->remove_attachment({5, 1, 0})) << "gone already is no error";
  EXPECT_THAT(*classifier->attachments(), IsEmpty());
}

TEST_F(ClassifierTest, AttachmentsThatMakeNoSense) {
  const xk_attachment_value value{1, 1, 0, 1, XK_ROLE_CLIENT, 0};
  EXPECT_TRUE(classifier->put_attachment({{5, 4094, 4094}, value}));
  EXPECT_FALSE(classifier->put_attachment({{5, 4095, 0}, value}));
  EXPECT_FALSE(classifier->put_attachment({{5, 1, 4095}, value}));
  EXPECT_FALSE(classifier->put_attachment({{5, 4096, 0}, value}));
  EXPECT_FALSE(classifier->put_attachment({{5, 0, 1}, value}));
  EXPECT_EQ(classifier->attachments()->size(), 1u);
}

TEST_F(ClassifierTest, Addresses) {
  const xk_address_key first{1, 4, {10, 0, 0, 1}};
  const xk_address_key second{2, 4, {10, 0, 0, 1}};
  ASSERT_TRUE(classifier->put_address({first, XK_ADDRESS_LOCAL}));
  ASSERT_TRUE(classifier->put_address({second, XK_ADDRESS_LOCAL}));
  ASSERT_TRUE(classifier->put_address({first, XK_ADDRESS_LOCAL | XK_ADDRESS_ARP}));
  std::vector<std::pair<std::uint32_t, std::uint32_t>> rows;
  const auto read = classifier->addresses();
  ASSERT_TRUE(read);
  for (const AddressRow& row : *read) rows.emplace_back(row.key.attachment_id, row.flags);
  EXPECT_THAT(rows, UnorderedElementsAre(std::pair{1u, XK_ADDRESS_LOCAL | XK_ADDRESS_ARP},
                                         std::pair{2u, std::uint32_t{XK_ADDRESS_LOCAL}}));
  ASSERT_TRUE(classifier->remove_address(first));
  ASSERT_TRUE(classifier->remove_address(first));
  EXPECT_EQ(classifier->addresses()->size(), 1u);
}

TEST_F(ClassifierTest, CountsWhatComesInNativeAndGeneric) {
  const Wire wire("xkta1");
  for (const bool generic : {false, true}) {
    ASSERT_TRUE(classifier->attach(port, "xkta0", generic));
    const auto before = classifier->counters();
    ASSERT_TRUE(before);
    ASSERT_EQ(before->size(), std::size_t{XK_OUTCOME_COUNT});
    for (int i = 0; i < 5; ++i) wire.send(frame_of(Udp4{.tags = {{0x8100, 77}}}));
    EXPECT_TRUE(eventually(
        [&] { return (*classifier->counters())[XK_PASS_UNMAPPED] >= (*before)[XK_PASS_UNMAPPED] + 5; }));
  }
}

}  // namespace
}  // namespace xk::test
