#include "dataplane/base/lease_journal.h"

#include <bit>
#include <cstring>

#include "dataplane/base/crc32c.h"

namespace xk {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::uint32_t kMagic = 0x6c6a6b78;  // "xkjl"
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kNameDigits = 16;

// Little-endian numbers into borrowed bytes that have the room.
class Put {
 public:
  explicit Put(std::uint8_t* at) : at_(at) {}
  template <typename T>
  void number(T value) {
    std::memcpy(at_, &value, sizeof value);
    at_ += sizeof value;
  }
  void bytes(const void* from, std::size_t size) {
    if (size != 0) std::memcpy(at_, from, size);
    at_ += size;
  }

 private:
  std::uint8_t* at_;
};

class Take {
 public:
  explicit Take(const std::uint8_t* at) : at_(at) {}
  template <typename T>
  [[nodiscard]] T number() {
    T value{};
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  void bytes(void* to, std::size_t size) {
    std::memcpy(to, at_, size);
    at_ += size;
  }
  [[nodiscard]] std::string_view text(std::size_t size) {
    const std::string_view taken(reinterpret_cast<const char*>(at_), size);
    at_ += size;
    return taken;
  }

 private:
  const std::uint8_t* at_;
};

}  // namespace

std::array<std::uint8_t, kJournalHeaderSize> encode_journal_header(const JournalHeader& header) {
  std::array<std::uint8_t, kJournalHeaderSize> bytes{};
  Put put(bytes.data());
  put.number(kMagic);
  put.number(kVersion);
  put.number(static_cast<std::uint64_t>(header.kind));
  put.number(header.number);
  put.number(header.revision);
  put.bytes(header.clock.boot_id.data(), header.clock.boot_id.size());
  put.number(header.clock.boot_ms);
  put.number(header.clock.wall_ms);
  put.number(header.clock.engine_ms);
  put.number(header.salt);
  put.number(crc32c(Bytes(bytes).first(kJournalHeaderSize - 4)));
  return bytes;
}

std::expected<JournalHeader, Error> decode_journal_header(Bytes bytes) {
  if (bytes.size() < kJournalHeaderSize) return std::unexpected(Error{"the file ends inside its header"});
  Take take(bytes.data());
  if (take.number<std::uint32_t>() != kMagic) return std::unexpected(Error{"no file of leases"});
  if (const auto version = take.number<std::uint32_t>(); version != kVersion)
    return std::unexpected(Error{"a file of leases of format " + std::to_string(version) +
                                 "; this release reads format " + std::to_string(kVersion)});
  std::uint32_t sum = 0;
  std::memcpy(&sum, bytes.data() + kJournalHeaderSize - 4, sizeof sum);
  if (sum != crc32c(bytes.first(kJournalHeaderSize - 4)))
    return std::unexpected(Error{"its header is damaged"});
  JournalHeader header;
  const auto kind = take.number<std::uint64_t>();
  if (kind > static_cast<std::uint64_t>(JournalFileKind::snapshot))
    return std::unexpected(Error{"a file of leases of unknown kind"});
  header.kind = static_cast<JournalFileKind>(kind);
  header.number = take.number<std::uint64_t>();
  header.revision = take.number<std::uint64_t>();
  take.bytes(header.clock.boot_id.data(), header.clock.boot_id.size());
  header.clock.boot_ms = take.number<std::uint64_t>();
  header.clock.wall_ms = take.number<std::uint64_t>();
  header.clock.engine_ms = take.number<std::uint64_t>();
  header.salt = take.number<std::uint32_t>();
  return header;
}

std::string journal_file_name(JournalFileKind kind, std::uint64_t number) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string name = kind == JournalFileKind::journal ? "journal-" : "snapshot-";
  for (std::size_t digit = kNameDigits; digit-- > 0;) name += kDigits[number >> (4 * digit) & 0x0f];
  return name;
}

