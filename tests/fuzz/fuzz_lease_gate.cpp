// What Kea's hook and xdp-kead's gate say to each other, and the hook's queue file. What is read as changes
// is written and read again as the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "controlplane/leases/gate_wire.h"
#include "controlplane/leases/queue_entries.h"

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

// Whatever an entry of the queue file holds, the one behind it is found; and whatever the file is, all of it
// is accounted for.
void read_as_queue(std::string_view bytes) {
  LeaseChange lease;
  lease.address = xk::Ip4{1};
  const Changes last{.number = 1, .leases = {lease}};
  const QueueContents behind = read_queue(queue_entry(bytes) + queue_entry(changes_frame(last)));
  if (behind.sets.empty() || !(behind.sets.back() == last) || behind.unread_bytes != 0) std::abort();
  if (behind.sets.size() + behind.damaged_sets != 2 || behind.damaged != (behind.damaged_sets != 0))
    std::abort();
  const QueueContents as_it_is = read_queue(bytes);
  std::string again;
  for (const Changes& set : as_it_is.sets) again += queue_entry(changes_frame(set));
  if (!(read_queue(again).sets == as_it_is.sets)) std::abort();
  const bool whole = !as_it_is.damaged && as_it_is.torn_bytes == 0;
  if (whole && as_it_is.sets.empty() && !bytes.empty()) std::abort();
  if (whole != queue_trouble(as_it_is, "queue", "kept").empty()) std::abort();
}

}  // namespace

// The first byte says in which pieces the rest comes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = std::size_t{data[0]} + 1;
  read_as_queue({reinterpret_cast<const char*>(data) + 1, size - 1});
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
