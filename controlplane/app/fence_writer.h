// Writes the fence of whatever dataplane is connected. Thread-safe: the time is written by the thread that
// keeps the session, VRFs by the one that runs the election, and the daemon's loop sees dataplanes come and
// go.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>

#include "controlplane/store/store.h"
#include "dataplane/base/types.h"
#include "dataplane/ipc/fence_memory.h"

namespace xk::kead {

class FenceWriter {
 public:
  // The memory of the connected dataplane, or null. One that is new gets what holds now.
  void attach(std::shared_ptr<const ipc::FenceMemory> memory);

  // A session, its time: no VRF is active under it yet. What was active under another is not any more.
  void begin(store::SessionId session, std::uint64_t until_ns);
  void extend(store::SessionId session, std::uint64_t until_ns);
  // Nothing may be answered.
  void close();

  // The VRF is active under this session; of another than the present one it is not.
  void open(VrfId vrf, store::SessionId session);
  void silence(VrfId vrf);
  // Ids that mean other VRFs now, or none.
  void keep_only(const std::set<VrfId>& vrfs);

  [[nodiscard]] std::uint64_t until_ns() const;

 private:
  void write_all();

  mutable std::mutex mutex_;
  std::shared_ptr<const ipc::FenceMemory> memory_;
  store::SessionId session_ = 0;
  std::uint64_t until_ns_ = 0;
  std::set<VrfId> active_;
};

}  // namespace xk::kead
