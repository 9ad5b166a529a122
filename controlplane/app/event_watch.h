// Turns what is into what happened: compares each look at the machine with the one before, and records
// the difference. On the loop thread only.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/app/event_log.h"
#include "controlplane/app/views.h"
#include "controlplane/reconcile/reconciler.h"

namespace xk::kead {

class EventWatch {
 public:
  explicit EventWatch(EventLog& log) : log_(log) {}

  void dataplane(const DataplaneStatus& now);
  // Whether anything differs from the time before.
  bool keas(const std::vector<KeaStatus>& now);
  // After each change. What goes on failing is said once, until all is well.
  void changed(const Reconciler& reconciler, const Machine& machine, const ChangeReport& report);
  // VRFs and attachments; the first look says only what is not served.
  void served(const Reconciler& reconciler, const Machine& machine);

 private:
  struct SeenKea {
    std::string name;
    KeaState state = KeaState::stopped;
    std::int64_t pid = 0;
    std::int64_t served = 0;  // the last process that was seen running
    bool died = false;        // since then
    std::uint64_t socket_drops = 0;
  };
  // Records what became of it, and remembers that in `now`.
  void kea(KeaState before, SeenKea& now, const KeaStatus& status);
  void losses(const SeenKea& before, const KeaStatus& status);
  void vrfs(const Views& views, bool first);
  void attachments(const Views& views, bool first);

  EventLog& log_;
  bool dataplane_connected_ = false;
  bool dataplane_silent_ = false;
  std::uint32_t dataplane_connects_ = 0;
  std::map<VrfId, SeenKea> keas_;
  std::set<std::string> failures_;
  bool looked_ = false;
  std::vector<std::string> troubles_;  // of the last look
  std::vector<Pending> pending_;
  std::map<std::string, std::string> vrfs_;                                 // name -> state: reason
  std::map<std::pair<std::string, std::string>, std::string> attachments_;  // VRF, place -> reason
};

}  // namespace xk::kead
