#include "controlplane/leases/follower.h"

#include <algorithm>
#include <utility>

namespace xk::leases {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kFollowedPageKeys = 10'000;
constexpr auto kRetry = 1s;
constexpr auto kWanted = 120s;  // after the last question
constexpr std::size_t kKeptMax = 50'000;
constexpr std::size_t kKeptBytesMax = 32u << 20;
constexpr std::size_t kAnswerMax = 5'000;

}  // namespace

LeaseFollower::LeaseFollower(store::Store& store) : store_(store), thread_([this] { run(); }) {}

LeaseFollower::~LeaseFollower() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void LeaseFollower::close() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
}

void LeaseFollower::run() {
  const std::string prefix = lease_prefix("");
  std::unique_ptr<store::Watch> watch;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    again_ = false;
    lock.unlock();
    watch.reset();
    bool good = read_all();
    if (good) {
      auto followed = store_.watch(prefix, store::end_of_prefix(prefix), last_ + 1,
                                   [this](auto events) { take(std::move(events)); });
      good = followed.has_value();
      if (good)
        watch = std::move(*followed);
      else
        fail("leases cannot be followed: " + followed.error().error.message);
    }
    lock.lock();
    if (good)
      changed_.wait(lock, [this] { return stopping_ || again_; });
    else
      changed_.wait_for(lock, kRetry, [this] { return stopping_; });
  }
  lock.unlock();
  watch.reset();
}

// As of one revision, a page at a time, into an index of its own: the old one is right until then.
bool LeaseFollower::read_all() {
  LeaseIndex fresh;
  RecordReader reader;
  const std::string prefix = lease_prefix("");
  store::Range range{.from = prefix, .to = store::end_of_prefix(prefix), .limit = kFollowedPageKeys};
  for (;;) {
    const auto page = store_.range(range);
    if (!page) {
      fail("leases cannot be read: " + page.error().error.message);
      return false;
    }
    if (range.at == 0) range.at = page->revision;
    for (const store::KeyValue& item : page->items) {
      const auto record = reader.read(item.value);
      if (record) fresh.put(record->vrf, record->address, entry_of(*record));
    }
    {
      const std::scoped_lock lock(mutex_);
      if (stopping_) return false;
    }
    if (!page->more || page->items.empty()) break;
    range.from = page->items.back().key + '\0';
  }
  const std::scoped_lock lock(mutex_);
  index_ = std::move(fresh);
  kept_.clear();
  kept_bytes_ = 0;
  kept_from_ = last_ = range.at;
  ready_ = true;
  trouble_.clear();
  changed_.notify_all();
  return true;
}

void LeaseFollower::fail(std::string trouble) {
  const std::scoped_lock lock(mutex_);
  trouble_ = std::move(trouble);
}

// From a thread of the store.
void LeaseFollower::take(store::StoreResult<std::vector<store::Event>> events) {
  const std::scoped_lock lock(mutex_);
  if (!events) {
    if (events.error().fault != store::Fault::compacted)
      trouble_ = "leases are not followed any more: " + events.error().error.message;
    again_ = events.error().fault != store::Fault::ended;
    changed_.notify_all();
    return;
  }
  const bool wanted = std::chrono::steady_clock::now() < wanted_until_;
  if (!wanted) {
    kept_.clear();
    kept_bytes_ = 0;
  }
  for (const store::Event& event : *events) {
    apply(event, reader_);
    last_ = std::max(last_, event.item.modified);
    if (wanted) keep(event);
  }
  if (!wanted) kept_from_ = last_;
  changed_.notify_all();
}

void LeaseFollower::apply(const store::Event& event, RecordReader& reader) {
  const auto name = parse_lease_key(event.item.key);
  if (!name) return;
  if (event.kind == store::Event::Kind::erase) return index_.erase(name->vrf, name->address);
  const auto record = reader.read(event.item.value);
  if (record)
    index_.put(name->vrf, name->address, entry_of(*record));
  else
    index_.erase(name->vrf, name->address);
}

void LeaseFollower::keep(const store::Event& event) {
  kept_.push_back({event.item.modified, event.kind == store::Event::Kind::erase, event.item.key,
                   event.kind == store::Event::Kind::erase ? "" : event.item.value});
  kept_bytes_ += kept_.back().key.size() + kept_.back().value.size();
  // Whole revisions go.
  while (kept_.size() > kKeptMax || kept_bytes_ > kKeptBytesMax) {
    kept_from_ = kept_.front().revision;
    while (!kept_.empty() && kept_.front().revision == kept_from_) {
      kept_bytes_ -= kept_.front().key.size() + kept_.front().value.size();
      kept_.pop_front();
    }
  }
}

std::string LeaseFollower::trouble() const {
  const std::scoped_lock lock(mutex_);
  return trouble_;
}

// A revision that is not there yet is of another store.
LeaseFollower::Changes LeaseFollower::changes_after(store::Revision since) const {
  Changes answer{.resync = false, .last = last_, .changes = {}};
  if (since < kept_from_ || since > last_) {
    answer.resync = true;
    return answer;
  }
  const auto first = std::ranges::upper_bound(kept_, since, {}, &Change::revision);
  for (auto change = first; change != kept_.end(); ++change) {
    // Never a part of a revision.
    if (answer.changes.size() >= kAnswerMax && answer.changes.back().revision != change->revision) {
      answer.last = answer.changes.back().revision;
      break;
    }
    answer.changes.push_back(*change);
  }
  return answer;
}

LeaseFollower::Changes LeaseFollower::wait(store::Revision since, std::chrono::milliseconds at_most) {
  std::unique_lock lock(mutex_);
  wanted_until_ = std::chrono::steady_clock::now() + kWanted;
  if (since == 0 || !ready_) return {.resync = !ready_, .last = last_, .changes = {}};
  if (waiters_.size() >= kWaitersMax) {
    waiters_.front()->evicted = true;
    waiters_.pop_front();
    changed_.notify_all();
  }
  Waiter self;
  waiters_.push_back(&self);
  changed_.wait_for(lock, at_most, [&] { return stopping_ || self.evicted || last_ != since; });
  std::erase(waiters_, &self);
  return changes_after(since);
}

}  // namespace xk::leases
