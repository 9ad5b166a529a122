// ids.json: any bytes give a table or an error; a table survives writing and reading, hands out ids in
// bounds, and never the same one twice.
#include <cstdlib>
#include <set>

#include "controlplane/reconcile/ids.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto table = xk::IdTable::parse({reinterpret_cast<const char*>(data), size});
  if (!table) return 0;
  const auto again = xk::IdTable::parse(table->to_json());
  // Names that are no UTF-8 are written with replacements: the same number of them, or a clash that
  // is refused.
  if (again && !(again->to_json() == table->to_json())) std::abort();
  std::set<std::uint32_t> seen;
  for (int i = 0; i < 4; ++i) {
    const auto id = table->vrf("fresh" + std::to_string(i), XK_VRFS_MAX);
    if (!id) break;
    if (id->value == 0 || id->value > XK_VRFS_MAX || !seen.insert(id->value).second) std::abort();
  }
  const auto port = table->port("fresh", 3);
  if (port && port->xsk_base + port->xsk_count > XK_XSKS_MAX) std::abort();
  return 0;
}