std::optional<JournalFileName> parse_journal_file_name(std::string_view name) {
  JournalFileName parsed;
  if (name.starts_with("journal-")) {
    name.remove_prefix(8);
  } else if (name.starts_with("snapshot-")) {
    parsed.kind = JournalFileKind::snapshot;
    name.remove_prefix(9);
  } else {
    return std::nullopt;
  }
  if (name.size() != kNameDigits) return std::nullopt;
  for (const char c : name) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'a' || c > 'f')) return std::nullopt;
    parsed.number = parsed.number << 4 | static_cast<std::uint64_t>(digit ? c - '0' : c - 'a' + 10);
  }
  return parsed;
}

std::size_t record_size(const JournalRecord& record) {
  std::size_t size = kRecordFixedSize;
  for (const std::string_view text :
       {record.client_id, record.hostname, record.circuit_id, record.remote_id, record.attachment}) {
    if (text.size() > 255) return 0;
    size += text.size();
  }
  return size;
}

std::size_t encode_record(const JournalRecord& record, MutableBytes out, std::uint32_t salt) {
  const std::size_t size = record_size(record);
  if (size == 0 || size > out.size()) return 0;
  Put put(out.data() + 4);
  put.number(static_cast<std::uint16_t>(size));
  put.number(static_cast<std::uint8_t>(record.kind));
  put.number(static_cast<std::uint8_t>(record.cause));
  put.number(record.revision);
  put.number(record.address.value);
  put.number(record.lease_s);
  put.number(record.start_ms);
  put.number(record.until_ms);
  put.bytes(record.mac.bytes.data(), record.mac.bytes.size());
  const std::array<std::string_view, 5> texts{record.client_id, record.hostname, record.circuit_id,
                                              record.remote_id, record.attachment};
  for (const std::string_view text : texts) put.number(static_cast<std::uint8_t>(text.size()));
  put.number(std::uint8_t{0});
  for (const std::string_view text : texts) put.bytes(text.data(), text.size());
  Put(out.data()).number(crc32c(out.subspan(4, size - 4), salt));
  return size;
}

RecordRead read_record(Bytes bytes, JournalRecord& record, std::size_t& size, std::uint32_t salt) {
  if (bytes.size() < 6) return RecordRead::short_of;
  Take take(bytes.data());
  const auto sum = take.number<std::uint32_t>();
  const auto length = take.number<std::uint16_t>();
  if (length < kRecordFixedSize || length > kRecordSizeMax) return RecordRead::damaged;
  if (length > bytes.size()) return RecordRead::short_of;
  if (sum != crc32c(bytes.subspan(4, length - 4u), salt)) return RecordRead::damaged;
  const auto kind = take.number<std::uint8_t>();
  const auto cause = take.number<std::uint8_t>();
  if (kind < static_cast<std::uint8_t>(RecordKind::leased) ||
      kind > static_cast<std::uint8_t>(RecordKind::end))
    return RecordRead::damaged;
  if (cause > static_cast<std::uint8_t>(RecordCause::seeded)) return RecordRead::damaged;
  JournalRecord read;
  read.kind = static_cast<RecordKind>(kind);
  read.cause = static_cast<RecordCause>(cause);
  read.revision = take.number<std::uint64_t>();
  read.address.value = take.number<std::uint32_t>();
  read.lease_s = take.number<std::uint32_t>();
  read.start_ms = take.number<std::uint64_t>();
  read.until_ms = take.number<std::uint64_t>();
  take.bytes(read.mac.bytes.data(), read.mac.bytes.size());
  std::array<std::uint8_t, 5> sizes{};
  take.bytes(sizes.data(), sizes.size());
  static_cast<void>(take.number<std::uint8_t>());
  std::size_t texts = 0;
  for (const std::uint8_t text : sizes) texts += text;
  if (kRecordFixedSize + texts != length) return RecordRead::damaged;
  read.client_id = take.text(sizes[0]);
  read.hostname = take.text(sizes[1]);
  read.circuit_id = take.text(sizes[2]);
  read.remote_id = take.text(sizes[3]);
  read.attachment = take.text(sizes[4]);
  record = read;
  size = length;
  return RecordRead::whole;
}

}  // namespace xk
