#include "controlplane/leases/conditional.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <span>

namespace xk::leases {
namespace {

constexpr std::size_t kCommitsTogether = 50;  // etcd takes 128 operations, compares and changes together
constexpr std::size_t kInFlight = 64;         // transactions that wait for the store at a time

store::Transaction transaction_of(std::span<const Conditional> changes) {
  store::Transaction transaction;
  for (const Conditional& change : changes) {
    store::Compare compare;
    compare.key = change.key;
    compare.target = store::Compare::Target::modified;
    compare.number = change.modified;
    transaction.when.push_back(std::move(compare));
    store::Operation operation;
    operation.key = change.key;
    if (change.value)
      operation.value = *change.value;
    else
      operation.kind = store::Operation::Kind::erase;
    transaction.then.push_back(std::move(operation));
  }
  return transaction;
}

// The outcome of each, in their order.
std::vector<store::StoreResult<store::Committed>> commit_batches(
    store::Store& store, std::span<const std::span<const Conditional>> batches) {
  std::mutex mutex;
  std::condition_variable answered;
  std::vector<std::optional<store::StoreResult<store::Committed>>> outcomes(batches.size());
  std::size_t under_way = 0;
  std::unique_lock lock(mutex);
  for (std::size_t i = 0; i < batches.size(); ++i) {
    answered.wait(lock, [&] { return under_way < kInFlight; });
    ++under_way;
    lock.unlock();
    store.commit(transaction_of(batches[i]), [&, i](store::StoreResult<store::Committed> done) {
      const std::scoped_lock guard(mutex);
      outcomes[i] = std::move(done);
      --under_way;
      answered.notify_all();
    });
    lock.lock();
  }
  answered.wait(lock, [&] { return under_way == 0; });
  std::vector<store::StoreResult<store::Committed>> all;
  for (auto& outcome : outcomes) all.push_back(std::move(*outcome));
  return all;
}

}  // namespace

store::StoreResult<std::uint64_t> commit_unchanged(store::Store& store,
                                                   const std::vector<Conditional>& changes) {
  std::uint64_t held = 0;
  std::vector<std::span<const Conditional>> batches;
  for (std::size_t i = 0; i < changes.size(); i += kCommitsTogether)
    batches.push_back(std::span(changes).subspan(i, std::min(kCommitsTogether, changes.size() - i)));
  std::vector<std::span<const Conditional>> single;  // of batches in which one did not hold
  const auto outcomes = commit_batches(store, batches);
  for (std::size_t i = 0; i < batches.size(); ++i) {
    if (!outcomes[i]) return std::unexpected(outcomes[i].error());
    if (outcomes[i]->held) {
      held += batches[i].size();
      continue;
    }
    for (std::size_t one = 0; one < batches[i].size() && batches[i].size() > 1; ++one)
      single.push_back(batches[i].subspan(one, 1));
  }
  for (const auto& outcome : commit_batches(store, single)) {
    if (!outcome) return std::unexpected(outcome.error());
    held += outcome->held ? 1 : 0;
  }
  return held;
}

}  // namespace xk::leases
