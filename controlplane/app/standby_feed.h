// Keeps the Keas of VRFs that are active elsewhere in step with the leases of the store, by a command of our
// hook in Kea (kea/hook). A thread of its own: a Kea that hangs holds up nothing else.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "controlplane/leases/gate.h"
#include "controlplane/store/store.h"

namespace xk::kead {

class StandbyFeed {
 public:
  // From the feed's thread. caught_up: all that was added before flush() is in Kea. lost: it cannot be
  // brought into step; it is to be started anew.
  struct Told {
    std::function<void(const std::string& vrf, std::uint64_t epoch)> caught_up;
    std::function<void(const std::string& vrf, const std::string& why)> lost;
  };
  explicit StandbyFeed(Told told);
  ~StandbyFeed();
  StandbyFeed(const StandbyFeed&) = delete;
  StandbyFeed& operator=(const StandbyFeed&) = delete;

  // Where the VRF's Kea is.
  void set_place(const std::string& vrf, std::string directory, leases::VrfFacts facts);
  // Its Kea will be started with the leases of the store; what is added waits for prepared().
  void starting(const std::string& vrf);
  // It has all changes up to this revision.
  void prepared(const std::string& vrf, store::Revision revision);
  // Of a VRF whose Kea was never starting(): left out.
  void add(const std::string& vrf, const store::Event& event);
  // Says caught_up once everything is there; a later one replaces it.
  void flush(const std::string& vrf, std::uint64_t epoch);
  // Nothing is to go to it any more.
  void forget(const std::string& vrf);
  // Changes that wait.
  [[nodiscard]] std::size_t waiting(const std::string& vrf) const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Change {
    store::Revision revision = 0;
    std::uint64_t number = 0;
    store::Event event;
  };
  struct Place {
    std::string directory;
    leases::VrfFacts facts;
    std::deque<Change> changes;
    bool known = false;  // its Kea was started, or is about to be
    bool ready = false;
    std::uint64_t flush_epoch = 0;  // 0: nobody waits
    Clock::time_point not_before{};
    Clock::time_point failing_since{};  // zero: it does not fail
  };
  void run();
  // With the lock, which it lets go of meanwhile.
  void serve(std::unique_lock<std::mutex>& lock, const std::string& vrf, Place& place);
  void fail(const std::string& vrf, Place& place, const std::string& why);

  Told told_;
  mutable std::mutex mutex_;  // of what follows
  std::condition_variable wake_;
  std::map<std::string, Place> places_;
  std::uint64_t numbers_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace xk::kead
