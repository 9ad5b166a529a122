// The file of what is paused, a key and a value of the store: what is read is written and read again as the
// same.
#include <cstdint>
#include <cstdlib>

#include "controlplane/kea/static_hook/paused.h"
#include "controlplane/leases/clock_watch.h"
#include "controlplane/leases/pauses.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto paused = xk::hook::parse_paused(text)) {
    for (const xk::Range4& pool : paused->pools)
      if (!paused->holds(pool.first) || !paused->holds_all(pool)) std::abort();
    for (const std::string& mac : paused->macs)
      if (!paused->holds_client(mac, "")) std::abort();
  }
  const std::size_t line = text.find('\n');
  const std::string_view key = text.substr(0, line);
  const std::string_view value = line == text.npos ? std::string_view{} : text.substr(line + 1);
  if (const auto pause = xk::leases::parse_pause(key, value)) {
    const auto again =
        xk::leases::parse_pause(xk::leases::pause_key(*pause), xk::leases::pause_value(*pause));
    if (!again || !again->same(*pause) || again->since_unix_s != pause->since_unix_s) std::abort();
  }
  if (const auto offset = xk::leases::parse_clock_text(text, "boot"))
    if (xk::leases::parse_clock_text(xk::leases::clock_text("boot", *offset), "boot") != offset) std::abort();
  return 0;
}
