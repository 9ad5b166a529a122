// Files of a native engine's leases, as the dataplane writes them.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "dataplane/base/lease_journal.h"

namespace xk {

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "xk-natives-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline constexpr std::uint64_t kSecond = 1000;
inline constexpr std::uint64_t kNow = 1'700'000'000 * kSecond;  // of the clocks of these tests
inline constexpr std::uint64_t kLater = kNow + 3600 * kSecond;

inline EngineClock test_clock() {
  EngineClock clock;
  clock.boot_id.fill(7);
  clock.boot_ms = 5000;
  clock.wall_ms = kNow;
  clock.engine_ms = kNow;
  return clock;
}

inline JournalRecord leased(std::uint64_t revision, std::uint32_t address, std::uint64_t until_ms) {
  JournalRecord record;
  record.revision = revision;
  record.address = Ip4{address};
  record.start_ms = kNow;
  record.until_ms = until_ms;
  record.lease_s = 3600;
  record.mac = Mac{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(address)}};
  return record;
}
inline JournalRecord freed(std::uint64_t revision, std::uint32_t address) {
  JournalRecord record;
  record.kind = RecordKind::free;
  record.cause = RecordCause::released;
  record.revision = revision;
  record.address = Ip4{address};
  return record;
}

inline std::string bytes_of(const JournalRecord& record) {
  std::string bytes(record_size(record), '\0');
  EXPECT_NE(encode_record(record, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()}), 0u);
  return bytes;
}
inline std::string header_bytes(const JournalHeader& header) {
  const auto bytes = encode_journal_header(header);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The dataplane's end.
class TestJournal {
 public:
  explicit TestJournal(std::string directory) : directory_(std::move(directory)) {}

  EngineClock clock = test_clock();

  void snapshot(std::uint64_t number, std::uint64_t revision, const std::vector<JournalRecord>& records) {
    std::string bytes = header_bytes(
        {.kind = JournalFileKind::snapshot, .number = number, .revision = revision, .clock = clock});
    for (const JournalRecord& record : records) bytes += bytes_of(record);
    JournalRecord end;
    end.kind = RecordKind::end;
    end.address = Ip4{static_cast<std::uint32_t>(records.size())};
    write(path(JournalFileKind::snapshot, number), bytes + bytes_of(end));
  }
  void begin(std::uint64_t number, std::uint64_t revision) {
    journal_ = number;
    write(path(JournalFileKind::journal, number),
          header_bytes(
              {.kind = JournalFileKind::journal, .number = number, .revision = revision, .clock = clock}));
  }
  void append(const JournalRecord& record) { append(bytes_of(record)); }
  void append(const std::string& bytes) {
    std::ofstream(path(JournalFileKind::journal, journal_), std::ios::binary | std::ios::app) << bytes;
  }
  void remove(JournalFileKind kind, std::uint64_t number) { std::filesystem::remove(path(kind, number)); }
  [[nodiscard]] std::string path(JournalFileKind kind, std::uint64_t number) const {
    return directory_ + "/" + journal_file_name(kind, number);
  }

 private:
  static void write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  std::string directory_;
  std::uint64_t journal_ = 1;
};

}  // namespace xk
