// Looks after the leases of the store as time goes by: erases those that are over, and takes them along when
// the machine's clock is set. A thread of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <thread>

#include "controlplane/leases/clock_watch.h"
#include "controlplane/leases/follower.h"
#include "controlplane/store/store.h"
#include "dataplane/base/fd.h"

namespace xk::kead {

class LeaseKeeper {
 public:
  // After a start and after the clock was set nothing is erased for so long: it may be set right again.
  static constexpr std::int64_t kHoldoffMs = 60'000;

  struct Parts {
    store::Store& store;
    const leases::LeaseFollower& follower;
    std::int64_t grace_s = 0;
    std::string clock_file;                       // the clock as it was, for the next xdp-kead
    std::function<std::set<std::string>()> vrfs;  // whose leases are ours to look after
    std::function<void(bool warning, std::string vrf, std::string text)> tell;
    // Their Keas have leases that are not right any more.
    std::function<void(const std::set<std::string>& vrfs)> restart_keas;
  };
  explicit LeaseKeeper(Parts parts);
  ~LeaseKeeper();
  LeaseKeeper(const LeaseKeeper&) = delete;
  LeaseKeeper& operator=(const LeaseKeeper&) = delete;

 private:
  void run();
  void on_step(const leases::ClockStep& step);
  void shift();
  void sweep(const leases::ClockReading& now);
  void wait();
  void remember();

  Parts parts_;
  std::string boot_id_;
  Fd wake_;
  Fd timer_;  // readable when the clock is set
  leases::ClockWatch clock_;
  std::int64_t pending_by_s_ = 0;       // by which leases are to be moved yet
  std::set<std::string> pending_vrfs_;  // whose
  std::int64_t steady_since_ms_ = 0;    // CLOCK_BOOTTIME
  std::int64_t swept_ms_ = 0;
  std::string said_;
  std::thread thread_;
};

}  // namespace xk::kead
