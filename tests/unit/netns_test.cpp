// Network namespaces on the real kernel: made, adopted, refused, removed. All are named xktc-... and
// go away with the test.
#include "controlplane/netns/netns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "tests/unit/kernel_support.h"

namespace xk {
namespace {

using test::open_descriptors;
using test::own_namespace;
using test::run;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kMark = "xdp-kea:xktc:vrf:1";

class NetnsTest : public testing::Test {
 public:
  NetnsTest() { clean(); }
  ~NetnsTest() override { clean(); }

  // Removes whatever is at our names, ours or made foreign on purpose.
  void clean() const {
    test::remove_namespace(name_);
    test::remove_namespace(name_ + "2");
  }
  [[nodiscard]] std::string path() const { return "/run/netns/" + name_; }
  [[nodiscard]] bool is_mounted() const {
    struct statfs filesystem{};
    return ::statfs(path().c_str(), &filesystem) == 0 && filesystem.f_type == NSFS_MAGIC;
  }
  [[nodiscard]] ino_t inode() const {
    struct stat status{};
    return ::stat(path().c_str(), &status) == 0 ? status.st_ino : 0;
  }

  const std::string name_ = "xktc-" + std::to_string(::getpid());
  std::unique_ptr<Namespaces> namespaces_ = make_namespaces();
};

TEST_F(NetnsTest, MadeWithLoUpAndMarkedAndSeenByIproute2) {
  const std::string before = own_namespace();
  const std::size_t descriptors = open_descriptors();
  const auto made = namespaces_->ensure(name_, kMark);
  ASSERT_TRUE(made.has_value()) << made.error().message;
  EXPECT_TRUE(is_mounted());
  EXPECT_EQ(own_namespace(), before);
  EXPECT_EQ(open_descriptors(), descriptors);
  EXPECT_THAT(run("ip netns list"), HasSubstr(name_));
  const std::string lo = run("ip -n " + name_ + " link show lo");
  EXPECT_THAT(lo, HasSubstr("UP"));
  EXPECT_THAT(lo, HasSubstr(std::string("alias ") + kMark));
}

TEST_F(NetnsTest, AdoptsItsOwnAndBringsLoUpAgain) {
  ASSERT_TRUE(namespaces_->ensure(name_, kMark).has_value());
  const ino_t first = inode();
  run("ip -n " + name_ + " link set lo down");
  const auto again = make_namespaces()->ensure(name_, kMark);
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(inode(), first);
  EXPECT_THAT(run("ip -n " + name_ + " link show lo"), HasSubstr(",UP"));
}

TEST_F(NetnsTest, RefusesOneWithoutMarkAndLeavesItAlone) {
  ASSERT_EQ(run("ip netns add " + name_), "");
  const ino_t first = inode();
  const auto refused = namespaces_->ensure(name_, kMark);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("not ours"));
  EXPECT_THAT(refused.error().message, HasSubstr(name_));
  const auto removed = namespaces_->remove(name_, kMark);
  ASSERT_FALSE(removed.has_value());
  EXPECT_THAT(removed.error().message, HasSubstr("not ours"));
  EXPECT_EQ(inode(), first);
  EXPECT_THAT(run("ip -n " + name_ + " link show lo"), Not(HasSubstr("alias")));
}

TEST_F(NetnsTest, RefusesAnotherOwnersMarkEvenIfOneIsAPrefixOfTheOther) {
  ASSERT_TRUE(namespaces_->ensure(name_, std::string(kMark) + "0").has_value());
  const auto refused = namespaces_->ensure(name_, kMark);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr(std::string("alias \"") + kMark + "0\""));
  EXPECT_FALSE(namespaces_->remove(name_, kMark).has_value());
  EXPECT_TRUE(is_mounted());
}

TEST_F(NetnsTest, RefusesAFileThatIsNoNamespace) {
  ASSERT_TRUE(namespaces_->ensure(name_ + "2", kMark).has_value());  // the directory is there now
  std::ofstream(path()) << "precious";
  const auto refused = namespaces_->ensure(name_, kMark);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("no network namespace"));
  EXPECT_TRUE(namespaces_->remove(name_, kMark).has_value());
  EXPECT_EQ(std::filesystem::file_size(path()), 8u);
}

TEST_F(NetnsTest, FinishesWhatACrashBetweenFileAndMountLeft) {
  ASSERT_TRUE(namespaces_->ensure(name_ + "2", kMark).has_value());
  std::ofstream(path()).flush();
  const auto made = namespaces_->ensure(name_, kMark);
  ASSERT_TRUE(made.has_value()) << made.error().message;
  EXPECT_TRUE(is_mounted());
}

