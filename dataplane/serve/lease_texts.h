// What is kept of a lease in bytes that clients and relays choose: its client id and the relay agent
// information (option 82) of its last message. Short texts stand in a place of the lease's own, longer ones
// go on in blocks that are there for a part of the leases; all is allocated by grow().
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dataplane/base/bytes.h"
#include "dataplane/base/huge.h"

namespace xk {

// How long they are, in the lease's record.
struct TextSizes {
  std::uint8_t client_id = 0;
  std::uint8_t agent = 0;
  [[nodiscard]] std::size_t all() const { return std::size_t{client_id} + agent; }
};

struct LeaseTexts {
  static constexpr std::size_t kMax = 2 * 255;  // bytes
  Bytes client_id;
  Bytes agent;
};

class TextStore {
 public:
  static constexpr std::size_t kPlaceBytes = 32;  // texts that need no block
  static constexpr std::uint32_t kLeasesABlock = 16;

  void grow(std::uint32_t places);
  // Keeps the texts for a place that has none, and returns what is kept: each if it has at most 255 bytes,
  // and where no block is free the client id alone, or nothing.
  [[nodiscard]] TextSizes put(std::uint32_t place, const LeaseTexts& texts);
  // The texts of a place with these sizes; in scratch.
  [[nodiscard]] LeaseTexts get(std::uint32_t place, TextSizes sizes,
                               std::span<std::uint8_t, LeaseTexts::kMax> scratch) const;
  void clear(std::uint32_t place, TextSizes sizes);
  [[nodiscard]] std::size_t bytes() const {
    return places_.capacity() * sizeof(Place) + blocks_.capacity() * sizeof(Block);
  }

 private:
  using Place = std::array<std::uint8_t, kPlaceBytes>;
  struct Block {
    std::array<std::uint8_t, 28> bytes{};
    std::uint32_t next = 0;  // block + 1, 0: the last
  };
  static_assert(sizeof(Block) == 32);
  [[nodiscard]] std::uint32_t first_of(std::uint32_t place) const;
  [[nodiscard]] bool put_blocks(std::uint32_t place, MutableBytes scratch);

  HugeVector<Place> places_;  // the texts, or the number of their first block + 1
  HugeVector<Block> blocks_;
  std::uint32_t free_ = 0;  // the first free block + 1
  std::uint32_t free_count_ = 0;
};

}  // namespace xk
