// admin.json: any bytes give a table or an error; a table survives writing and reading.
#include <cstdlib>

#include "controlplane/reconcile/admin.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto table = xk::AdminTable::parse({reinterpret_cast<const char*>(data), size});
  if (!table) return 0;
  const auto again = xk::AdminTable::parse(table->to_json());
  if (!again || !(*again == *table)) std::abort();
  return 0;
}
