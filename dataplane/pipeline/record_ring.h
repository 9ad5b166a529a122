// Journal records on their way from the loop that owns a VRF to the thread that writes them: bytes in a ring,
// one producer, one consumer.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

#include "dataplane/base/lease_journal.h"

namespace xk {

class RecordRing {
 public:
  static constexpr std::uint64_t kBytes = std::uint64_t{1} << 20;
  // A record that does not fit the end goes to the beginning: the room it leaves is marked.
  RecordRing() : bytes_(std::make_unique_for_overwrite<std::uint8_t[]>(kBytes)) {}

  // ---- the loop ----
  // Whether so many records of any size fit.
  [[nodiscard]] bool has_room(std::uint64_t records = 1) const {
    const std::uint64_t used = head_.load(std::memory_order_relaxed) - tail_.load(std::memory_order_acquire);
    return used + (records + 1) * kRecordSizeMax <= kBytes;
  }
  // has_room().
  void push(const JournalRecord& record) {
    std::uint64_t head = head_.load(std::memory_order_relaxed);
    std::uint64_t at = head % kBytes;
    if (kBytes - at < kRecordSizeMax) {
      if (kBytes - at >= kMark) std::fill_n(bytes_.get() + at, kMark, std::uint8_t{0});
      head += kBytes - at;
      at = 0;
    }
    head += encode_record(record, MutableBytes(bytes_.get() + at, kRecordSizeMax));
    head_.store(head, std::memory_order_release);
  }

  // ---- the writer ----
  // What waits, as far as it is side by side; borrowed until take(). Empty: nothing waits.
  [[nodiscard]] Bytes peek() {
    const std::uint64_t head = head_.load(std::memory_order_acquire);
    std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    while (tail != head) {
      const std::uint64_t at = tail % kBytes;
      const std::uint64_t end = std::min(kBytes, at + (head - tail));
      const std::uint64_t whole = whole_until(at, end);
      if (whole > at) {
        tail_.store(tail, std::memory_order_release);
        return {bytes_.get() + at, static_cast<std::size_t>(whole - at)};
      }
      tail += kBytes - at;  // the mark: the next one is at the beginning
    }
    tail_.store(tail, std::memory_order_release);
    return {};
  }
  void take(std::size_t bytes) {
    tail_.store(tail_.load(std::memory_order_relaxed) + bytes, std::memory_order_release);
  }
  // Both: whether nothing waits.
  [[nodiscard]] bool empty() const {
    return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_acquire);
  }

 private:
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

  std::unique_ptr<std::uint8_t[]> bytes_;
  alignas(64) std::atomic<std::uint64_t> head_{0};
  alignas(64) std::atomic<std::uint64_t> tail_{0};
};

}  // namespace xk
