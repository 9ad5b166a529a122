#include "controlplane/app/event_log.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "controlplane/app/log.h"

namespace xk::kead {
namespace {

std::uint64_t unix_ms_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

const char* name_of(EventLevel level) {
  switch (level) {
    case EventLevel::warning:
      return "warning";
    case EventLevel::error:
      return "error";
    case EventLevel::info:
      break;
  }
  return "info";
}

spdlog::level::level_enum log_level(EventLevel level) {
  switch (level) {
    case EventLevel::warning:
      return spdlog::level::warn;
    case EventLevel::error:
      return spdlog::level::err;
    case EventLevel::info:
      break;
  }
  return spdlog::level::info;
}

void write_to_log(const Event& event, std::uint64_t number) {
  std::string fields;
  if (!event.vrf.empty()) fields += " vrf=\"" + quoted(event.vrf) + "\"";
  if (!event.interface.empty()) fields += " interface=\"" + quoted(event.interface) + "\"";
  spdlog::log(log_level(event.level), "msg=\"{}\" event={}{} number={}", quoted(event.text), event.kind,
              fields, number);
}

}  // namespace

EventLog::EventLog() : log_(unix_ms_now()) {}

void EventLog::record(Event event) {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = ++last_;
    events_.push_back({.number = number,
                       .unix_ms = unix_ms_now(),
                       .level = name_of(event.level),
                       .kind = std::string(event.kind),
                       .vrf = event.vrf,
                       .interface = event.interface,
                       .text = event.text});
    if (events_.size() > kEventsMax) events_.pop_front();
  }
  recorded_.notify_all();
  write_to_log(event, number);
}

api::EventsView EventLog::read_locked(std::uint64_t since, const std::string& vrf) const {
  api::EventsView view{.log = log_, .last = last_, .lost = 0, .events = {}};
  const std::uint64_t kept_before = last_ - events_.size();
  if (since < kept_before) view.lost = kept_before - since;
  const auto first = since <= kept_before ? 0 : std::min(since - kept_before, events_.size());
  for (auto event = events_.begin() + static_cast<std::ptrdiff_t>(first); event != events_.end(); ++event) {
    if (vrf.empty() || event->vrf == vrf) view.events.push_back(*event);
  }
  return view;
}

api::EventsView EventLog::read(std::uint64_t since, const std::string& vrf) const {
  const std::lock_guard lock(mutex_);
  return read_locked(since, vrf);
}

api::EventsView EventLog::wait(std::uint64_t since, const std::string& vrf,
                               std::chrono::milliseconds at_most) {
  const auto until = std::chrono::steady_clock::now() + at_most;
  std::unique_lock lock(mutex_);
  Waiter self;
  if (waiters_.size() == kWaitersMax) {
    waiters_.front()->evicted = true;
    waiters_.pop_front();
    recorded_.notify_all();
  }
  const auto place = waiters_.insert(waiters_.end(), &self);
  api::EventsView view = read_locked(since, vrf);
  std::uint64_t looked_at = last_;
  while (view.events.empty() && view.lost == 0 && since <= last_ && !closed_ && !self.evicted) {
    const bool over = recorded_.wait_until(lock, until) == std::cv_status::timeout;
    if (looked_at != last_) {
      view = read_locked(looked_at, vrf);  // what was there before held nothing of interest
      looked_at = last_;
    }
    // Not before the look: something may have come between the deadline and the lock, and view.last says
    // that it was looked at.
    if (over) break;
  }
  if (!self.evicted) waiters_.erase(place);
  return view;
}

void EventLog::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  recorded_.notify_all();
}

}  // namespace xk::kead
