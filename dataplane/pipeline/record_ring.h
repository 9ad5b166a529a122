// Journal records on their way from the loop that owns a VRF to the thread that writes them: bytes in a ring,
// one producer, one consumer.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>

#include "dataplane/base/lease_journal.h"

namespace xk {

class RecordRing {
 public:
  static constexpr std::uint64_t kBytesMin = std::uint64_t{256} << 10;
  // What 100,000 clients a second leave in half a second, in which a disk may not answer.
  static constexpr std::uint64_t kBytesMax = std::uint64_t{8} << 20;
  // For a VRF with so many addresses. A record that does not fit the end goes to the beginning: the room it
  // leaves is marked. salt: of the journals that the records are for.
  RecordRing(std::uint64_t addresses, std::uint32_t salt)
      : salt_(salt),
        size_(std::bit_ceil(std::clamp(addresses * kBytesOfAddress, kBytesMin, kBytesMax))),
        bytes_(std::make_unique_for_overwrite<std::uint8_t[]>(size_)) {}

  // ---- the loop ----
  // Whether so many records of any size fit.
  [[nodiscard]] bool has_room(std::uint64_t records = 1) const {
    const std::uint64_t used = head_.load(std::memory_order_relaxed) - tail_.load(std::memory_order_acquire);
    return used + (records + 1) * kRecordSizeMax <= size_;
  }
  // has_room().
  void push(const JournalRecord& record) {
    std::uint64_t head = head_.load(std::memory_order_relaxed);
    std::uint64_t at = head & (size_ - 1);
    if (size_ - at < kRecordSizeMax) {
      if (size_ - at >= kMark) std::fill_n(bytes_.get() + at, kMark, std::uint8_t{0});
      head += size_ - at;
      at = 0;
    }
    head += encode_record(record, MutableBytes(bytes_.get() + at, kRecordSizeMax), salt_);
    head_.store(head, std::memory_order_release);
  }

  // ---- the writer ----
  // What waits, as far as it is side by side; borrowed until take(). Empty: nothing waits.
  [[nodiscard]] Bytes peek() {
    const std::uint64_t head = head_.load(std::memory_order_acquire);
    std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    while (tail != head) {
      const std::uint64_t at = tail & (size_ - 1);
      const std::uint64_t end = std::min(size_, at + (head - tail));
      const std::uint64_t whole = whole_until(at, end);
      if (whole > at) {
        tail_.store(tail, std::memory_order_release);
        return {bytes_.get() + at, static_cast<std::size_t>(whole - at)};
      }
      tail += size_ - at;  // the mark: the next one is at the beginning
    }
    tail_.store(tail, std::memory_order_release);
    return {};
  }
  void take(std::size_t bytes) {
    tail_.store(tail_.load(std::memory_order_relaxed) + bytes, std::memory_order_release);
  }
  // Both.
  [[nodiscard]] std::uint32_t salt() const { return salt_; }
  // Whether nothing waits.
  [[nodiscard]] bool empty() const {
    return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_acquire);
  }

 private:
  static constexpr std::uint64_t kBytesOfAddress = 64;
  static constexpr std::uint64_t kMark = 6;  // bytes of a record that its length is in
  // Where the last whole record of [at, end) ends.
  [[nodiscard]] std::uint64_t whole_until(std::uint64_t at, std::uint64_t end) const {
    while (end - at >= kMark) {
      const std::uint64_t size = std::uint64_t{bytes_[at + 4]} | std::uint64_t{bytes_[at + 5]} << 8;
      if (size == 0 || at + size > end) break;
      at += size;
    }
    return at;
  }

  const std::uint32_t salt_;
  const std::uint64_t size_;
  std::unique_ptr<std::uint8_t[]> bytes_;
  alignas(64) std::atomic<std::uint64_t> head_{0};
  alignas(64) std::atomic<std::uint64_t> tail_{0};
};

}  // namespace xk
