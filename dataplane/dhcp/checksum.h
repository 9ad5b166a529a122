// The Internet checksum (RFC 1071), summed eight bytes at a time. A sum is kept in the machine's
// byte order over words as they lie in memory (RFC 1071 1.B), so nothing is swapped on the way.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "dataplane/base/bytes.h"

namespace xk {

// A number as the 16-bit word it is in memory when in network order.
[[nodiscard]] constexpr std::uint16_t network_word(std::uint16_t number) {
  return std::endian::native == std::endian::little ? std::byteswap(number) : number;
}

// Adds bytes, which start at an even offset of what is summed, to a sum. An odd last byte counts as
// padded with zero: it must be the last one added.
[[nodiscard]] inline std::uint64_t checksum_add(std::uint64_t sum, Bytes bytes) {
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  for (; left >= 16; left -= 16, at += 16) {
    std::uint64_t one = 0;
    std::uint64_t other = 0;
    std::memcpy(&one, at, 8);
    std::memcpy(&other, at + 8, 8);
    low += (one & 0xffffffffu) + (other & 0xffffffffu);
    high += (one >> 32) + (other >> 32);
  }
  for (; left >= 2; left -= 2, at += 2) {
    std::uint16_t word = 0;
    std::memcpy(&word, at, 2);
    low += word;
  }
  if (left == 1) {
    std::uint16_t word = 0;
    std::memcpy(&word, at, 1);
    low += word;
  }
  return sum + low + high;
}

// The sum as one 16-bit word, not complemented: 0xffff when bytes that carry a right checksum were
// summed. Sums of less than 2^48 bytes cannot have overflowed.
[[nodiscard]] constexpr std::uint16_t checksum_fold(std::uint64_t sum) {
  sum = (sum & 0xffffffffu) + (sum >> 32);
  sum = (sum & 0xffffffffu) + (sum >> 32);
  sum = (sum & 0xffffu) + (sum >> 16);
  sum = (sum & 0xffffu) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

}  // namespace xk
