// Bounded reading and writing of network-order bytes. Neither ever touches a byte outside its span.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "dataplane/base/types.h"

namespace xk {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

// Reads forward over borrowed bytes. After a read past the end ok() is false for good and every
// read returns zero: check once, after the last read.
class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : bytes_(bytes) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t left() const { return bytes_.size() - at_; }
  [[nodiscard]] std::size_t offset() const { return at_; }

  std::uint8_t u8() { return static_cast<std::uint8_t>(big_endian(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(big_endian(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(big_endian(4)); }
  std::uint64_t u64() { return big_endian(8); }
  Ip4 ip4() { return Ip4{u32()}; }
  Mac mac() {
    Mac mac;
    const Bytes from = take(mac.bytes.size());
    std::copy(from.begin(), from.end(), mac.bytes.begin());
    return mac;
  }
  // The next n bytes, borrowed; empty if fewer are left.
  Bytes take(std::size_t n) {
    if (n > left()) {
      ok_ = false;
      at_ = bytes_.size();
      return {};
    }
    const Bytes taken = bytes_.subspan(at_, n);
    at_ += n;
    return taken;
  }

 private:
  std::uint64_t big_endian(std::size_t n) {
    std::uint64_t number = 0;
    for (const std::uint8_t byte : take(n)) number = number << 8 | byte;
    return number;
  }

  Bytes bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

// Writes forward into borrowed bytes. A write that does not fit writes nothing, and ok() is false
// for good.
class ByteWriter {
 public:
  explicit ByteWriter(MutableBytes bytes) : bytes_(bytes) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t size() const { return at_; }
  [[nodiscard]] std::size_t left() const { return bytes_.size() - at_; }
  [[nodiscard]] Bytes written() const { return bytes_.first(at_); }

  void u8(std::uint8_t number) {
    if (room(1)) bytes_[at_++] = number;
  }
  void u16(std::uint16_t number) { big_endian(number, 2); }
  void u32(std::uint32_t number) {
    if (!room(4)) return;
    const std::uint32_t word = std::endian::native == std::endian::little ? std::byteswap(number) : number;
    std::memcpy(bytes_.data() + at_, &word, 4);
    at_ += 4;
  }
  void u64(std::uint64_t number) { big_endian(number, 8); }
  void ip4(Ip4 address) { u32(address.value); }
  void mac(const Mac& mac) { bytes(mac.bytes); }
  void bytes(Bytes from) {
    if (!room(from.size())) return;
    if (!from.empty()) std::memcpy(bytes_.data() + at_, from.data(), from.size());
    at_ += from.size();
  }
  // Overwrites a byte that was written already.
  void patch_u8(std::size_t offset, std::uint8_t number) {
    if (offset < at_) bytes_[offset] = number;
  }
  void zeros(std::size_t n) {
    if (!room(n)) return;
    if (n != 0) std::memset(bytes_.data() + at_, 0, n);
    at_ += n;
  }

 private:
  bool room(std::size_t n) {
    ok_ = ok_ && n <= left();
    return ok_;
  }
  void big_endian(std::uint64_t number, std::size_t n) {
    if (!room(n)) return;
    for (std::size_t i = 0; i < n; ++i)
      bytes_[at_ + i] = static_cast<std::uint8_t>(number >> (8 * (n - 1 - i)));
    at_ += n;
  }

  MutableBytes bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace xk
