// Reading what the embedded store keeps, from any thread, while its writer goes on.
#pragma once

#include <atomic>

#include "controlplane/store/disk.h"
#include "controlplane/store/store.h"
#include "controlplane/store/watches.h"

namespace xk::store {

// What readers may see. compacted is raised before anything that it lets go is erased.
struct Horizon {
  std::atomic<Revision> newest = 0;     // durable
  std::atomic<Revision> compacted = 0;  // nothing before it can be asked for
};

[[nodiscard]] StoreResult<Page> read_range(const Disk& disk, const Horizon& horizon, const Range& range);
// Events of the span, some hundred revisions of them.
[[nodiscard]] StoreResult<LogPage> read_events(const Disk& disk, const Horizon& horizon, Revision from,
                                               const Span& span);

[[nodiscard]] StoreError compacted_error(Revision asked, Revision compacted);

}  // namespace xk::store
