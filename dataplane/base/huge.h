// Memory of large tables that are read at random: on huge pages where the kernel has some to give, or
// a look-up would wait for the page tables first.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

namespace xk {

template <typename Value>
struct HugeAllocator {
  using value_type = Value;
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;
  // Less than this is left to ordinary pages: a huge one would be mostly empty.
  static constexpr std::size_t kBytesMin = kHugePage / 4;

  HugeAllocator() = default;
  template <typename Other>
  explicit(false) HugeAllocator(const HugeAllocator<Other>&) {}

  [[nodiscard]] Value* allocate(std::size_t count) {
    const std::size_t bytes = count * sizeof(Value);
    if (bytes < kBytesMin) return std::allocator<Value>().allocate(count);
    const std::size_t rounded = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    void* at = std::aligned_alloc(kHugePage, rounded);
    if (at == nullptr) throw std::bad_alloc();
    // Where it cannot be it is slower, not wrong.
    (void)madvise(at, rounded, MADV_HUGEPAGE);
    return static_cast<Value*>(at);
  }
  void deallocate(Value* at, std::size_t count) {
    if (count * sizeof(Value) < kBytesMin)
      std::allocator<Value>().deallocate(at, count);
    else
      std::free(at);
  }
  friend bool operator==(const HugeAllocator&, const HugeAllocator&) { return true; }
};

template <typename Value>
using HugeVector = std::vector<Value, HugeAllocator<Value>>;

}  // namespace xk
