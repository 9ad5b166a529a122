// What is paused, in the daemon: read from the store and followed there, told to each VRF's Kea by a file,
// changed by operators. A change is in force here when the store has it and its watch has told of it.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controlplane/api/control.h"
#include "controlplane/app/event_log.h"
#include "controlplane/app/event_loop.h"
#include "controlplane/leases/pauses.h"
#include "controlplane/model/model.h"
#include "controlplane/reconcile/desired.h"
#include "controlplane/store/store.h"

namespace xk::kead {

class PauseService {
 public:
  struct Parts {
    EventLoop& loop;
    EventLog& events;
    std::string directory;                                      // of the files for Kea
    std::function<unsigned(const std::string& vrf)> kea_group;  // of the user that a VRF's Kea runs as
    std::function<const Model*()> model;                        // null: nothing yet
    std::function<void(const leases::Pause&)> changed;          // one came or went
    std::function<void(const std::set<std::string>& vrfs)> put_in_force = {};  // what changed in these
  };
  explicit PauseService(Parts parts) : parts_(std::move(parts)) {}
  ~PauseService();
  PauseService(const PauseService&) = delete;
  PauseService& operator=(const PauseService&) = delete;

  // ---- on the loop ----

  // Reads what the store has and follows it. What cannot be done now is tried again every second.
  void start(store::Store& store);
  // After a change of the configuration: files of all its VRFs.
  void write_all();
  [[nodiscard]] std::vector<leases::Pause> of(const std::string& vrf) const;
  // Of all VRFs, as the native engine is told.
  [[nodiscard]] std::map<std::string, Paused> all() const;
  [[nodiscard]] bool paused(const std::string& vrf, leases::PauseKind kind, const std::string& client) const;
  [[nodiscard]] std::vector<api::PauseView> views(const std::string& vrf, const Model& model) const;

  struct Plan {
    store::Transaction transaction;
    std::vector<api::PauseView> done;
  };
  [[nodiscard]] api::Answer<Plan> plan(const api::PauseRequest& request, bool pause,
                                       const Model& model) const;

  // ---- on any other thread ----

  // Stores it and waits until it is in force.
  [[nodiscard]] api::Answer<std::vector<api::PauseView>> commit(Plan plan);

 private:
  [[nodiscard]] Result<store::Revision> read_all();
  void follow();
  void take(store::StoreResult<std::vector<store::Event>> events);
  void put(leases::Pause pause);
  void retry_soon();
  void report(std::string trouble);
  [[nodiscard]] Result<> write(const std::string& vrf);
  void sync();
  void arrive(store::Revision revision);

  Parts parts_;
  store::Store* store_ = nullptr;
  std::unique_ptr<store::Watch> watch_;
  std::vector<leases::Pause> pauses_;  // few
  bool loaded_ = false;
  std::string store_trouble_, said_;
  std::set<std::string> unwritten_;             // VRFs whose files are not right
  std::map<std::string, std::string> written_;  // what the files of VRFs say
  EventSource retry_;

  std::mutex mutex_;  // of what follows
  std::condition_variable arrived_;
  store::Revision revision_ = 0;  // all changes up to it are in force
};

}  // namespace xk::kead
