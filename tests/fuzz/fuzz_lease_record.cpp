// A lease as the store holds it, and its key: another appliance, or a person with etcdctl, wrote it. What is
// read is written and read again as the same.
#include <cstdint>
#include <cstdlib>

#include "controlplane/leases/record.h"
#include "controlplane/leases/relay_info.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace xk::leases;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)relay_info_of(text);
  if (const auto name = parse_lease_key(text); name && lease_key(name->vrf, name->address) != text)
    std::abort();
  static RecordReader reader;
  const auto record = reader.read(text);
  if (!record) return 0;
  const auto again = reader.read(to_json(*record));
  if (!again || !(*again == *record)) std::abort();
  return 0;
}
