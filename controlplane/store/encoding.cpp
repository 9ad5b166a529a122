#include "controlplane/store/encoding.h"

namespace xk::store {
namespace {

constexpr char kPutMark = 'p';
constexpr char kEraseMark = 'e';
constexpr std::size_t kPlaceBytes = 4;

void append_big_endian(std::uint64_t number, std::size_t bytes, std::string& out) {
  for (std::size_t i = bytes; i-- > 0;) out.push_back(static_cast<char>(number >> (8 * i)));
}
std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}
// Takes the first 8 bytes as a number that is not negative; nothing if they are fewer, or it is.
std::optional<std::int64_t> take_number(std::string_view& bytes) {
  if (bytes.size() < kRevisionBytes) return std::nullopt;
  const auto number = static_cast<std::int64_t>(big_endian(bytes.substr(0, kRevisionBytes)));
  if (number < 0) return std::nullopt;
  bytes.remove_prefix(kRevisionBytes);
  return number;
}

}  // namespace

std::string data_prefix(std::string_view key) {
  std::string out;
  out.reserve(key.size() + 2 + kRevisionBytes);
  for (const char byte : key) {
    out.push_back(byte);
    if (byte == 0) out.push_back(static_cast<char>(0xff));
  }
  out.push_back(0);
  out.push_back(1);
  return out;
}

std::string data_key(std::string_view key, Revision modified) {
  std::string out = data_prefix(key);
  append_big_endian(~static_cast<std::uint64_t>(modified), kRevisionBytes, out);
  return out;
}

std::optional<DataKey> read_data_key(std::string_view bytes) {
  if (bytes.size() < 2 + kRevisionBytes) return std::nullopt;
  const std::string_view prefix = bytes.substr(0, bytes.size() - kRevisionBytes);
  DataKey out;
  out.modified = static_cast<Revision>(~big_endian(bytes.substr(prefix.size())));
  if (out.modified <= 0) return std::nullopt;
  out.key.reserve(prefix.size());
  for (std::size_t i = 0; i + 1 < prefix.size(); ++i) {
    if (prefix[i] != 0) {
      out.key.push_back(prefix[i]);
      continue;
    }
    ++i;
    if (i + 1 == prefix.size()) return prefix[i] == 1 ? std::optional(std::move(out)) : std::nullopt;
    if (static_cast<unsigned char>(prefix[i]) != 0xff) return std::nullopt;
    out.key.push_back(0);
  }
  return std::nullopt;
}

void write_version(const VersionRecord& record, std::string& out) {
  out.clear();
  out.push_back(record.erased ? kEraseMark : kPutMark);
  if (record.erased) return;
  append_big_endian(static_cast<std::uint64_t>(record.created), kRevisionBytes, out);
  append_big_endian(static_cast<std::uint64_t>(record.version), kRevisionBytes, out);
  append_big_endian(static_cast<std::uint64_t>(record.session), kRevisionBytes, out);
  out.append(record.value);
}

std::optional<VersionRecord> read_version(std::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  VersionRecord out;
  out.erased = bytes[0] == kEraseMark;
  if (!out.erased && bytes[0] != kPutMark) return std::nullopt;
  bytes.remove_prefix(1);
  if (out.erased) return bytes.empty() ? std::optional(out) : std::nullopt;
  const auto created = take_number(bytes);
  const auto version = take_number(bytes);
  const auto session = take_number(bytes);
  if (!created || !version || !session || *created == 0 || *version == 0) return std::nullopt;
  out.created = *created;
  out.version = *version;
  out.session = *session;
  out.value = bytes;
  return out;
}

std::string log_key(Revision revision, std::uint32_t place) {
  std::string out;
  append_big_endian(static_cast<std::uint64_t>(revision), kRevisionBytes, out);
  append_big_endian(place, kPlaceBytes, out);
  return out;
}

std::optional<LogKey> read_log_key(std::string_view bytes) {
  const auto revision = take_number(bytes);
  if (!revision || *revision == 0 || bytes.size() != kPlaceBytes) return std::nullopt;
  return LogKey{*revision, static_cast<std::uint32_t>(big_endian(bytes))};
}

void write_log(const LogRecord& record, std::string& out) {
  out.clear();
  out.push_back(record.kind == Event::Kind::put ? kPutMark : kEraseMark);
  append_big_endian(static_cast<std::uint64_t>(record.previous), kRevisionBytes, out);
  out.append(record.key);
}

std::optional<LogRecord> read_log(std::string_view bytes) {
  if (bytes.empty() || (bytes[0] != kPutMark && bytes[0] != kEraseMark)) return std::nullopt;
  LogRecord out;
  out.kind = bytes[0] == kPutMark ? Event::Kind::put : Event::Kind::erase;
  bytes.remove_prefix(1);
  const auto previous = take_number(bytes);
  if (!previous || bytes.empty()) return std::nullopt;
  out.previous = *previous;
  out.key = bytes;
  return out;
}

std::string meta_key(std::string_view name) { return "m" + std::string(name); }

std::string session_key(SessionId session) { return "s" + write_number(session); }

std::optional<SessionId> read_session_key(std::string_view bytes) {
  if (bytes.empty() || bytes[0] != 's') return std::nullopt;
  const auto session = read_number(bytes.substr(1));
  return session && *session > 0 ? session : std::nullopt;
}

std::string attached_key(SessionId session, std::string_view key) {
  return "a" + write_number(session) + std::string(key);
}

std::optional<std::string_view> read_attached_key(std::string_view bytes) {
  if (bytes.size() <= 1 + kRevisionBytes || bytes[0] != 'a') return std::nullopt;
  return bytes.substr(1 + kRevisionBytes);
}

std::string write_number(std::int64_t number) {
  std::string out;
  append_big_endian(static_cast<std::uint64_t>(number), kRevisionBytes, out);
  return out;
}

std::optional<std::int64_t> read_number(std::string_view bytes) {
  const auto number = take_number(bytes);
  return number && bytes.empty() ? number : std::nullopt;
}

}  // namespace xk::store
