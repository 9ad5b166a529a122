#include "controlplane/natives/mirror.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "controlplane/natives/convert.h"

namespace xk::natives {
namespace {

constexpr std::size_t kTogether = 100;     // a transaction of etcd holds 128 operations
constexpr std::size_t kInFlight = 16;      // transactions that wait for the store at a time
constexpr std::size_t kPageKeys = 10'000;  // of the store, when what is not in a snapshot is erased

// Many transactions, whose order is of no matter; the first failure.
store::StoreResult<> commit_all(store::Store& store, std::vector<store::Transaction> transactions) {
  std::mutex mutex;
  std::condition_variable answered;
  std::optional<store::StoreError> failure;
  std::size_t under_way = 0;
  std::unique_lock lock(mutex);
  for (store::Transaction& transaction : transactions) {
    answered.wait(lock, [&] { return under_way < kInFlight; });
    if (failure) break;
    ++under_way;
    lock.unlock();
    store.commit(std::move(transaction), [&](store::StoreResult<store::Committed> done) {
      const std::scoped_lock guard(mutex);
      if (!done && !failure) failure = std::move(done.error());
      --under_way;
      answered.notify_all();
    });
    lock.lock();
  }
  answered.wait(lock, [&] { return under_way == 0; });
  if (failure) return std::unexpected(std::move(*failure));
  return {};
}

store::Operation erasure(std::string key) {
  store::Operation operation;
  operation.kind = store::Operation::Kind::erase;
  operation.key = std::move(key);
  return operation;
}

}  // namespace

Mirror::Mirror(Parts parts) : parts_(std::move(parts)), tail_(parts_.directory, parts_.tell) {}

std::expected<void, Error> Mirror::failed(const store::StoreError& error, const char* what) {
  begun_ = false;  // what the store has is asked again
  return std::unexpected(Error(error.error).in(what));
}

std::expected<void, Error> Mirror::begin() {
  auto known = read_position(parts_.store, parts_.vrf);
  if (!known) return failed(known.error(), "cannot read from the store how far it has the journal");
  position_ = std::move(*known);
  in_snapshot_ = false;
  seen_ = {};
  stored_.reset();
  if (position_ && !position_->ended && position_->directory == parts_.directory &&
      position_->machine == parts_.machine) {
    tail_.start(position_->tail);
    ahead_ms_ = position_->ahead_ms;
  } else {
    tail_.start(std::nullopt);
    ahead_ms_.reset();
  }
  begun_ = true;
  return {};
}

// The engine's own clock is not set; what the store has of it is. What a file of another boot says of the
// clock is as old as the file.
bool Mirror::clock_was_set() {
  const EngineClock* clock = tail_.clock();
  if (clock == nullptr || in_snapshot_) return false;
  const MachineClock machine = parts_.clock();
  const std::int64_t ahead_ms = unix_ahead_ms(*clock, machine);
  if (!ahead_ms_) ahead_ms_ = ahead_ms;
  const auto by_ms = static_cast<std::int64_t>(static_cast<std::uint64_t>(ahead_ms) -
                                               static_cast<std::uint64_t>(*ahead_ms_));
  if (clock->boot_id != machine.boot_id || (by_ms < kStepMs && by_ms > -kStepMs)) return false;
  parts_.tell("the clock was set by " + std::to_string(by_ms / 1000) +
              " s: the leases in the store are told by it anew, so that they end when their clients think "
              "they do");
  ahead_ms_ = ahead_ms;
  tail_.start(std::nullopt);
  return true;
}

std::expected<bool, Error> Mirror::step(const leases::VrfFacts& facts) {
  if (!begun_) {
    if (auto done = begin(); !done) return std::unexpected(std::move(done.error()));
  }
  if (clock_was_set()) return true;
  const auto more = look(facts);
  return more ? *more || clock_was_set() : more;
}

std::expected<bool, Error> Mirror::look(const leases::VrfFacts& facts) {
  changes_.clear();
  const auto looked = tail_.look([&](const JournalRecord& record) { take(record, facts); });
  if (!looked) return std::unexpected(looked.error());
  if (looked->begins) {
    ++restarts_;
    seen_.clear();
  }
  in_snapshot_ = looked->snapshot && !looked->complete;
  if (looked->snapshot)
    for (const auto& [address, change] : changes_) seen_.push_back(address);
  std::optional<Position> next;
  if (const auto tail = tail_.position(); tail && ahead_ms_)
    next = Position{.machine = parts_.machine,
                    .directory = parts_.directory,
                    .ended = false,
                    .tail = *tail,
                    .ahead_ms = *ahead_ms_};
  auto done = commit(next, looked->complete);
  if (!done) return std::unexpected(std::move(done.error()));
  return looked->more;
}

// The last of an address counts.
void Mirror::take(const JournalRecord& record, const leases::VrfFacts& facts) {
  if (!ahead_ms_) ahead_ms_ = unix_ahead_ms(*tail_.clock(), parts_.clock());
  ++records_;
  std::string key = leases::lease_key(parts_.vrf, record.address);
  if (record.kind == RecordKind::free) {
    changes_.insert_or_assign(record.address.value, erasure(std::move(key)));
    return;
  }
  store::Operation put;
  put.key = std::move(key);
  put.value = leases::to_json(record_of(record, facts, *ahead_ms_));
  changes_.insert_or_assign(record.address.value, std::move(put));
}

// What the store has and the snapshot has not.
std::expected<void, Error> Mirror::erase_others() {
  std::ranges::sort(seen_);
  const std::string prefix = leases::lease_prefix(parts_.vrf);
  store::Range range{.from = prefix, .to = store::end_of_prefix(prefix), .limit = kPageKeys};
  for (;;) {
    const auto page = parts_.store.range(range);
    if (!page) return failed(page.error(), "cannot read the leases");
    std::vector<store::Transaction> transactions;
    for (const store::KeyValue& item : page->items) {
      const auto name = leases::parse_lease_key(item.key);
      if (name && std::ranges::binary_search(seen_, name->address.value)) continue;
      if (transactions.empty() || transactions.back().then.size() == kTogether) transactions.emplace_back();
      transactions.back().then.push_back(erasure(item.key));
    }
    if (auto done = commit_all(parts_.store, std::move(transactions)); !done)
      return failed(done.error(), "cannot erase leases that the engine has no more");
    if (!page->more || page->items.empty()) return {};
    range.from = page->items.back().key + '\0';
  }
}

// The position goes with the leases where one transaction holds them; else it comes after all of them.
std::expected<void, Error> Mirror::commit(const std::optional<Position>& next, bool all_there_is) {
  std::vector<store::Transaction> transactions;
  for (auto& [address, change] : changes_) {
    if (transactions.empty() || transactions.back().then.size() == kTogether) transactions.emplace_back();
    transactions.back().then.push_back(std::move(change));
  }
  changes_.clear();
  const bool moves = next && next != position_;
  const bool together = moves && !all_there_is && transactions.size() == 1;
  if (together) transactions.back().then.push_back(put_position(parts_.vrf, *next));
  if (auto done = commit_all(parts_.store, std::move(transactions)); !done)
    return failed(done.error(), "cannot put leases into the store");
  if (all_there_is) {
    if (auto done = erase_others(); !done) return done;
    seen_ = {};
  }
  if (moves && !together) {
    if (auto done = write_position(parts_.store, parts_.vrf, *next); !done)
      return failed(done.error(), "cannot put into the store how far it has the journal");
  }
  if (!next) return {};
  position_ = next;
  stored_ = next->tail.revision;
  return {};
}

std::expected<void, Error> Mirror::conclude() {
  tail_.conclude();
  if (!stored_ || !position_) return std::unexpected(Error{parts_.directory + ": its journal has not begun"});
  return {};
}

std::expected<void, Error> Mirror::end() {
  Position ended = *position_;
  ended.ended = true;
  if (auto done = write_position(parts_.store, parts_.vrf, ended); !done)
    return failed(done.error(), "cannot put into the store that the journal has ended");
  position_ = ended;
  return {};
}

}  // namespace xk::natives
