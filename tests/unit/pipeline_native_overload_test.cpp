// Native engines where there is too much of something: records, journals, snapshots, probes, VRFs.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "native_pipeline.h"

namespace xk {
namespace {

using namespace test;

class NativeOverload : public NativePipeline {
 protected:
  using Clock = std::chrono::steady_clock;
  // Journals that are begun anew after so many bytes.
  void with_short_journals(std::uint64_t bytes) {
    NativeKeeper::Options keeper;
    keeper.journal_bytes_max = bytes;
    rig = std::make_unique<Rig>(std::vector<LoopPlacement>{}, 16384, 8192, 8192, nullptr, std::move(keeper));
  }
  // A client that asks for its address again and again, each time from another place: each is a record.
  void burst(std::uint32_t clients) {
    for (std::uint32_t client = 1; client <= clients; ++client) {
      const Ip4 address{kFirst.value + client};
      static_cast<void>(rig->clients->put(
          client_message(kRed, client, MessageType::request,
                         {{54, address_bytes(kUs)},
                          {50, address_bytes(address)},
                          {61, std::string(1 + round % 200, 'x') + std::to_string(client)}})));
      static_cast<void>(rig->clients->put(client_message(
          kRed, client, MessageType::release,
          {{54, address_bytes(kUs)}, {61, std::string(1 + round % 200, 'x') + std::to_string(client)}},
          address)));
    }
    ++round;
    while (rig->pipeline->iterate())
      while (!rig->clients->take().empty()) {
      }
  }
  [[nodiscard]] std::size_t files_like(std::string_view part) const {
    const auto names = folder.names();
    return static_cast<std::size_t>(std::ranges::count_if(
        names, [part](const std::string& name) { return name.find(part) != std::string::npos; }));
  }
  std::uint32_t round = 0;
};

// Loops may record without a pause: the journal is begun anew all the same, or it would fill the disk.
TEST_F(NativeOverload, AJournalIsBegunAnewUnderLoad) {
  with_short_journals(4096);
  begin(250);
  const std::uint64_t first = status().journal;
  const auto end = Clock::now() + std::chrono::seconds(4);
  while (Clock::now() < end && status().journal < first + 2) burst(200);
  EXPECT_GE(status().journal, first + 2);
}

// A store that does not follow is no reason for a snapshot every second.
TEST_F(NativeOverload, JournalsThatWaitForTheStoreAreNotWrittenAgainAndAgain) {
  for (std::uint32_t start = 1; start <= 10; ++start) {
    restart();
    ASSERT_FALSE(acquire(start).is_zero());
  }
  ASSERT_TRUE(Rig::await([&] { return files_like("snapshot-") == 1; }));
  const std::uint64_t journal = status().journal;
  std::this_thread::sleep_for(std::chrono::milliseconds(3500));
  EXPECT_LE(status().journal, journal + 1);
}

TEST_F(NativeOverload, WhatWasLeftOfASnapshotGoes) {
  const std::string left = folder.path() + "/snapshot-0000000000000007.tmp";
  std::ofstream(left) << std::string(100'000, 'x');
  std::ofstream(folder.path() + "/other.tmp") << "not ours";
  begin();
  EXPECT_FALSE(std::filesystem::exists(left));
  EXPECT_EQ(files_like("other.tmp"), 1u);
}

class NativeOnAFullDisk : public NativeOnASmallDisk {
 protected:
  [[nodiscard]] std::uint64_t room() const { return std::filesystem::space(folder.path()).free; }
  void leave(std::uint64_t bytes) {
    std::ofstream(folder.path() + "/ballast") << std::string(room() - bytes, 'x');
    ASSERT_EQ(room(), bytes);
  }
};

// What is tried every second leaves nothing behind that takes the room there is.
TEST_F(NativeOnAFullDisk, FailingTakesNoFurtherRoom) {
  serve(true);
  for (std::uint32_t client = 1; client < 240; ++client)
    ASSERT_FALSE(select(client, Ip4{kFirst.value + client - 1}).empty());
  const auto before = folder.names();
  empty();
  leave(8192);  // for a journal, and not for all that waits
  for (int second = 0; second < 3; ++second) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    rig->settle();
    EXPECT_EQ(status().state, NativeState::failing);
  }
  ASSERT_TRUE(Rig::await([&] { return room() == 8192; })) << room();
  EXPECT_EQ(folder.names().size(), before.size()) << testing::PrintToString(folder.names());
  heal();
  rig = std::make_unique<Rig>();
  begin(250);
  EXPECT_EQ(status().leases, 239u);
}

// A snapshot that finds no room leaves what there is to the journal.
TEST_F(NativeOnAFullDisk, ASnapshotWithoutRoomIsNotBegunForEver) {
  NativeKeeper::Options keeper;
  keeper.journal_bytes_max = 12'000;
  rig = std::make_unique<Rig>(std::vector<LoopPlacement>{}, 16384, 8192, 8192, nullptr, std::move(keeper));
  begin(250);
  for (std::uint32_t client = 1; client <= 120; ++client) ASSERT_FALSE(acquire(client).is_zero());
  leave(16'384);
  for (std::uint32_t client = 121; client <= 220; ++client) ASSERT_FALSE(acquire(client).is_zero());
  ASSERT_TRUE(Rig::await([&] { return status().error.find("snapshot") != std::string::npos; }));
  const std::uint64_t journal = status().journal;
  EXPECT_EQ(status().state, NativeState::serving);
  for (const std::string& name : folder.names()) EXPECT_FALSE(name.ends_with(".tmp")) << name;
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  EXPECT_EQ(status().journal, journal) << "it is not tried every second";
  EXPECT_FALSE(acquire(230).is_zero());
}

}  // namespace
}  // namespace xk
