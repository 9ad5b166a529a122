// Encoded snapshots: any bytes are refused or have exactly the encoding they came in.
#include <cstdlib>

#include "dataplane/ipc/messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const xk::Bytes bytes(data, size);
  const auto snapshot = xk::ipc::decode_snapshot(bytes);
  if (!snapshot) return 0;
  const auto again = xk::ipc::encode_snapshot(*snapshot);
  if (!std::equal(again.begin(), again.end(), bytes.begin(), bytes.end())) std::abort();
  return 0;
}
