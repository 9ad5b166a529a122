// Keeps the dataplane's table of static leases in step with what is known here. Of the daemon's loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "controlplane/reconcile/ports.h"
#include "controlplane/statics/static_leases.h"

namespace xk::statics {

class Feed {
 public:
  // paused: whether a lease's client is. The dataplane is told that such a client's address is not known
  // there: it leaves it to Kea, which knows what is paused. Empty: none is.
  Feed(const StaticLeases& leases, DataplaneLink& dataplane,
       std::function<bool(const StaticEntry&)> paused = {})
      : leases_(leases), dataplane_(dataplane), paused_(std::move(paused)) {}

  // Before a snapshot is published, and whenever a dataplane may have come: it has the static leases of the
  // snapshot's VRFs that are answered there. A dataplane that has come since gets the whole table, else only
  // what VRFs that came or went make of it. Errors: it did not take them; it is tried again next time.
  [[nodiscard]] Result<> sync(const Snapshot& snapshot);
  // These are known already. One that is not connected gets them when it comes.
  [[nodiscard]] Result<> changed(const std::vector<Change>& changes);
  // All may have changed.
  void all_changed() { in_step_ = false; }
  // What the last attempt said; empty: all is well.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  [[nodiscard]] Result<> send_all();
  [[nodiscard]] Result<> send_vrf(const std::string& vrf, VrfId id, bool erase);
  [[nodiscard]] Result<> add(StaticChange change);
  [[nodiscard]] Result<StaticLease> render(const StaticEntry& entry, VrfId vrf) const;
  [[nodiscard]] Result<> flush(ipc::StaticUpdateKind last);
  [[nodiscard]] Result<> tell(Result<> done);

  const StaticLeases& leases_;
  DataplaneLink& dataplane_;
  std::function<bool(const StaticEntry&)> paused_;
  std::map<std::string, VrfId> served_;  // VRFs whose leases the dataplane has
  bool in_step_ = false;
  std::uint32_t pid_ = 0;  // of the dataplane that has them
  std::uint32_t connects_ = 0;
  std::vector<StaticChange> pending_;
  std::size_t pending_bytes_ = 0;
  ipc::StaticUpdateKind kind_ = ipc::StaticUpdateKind::change;
  std::string trouble_;
};

}  // namespace xk::statics
