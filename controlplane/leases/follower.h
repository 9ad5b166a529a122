// Follows the leases of the store: what is leased now is in memory, and who wants to hear of each change can.
// Survives compaction and a store that is gone for a while: it reads everything again.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "controlplane/leases/index.h"
#include "controlplane/store/store.h"

namespace xk::leases {

class LeaseFollower {
 public:
  // Waiters at a time. One more, and the one that has waited longest is answered early, with nothing.
  static constexpr std::size_t kWaitersMax = 4;

  explicit LeaseFollower(store::Store& store);
  ~LeaseFollower();
  LeaseFollower(const LeaseFollower&) = delete;
  LeaseFollower& operator=(const LeaseFollower&) = delete;

  // Calls call(index), during which nothing changes; false, and no call: not all is known (yet). Brief,
  // please.
  template <typename Call>
  bool look(Call call) const {
    const std::scoped_lock lock(mutex_);
    if (ready_) call(static_cast<const LeaseIndex&>(index_));
    return ready_;
  }
  // Why not all is known; empty: it is, or is being read.
  [[nodiscard]] std::string trouble() const;

  struct Change {
    store::Revision revision = 0;
    bool erased = false;
    std::string key;
    std::string value;  // of an erased one: empty
  };
  struct Changes {
    bool resync = false;  // some that came before these are not kept: read everything, and go on from last
    store::Revision last = 0;  // what to ask for next time
    std::vector<Change> changes;
  };
  // Changes after the revision; if there are none, waits for the first at most that long. since 0: from now
  // on.
  [[nodiscard]] Changes wait(store::Revision since, std::chrono::milliseconds at_most);
  // Ends all waiting, for good.
  void close();

 private:
  struct Waiter {
    bool evicted = false;
  };
  void run();
  [[nodiscard]] bool read_all();
  void take(store::StoreResult<std::vector<store::Event>> events);
  void apply(const store::Event& event, RecordReader& reader);
  void keep(const store::Event& event);
  void fail(std::string trouble);
  [[nodiscard]] Changes changes_after(store::Revision since) const;

  store::Store& store_;
  RecordReader reader_;  // of the watch's calls

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  LeaseIndex index_;
  bool ready_ = false;
  bool again_ = false;  // everything is to be read
  bool stopping_ = false;
  std::string trouble_;
  std::list<Waiter*> waiters_;  // oldest first
  // Changes after kept_from_ up to last_, while somebody wants them.
  store::Revision kept_from_ = 0;
  store::Revision last_ = 0;
  std::deque<Change> kept_;
  std::size_t kept_bytes_ = 0;
  std::chrono::steady_clock::time_point wanted_until_{};

  std::thread thread_;
};

}  // namespace xk::leases
