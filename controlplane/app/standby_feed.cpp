#include "controlplane/app/standby_feed.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "controlplane/app/log.h"
#include "controlplane/app/put_leases.h"
#include "controlplane/leases/kea_file.h"

namespace xk::kead {
namespace {

constexpr std::size_t kAtOnce = 1024;           // changes of one command
constexpr std::size_t kWaitingMax = 2'000'000;  // more: Kea is started anew instead
constexpr std::chrono::milliseconds kRetry{20};
constexpr std::chrono::milliseconds kAnswerWait{1000};
constexpr std::chrono::seconds kFailingMax{60};

}  // namespace

StandbyFeed::StandbyFeed(Told told) : told_(std::move(told)), thread_([this] { run(); }) {}

StandbyFeed::~StandbyFeed() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void StandbyFeed::set_place(const std::string& vrf, std::string directory, leases::VrfFacts facts) {
  const std::scoped_lock lock(mutex_);
  Place& place = places_[vrf];
  place.directory = std::move(directory);
  place.facts = std::move(facts);
}

void StandbyFeed::starting(const std::string& vrf) {
  const std::scoped_lock lock(mutex_);
  Place& place = places_[vrf];
  place.changes.clear();
  place.known = true;
  place.ready = false;
  place.failing_since = {};
}

void StandbyFeed::prepared(const std::string& vrf, store::Revision revision) {
  {
    const std::scoped_lock lock(mutex_);
    Place& place = places_[vrf];
    while (!place.changes.empty() && place.changes.front().revision <= revision) place.changes.pop_front();
    place.ready = true;
    place.failing_since = {};
    place.not_before = {};
  }
  wake_.notify_all();
}

void StandbyFeed::add(const std::string& vrf, const store::Event& event) {
  std::string why;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = places_.find(vrf);
    if (found == places_.end() || !found->second.known) return;
    Place& place = found->second;
    place.changes.push_back({event.item.modified, ++numbers_, event});
    if (place.changes.size() > kWaitingMax) {
      place.changes.clear();
      place.ready = false;
      why = "too many changes of its leases wait for its Kea";
    }
  }
  if (!why.empty()) told_.lost(vrf, why);
  wake_.notify_all();
}

void StandbyFeed::flush(const std::string& vrf, std::uint64_t epoch) {
  {
    const std::scoped_lock lock(mutex_);
    Place& place = places_[vrf];
    place.flush_epoch = epoch;
    place.not_before = {};
  }
  wake_.notify_all();
}

void StandbyFeed::forget(const std::string& vrf) {
  const std::scoped_lock lock(mutex_);
  if (const auto found = places_.find(vrf); found != places_.end()) {
    found->second.changes.clear();
    found->second.flush_epoch = 0;
    found->second.known = false;
    found->second.ready = false;
  }
}

std::size_t StandbyFeed::waiting(const std::string& vrf) const {
  const std::scoped_lock lock(mutex_);
  const auto found = places_.find(vrf);
  return found == places_.end() ? 0 : found->second.changes.size();
}

void StandbyFeed::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto now = Clock::now();
    auto until = now + std::chrono::seconds(10);
    std::string due;
    for (const auto& [name, place] : places_) {
      if (!place.ready || place.directory.empty()) continue;
      if (place.changes.empty() && place.flush_epoch == 0) continue;
      if (place.not_before > now) {
        until = std::min(until, place.not_before);
        continue;
      }
      // Who is waited for comes first.
      if (due.empty() || place.flush_epoch != 0) due = name;
    }
    if (due.empty()) {
      wake_.wait_until(lock, until);
      continue;
    }
    serve(lock, due, places_[due]);
  }
}

void StandbyFeed::serve(std::unique_lock<std::mutex>& lock, const std::string& vrf, Place& place) {
  // The last of an address counts.
  std::map<std::string, const Change*> last;
  std::uint64_t up_to = 0;
  for (const Change& change : place.changes) {
    if (last.size() == kAtOnce) break;
    last[change.event.item.key] = &change;
    up_to = change.number;
  }
  std::vector<leases::LeaseChange> changes;
  leases::RecordReader reader;
  for (const auto& [key, change] : last) {
    const auto name = leases::parse_lease_key(key);
    if (!name) continue;
    leases::LeaseChange wanted;
    wanted.erased = true;
    wanted.address = name->address;
    if (change->event.kind == store::Event::Kind::put) {
      // One that is no lease is told of where the leases are read.
      const auto record = reader.read(change->event.item.value);
      if (!record) continue;
      wanted = leases::change_of(*record, place.facts);
      if (wanted.user_context != record->user_context)
        spdlog::warn(
            "msg=\"a lease's user_context is no JSON map for Kea: Kea has the lease without it\" vrf=\"{}\" "
            "address={}",
            quoted(vrf), to_string(wanted.address));
      // Kea has no place for one in no subnet of today, and no client for it.
      if (!place.facts.subnets.contains(wanted.subnet_id)) continue;
    }
    changes.push_back(std::move(wanted));
  }
  const std::string directory = place.directory;
  lock.unlock();
  const auto done = put_leases(directory, changes, kAnswerWait);
  lock.lock();
  if (!done && done.error().system_errno == EINVAL) {
    // It would refuse it again; started anew it has all leases.
    place.ready = false;
    lock.unlock();
    told_.lost(vrf, done.error().message);
    lock.lock();
    return;
  }
  if (!done) return fail(vrf, place, done.error().message);
  place.failing_since = {};
  while (!place.changes.empty() && place.changes.front().number <= up_to) place.changes.pop_front();
  if (!place.changes.empty() || !place.ready || place.flush_epoch == 0) return;
  const std::uint64_t epoch = std::exchange(place.flush_epoch, 0);
  lock.unlock();
  told_.caught_up(vrf, epoch);
  lock.lock();
}

// It may be starting.
void StandbyFeed::fail(const std::string& vrf, Place& place, const std::string& why) {
  const auto now = Clock::now();
  place.not_before = now + kRetry;
  if (place.failing_since == Clock::time_point{}) place.failing_since = now;
  if (now - place.failing_since < kFailingMax) return;
  place.failing_since = {};
  place.ready = false;
  told_.lost(vrf, why);
}

}  // namespace xk::kead
