// Both directions of the wire format from one description of each type: a describe() function says
// `wire.number(x)`, `wire.text(s, max)`, ... once, and runs with a WireWriter to encode and with a
// WireReader to decode. Both check the same bounds, so what encodes also decodes, and there is
// exactly one encoding of a value. Private to ipc/.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "dataplane/base/bytes.h"

namespace xk::ipc {

// Network-order bytes, growing. After a value out of its bounds ok() is false for good.
class WireWriter {
 public:
  static constexpr bool kReading = false;

  template <std::unsigned_integral T>
  void number(const T& value) {
    for (std::size_t i = sizeof(T); i-- > 0;) bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  }
  template <typename Tag, typename Rep>
  void number(const Strong<Tag, Rep>& value) {
    number(value.value);
  }
  template <typename E>
    requires std::is_enum_v<E>
  void choice(const E& value, E last) {
    check(value <= last, "unknown choice");
    number(static_cast<std::uint8_t>(value));
  }
  void flag(const bool& value) { number(static_cast<std::uint8_t>(value ? 1 : 0)); }
  void address(const Ip4& value) { number(value.value); }
  void address(const Mac& value) { bytes_.insert(bytes_.end(), value.bytes.begin(), value.bytes.end()); }
  void text(const std::string& value, std::uint16_t max) {
    check(value.size() <= max, "text too long");
    number(static_cast<std::uint16_t>(value.size()));
    bytes_.insert(bytes_.end(), value.begin(), value.end());
  }
  template <typename T, typename Allocator, typename Describe>
  void list(const std::vector<T, Allocator>& values, std::uint32_t max, std::size_t /*element_min*/,
            Describe describe) {
    check(values.size() <= max, "list too long");
    number(static_cast<std::uint32_t>(values.size()));
    for (const T& value : values) describe(*this, value);
  }
  void check(bool condition, const char* why) {
    if (!condition && why_ == nullptr) why_ = why;
  }

  [[nodiscard]] const char* why() const { return why_; }  // nullptr: all is in bounds
  [[nodiscard]] std::vector<std::uint8_t> take() { return std::move(bytes_); }

 private:
  std::vector<std::uint8_t> bytes_;
  const char* why_ = nullptr;
};

// Reads what a WireWriter wrote, from anyone. Memory it takes is bounded by the bytes there are.
class WireReader {
 public:
  static constexpr bool kReading = true;

  explicit WireReader(Bytes bytes) : reader_(bytes) {}

  template <std::unsigned_integral T>
  void number(T& value) {
    std::uint64_t read = 0;
    for (const std::uint8_t byte : reader_.take(sizeof(T))) read = read << 8 | byte;
    check(reader_.ok(), "truncated");
    value = static_cast<T>(read);
  }
  template <typename Tag, typename Rep>
  void number(Strong<Tag, Rep>& value) {
    number(value.value);
  }
  template <typename E>
    requires std::is_enum_v<E>
  void choice(E& value, E last) {
    std::uint8_t read = 0;
    number(read);
    check(read <= static_cast<std::uint8_t>(last), "unknown choice");
    if (ok()) value = static_cast<E>(read);
  }
  void flag(bool& value) {
    std::uint8_t read = 0;
    number(read);
    check(read <= 1, "neither true nor false");
    value = read == 1;
  }
  void address(Ip4& value) { number(value.value); }
  void address(Mac& value) {
    value = reader_.mac();
    check(reader_.ok(), "truncated");
  }
  void text(std::string& value, std::uint16_t max) {
    std::uint16_t length = 0;
    number(length);
    check(length <= max, "text too long");
    if (!ok()) return;
    const Bytes from = reader_.take(length);
    check(reader_.ok(), "truncated");
    value.assign(from.begin(), from.end());
  }
  // element_min: bytes the shortest element takes; bounds the allocation by what can follow.
  template <typename T, typename Allocator, typename Describe>
  void list(std::vector<T, Allocator>& values, std::uint32_t max, std::size_t element_min,
            Describe describe) {
    std::uint32_t count = 0;
    number(count);
    check(count <= max, "list too long");
    check(ok() && count <= reader_.left() / element_min, "truncated");
    if (!ok()) return;
    values.resize(count);
    for (T& value : values) {
      describe(*this, value);
      if (!ok()) return;
    }
  }
  void check(bool condition, const char* why) {
    if (condition || why_ != nullptr) return;
    why_ = why;
    offset_ = reader_.offset();
  }

  [[nodiscard]] bool ok() const { return why_ == nullptr; }
  [[nodiscard]] std::size_t left() const { return reader_.left(); }
  // What is wrong, once ok() is false: "snapshot: list too long at byte 12".
  [[nodiscard]] Error error(const char* what) const {
    return Error{std::string(what) + ": " + why_ + " at byte " + std::to_string(offset_)};
  }

 private:
  ByteReader reader_;
  const char* why_ = nullptr;
  std::size_t offset_ = 0;
};

}  // namespace xk::ipc
