// Following the journal of a native engine.
#include <gmock/gmock.h>

#include "controlplane/natives/journal_tail.h"
#include "tests/unit/native_journal.h"

namespace xk::natives {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Tail : public testing::Test {
 protected:
  // Revisions that came, snapshots as "[1 2]".
  std::string looks() {
    std::string all;
    for (int i = 0; i < 1000; ++i) {
      std::string came;
      const auto look = tail.look([&](const JournalRecord& record) {
        came += (came.empty() ? "" : " ") + std::to_string(record.revision);
      });
      if (!look) return all + "error: " + look.error().message;
      if (look->begins) all += "[";
      all += came;
      if (look->complete) all += "]";
      if (!look->more) return all;
    }
    return "it never ends";
  }

  TempFolder folder;
  TestJournal journal{folder.path()};
  std::vector<std::string> told;
  JournalTail tail{folder.path(), [this](std::string text) { told.push_back(std::move(text)); }};
};

TEST_F(Tail, ASnapshotAndTheJournalsBehindIt) {
  journal.snapshot(1, 2, {leased(1, 1, kLater), leased(2, 2, kLater)});
  EXPECT_EQ(looks(), "[1 2]");
  EXPECT_EQ(looks(), "");
  journal.begin(1, 2);
  journal.append(leased(3, 3, kLater));
  EXPECT_EQ(looks(), "3");
  journal.append(leased(4, 4, kLater));
  journal.begin(2, 4);
  journal.append(leased(5, 5, kLater));
  EXPECT_EQ(looks(), "45");
  EXPECT_EQ(tail.position()->revision, 5u);
  EXPECT_EQ(tail.position()->journal, 2u);
  EXPECT_THAT(told, IsEmpty());
}

TEST_F(Tail, MoreThanOneLookHolds) {
  std::vector<JournalRecord> records;
  std::string long_name(250, 'x');
  for (std::uint32_t i = 1; i <= 20'000; ++i) {
    records.push_back(leased(i, i, kLater));
    records.back().hostname = long_name;
  }
  journal.snapshot(1, 20'000, records);
  journal.begin(1, 20'000);
  for (std::uint32_t i = 1; i <= 5'000; ++i) journal.append(leased(20'000 + i, i, kLater));
  std::uint64_t count = 0;
  std::uint64_t looks_taken = 0;
  for (bool more = true; more; ++looks_taken) {
    const auto look = tail.look([&](const JournalRecord&) { ++count; });
    ASSERT_TRUE(look.has_value()) << look.error().message;
    more = look->more;
  }
  EXPECT_EQ(count, 25'000u);
  EXPECT_GT(looks_taken, 5u);
  EXPECT_EQ(tail.position()->revision, 25'000u);
}

TEST_F(Tail, GoesOnWhereItWas) {
  journal.snapshot(1, 0, {});
  journal.begin(1, 0);
  journal.append(leased(1, 1, kLater));
  journal.append(leased(2, 2, kLater));
  EXPECT_EQ(looks(), "[]1 2");
  const auto position = tail.position();
  journal.append(leased(3, 3, kLater));
  JournalTail again(folder.path(), [this](std::string text) { told.push_back(std::move(text)); });
  tail = std::move(again);
  tail.start(position);
  EXPECT_EQ(looks(), "3");
  // The engine has given the file up, as the store has all of it.
  const auto behind = tail.position();
  journal.snapshot(2, 3, {leased(1, 1, kLater), leased(2, 2, kLater), leased(3, 3, kLater)});
  journal.begin(2, 3);
  journal.append(leased(4, 4, kLater));
  journal.remove(JournalFileKind::journal, 1);
  tail.start(behind);
  EXPECT_EQ(looks(), "4");
  EXPECT_THAT(told, IsEmpty());
}

TEST_F(Tail, BeginsBehindASnapshotThatTheStoreHasAlready) {
  journal.snapshot(1, 2, {leased(1, 1, kLater), leased(2, 2, kLater)});
  tail.start(TailPosition{.revision = 2, .journal = 1});
  EXPECT_EQ(looks(), "");
  journal.begin(1, 2);
  journal.append(leased(3, 3, kLater));
  EXPECT_EQ(looks(), "3");
  EXPECT_THAT(told, IsEmpty());
}

// A disk that was full: some journals could not be begun, others got no header.
TEST_F(Tail, NumbersThatAreLeftOut) {
  journal.snapshot(1, 0, {});
  journal.begin(1, 0);
  journal.append(leased(1, 1, kLater));
  EXPECT_EQ(looks(), "[]1");
  for (const std::uint64_t number : {std::uint64_t{3}, std::uint64_t{4}})
    std::ofstream(journal.path(JournalFileKind::journal, number)) << "";
  EXPECT_EQ(looks(), "");
  journal.begin(6, 1);
  journal.append(leased(2, 2, kLater));
  EXPECT_EQ(looks(), "2");
  journal.begin(8, 2);
  journal.append(leased(3, 3, kLater));
  EXPECT_EQ(looks(), "3");
  EXPECT_EQ(tail.position()->journal, 8u);
  EXPECT_THAT(told, IsEmpty());
}

// The file is there, its header not yet.
TEST_F(Tail, AJournalThatIsBeingBegunIsWaitedFor) {
  journal.snapshot(1, 2, {leased(1, 1, kLater), leased(2, 2, kLater)});
  for (const std::uint64_t number : {std::uint64_t{1}, std::uint64_t{2}}) {
    std::ofstream(journal.path(JournalFileKind::journal, number)) << "x";
    tail.start(TailPosition{.revision = 2, .journal = 1});
    EXPECT_EQ(looks(), "");
    journal.begin(number, 2);
    journal.append(leased(3, 3, kLater));
    EXPECT_EQ(looks(), "3");
    journal.remove(JournalFileKind::journal, number);
  }
  EXPECT_THAT(told, IsEmpty());
}

// A power cut takes what was not synced; the engine gives the numbers to others then.
TEST_F(Tail, WhatAPowerCutTookIsToldFromWhatCameInstead) {
  journal.snapshot(1, 0, {});
  journal.begin(1, 0);
  journal.append(leased(1, 1, kLater));
  journal.append(leased(2, 2, kLater));
  EXPECT_EQ(looks(), "[]1 2");
  const auto position = tail.position();
  journal.begin(1, 0);
  journal.append(leased(1, 1, kLater));
  journal.append(leased(2, 9, kLater));
  journal.append(leased(3, 3, kLater));
  tail.start(position);
  EXPECT_EQ(looks(), "[]1 2 3");
  EXPECT_THAT(told, ElementsAre(HasSubstr("does not go on")));
}

TEST_F(Tail, AnEndThatIsTornWaitsAndIsSaidWhenItIsFinal) {
  journal.snapshot(1, 0, {});
  journal.begin(1, 0);
  const std::string record = bytes_of(leased(1, 1, kLater));
  journal.append(record.substr(0, 20));
  EXPECT_EQ(looks(), "[]");
  journal.append(record.substr(20));
  EXPECT_EQ(looks(), "1");
  journal.append(bytes_of(leased(2, 2, kLater)).substr(0, 30));
  EXPECT_EQ(looks(), "");
  EXPECT_THAT(told, IsEmpty());
  journal.begin(2, 1);
  journal.append(leased(2, 3, kLater));
  EXPECT_EQ(looks(), "2");
  EXPECT_EQ(looks(), "");
  EXPECT_THAT(told, ElementsAre(HasSubstr("journal-0000000000000001: a record is not whole, from byte 132")));
}

// A sync failed: what came since the last good one is in the next file, again.
TEST_F(Tail, WhatIsWrittenAgainIsNotMissed) {
  journal.snapshot(1, 0, {});
  journal.begin(2, 0);
  journal.append(leased(1, 1, kLater));
  journal.append(leased(2, 2, kLater));
  journal.append(bytes_of(leased(3, 3, kLater)).substr(0, 30));
  EXPECT_EQ(looks(), "[]1 2");
  journal.begin(3, 1);
  for (std::uint32_t i = 2; i <= 4; ++i) journal.append(leased(i, i, kLater));
  EXPECT_EQ(looks(), "2 3 4");
  EXPECT_EQ(tail.position()->missed, 0u);
  EXPECT_EQ(tail.position()->revision, 4u);
  EXPECT_THAT(told, ElementsAre(HasSubstr("has written them again")));
}

TEST_F(Tail, ADamagedRecordIsPassedOverAndComesWithTheNextSnapshot) {
  journal.snapshot(1, 0, {});
  journal.begin(1, 0);
  journal.append(leased(1, 1, kLater));
  std::string bad = bytes_of(leased(2, 2, kLater));
  bad[30] = static_cast<char>(bad[30] ^ 1);
  journal.append(bad);
  journal.append(leased(3, 3, kLater));
  EXPECT_EQ(looks(), "[]13");
  EXPECT_THAT(told, ElementsAre(HasSubstr("a record is damaged, from byte 132 to 183")));
  EXPECT_EQ(tail.position()->missed, 1u);
  journal.snapshot(2, 3, {leased(1, 1, kLater), leased(2, 2, kLater), leased(3, 3, kLater)});
  journal.begin(2, 3);
  EXPECT_EQ(looks(), "[1 2 3]");
  EXPECT_EQ(tail.position()->missed, 0u);
}

// A client's name may look like a record.
TEST_F(Tail, NothingIsLookedForBehindADamagedLength) {
  journal.snapshot(1, 0, {});
  journal.begin(1, 0);
  const std::string fake = bytes_of(leased(7, 7, kLater));
  JournalRecord record = leased(1, 1, kLater);
  record.hostname = fake;
  std::string bad = bytes_of(record);
  bad[4] = 0;
  bad[5] = 0;
  journal.append(bad);
  for (std::uint32_t i = 0; i < 40; ++i) journal.append(leased(2 + i, 2, kLater));
  EXPECT_EQ(looks(), "[]");
  EXPECT_EQ(looks(), "");
  EXPECT_THAT(told, ElementsAre(HasSubstr("records are damaged, from byte 80")));
  journal.begin(2, 41);
  journal.append(leased(42, 42, kLater));
  EXPECT_EQ(looks(), "42");
  EXPECT_THAT(told, ElementsAre(HasSubstr("damaged"), HasSubstr("begins behind revision 41")));
}

TEST_F(Tail, AJournalThatIsGoneIsMadeUpForByTheNewestSnapshot) {
  journal.snapshot(1, 0, {});
  journal.begin(1, 0);
  journal.append(leased(1, 1, kLater));
  EXPECT_EQ(looks(), "[]1");
  journal.snapshot(3, 9, {leased(9, 1, kLater)});
  journal.begin(3, 9);
  journal.append(leased(10, 2, kLater));
  journal.remove(JournalFileKind::journal, 1);
  EXPECT_EQ(looks(), "[9]10");
}

TEST_F(Tail, ASnapshotThatIsNotWholeIsNone) {
  journal.snapshot(1, 1, {leased(1, 1, kLater)});
  journal.begin(1, 1);
  journal.append(leased(2, 2, kLater));
  journal.snapshot(2, 2, {leased(1, 1, kLater), leased(2, 2, kLater)});
  const std::string newest = journal.path(JournalFileKind::snapshot, 2);
  std::filesystem::resize_file(newest, std::filesystem::file_size(newest) - 1);
  journal.begin(2, 2);
  journal.append(leased(3, 3, kLater));
  EXPECT_EQ(looks(), "[1]23");
  EXPECT_THAT(told, ElementsAre(HasSubstr("snapshot-0000000000000002 is not whole")));
}

// What is missing is in a snapshot to come, not in one that nobody can read.
TEST_F(Tail, ADamagedSnapshotMakesUpForNothing) {
  journal.snapshot(1, 0, {});
  journal.begin(1, 0);
  journal.append("garbage" + std::string(3000, 'x'));
  journal.snapshot(2, 2, {leased(1, 1, kLater)});
  std::filesystem::resize_file(journal.path(JournalFileKind::snapshot, 2), 100);
  journal.begin(2, 2);
  journal.append(leased(3, 3, kLater));
  EXPECT_EQ(looks(), "[]3");
  EXPECT_EQ(looks(), "");
  EXPECT_NE(tail.position()->missed, 0u);
  journal.snapshot(3, 3, {leased(1, 1, kLater), leased(3, 3, kLater)});
  EXPECT_EQ(looks(), "[1 3]");
}

TEST_F(Tail, RoomForRecordsToComeIsTheEnd) {
  journal.snapshot(1, 0, {});
  journal.begin(1, 0);
  journal.append(leased(1, 1, kLater));
  journal.append(std::string(3 << 20, '\0'));
  EXPECT_EQ(looks(), "[]1");
  journal.begin(2, 1);
  journal.append(leased(2, 2, kLater));
  EXPECT_EQ(looks(), "2");
  EXPECT_THAT(told, IsEmpty());
}

TEST_F(Tail, WhatIsNoFolderOfLeasesIsAnError) {
  EXPECT_THAT(looks(), HasSubstr("has no whole snapshot"));
  std::filesystem::create_symlink("/etc/passwd", journal.path(JournalFileKind::snapshot, 5));
  EXPECT_THAT(looks(), HasSubstr("has no whole snapshot"));
  std::filesystem::remove_all(folder.path());
  EXPECT_THAT(looks(), HasSubstr("cannot open"));
}

}  // namespace
}  // namespace xk::natives
