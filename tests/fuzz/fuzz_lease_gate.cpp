// What Kea's hook and xdp-kead's gate say to each other, and the hook's queue file. What is read as changes
// is written and read again as the same.
#include <cstdint>
#include <cstdlib>

#include "controlplane/leases/gate_wire.h"

namespace {

using namespace xk::leases;

void read_body(const Frame& frame) {
  switch (frame.kind) {
    case FrameKind::hello:
      (void)parse_hello(frame.body);
      break;
    case FrameKind::welcome:
      (void)parse_welcome(frame.body);
      break;
    case FrameKind::durable:
      (void)parse_durable(frame.body);
      break;
    case FrameKind::figures:
      (void)parse_figures(frame.body);
      break;
    case FrameKind::changes: {
      const auto changes = parse_changes(frame.body);
      if (!changes) return;
      const std::string again = changes_frame(*changes);
      const xk::Bytes bytes(reinterpret_cast<const std::uint8_t*>(again.data()), again.size());
      const auto same = parse_changes(bytes.subspan(5));
      if (!same || !(*same == *changes)) std::abort();
      break;
    }
  }
}

}  // namespace

// The first byte says in which pieces the rest comes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = std::size_t{data[0]} + 1;
  FrameReader reader;
  for (std::size_t at = 1; at < size; at += piece) {
    reader.add(xk::Bytes(data, size).subspan(at, std::min(piece, size - at)));
    for (;;) {
      const auto frame = reader.next();
      if (!frame) return 0;
      if (!*frame) break;
      read_body(**frame);
    }
  }
  return 0;
}
