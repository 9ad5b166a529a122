#include "controlplane/store/watches.h"

#include <algorithm>

#include "controlplane/store/check.h"

namespace xk::store {
namespace {

constexpr std::size_t kRecentEventsMax = 65536;
constexpr std::size_t kEventsACallMax = 4096;
constexpr std::chrono::milliseconds kRetryWatch{100};
constexpr std::chrono::hours kNever{1};

}  // namespace

class Watches::Handle : public Watch {
 public:
  Handle(std::shared_ptr<State> state, std::shared_ptr<Entry> entry)
      : state_(std::move(state)), entry_(std::move(entry)) {}
  ~Handle() override {
    std::unique_lock lock(state_->mutex);
    entry_->ended = true;
    std::erase(state_->entries, entry_);
    state_->changed.wait(lock, [this] { return state_->called != entry_.get(); });
  }

 private:
  std::shared_ptr<State> state_;
  std::shared_ptr<Entry> entry_;
};

Watches::Watches(ReadLog read_log) : read_log_(std::move(read_log)), thread_([this] { run(); }) {}

Watches::~Watches() { stop(); }

std::unique_ptr<Watch> Watches::add(Span span, Revision next, OnEvents call) {
  auto entry = std::make_shared<Entry>(Entry{std::move(span), next, std::move(call), false, {}});
  {
    const std::lock_guard guard(state_->mutex);
    state_->entries.push_back(entry);
  }
  state_->changed.notify_all();
  return std::make_unique<Handle>(state_, std::move(entry));
}

bool Watches::any() const {
  const std::lock_guard guard(state_->mutex);
  return !state_->entries.empty();
}

void Watches::publish(Revision first, Revision last, std::shared_ptr<const std::vector<Event>> events) {
  {
    const std::lock_guard guard(state_->mutex);
    newest_ = last;
    if (!events || (!recent_.empty() && recent_.back().last + 1 != first)) {
      recent_.clear();
      recent_events_ = 0;
    }
    if (events) {
      recent_events_ += events->size();
      recent_.push_back({first, last, std::move(events)});
    }
    while (recent_events_ > kRecentEventsMax && recent_.size() > 1) {
      recent_events_ -= recent_.front().events->size();
      recent_.pop_front();
    }
    if (state_->entries.empty()) return;
  }
  state_->changed.notify_all();
}

void Watches::stop() {
  {
    const std::lock_guard guard(state_->mutex);
    state_->stopping = true;
  }
  state_->changed.notify_all();
  if (thread_.joinable()) thread_.join();
  std::unique_lock lock(state_->mutex);
  while (!state_->entries.empty()) {
    const auto entry = state_->entries.back();
    state_->entries.pop_back();
    entry->ended = true;
    state_->called = entry.get();
    lock.unlock();
    entry->call(std::unexpected(StoreError{Fault::ended, {"the store was closed"}}));
    lock.lock();
    state_->called = nullptr;
    state_->changed.notify_all();
  }
}

std::shared_ptr<Watches::Entry> Watches::due(std::chrono::steady_clock::time_point& again) {
  const auto now = std::chrono::steady_clock::now();
  again = now + kNever;
  auto& entries = state_->entries;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto& entry = entries[++turn_ % entries.size()];
    if (entry->next > newest_) continue;
    if (entry->not_before <= now) return entry;
    again = std::min(again, entry->not_before);
  }
  return nullptr;
}

StoreResult<LogPage> Watches::page_of(std::unique_lock<std::mutex>& lock, const Entry& entry) {
  if (recent_.empty() || recent_.front().first > entry.next) {
    const Revision from = entry.next;
    lock.unlock();
    auto page = read_log_(from, entry.span);
    lock.lock();
    return page;
  }
  std::vector<Recent> chunks;
  std::size_t events = 0;
  for (const auto& chunk : recent_) {
    if (chunk.last < entry.next) continue;
    chunks.push_back(chunk);
    events += chunk.events->size();
    if (events > kEventsACallMax) break;
  }
  const Revision from = entry.next;
  lock.unlock();
  LogPage page;
  for (const auto& chunk : chunks) {
    for (const auto& event : *chunk.events) {
      if (event.item.modified >= from && in_span(event.item.key, entry.span.from, entry.span.to)) {
        page.events.push_back(event);
      }
    }
    page.next = chunk.last + 1;
  }
  lock.lock();
  return page;
}

void Watches::tell(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Entry>& entry) {
  state_->called = entry.get();
  auto page = page_of(lock, *entry);
  const bool again = !page && page.error().fault == Fault::unavailable;
  if (again) entry->not_before = std::chrono::steady_clock::now() + kRetryWatch;
  if (!entry->ended && !again) {
    if (page) {
      entry->next = page->next;
    } else {
      entry->ended = true;
      std::erase(state_->entries, entry);
    }
    if (!page || !page->events.empty()) {
      lock.unlock();
      if (page) {
        entry->call(std::move(page->events));
      } else {
        entry->call(std::unexpected(std::move(page.error())));
      }
      lock.lock();
    }
  }
  state_->called = nullptr;
  state_->changed.notify_all();
}

void Watches::run() {
  std::unique_lock lock(state_->mutex);
  while (!state_->stopping) {
    std::chrono::steady_clock::time_point again;
    if (const auto entry = due(again)) {
      tell(lock, entry);
    } else {
      state_->changed.wait_until(lock, again);
    }
  }
}

}  // namespace xk::store
