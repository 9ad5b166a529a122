// Datagrams between the daemons: any bytes are refused or have exactly the encoding they came in.
#include <cstdlib>

#include "dataplane/ipc/messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const xk::Bytes bytes(data, size);
  const auto message = xk::ipc::decode(bytes);
  if (!message) return 0;
  const auto again = xk::ipc::encode(*message);
  if (!std::equal(again.begin(), again.end(), bytes.begin(), bytes.end())) std::abort();
  return 0;
}
