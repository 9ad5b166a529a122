// The files of a native engine's leases, as both daemons read and write them: journals, to which records are
// appended, and snapshots, which hold what all journals before them said.
//
//   <directory>/journal-<number as 16 hex digits>    header, records
//   <directory>/snapshot-<number>                    header, a record a lease, an end record: what the
//   journals
//                                                    with lower numbers came to
//
// All numbers are little-endian. Times are milliseconds of the engine's clock: it goes on over restarts and
// is not set when the machine's clock is (EngineClock). Of an address the record with the highest revision
// counts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "dataplane/base/bytes.h"
#include "dataplane/base/error.h"
#include "dataplane/base/types.h"

namespace xk {

enum class JournalFileKind : std::uint8_t { journal = 0, snapshot = 1 };

// Which clock the times of a file are of.
struct EngineClock {
  std::array<std::uint8_t, 16> boot_id{};  // of the machine's boot in which the file was begun
  std::uint64_t boot_ms = 0;               // CLOCK_BOOTTIME then
  std::uint64_t wall_ms = 0;               // CLOCK_REALTIME then
  std::uint64_t engine_ms = 0;             // the engine's clock then
  friend bool operator==(const EngineClock&, const EngineClock&) = default;
};

struct JournalHeader {
  JournalFileKind kind = JournalFileKind::journal;
  std::uint64_t number = 0;
  std::uint64_t revision = 0;  // of the last record before this file; of a snapshot: the last it holds
  EngineClock clock;
  // In the check sums of the file's records, and known to nobody outside: no client can write what recovery
  // takes for a record into its name.
  std::uint32_t salt = 0;
  friend bool operator==(const JournalHeader&, const JournalHeader&) = default;
};
inline constexpr std::size_t kJournalHeaderSize = 80;  // bytes

[[nodiscard]] std::array<std::uint8_t, kJournalHeaderSize> encode_journal_header(const JournalHeader& header);
// An Error: too short, of another format, of another version, damaged.
[[nodiscard]] std::expected<JournalHeader, Error> decode_journal_header(Bytes bytes);

[[nodiscard]] std::string journal_file_name(JournalFileKind kind, std::uint64_t number);
struct JournalFileName {
  JournalFileKind kind = JournalFileKind::journal;
  std::uint64_t number = 0;
};
// nullopt: the name of another file.
[[nodiscard]] std::optional<JournalFileName> parse_journal_file_name(std::string_view name);

// What a record says of its address.
enum class RecordKind : std::uint8_t {
  leased = 1,
  declined = 2,  // nobody gets it until until_ms; mac and client_id are the decliner's, if one did
  free = 3,      // nobody has it; says no more than that
  end = 4,       // closes a snapshot; address: number of records before it
};
// Why it was written.
enum class RecordCause : std::uint8_t {
  committed = 0,
  renewed = 1,
  released = 2,
  declined = 3,
  conflict = 4,   // somebody answered the ARP probe
  forgotten = 5,  // the operator deleted it
  reclaimed = 6,  // its grace time is over
  seeded = 7,     // from the store, when the engine took the VRF over
};

struct JournalRecord {
  RecordKind kind = RecordKind::leased;
  RecordCause cause = RecordCause::committed;
  std::uint64_t revision = 0;
  Ip4 address{};
  std::uint64_t start_ms = 0;  // the client's last transaction that was recorded
  std::uint64_t until_ms = 0;  // the end: not before what any client was promised. kJournalForEver: none
  std::uint32_t lease_s = 0;   // what the client was told
  Mac mac{};
  // Borrowed, each at most 255 bytes.
  std::string_view client_id;
  std::string_view hostname;
  std::string_view circuit_id;
  std::string_view remote_id;
  std::string_view attachment;  // "eth1 200.300", as xdp-kead names it
  friend bool operator==(const JournalRecord&, const JournalRecord&) = default;
};
inline constexpr std::uint64_t kJournalForEver = 0xffffffffffffffffu;
inline constexpr std::size_t kRecordFixedSize = 52;                        // bytes
inline constexpr std::size_t kRecordSizeMax = kRecordFixedSize + 5 * 255;  // bytes

// Bytes that it takes, or 0: a text is too long.
[[nodiscard]] std::size_t record_size(const JournalRecord& record);
// Writes it and returns its bytes; 0: out has no room, or a text is too long. salt: JournalHeader's.
[[nodiscard]] std::size_t encode_record(const JournalRecord& record, MutableBytes out,
                                        std::uint32_t salt = 0);

enum class RecordRead : std::uint8_t {
  whole,
  short_of,  // bytes end inside it: more may come
  damaged,   // its check sum or a length is wrong, or the salt is another
};
// The record at the beginning of bytes; size is what it takes there. Texts are borrowed from bytes.
[[nodiscard]] RecordRead read_record(Bytes bytes, JournalRecord& record, std::size_t& size,
                                     std::uint32_t salt = 0);

}  // namespace xk
