// A line of Kea's lease file. What is read is written and read again as the same.
#include <cstdint>
#include <cstdlib>

#include "controlplane/leases/kea_file.h"
#include "controlplane/leases/user_context.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace xk::leases;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto lease = parse_lease_line(text);
  if (!lease) return 0;
  // A lease of the store is there: one that Kea deleted is not.
  lease->erased = lease->valid_lifetime_s == 0;
  if (!is_user_context(lease->user_context)) lease->user_context.clear();
  const std::string line = lease_line(record_of(*lease, {}), lease->subnet_id);
  const auto again = parse_lease_line(std::string_view(line).substr(0, line.size() - 1));
  if (!again || !(*again == *lease)) std::abort();
  return 0;
}
