// The file from which Kea's hook knows static leases: any lines are taken or refused, and a table that took
// some finds what it took.
#include <cstdlib>
#include <string_view>

#include "controlplane/kea/static_hook/table.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  xk::hook::StaticLeases table;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    const std::size_t before = table.size();
    const bool taken = table.apply(line).has_value();
    if (!taken && table.size() != before) std::abort();
    if (table.size() > before + 1) std::abort();
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
  for (std::uint32_t last = 0; last < 256; ++last) {
    const auto lease = table.find(xk::Ip4{0x0a000000u + last});
    if (lease && !table.find(lease->kind, lease->identity)) std::abort();
  }
  return 0;
}
