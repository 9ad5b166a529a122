#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "controlplane/reconcile/ids.h"

namespace xk {
namespace {

class IdsFile : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/xktgids.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  [[nodiscard]] std::string path() const { return directory_ + "/ids.json"; }
  std::string directory_;
};

AttachmentName client(const std::string& interface, std::uint16_t outer) {
  return {
      .vrf = "red", .role = AttachmentRole::client, .interface = interface, .outer = Vid{outer}, .inner = {}};
}

TEST(Ids, StayWithTheirNames) {
  IdTable ids;
  EXPECT_EQ(ids.vrf("red", 4096), VrfId{1});
  EXPECT_EQ(ids.vrf("blue", 4096), VrfId{2});
  EXPECT_EQ(ids.vrf("red", 4096), VrfId{1});
  EXPECT_EQ(ids.attachment(client("eth1", 0)), AttachmentId{1});
  EXPECT_EQ(ids.attachment(client("eth1", 100)), AttachmentId{2});
  EXPECT_EQ(ids.attachment(client("eth1", 0)), AttachmentId{1});
}

TEST(Ids, AreNotUsedAgainBeforeAllOthersWere) {
  IdTable ids;
  for (std::uint32_t i = 1; i <= 10; ++i) {
    EXPECT_EQ(ids.vrf("vrf" + std::to_string(i), 10), VrfId{i});
    ids.settle();  // only this one was asked for: the others are free now
  }
  EXPECT_EQ(ids.vrf("again", 10), VrfId{1});
}

IdTable read_again(const IdTable& ids) { return IdTable::parse(ids.to_json()).value(); }

// After a start it is not there yet.
TEST(Ids, AreRememberedUntilTheNameWasSeenAndLost) {
  IdTable ids;
  const VrfId red = ids.vrf("red", 4096).value();
  const AttachmentId attachment = ids.attachment(client("eth1", 5)).value();
  ids.settle();
  ids = read_again(ids);
  for (int look = 0; look < 3; ++look) ids.settle();
  ids = read_again(ids);
  EXPECT_EQ(ids.vrf("blue", 4096), VrfId{red.value + 1});
  EXPECT_EQ(ids.vrf("red", 4096), red);
  EXPECT_EQ(ids.attachment(client("eth1", 5)), attachment);
  ids.settle();
  ids.settle();
  EXPECT_NE(ids.vrf("red", 4096), red);
  EXPECT_NE(ids.attachment(client("eth1", 5)), attachment);
}

TEST(Ids, OfIdleNamesAreGivenAwayWhenNoneIsLeftInTurn) {
  IdTable ids;
  for (const char* name : {"a", "b", "c", "d"}) ASSERT_TRUE(ids.vrf(name, 4).has_value());
  ids.settle();
  ids = read_again(ids);
  ids.use_vrf("a");
  ids.avoid_vrf(VrfId{2});
  EXPECT_EQ(ids.vrf("e", 4), VrfId{3});
  EXPECT_EQ(ids.vrf("f", 4), VrfId{4});
  EXPECT_FALSE(ids.vrf("g", 4).has_value()) << "a is used, b's id is somewhere in the kernel";
  EXPECT_EQ(ids.vrf("a", 4), VrfId{1});
  ids.settle();
  EXPECT_EQ(ids.vrf("g", 4), VrfId{2});
  for (const char* name : {"a", "e", "f"}) EXPECT_TRUE(ids.vrf(name, 4).has_value());
  ids.settle();
  EXPECT_EQ(read_again(ids), ids);
}

TEST(Ids, OfAttachmentsAreGivenAwayToo) {
  IdTable ids;
  for (std::uint32_t i = 0; i < XK_ATTACHMENTS_MAX; ++i) {
    const auto added =
        ids.attachment(client("eth" + std::to_string(i / 4000), static_cast<std::uint16_t>(i % 4000)));
    ASSERT_EQ(added, AttachmentId{i + 1});
  }
  EXPECT_FALSE(ids.attachment(client("new", 1)).has_value());
  ids.settle();
  ids = read_again(ids);
  EXPECT_EQ(ids.attachment(client("eth0", 0)), AttachmentId{1});
  EXPECT_EQ(ids.attachment(client("new", 1)), AttachmentId{2});
  EXPECT_EQ(ids.attachment(client("new", 2)), AttachmentId{3});
}

TEST(Ids, NamesChangeAllAtOnce) {
  IdTable ids;
  const VrfId a = ids.vrf("a", 4096).value();
  const VrfId b = ids.vrf("b", 4096).value();
  const VrfId red = ids.vrf("red", 4096).value();
  const AttachmentId attachment = ids.attachment(client("eth1", 5)).value();
  ids.rename_vrfs({{"a", "c"}, {"b", "a"}, {"red", "b"}});
  EXPECT_EQ(ids.vrf("c", 4096), a);
  EXPECT_EQ(ids.vrf("a", 4096), b);
  EXPECT_EQ(ids.vrf("b", 4096), red);
  EXPECT_EQ(ids.directory("c"), "a");
  EXPECT_EQ(ids.directory("a"), "b");
  EXPECT_EQ(ids.directory("b"), "red");
  AttachmentName moved = client("eth1", 5);
  moved.vrf = "b";
  EXPECT_EQ(ids.attachment(moved), attachment);
  EXPECT_EQ(ids.vrf("red", 4096)->value, 4u);
  EXPECT_EQ(ids.directory("red"), "red-4");
  EXPECT_EQ(read_again(ids), ids);
  ids.rename_vrfs({{"c", "a"}});
  EXPECT_EQ(ids.directory("a"), "a");
  EXPECT_EQ(ids.vrf("a", 4096), a) << "what was called so is gone";
}

TEST(Ids, ADirectoryOfAnotherNameIsRemembered) {
  IdTable ids;
  const VrfId id = ids.vrf("a", 4096).value();
  ids.rename_vrfs({{"a", "b"}});
  for (int look = 0; look < 3; ++look) ids.settle();
  EXPECT_EQ(ids.find_directory("b"), "a");
  EXPECT_EQ(ids.find_directory("a"), std::nullopt);
  EXPECT_EQ(ids.find_directory("c"), "c");
  ASSERT_TRUE(ids.vrf("a", 4096).has_value());
  EXPECT_EQ(ids.find_directory("a"), "a-2");
  EXPECT_EQ(ids.vrf("b", 4096), id);
}

TEST(Ids, TellWhenAllAreTaken) {
  IdTable ids;
  EXPECT_TRUE(ids.vrf("a", 2).has_value());
  EXPECT_TRUE(ids.vrf("b", 2).has_value());
  const auto third = ids.vrf("c", 2);
  ASSERT_FALSE(third.has_value());
  EXPECT_NE(third.error().message.find("all 2 ids"), std::string::npos);
}

TEST(Ids, AvoidWhatTheKernelStillCarries) {
  IdTable ids;
  ids.avoid_vrf(VrfId{1});
  EXPECT_EQ(ids.vrf("red", 4096), VrfId{2});
}

TEST(Ids, StretchesOfSocketsNeverOverlap) {
  IdTable ids;
  const PortIds a = ids.port("eth1", 4).value();
  const PortIds b = ids.port("eth2", 2).value();
  EXPECT_EQ(a.xsk_base, 0u);
  EXPECT_EQ(b.xsk_base, 4u);
  EXPECT_NE(a.id, b.id);
  const PortIds more = ids.port("eth1", 8).value();
  EXPECT_EQ(more.id, a.id);
  EXPECT_EQ(more.xsk_base, 6u);
  EXPECT_EQ(ids.port("eth3", 4).value().xsk_base, 0u);
  EXPECT_FALSE(ids.port("eth4", XK_XSKS_MAX).has_value());
}

TEST_F(IdsFile, SurvivesWritingAndReading) {
  IdTable ids;
  (void)ids.vrf("red", 4096);
  (void)ids.attachment(client("eth1", 100));
  (void)ids.port("eth1", 4);
  ASSERT_TRUE(ids.save(path()).has_value());
  auto read = IdTable::load(path());
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(*read, ids);
  EXPECT_EQ(read->vrf("blue", 4096), VrfId{2});
  struct stat info{};
  ASSERT_EQ(::stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0600u);
  EXPECT_FALSE(std::filesystem::exists(path() + ".new"));
}

TEST_F(IdsFile, MissingIsEmpty) {
  const auto read = IdTable::load(path());
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(*read, IdTable{});
}

TEST_F(IdsFile, DamagedSaysWhereAndWhatToDo) {
  std::ofstream(path()) << "{\"version\": 1, \"next_vrf\": 1";
  const auto read = IdTable::load(path());
  ASSERT_FALSE(read.has_value());
  EXPECT_NE(read.error().message.find(path()), std::string::npos);
  EXPECT_NE(read.error().message.find("--teardown"), std::string::npos);
}

TEST_F(IdsFile, CannotBeWrittenWithoutItsDirectory) {
  const auto saved = IdTable{}.save(directory_ + "/none/ids.json");
  ASSERT_FALSE(saved.has_value());
  EXPECT_EQ(saved.error().system_errno, ENOENT);
}

TEST(IdsText, RefusesWhatCannotBe) {
  const std::string head = R"({"version":1,"next_vrf":1,"next_attachment":1,)";
  const std::string whole = head + R"("vrfs":[],"attachments":[],"ports":[]})";
  ASSERT_TRUE(IdTable::parse(whole).has_value());
  for (const std::string& text : {
           std::string(),
           std::string("[]"),
           std::string(
               R"({"version":2,"next_vrf":1,"next_attachment":1,"vrfs":[],"attachments":[],"ports":[]})"),
           head + R"("vrfs":{},"attachments":[],"ports":[]})",
           head + R"("vrfs":[1],"attachments":[],"ports":[]})",
           head + R"("vrfs":[{"name":"a","id":0}],"attachments":[],"ports":[]})",
           head + R"("vrfs":[{"name":"a","id":4097}],"attachments":[],"ports":[]})",
           head + R"("vrfs":[{"name":"a","id":-1}],"attachments":[],"ports":[]})",
           head + R"("vrfs":[{"name":"a","id":1},{"name":"b","id":1}],"attachments":[],"ports":[]})",
           head + R"("vrfs":[{"name":"a","id":1},{"name":"a","id":2}],"attachments":[],"ports":[]})",
           head + R"("vrfs":[],"attachments":[{"id":1}],"ports":[]})",
           head +
               R"("vrfs":[],"attachments":[],"ports":[{"name":"a","id":0,"xsk_base":16384,"xsk_count":1}]})",
           head + R"("vrfs":[],"attachments":[],"ports":[{"name":"a","id":0,"xsk_base":0,"xsk_count":2},)"
                  R"({"name":"b","id":1,"xsk_base":1,"xsk_count":2}]})",
       }) {
    EXPECT_FALSE(IdTable::parse(text).has_value()) << text;
  }
}

TEST(KernelNames, AreBuiltFromIds) {
  Appliance appliance;
  appliance.name = "a-very-long-appliance-name";
  EXPECT_LE(handoff_host_name(appliance, VrfId{XK_VRFS_MAX}).size(), 15u);
  EXPECT_LE(handoff_peer_name(VrfId{XK_VRFS_MAX}).size(), 15u);
  EXPECT_NE(handoff_host_name(appliance, VrfId{1}), handoff_host_name(appliance, VrfId{2}));
  EXPECT_EQ(ownership_mark(appliance, VrfId{7}), "xdp-kea:a-very-long-appliance-name:vrf:7");
  EXPECT_EQ(vrf_of_mark(appliance, ownership_mark(appliance, VrfId{7})), VrfId{7});
  EXPECT_EQ(vrf_of_mark(appliance, "xdp-kea:other:vrf:7"), VrfId{0});
  EXPECT_EQ(vrf_of_netns(appliance, netns_name(appliance, VrfId{7})), VrfId{7});
  EXPECT_EQ(vrf_of_netns(appliance, "a-very-long-appliance-name-7x"), VrfId{0});
}

}  // namespace
}  // namespace xk
