#include "dataplane/serve/lease_texts.h"

#include <algorithm>
#include <cstring>

namespace xk {
namespace {

constexpr std::uint32_t kBlocksMin = 64;

void copy_bytes(Bytes from, std::uint8_t* to) {
  if (!from.empty()) std::memcpy(to, from.data(), from.size());
}

}  // namespace

void TextStore::grow(std::uint32_t places) {
  places_.resize(places);
  const auto before = static_cast<std::uint32_t>(blocks_.size());
  const std::uint32_t blocks = std::max(kBlocksMin, places / kLeasesABlock);
  if (blocks <= before) return;
  blocks_.resize(blocks);
  for (std::uint32_t block = before; block < blocks; ++block) {
    blocks_[block].next = free_;
    free_ = block + 1;
  }
  free_count_ += blocks - before;
}

std::uint32_t TextStore::first_of(std::uint32_t place) const {
  std::uint32_t first = 0;
  std::memcpy(&first, places_[place].data(), sizeof first);
  return first;
}

TextSizes TextStore::put(std::uint32_t place, const LeaseTexts& texts) {
  TextSizes sizes{static_cast<std::uint8_t>(texts.client_id.size()),
                  static_cast<std::uint8_t>(texts.agent.size() > 255 ? 0 : texts.agent.size())};
  std::array<std::uint8_t, LeaseTexts::kMax> scratch;
  if (sizes.all() > kPlaceBytes) {
    copy_bytes(texts.client_id, scratch.data());
    copy_bytes(texts.agent.first(sizes.agent), scratch.data() + sizes.client_id);
    if (put_blocks(place, MutableBytes(scratch).first(sizes.all()))) return sizes;
    sizes.agent = 0;
    if (sizes.client_id > kPlaceBytes) return {};
  }
  copy_bytes(texts.client_id, places_[place].data());
  if (sizes.agent != 0) copy_bytes(texts.agent, places_[place].data() + sizes.client_id);
  return sizes;
}

bool TextStore::put_blocks(std::uint32_t place, MutableBytes scratch) {
  constexpr std::size_t kBytes = sizeof(Block::bytes);
  const auto needed = static_cast<std::uint32_t>((scratch.size() + kBytes - 1) / kBytes);
  if (needed > free_count_) return false;
  free_count_ -= needed;
  std::memcpy(places_[place].data(), &free_, sizeof free_);
  std::uint32_t last = 0;
  for (Bytes rest = scratch; !rest.empty();) {
    last = free_;
    Block& block = blocks_[last - 1];
    const std::size_t size = std::min(rest.size(), kBytes);
    copy_bytes(rest.first(size), block.bytes.data());
    rest = rest.subspan(size);
    free_ = block.next;
  }
  blocks_[last - 1].next = 0;
  return true;
}

LeaseTexts TextStore::get(std::uint32_t place, TextSizes sizes,
                          std::span<std::uint8_t, LeaseTexts::kMax> scratch) const {
  const std::size_t all = sizes.all();
  if (all <= kPlaceBytes) {
    copy_bytes(Bytes(places_[place]).first(all), scratch.data());
  } else {
    std::size_t at = 0;
    for (std::uint32_t number = first_of(place); number != 0; number = blocks_[number - 1].next) {
      const std::size_t size = std::min(all - at, sizeof(Block::bytes));
      copy_bytes(Bytes(blocks_[number - 1].bytes).first(size), scratch.data() + at);
      at += size;
    }
  }
  const Bytes kept = Bytes(scratch).first(all);
  return {kept.first(sizes.client_id), kept.subspan(sizes.client_id)};
}

void TextStore::clear(std::uint32_t place, TextSizes sizes) {
  if (sizes.all() <= kPlaceBytes) return;
  const std::uint32_t first = first_of(place);
  std::uint32_t last = first;
  ++free_count_;
  while (blocks_[last - 1].next != 0) {
    last = blocks_[last - 1].next;
    ++free_count_;
  }
  blocks_[last - 1].next = free_;
  free_ = first;
}

}  // namespace xk
