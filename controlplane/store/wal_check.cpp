#include "controlplane/store/wal_check.h"

#include <algorithm>
#include <array>
#include <optional>

namespace xk::store {
namespace {

// RocksDB's log: blocks of 32 KiB with records that do not cross them; less room than a header at a block's
// end is filled with zeros. Record: masked CRC-32C of type and payload (4), length of the payload (2), type
// (1), payload; numbers little endian. A write that does not fit a block is a first, middles and a last.
constexpr std::size_t kBlock = 32768;
constexpr std::size_t kHeader = 7;
enum class Type : std::uint8_t { zero, full, first, middle, last };

constexpr std::uint32_t kPolynomial = 0x82f63b78;
using Tables = std::array<std::array<std::uint32_t, 256>, 8>;
constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][i] = crc;
  }
  for (std::size_t t = 1; t < 8; ++t) {
    for (std::size_t i = 0; i < 256; ++i) {
      tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 0xff];
    }
  }
  return tables;
}
constexpr Tables kTables = make_tables();

std::uint32_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}
std::uint32_t little_endian(std::string_view bytes, std::size_t at) {
  return byte_at(bytes, at) | byte_at(bytes, at + 1) << 8 | byte_at(bytes, at + 2) << 16 |
         byte_at(bytes, at + 3) << 24;
}

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = ~0U;
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    const std::uint32_t low = crc ^ little_endian(bytes, i);
    const std::uint32_t high = little_endian(bytes, i + 4);
    crc = kTables[7][low & 0xff] ^ kTables[6][low >> 8 & 0xff] ^ kTables[5][low >> 16 & 0xff] ^
          kTables[4][low >> 24] ^ kTables[3][high & 0xff] ^ kTables[2][high >> 8 & 0xff] ^
          kTables[1][high >> 16 & 0xff] ^ kTables[0][high >> 24];
  }
  for (; i < bytes.size(); ++i) crc = (crc >> 8) ^ kTables[0][(crc ^ byte_at(bytes, i)) & 0xff];
  return ~crc;
}
std::uint32_t masked(std::uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8U; }

struct Piece {
  Type type = Type::zero;
  std::size_t bytes = 0;  // with its header
};
// The piece at this place, if it is whole and its checksum is right.
std::optional<Piece> piece_at(std::string_view log, std::size_t at) {
  const std::size_t room = std::min(kBlock - at % kBlock, log.size() - at);
  if (room < kHeader) return std::nullopt;
  const std::size_t length = byte_at(log, at + 4) | byte_at(log, at + 5) << 8;
  const std::uint32_t type = byte_at(log, at + 6);
  if (type < 1 || type > 4 || kHeader + length > room) return std::nullopt;
  if (masked(crc32c(log.substr(at + 6, 1 + length))) != little_endian(log, at)) return std::nullopt;
  return Piece{static_cast<Type>(type), kHeader + length};
}

// Where a record begins at or behind this place: any place in the block that is damaged, and from there on
// where the records lead.
std::optional<std::size_t> next_record(std::string_view log, std::size_t damage) {
  std::size_t at = damage + 1;
  while (at < log.size()) {
    const auto piece = piece_at(log, at);
    if (piece && (piece->type == Type::full || piece->type == Type::first)) return at;
    const bool damaged_block = at / kBlock == damage / kBlock;
    if (piece && !damaged_block) {
      at += piece->bytes;
    } else if (damaged_block) {
      ++at;
    } else {
      at = (at / kBlock + 1) * kBlock;
    }
  }
  return std::nullopt;
}

}  // namespace

WalCheck check_wal(std::string_view log) {
  WalCheck out;
  std::size_t at = 0;
  bool inside = false;  // a first was read, and not yet its last
  while (at < log.size()) {
    const std::size_t left_in_block = kBlock - at % kBlock;
    if (left_in_block < kHeader) {
      at += left_in_block;
      continue;
    }
    const auto piece = piece_at(log, at);
    const bool in_place =
        piece && ((piece->type == Type::full || piece->type == Type::first) ? !inside : inside);
    if (!in_place) {
      // A record that begins before the one before it has ended shows that what was between is lost.
      const bool begins_here = piece && (piece->type == Type::full || piece->type == Type::first);
      const auto next = begins_here ? std::optional(at) : next_record(log, at);
      out.state = next ? WalCheck::State::damaged : WalCheck::State::torn;
      out.next_good = next.value_or(0);
      return out;
    }
    at += piece->bytes;
    inside = piece->type == Type::first || piece->type == Type::middle;
    if (!inside) out.good_bytes = at;
  }
  if (inside) out.state = WalCheck::State::torn;
  return out;
}

}  // namespace xk::store
