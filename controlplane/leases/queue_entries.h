// What lies in the hook's queue file: entries one after the other, each a frame of changes behind a header
// with checksums, so that what a disk has damaged is found and what a kill has cut off is told from it.
// Numbers are in network order.
//
//   "XKQ2"  length of the frame (4)  CRC-32C of the frame (4)  CRC-32C of the twelve bytes before it (4)
//
// Before, the frames lay there by themselves: such a file is read as well.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/leases/gate_wire.h"
#include "dataplane/base/error.h"

namespace xk::leases {

[[nodiscard]] std::string queue_entry(std::string_view changes_frame);

struct QueueContents {
  std::vector<Changes> sets;       // of every entry that is whole, oldest first
  std::uint64_t leases = 0;        // in them
  std::uint64_t bytes = 0;         // of the file
  std::uint64_t torn_bytes = 0;    // of one entry at the very end that is not all there
  bool damaged = false;            // something else cannot be read
  std::uint64_t damaged_at = 0;    // its first byte
  std::uint64_t damaged_sets = 0;  // entries that can be passed over, since their lengths are right
  std::uint64_t unread_bytes = 0;  // at the end, where not even that is so
};
[[nodiscard]] QueueContents read_queue(std::string_view bytes);
// For the operator; empty: every byte was good. kept_as: the name of the file in which the damage is.
[[nodiscard]] std::string queue_trouble(const QueueContents& contents, std::string_view path,
                                        std::string_view kept_as);

// Gives the file a second name beside it, which is returned: NAME.damaged-1, or the first number that is
// free.
[[nodiscard]] std::expected<std::string, Error> keep_damaged(int directory, const std::string& name);

}  // namespace xk::leases
