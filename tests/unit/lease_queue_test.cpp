// What lies in the hook's queue file, cut off and damaged anywhere; and what Kea reads of a lease's context.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "controlplane/kea/hook/put_command.h"
#include "controlplane/kea/hook/queue_file.h"
#include "controlplane/leases/queue_entries.h"
#include "controlplane/leases/user_context.h"

namespace xk::leases {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

Changes queued(std::uint32_t n) {
  LeaseChange lease;
  lease.address = Ip4{0x0a000000 + n};
  lease.valid_lifetime_s = 60;
  lease.client_id = "client " + std::to_string(n);
  return {.number = n, .leases = {lease}};
}
std::string entry(std::uint32_t n) { return queue_entry(changes_frame(queued(n))); }
std::string three() { return entry(1) + entry(2) + entry(3); }

TEST(LeaseQueue, WhatIsWrittenIsRead) {
  const QueueContents read = read_queue(three());
  EXPECT_EQ(read.sets, (std::vector{queued(1), queued(2), queued(3)}));
  EXPECT_EQ(read.leases, 3u);
  EXPECT_FALSE(read.damaged);
  EXPECT_EQ(queue_trouble(read, "q", ""), "");
  EXPECT_THAT(read_queue("").sets, IsEmpty());
}

TEST(LeaseQueue, OneThatIsCutOffAnywhereIsTorn) {
  const std::string queue = three();
  const std::size_t size = entry(1).size();
  for (std::size_t length = 0; length <= queue.size(); ++length) {
    const QueueContents read = read_queue(std::string_view(queue).substr(0, length));
    EXPECT_EQ(read.sets.size(), length / size) << length;
    EXPECT_EQ(read.torn_bytes, length % size) << length;
    EXPECT_FALSE(read.damaged) << length;
    EXPECT_EQ(queue_trouble(read, "q", "").empty(), length % size == 0) << length;
  }
}

// A damaged frame is passed over; behind a damaged header nothing is sure, and that is said.
TEST(LeaseQueue, EveryBitThatIsFlippedIsFound) {
  constexpr std::size_t kHeader = 16;
  const std::string good = three();
  const std::size_t size = entry(1).size();
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string queue = good;
    queue[bit / 8] = static_cast<char>(queue[bit / 8] ^ (1 << (bit % 8)));
    const std::size_t in = bit / 8 / size;
    std::vector<Changes> expected{queued(1), queued(2), queued(3)};
    const bool header = bit / 8 % size < kHeader;
    const auto first_gone = expected.begin() + static_cast<std::ptrdiff_t>(in);
    expected.erase(first_gone, header ? expected.end() : first_gone + 1);
    const QueueContents read = read_queue(queue);
    EXPECT_EQ(read.sets, expected) << bit;
    ASSERT_TRUE(read.damaged) << bit;
    EXPECT_EQ(read.damaged_at, in * size) << bit;
    EXPECT_EQ(read.unread_bytes, header ? good.size() - in * size : 0) << bit;
    EXPECT_EQ(read.torn_bytes, 0u) << bit;
    EXPECT_THAT(queue_trouble(read, "q", "kept"), HasSubstr("kept")) << bit;
  }
}

TEST(LeaseQueue, AFileOfTheVersionBeforeIsRead) {
  const std::string old = changes_frame(queued(1)) + changes_frame(queued(2));
  const QueueContents read = read_queue(old + entry(3));
  EXPECT_EQ(read.sets, (std::vector{queued(1), queued(2), queued(3)}));
  EXPECT_EQ(queue_trouble(read, "q", ""), "");
  for (std::size_t length = 1; length < old.size(); ++length) {
    const QueueContents cut = read_queue(std::string_view(old).substr(0, length));
    EXPECT_EQ(cut.sets.size(), length / (old.size() / 2)) << length;
    EXPECT_EQ(cut.damaged, length % (old.size() / 2) != 0) << length;
  }
}

