// Numbers spread over all their bits, for hashing.
#pragma once

#include <cstdint>

namespace xk {

// No secret is in it: who chooses the numbers can have them collide, which may cost balance or speed, never
// more.
constexpr std::uint64_t mix(std::uint64_t number) {
  number *= 0x9e3779b97f4a7c15u;
  number ^= number >> 32;
  number *= 0xd6e8feb86659fd93u;
  return number ^ number >> 32;
}

}  // namespace xk
