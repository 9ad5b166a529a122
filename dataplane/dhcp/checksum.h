// The Internet checksum (RFC 1071), summed 32 bytes at a time. A sum is kept in the machine's
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
  // Two 64-bit lanes at a time, each summing 32-bit halves: no carry is lost, no lane waits.
  using Lanes = std::uint64_t __attribute__((vector_size(16)));
  Lanes low{};
  Lanes high{};
  for (; left >= 2 * sizeof(Lanes); left -= 2 * sizeof(Lanes), at += 2 * sizeof(Lanes)) {
    Lanes one;
    Lanes other;
    std::memcpy(&one, at, sizeof one);
    std::memcpy(&other, at + sizeof one, sizeof other);
    low += (one & 0xffffffffu) + (other & 0xffffffffu);
    high += (one >> 32) + (other >> 32);
  }
  low += high;
  sum += low[0] + low[1];
  for (; left >= 4; left -= 4, at += 4) {
    std::uint32_t word = 0;
    std::memcpy(&word, at, 4);
    sum += word;
  }
  for (; left >= 2; left -= 2, at += 2) {
    std::uint16_t word = 0;
    std::memcpy(&word, at, 2);
    sum += word;
  }
  if (left == 1) {
    std::uint16_t word = 0;
    std::memcpy(&word, at, 1);
    sum += word;
  }
  return sum;
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
