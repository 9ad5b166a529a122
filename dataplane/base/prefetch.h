// Has memory fetched that will be wanted soon.
#pragma once

namespace xk {

// Not the compiler's built-in alone: GCC takes a function that does nothing else for one without effect, and
// leaves its calls out.
inline void prefetch(const void* address) {
  __builtin_prefetch(address);
  asm volatile("" : : "r"(address));
}

}  // namespace xk
