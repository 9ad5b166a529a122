// Static leases on their way to the dataplane: any bytes are refused or have exactly the encoding they came
// in, and what is taken goes into a table without harm.
#include <cstdlib>

#include "dataplane/ipc/messages.h"
#include "dataplane/serve/static_table.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const xk::Bytes bytes(data, size);
  const auto changes = xk::ipc::decode_static_changes(bytes);
  if (!changes) return 0;
  const auto again = xk::ipc::encode_static_changes(*changes);
  if (!std::equal(again.begin(), again.end(), bytes.begin(), bytes.end())) std::abort();
  static xk::StaticTable table;
  for (const xk::StaticChange& change : *changes) {
    const xk::StaticLease& lease = change.lease;
    const xk::Bytes identity(reinterpret_cast<const std::uint8_t*>(lease.identity.data()),
                             lease.identity.size());
    if (change.erase) {
      table.erase(lease.vrf, lease.kind, identity);
    } else if (table.put(lease).has_value()) {
      const xk::StaticRecord* found = table.find(lease.vrf, lease.kind, identity);
      if (found == nullptr || found->address != lease.address) std::abort();
    }
  }
  for (const xk::StaticChange& change : *changes) {
    const xk::StaticLease& lease = change.lease;
    table.erase(lease.vrf, lease.kind,
                {reinterpret_cast<const std::uint8_t*>(lease.identity.data()), lease.identity.size()});
  }
  if (table.size() != 0) std::abort();
  table.reclaim();
  return 0;
}
