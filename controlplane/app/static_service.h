// The static leases of the daemon: read from the store and followed there, told to the dataplane, changed by
// operators. A change is in force here when the store has it and its watch has told of it: there is no other
// way.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/api/control.h"
#include "controlplane/app/event_log.h"
#include "controlplane/app/event_loop.h"
#include "controlplane/app/static_turn.h"
#include "controlplane/leases/pauses.h"
#include "controlplane/reconcile/reconciler.h"
#include "controlplane/statics/decide.h"
#include "controlplane/statics/feed.h"
#include "controlplane/statics/kea_file.h"
#include "controlplane/store/store.h"

namespace xk::kead {

class StaticService {
 public:
  struct Parts {
    EventLoop& loop;
    DataplaneLink& dataplane;
    EventLog& events;
    std::function<const Snapshot*()> snapshot;       // what is or will be served; null: nothing yet
    std::function<void()> moved;                     // now and then while much is read
    std::function<bool(const StaticEntry&)> paused;  // whether its client is
    std::string kea_directory;                       // of the files for Kea; empty: there are none
    std::function<unsigned(const std::string& vrf)> kea_group;  // of the user that a VRF's Kea runs as
  };
  explicit StaticService(Parts parts)
      : parts_(std::move(parts)),
        feed_(leases_, parts_.dataplane, parts_.paused),
        files_(leases_, parts_.kea_directory, parts_.kea_group) {}
  ~StaticService();
  StaticService(const StaticService&) = delete;
  StaticService& operator=(const StaticService&) = delete;

  // ---- on the loop ----

  // Reads what the store has and follows it. What cannot be done now is tried again every second.
  void start(store::Store& store);
  // Before a snapshot is published, and when a dataplane may have come.
  void sync(const Snapshot& snapshot);
  // A client is paused, or not any more: the dataplane leaves one that is to Kea.
  void pause_changed(const leases::Pause& pause);
  [[nodiscard]] const statics::StaticLeases& leases() const { return leases_; }
  // What is wrong; empty: nothing.
  [[nodiscard]] std::string trouble() const;

  [[nodiscard]] api::Answer<api::StaticPageView> page(const api::StaticQuery& query,
                                                      const Model& model) const;

  // What an operator's request comes to.
  struct Plan {
    std::vector<store::Transaction> transactions;
    api::StaticDoneView done;
  };
  using Leased = std::map<std::pair<std::string, Ip4>, statics::Leased>;
  [[nodiscard]] api::Answer<Plan> plan_add(const api::StaticRequest& request, const Model& model,
                                           const Leased& leased) const;
  [[nodiscard]] api::Answer<Plan> plan_delete(const api::StaticRequest& request) const;

  // ---- on any other thread ----

  // This appliance's turn to change them, to be held from the plan to its end; nothing where no other shares
  // the store.
  [[nodiscard]] api::Answer<std::unique_ptr<StaticTurn>> turn();
  // Stores it and waits until it is in force. turn: may be null.
  [[nodiscard]] api::Answer<api::StaticDoneView> commit(Plan plan, const StaticTurn* turn);

 private:
  [[nodiscard]] Result<store::Revision> read_all();
  void follow();
  void take(store::StoreResult<std::vector<store::Event>> events);
  void retry_soon();
  void report(std::string trouble);
  void tell_kea(const std::vector<statics::Change>& changes);
  void arrive(store::Revision revision);

  Parts parts_;
  store::Store* store_ = nullptr;
  std::unique_ptr<store::Watch> watch_;
  statics::StaticLeases leases_;
  statics::Feed feed_;
  statics::KeaFiles files_;
  bool files_right_ = false;
  bool loaded_ = false;
  std::string store_trouble_, said_;
  EventSource retry_;

  std::mutex mutex_;  // of what follows
  std::condition_variable arrived_;
  store::Revision revision_ = 0;  // all changes up to it are in force
};

}  // namespace xk::kead