TEST_F(NetnsTest, RemovedForGoodAndGoneAlreadyIsNoError) {
  ASSERT_TRUE(namespaces_->ensure(name_, kMark).has_value());
  const auto removed = namespaces_->remove(name_, kMark);
  ASSERT_TRUE(removed.has_value()) << removed.error().message;
  EXPECT_FALSE(std::filesystem::exists(path()));
  EXPECT_THAT(run("ip netns list"), Not(HasSubstr(name_)));
  EXPECT_TRUE(namespaces_->remove(name_, kMark).has_value());
}

TEST_F(NetnsTest, ListsTheMarkedOnly) {
  ASSERT_TRUE(namespaces_->ensure(name_, "xktc-list:" + name_ + ":vrf:1").has_value());
  ASSERT_EQ(run("ip netns add " + name_ + "2"), "");
  const auto listed = namespaces_->list_marked("xktc-list:" + name_ + ":");
  ASSERT_TRUE(listed.has_value()) << listed.error().message;
  EXPECT_THAT(*listed, ElementsAre(name_));
  EXPECT_THAT(*namespaces_->list_marked(""), Not(Contains(name_ + "2")));
}

TEST_F(NetnsTest, NamesThatAreNoneAreRefused) {
  for (const std::string& bad : {std::string(), std::string("."), std::string(".."), std::string("a/b"),
                                 std::string(256, 'n'), std::string("a\0b", 3)})
    for (const auto& result : {namespaces_->ensure(bad, kMark), namespaces_->remove(bad, kMark)}) {
      ASSERT_FALSE(result.has_value()) << bad;
      EXPECT_THAT(result.error().message, HasSubstr("no name for a network namespace"));
    }
}

TEST_F(NetnsTest, MarksThatDoNotFitAnAliasAreRefused) {
  for (const std::string& bad : {std::string(), std::string(255, 'm')}) {
    const auto result = namespaces_->ensure(name_, bad);
    ASSERT_FALSE(result.has_value());
    EXPECT_THAT(result.error().message, HasSubstr("1 to 254 bytes"));
  }
  ASSERT_TRUE(namespaces_->ensure(name_, std::string(254, 'm')).has_value());
  EXPECT_TRUE(namespaces_->ensure(name_, std::string(254, 'm')).has_value());
}

// In a mount namespace of its own: the directory is not there yet and becomes a shared mount.
TEST_F(NetnsTest, MakesTheDirectoryASharedMountLikeIproute2) {
  std::string template_path = "/tmp/xktc-netns-XXXXXX";
  ASSERT_NE(::mkdtemp(template_path.data()), nullptr);
  const std::string directory = template_path + "/netns";
  std::thread([&] {
    ASSERT_EQ(::unshare(CLONE_NEWNS | CLONE_FS), 0);
    ASSERT_EQ(::mount("", "/", "none", MS_PRIVATE | MS_REC, nullptr), 0);
    const auto namespaces = make_namespaces(directory);
    EXPECT_THAT(*namespaces->list_marked(""), testing::IsEmpty());
    const auto made = namespaces->ensure("one", kMark);
    ASSERT_TRUE(made.has_value()) << made.error().message;
    ASSERT_TRUE(namespaces->ensure("two", kMark).has_value());
    EXPECT_THAT(*namespaces->list_marked("xdp-kea:xktc:"), ElementsAre("one", "two"));
    std::ifstream mounts("/proc/thread-self/mountinfo");
    int mounted = 0;
    for (std::string line; std::getline(mounts, line);)
      if (line.find(" " + directory + " ") != std::string::npos) {
        ++mounted;
        EXPECT_THAT(line, HasSubstr("shared:"));
      }
    EXPECT_EQ(mounted, 1);
    EXPECT_TRUE(namespaces->remove("one", kMark).has_value());
    EXPECT_THAT(*namespaces->list_marked(""), ElementsAre("two"));
  }).join();
  std::filesystem::remove_all(template_path);
}

// Nothing of a namespace whose making fails stays: here because its name cannot be made.
TEST_F(NetnsTest, FailureLeavesNothingBehind) {
  std::string directory = "/tmp/xktc-netns-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const std::size_t descriptors = open_descriptors();
  const auto refused = make_namespaces(directory + "/missing/netns")->ensure(name_, kMark);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().system_errno, ENOENT);
  EXPECT_EQ(open_descriptors(), descriptors);
  EXPECT_TRUE(std::filesystem::is_empty(directory));
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace xk
