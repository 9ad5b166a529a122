// What happened to the appliance, newest kept: the one place where an event is recorded and logged. Any
// thread may call it; nothing here blocks but wait().
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <string>
#include <string_view>

#include "controlplane/api/control.h"

namespace xk::kead {

enum class EventLevel : std::uint8_t { info, warning, error };

// The kinds of events; docs/operations.md lists the same.
namespace event {
inline constexpr std::string_view kStarted = "started";
inline constexpr std::string_view kReloaded = "reloaded";
inline constexpr std::string_view kReloadRefused = "reload_refused";
inline constexpr std::string_view kStepFailed = "step_failed";
inline constexpr std::string_view kVrfAdded = "vrf_added";
inline constexpr std::string_view kVrfRemoved = "vrf_removed";
inline constexpr std::string_view kVrfServing = "vrf_serving";
inline constexpr std::string_view kVrfDegraded = "vrf_degraded";
inline constexpr std::string_view kVrfPending = "vrf_pending";
inline constexpr std::string_view kVrfDraining = "vrf_draining";
inline constexpr std::string_view kVrfResumed = "vrf_resumed";
inline constexpr std::string_view kVrfDeleted = "vrf_deleted";
inline constexpr std::string_view kVrfPurged = "vrf_purged";
inline constexpr std::string_view kTornDown = "torn_down";
inline constexpr std::string_view kAttachmentServing = "attachment_serving";
inline constexpr std::string_view kAttachmentPending = "attachment_pending";
inline constexpr std::string_view kAttachmentRemoved = "attachment_removed";
inline constexpr std::string_view kKeaStarted = "kea_started";
inline constexpr std::string_view kKeaReplaced = "kea_replaced";
inline constexpr std::string_view kKeaSilent = "kea_silent";
inline constexpr std::string_view kKeaLost = "kea_lost";
inline constexpr std::string_view kKeaDied = "kea_died";
inline constexpr std::string_view kKeaStopped = "kea_stopped";
inline constexpr std::string_view kServerDead = "server_dead";
inline constexpr std::string_view kServerLive = "server_live";
inline constexpr std::string_view kDataplaneConnected = "dataplane_connected";
inline constexpr std::string_view kDataplaneGone = "dataplane_gone";
inline constexpr std::string_view kDataplaneSilent = "dataplane_silent";
inline constexpr std::string_view kDataplaneAnswers = "dataplane_answers";
inline constexpr std::string_view kResync = "resync";
inline constexpr std::string_view kStaticTrouble = "static_trouble";
inline constexpr std::string_view kLeases = "leases";
inline constexpr std::string_view kNativeServing = "native_serving";
inline constexpr std::string_view kNativeFailing = "native_failing";
inline constexpr std::string_view kNativeRecovered = "native_recovered";
inline constexpr std::string_view kNativeClosed = "native_closed";
inline constexpr std::string_view kPoolExhausted = "pool_exhausted";
inline constexpr std::string_view kHa = "ha";
}  // namespace event

struct Event {
  EventLevel level = EventLevel::info;
  std::string_view kind;  // one of the above
  std::string vrf;        // empty: of none
  std::string interface;  // "eth1 200.300" or empty
  std::string text;
};

class EventLog {
 public:
  static constexpr std::size_t kEventsMax = 4096;
  // Waiters at a time. One more, and the one that has waited longest is answered early, with nothing.
  static constexpr std::size_t kWaitersMax = 4;

  EventLog();

  // Numbers it, keeps it, writes it to the log and wakes who waits for it.
  void record(Event event);

  // Events with a higher number than `since`; of one VRF if given.
  [[nodiscard]] api::EventsView read(std::uint64_t since, const std::string& vrf) const;
  // The same; if there are none, waits for the first at most that long. A `since` that no event has yet
  // is answered at once: it is of another log.
  [[nodiscard]] api::EventsView wait(std::uint64_t since, const std::string& vrf,
                                     std::chrono::milliseconds at_most);
  // Ends all waiting, for good.
  void close();

 private:
  struct Waiter {
    bool evicted = false;
  };
  [[nodiscard]] api::EventsView read_locked(std::uint64_t since, const std::string& vrf) const;

  const std::uint64_t log_;
  mutable std::mutex mutex_;  // of what follows
  std::condition_variable recorded_;
  std::deque<api::EventView> events_;  // by number, without gaps
  std::uint64_t last_ = 0;
  std::list<Waiter*> waiters_;  // oldest first
  bool closed_ = false;
};

}  // namespace xk::kead
