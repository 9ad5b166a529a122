// The folder of a native engine's leases (dataplane/base/lease_journal.h) as its owner uses it: what was
// there is recovered, records are appended and synced, and journals become snapshots.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/base/fd.h"
#include "dataplane/base/lease_journal.h"

namespace xk {

// The machine's clocks at one moment.
struct MachineTime {
  std::array<std::uint8_t, 16> boot_id{};
  std::uint64_t boot_ms = 0;
  std::uint64_t wall_ms = 0;
};
[[nodiscard]] MachineTime machine_time();

// What the folder holds, in the order of numbers; other files are let be.
struct JournalFolder {
  std::vector<std::uint64_t> snapshots;
  std::vector<std::uint64_t> journals;
};
[[nodiscard]] std::expected<JournalFolder, Error> list_journal_folder(const std::string& directory);

struct Recovered {
  std::uint64_t next_number = 1;  // of the journal that is to be begun
  std::uint64_t revision = 0;     // the highest there is
  std::uint64_t clock_ms = 0;     // what the engine's clock is ahead of CLOCK_BOOTTIME, modulo 2^64
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::string remarks;  // what was left out, for a person; empty: nothing
};
// Reads the newest snapshot and the journals from its number on, and hands every record to take, in their
// order. Its texts are good until take returns. Bytes that are no record are stepped over and said in
// remarks, but for those at the end of a journal: what was being written when its writer ended. An Error:
// nothing may be served, because files cannot be read or are of another format.
[[nodiscard]] std::expected<Recovered, Error> recover_journals(
    const std::string& directory, const MachineTime& now,
    const std::function<void(const JournalRecord&)>& take);

// Makes a snapshot of all journals below number and the snapshot before them, and removes that one. The
// journals stay. salt: JournalHeader's.
struct JournalSnapshot {
  std::uint64_t bytes = 0;
  std::string remarks;  // as Recovered has them
};
[[nodiscard]] std::expected<JournalSnapshot, Error> make_journal_snapshot(const std::string& directory,
                                                                          std::uint64_t number,
                                                                          const EngineClock& clock,
                                                                          std::uint32_t salt);
// Removes the journals below number. Errors do not matter: they are removed the next time.
void remove_journals(const std::string& directory, std::uint64_t below);
// Removes snapshots that were never finished: whoever made them has ended.
void remove_unfinished(const std::string& directory);

// What is behind the name of a snapshot that is being made.
inline constexpr std::string_view kUnfinished = ".tmp";

// One journal that is written.
class JournalWriter {
 public:
  // Creates journal-<number>, which is not there yet, and syncs the folder.
  [[nodiscard]] static std::expected<JournalWriter, Error> create(const std::string& directory,
                                                                  const JournalHeader& header);
  // At its end, whole or an Error: then nobody knows what is in the file behind the last sync.
  [[nodiscard]] std::expected<void, Error> append(Bytes records);
  [[nodiscard]] std::expected<void, Error> sync();
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  // Whether the file has its name yet: what is in one that was removed is lost when it is closed.
  [[nodiscard]] bool is_there() const;
  // Where it has no record that was synced it goes, and leaves its room to the next one.
  void remove_unless_used() const;

 private:
  Fd fd_;
  std::string path_;
  std::uint64_t bytes_ = 0;
  std::uint64_t synced_ = 0;  // of bytes_
};

}  // namespace xk