class LeaseQueueFile : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/dev/shm/xktgqueue.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  [[nodiscard]] std::string path() const { return directory_ + "/lease-queue"; }
  void write(const std::string& bytes) const { std::ofstream(path()) << bytes; }
  [[nodiscard]] static std::string bytes_of(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string directory_;
};

TEST_F(LeaseQueueFile, ATornEndIsCutOffAndSaid) {
  write(entry(1) + entry(2).substr(0, 20));
  std::string trouble;
  auto file = hook::QueueFile::open(path(), trouble);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_THAT(trouble, HasSubstr("not written to its end"));
  EXPECT_EQ(bytes_of(path()), entry(1));
  ASSERT_TRUE(file->add(entry(3)));
  EXPECT_EQ(file->read(trouble), (std::vector{queued(1), queued(3)}));
  EXPECT_EQ(trouble, "");
}

TEST_F(LeaseQueueFile, ADamagedOneIsKeptAndItsWholeEntriesStay) {
  std::string queue = three();
  queue[entry(1).size() + 30] ^= 1;
  write(queue);
  std::string trouble;
  auto file = hook::QueueFile::open(path(), trouble);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_THAT(trouble, HasSubstr(path() + " is damaged at byte " + std::to_string(entry(1).size())));
  EXPECT_THAT(trouble, HasSubstr(path() + ".damaged-1"));
  EXPECT_EQ(bytes_of(path() + ".damaged-1"), queue);
  EXPECT_EQ(bytes_of(path()), entry(1) + entry(3));
  // It is the new file that is written to; and what is damaged while it is open is found as well.
  ASSERT_TRUE(file->add(entry(2)));
  EXPECT_EQ(bytes_of(path()), entry(1) + entry(3) + entry(2));
  std::fstream(path()) << "what is this?";
  EXPECT_EQ(file->read(trouble), std::vector<Changes>());
  EXPECT_THAT(trouble, HasSubstr(path() + ".damaged-2"));
  EXPECT_EQ(file->bytes(), 0u);
  EXPECT_EQ(std::ranges::distance(std::filesystem::directory_iterator(directory_)), 3);
}

TEST(UserContext, WhatKeaReadsIsOne) {
  for (const char* good :
       {"{}", R"({ "ISC": { "relay-agent-info": "0x010565746831" } })", R"( {"a":[1,-2.5e+3,true,null,{}]} )",
        R"({"\u00e4\n\"":"\\"})", R"({"n":123456789012345678})"}) {
    EXPECT_TRUE(is_user_context(good)) << good;
    EXPECT_EQ(isc::data::Element::fromJSON(good)->getType(), isc::data::Element::map) << good;
  }
  for (const char* bad :
       {"", "[]", "1", "{", "{}}", "{} x", R"({"a"})", R"({"a":})", R"({"a":1,})", R"({a:1})",
        R"({"a":"\u20ac"})", R"({"a":"\x"})", R"({"a":"b)", R"({"a":1234567890123456789})", R"({"a":1e999})",
        R"({"a":truth})", "{\"a\":\"\n\"}", R"({"a":.5})"})
    EXPECT_FALSE(is_user_context(bad)) << bad;
  std::string deep = R"({"a":)" + std::string(8000, '[') + std::string(8000, ']') + "}";
  EXPECT_FALSE(is_user_context(deep));
}

TEST(UserContext, OneThatKeaDoesNotReadIsNotInItsCommand) {
  LeaseChange lease = queued(1).leases[0];
  lease.user_context = R"({ "a": 1 })";
  const auto arguments = [&] { return hook::command_of(lease)->get("arguments"); };
  EXPECT_TRUE(arguments()->contains("user-context"));
  lease.user_context = "{ no JSON";
  EXPECT_FALSE(arguments()->contains("user-context"));
  EXPECT_EQ(arguments()->get("ip-address")->stringValue(), "10.0.0.1");
}

}  // namespace
}  // namespace xk::leases
