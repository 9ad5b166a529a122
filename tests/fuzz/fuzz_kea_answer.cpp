// Whatever listens on a control socket: an answer in any pieces, and a page of leases.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "controlplane/kea/json.h"
#include "controlplane/kea/leases.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  xk::kea::JsonScanner whole;
  xk::kea::JsonScanner pieces;
  whole.feed(text);
  for (std::size_t at = 0; at < size; at += 3) pieces.feed(text.substr(at, 3));
  if (whole.state() != pieces.state()) std::abort();

  (void)xk::kea::parse_answer(text);
  const auto page = xk::kea::parse_lease_page(text, 2);
  if (!page) return 0;
  if (!page->last && page->leases.empty()) std::abort();
  for (const auto& lease : page->leases)
    if (lease.expires_unix_s() < lease.cltt_unix_s) std::abort();
  return 0;
}
