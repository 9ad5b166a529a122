// A set of numbers below a bound, of which the lowest from a place on is found in a few steps: a bitmap with
// a bit over every 64 bits of the level below.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <vector>

#include "dataplane/base/huge.h"

namespace xk {

class NumberSet {
 public:
  // Room for numbers below size; what is in it stays.
  void grow(std::uint32_t size) {
    std::uint32_t words = size;
    for (std::size_t level = 0;; ++level) {
      words = words / 64 + 1;
      if (level == levels_.size()) {
        // A new level begins with what the one below it says.
        levels_.emplace_back(words, 0);
        if (level != 0)
          for (std::uint32_t i = 0; i < levels_[level - 1].size(); ++i)
            if (levels_[level - 1][i] != 0) levels_[level][i / 64] |= bit(i);
      }
      if (levels_[level].size() < words) levels_[level].resize(words, 0);
      if (words == 1) return;
    }
  }
  void add(std::uint32_t number) {
    for (auto& level : levels_) {
      std::uint64_t& word = level[number / 64];
      const bool was_empty = word == 0;
      word |= bit(number);
      if (!was_empty) return;
      number /= 64;
    }
  }
  void remove(std::uint32_t number) {
    for (auto& level : levels_) {
      std::uint64_t& word = level[number / 64];
      word &= ~bit(number);
      if (word != 0) return;
      number /= 64;
    }
  }
  [[nodiscard]] bool contains(std::uint32_t number) const {
    return (levels_[0][number / 64] & bit(number)) != 0;
  }
  // The lowest one that is not below from, if it is not above last.
  [[nodiscard]] std::optional<std::uint32_t> next(std::uint32_t from, std::uint32_t last) const {
    std::size_t level = 0;
    std::uint32_t at = from;
    while (true) {
      if (level == levels_.size() || at / 64 >= levels_[level].size()) return std::nullopt;
      const std::uint64_t word = levels_[level][at / 64] & (~std::uint64_t{0} << (at % 64));
      if (word != 0) {
        at = at / 64 * 64 + static_cast<std::uint32_t>(std::countr_zero(word));
        break;
      }
      at = at / 64 + 1;
      ++level;
    }
    while (level-- > 0) at = at * 64 + static_cast<std::uint32_t>(std::countr_zero(levels_[level][at]));
    if (at > last) return std::nullopt;
    return at;
  }
  [[nodiscard]] std::size_t bytes() const {
    std::size_t sum = 0;
    for (const auto& level : levels_) sum += level.size() * sizeof(std::uint64_t);
    return sum;
  }

 private:
  static std::uint64_t bit(std::uint32_t number) { return std::uint64_t{1} << (number % 64); }
  std::vector<HugeVector<std::uint64_t>> levels_;
};

}  // namespace xk
