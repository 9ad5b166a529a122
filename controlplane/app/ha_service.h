// Two appliances that share VRFs, this one's part: keeps the session with etcd, runs the election (ha/),
// keeps the Keas of VRFs that are active elsewhere in step, and writes the fence. Its threads go on whatever
// the daemon's loop does; they have a connection to etcd of their own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "controlplane/app/event_log.h"
#include "controlplane/app/fence_writer.h"
#include "controlplane/app/standby_feed.h"
#include "controlplane/ha/election.h"
#include "controlplane/leases/gate.h"
#include "controlplane/model/model.h"
#include "controlplane/store/store.h"

namespace xk::kead {

// What is shown of a VRF.
struct HaVrf {
  ha::Standing standing = ha::Standing::standby;
  std::string active;               // appliance; empty: none
  std::uint64_t since_unix_ms = 0;  // it is active
  std::uint64_t epoch = 0;
  store::SessionId session = 0;  // that it hangs on
  std::uint64_t waiting = 0;     // changes of leases on their way to this Kea
  std::string reason;            // standby: why this appliance would not take it
};
struct HaStatus {
  std::string name;
  bool session = false;              // with etcd, and its time is not over
  std::uint64_t silent_unix_ms = 0;  // since when it is not; 0: it is
  std::string trouble;
  std::vector<std::string> appliances;  // that run, this one too
  std::uint64_t takeovers = 0;          // by this appliance since xdp-kead started
  std::map<std::string, HaVrf> vrfs;
};

class HaService {
 public:
  struct Parts {
    HaSettings settings;
    std::string name;
    std::unique_ptr<store::Store> store;  // a connection of its own
    leases::Gate& gate;
    EventLog& events;
    // From a thread of the service: the VRF's Kea is to be started anew.
    std::function<void(const std::string& vrf)> renew_kea;
    // From there too: the VRF is active here now.
    std::function<void(VrfId)> serves;
  };
  explicit HaService(Parts parts);
  ~HaService();
  HaService(const HaService&) = delete;
  HaService& operator=(const HaService&) = delete;

  // A VRF as the daemon sees it.
  struct Vrf {
    VrfId id{};
    ha::Ability ability;
    std::string directory;  // of its Kea
    leases::VrfFacts facts;
  };
  void set_vrfs(std::map<std::string, Vrf> vrfs);
  void attach(std::shared_ptr<const ipc::FenceMemory> memory) { fence_.attach(std::move(memory)); }

  // LeaseService::Sharing.
  void kea_starting(const std::string& vrf);
  void kea_prepared(const std::string& vrf, store::Revision revision);

  // Whether this appliance is the active one of a VRF, and its time is not over. Any thread.
  [[nodiscard]] bool active(const std::string& vrf) const;
  [[nodiscard]] HaStatus status() const;

  // Lets go of a VRF, or asks the active appliance for it; all that there are, if vrf is empty. They wait
  // until it is so, for 5 s at most. Not from the daemon's loop.
  [[nodiscard]] std::expected<std::vector<std::string>, Error> release(const std::string& vrf);
  [[nodiscard]] std::expected<std::vector<std::string>, Error> take_over(const std::string& vrf);

  // Silent at once, and everything let go.
  void stop();

 private:
  using Task = std::function<void()>;
  // The keeper's thread.
  void keep_session();
  void begin_session();
  void end_session(const std::string& why);
  void say_time_is_over(bool over);
  // The election's thread, but for post().
  void run();
  void post(Task task);
  void follow();
  void take(const std::vector<store::Event>& events);
  void take_key(const store::Event& event);
  void carry_out(const ha::Order& order);
  void take_vrf(const ha::Order& order);
  void give_up(const ha::Order& order);
  void serve(const ha::Order& order);
  void silence(const std::string& vrf);
  void publish_status();
  // With the lock.
  void show_no_more_than_held(std::map<std::string, HaVrf>& vrfs) const;
  void tell(EventLevel level, std::string_view kind, const std::string& vrf, std::string text);
  template <typename Done>
  [[nodiscard]] std::expected<void, Error> wait_until(const std::string& what, Done done);
  [[nodiscard]] std::expected<std::vector<std::string>, Error> names_of(const std::string& vrf) const;

  Parts parts_;
  const std::uint64_t ttl_ns_;
  const std::uint64_t margin_ns_;
  FenceWriter fence_;

  // Of the election's thread.
  ha::Election election_;
  std::map<std::string, Vrf> vrfs_;
  std::map<std::string, std::string> appliances_;  // by key's name: what its value says
  std::unique_ptr<store::Watch> watch_;
  bool watch_due_ = true;
  bool watched_ = false;                             // there was a watch before
  store::Revision watched_from_ = 0;                 // of leases
  store::Revision known_revision_ = 0;               // of the keys that were read
  std::map<std::string, store::Revision> prepared_;  // as of when each Kea that was started has its leases
  std::uint64_t watch_not_before_ns_ = 0;
  std::map<std::string, std::string> shown_holders_;  // of events

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  HaStatus status_;
  std::condition_variable status_changed_;
  store::SessionId session_ = 0;
  std::string trouble_;
  std::uint64_t silent_unix_ms_ = 0;
  std::uint64_t takeovers_ = 0;
  bool stopping_ = false;
  std::condition_variable keep_;

  store::SessionId ending_ = 0;  // of the keeper's thread: to be closed before another one is opened

  std::unique_ptr<StandbyFeed> feed_;
  std::thread keeper_;
  std::thread worker_;
};

}  // namespace xk::kead
