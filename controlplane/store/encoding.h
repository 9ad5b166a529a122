// How the embedded store writes what it keeps: keys and records of its three column families. Numbers in
// keys are big endian, so that the bytes' order is theirs. What is read back is checked: damaged bytes give
// nothing, never a wrong record.
//
//   data:  key (0x00 as 0x00 0xff), 0x00 0x01, ~revision     -> a version of the key: VersionRecord
//   log:   revision, place in the transaction                -> what it changed: LogRecord
//   meta:  "m" name -> number; "s" session -> time to live; "a" session, key -> "" (the key hangs on it)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "controlplane/store/store.h"

namespace xk::store {

constexpr std::size_t kRevisionBytes = 8;

// All versions of a key begin with this, and nothing else does; the prefixes are in the order of the keys.
[[nodiscard]] std::string data_prefix(std::string_view key);
// Newer versions come first.
[[nodiscard]] std::string data_key(std::string_view key, Revision modified);
struct DataKey {
  std::string key;
  Revision modified = 0;
};
[[nodiscard]] std::optional<DataKey> read_data_key(std::string_view bytes);

struct VersionRecord {
  bool erased = false;  // nothing else counts then
  Revision created = 0;
  std::int64_t version = 0;
  SessionId session = 0;
  std::string_view value;  // of the bytes it was read from
};
void write_version(const VersionRecord& record, std::string& out);
[[nodiscard]] std::optional<VersionRecord> read_version(std::string_view bytes);

[[nodiscard]] std::string log_key(Revision revision, std::uint32_t place);
struct LogKey {
  Revision revision = 0;
  std::uint32_t place = 0;
};
[[nodiscard]] std::optional<LogKey> read_log_key(std::string_view bytes);

struct LogRecord {
  Event::Kind kind = Event::Kind::put;
  Revision previous = 0;  // the version that it took the place of; 0: none
  std::string_view key;   // of the bytes it was read from
};
void write_log(const LogRecord& record, std::string& out);
[[nodiscard]] std::optional<LogRecord> read_log(std::string_view bytes);

[[nodiscard]] std::string meta_key(std::string_view name);
[[nodiscard]] std::string session_key(SessionId session);
[[nodiscard]] std::optional<SessionId> read_session_key(std::string_view bytes);
[[nodiscard]] std::string attached_key(SessionId session, std::string_view key);
// The key that hangs on the session, of an attached_key of that session.
[[nodiscard]] std::optional<std::string_view> read_attached_key(std::string_view bytes);
[[nodiscard]] std::string write_number(std::int64_t number);
[[nodiscard]] std::optional<std::int64_t> read_number(std::string_view bytes);

}  // namespace xk::store
