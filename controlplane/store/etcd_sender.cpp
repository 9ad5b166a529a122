#include "controlplane/store/etcd_sender.h"

#include <algorithm>

#include "controlplane/store/check.h"
#include "controlplane/store/etcd_messages.h"
#include "etcd.pb.h"

namespace xk::store {
namespace {

namespace pb = etcdserverpb;

constexpr std::size_t kQueuedBytesMax = std::size_t{512} << 20;
constexpr std::size_t kRequestBytesMax = std::size_t{1} << 20;  // etcd takes 1.5 MiB
constexpr std::chrono::milliseconds kRetry{100};
constexpr std::chrono::seconds kIdle{1};

bool erases_range(const Transaction& transaction) {
  const auto is = [](const Operation& operation) { return !operation.range_end.empty(); };
  return std::ranges::any_of(transaction.then, is) || std::ranges::any_of(transaction.otherwise, is);
}

void add_keys(const Transaction& transaction, std::vector<std::string>& keys) {
  for (const auto* operations : {&transaction.then, &transaction.otherwise}) {
    for (const auto& operation : *operations) keys.push_back(operation.key);
  }
}

std::size_t bytes_of(const Transaction& transaction) {
  std::size_t bytes = 256;
  for (const auto& compare : transaction.when) bytes += 64 + compare.key.size() + compare.value.size();
  for (const auto* operations : {&transaction.then, &transaction.otherwise}) {
    for (const auto& operation : *operations) bytes += 64 + operation.key.size() + operation.value.size();
  }
  return bytes;
}

std::vector<std::string> compared_keys_of(const Transaction& transaction) {
  std::vector<std::string> keys;
  for (const auto& compare : transaction.when) keys.push_back(compare.key);
  return keys;
}

// A request's whole: if the fence stands, the operations, or those of the transactions with their
// comparisons, which are the same ones.
pb::TxnRequest message_of(const std::vector<const Transaction*>& transactions, const EtcdFence& fence) {
  pb::TxnRequest out;
  add_compare({fence.key(), Compare::Target::modified, Compare::Is::equal, fence.revision(), {}}, out);
  const auto& when = transactions.front()->when;
  auto& into = when.empty() ? out : *out.add_success()->mutable_request_txn();
  for (const auto& compare : when) add_compare(compare, into);
  for (const auto* transaction : transactions) {
    add_operations(transaction->then, false, into);
    if (!when.empty()) add_operations(transaction->otherwise, true, into);
  }
  return out;
}

}  // namespace

EtcdSender::EtcdSender(EtcdCluster& cluster)
    : cluster_(cluster), fence_(cluster), thread_([this] { run(); }) {}

EtcdSender::~EtcdSender() {
  {
    const std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void EtcdSender::commit(Transaction transaction, OnCommitted done) {
  auto item = std::make_shared<Item>();
  if (auto bad = refusal_of(transaction)) item->result = std::unexpected(std::move(*bad));
  item->bytes = bytes_of(transaction);
  item->transaction = std::move(transaction);
  item->done = std::move(done);
  // Half of the time to be sent, half for the answer.
  item->expires = Clock::now() + cluster_.options().call_timeout / 2;
  {
    const std::lock_guard guard(mutex_);
    if (!item->result && queued_bytes_ + item->bytes > kQueuedBytesMax) {
      item->result =
          std::unexpected(StoreError{Fault::unavailable, {"too much waits to be written to etcd"}});
    }
    if (item->result) item->transaction = {};
    item->number = next_number_++;
    queued_bytes_ += item->bytes;
    if (!item->result) pending_.emplace_hint(pending_.end(), item->number, item);
    unanswered_.emplace_hint(unanswered_.end(), item->number, std::move(item));
    ++counts_.unanswered;
  }
  wake_.notify_one();
}

EtcdSender::Counts EtcdSender::counts() const {
  const std::lock_guard guard(mutex_);
  return counts_;
}

void EtcdSender::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) step(lock);
  stop(lock);
}

void EtcdSender::step(std::unique_lock<std::mutex>& lock) {
  settle_requests();
  expire();
  answer(lock);
  if (stopping_) return;
  const bool may_try = Clock::now() >= not_before_;
  if (fence_.revision() == 0) {
    if (may_try && requests_.empty() && !pending_.empty()) return renew_fence(lock);
  } else if (may_try && !pending_.empty() && requests_.size() < cluster_.options().requests_in_flight) {
    EtcdMember& member = cluster_.current();
    lock.unlock();
    const auto deadline = std::chrono::system_clock::now() + cluster_.options().call_timeout / 4;
    const auto token = cluster_.token_of(member, deadline);
    const bool connected = token && member.connect(deadline);
    if (token && !connected) cluster_.unreachable(member);
    lock.lock();
    if (!connected) {
      not_before_ = Clock::now() + kRetry;
    } else if (send_one(member, *token)) {
      return;
    }
  } else if (requests_.empty() && fence_.due()) {
    lock.unlock();
    fence_.keep_alive();
    lock.lock();
  }
  const bool over = std::ranges::any_of(requests_, [](const Request& request) { return request.over; });
  const bool answers = !unanswered_.empty() && unanswered_.begin()->second->result.has_value();
  if (over || answers || stopping_) return;
  auto until = Clock::now() + kIdle;
  if (!pending_.empty()) {
    until = std::min(until, pending_.begin()->second->expires);
    if (requests_.empty())
      until = std::min(until, std::max(not_before_, Clock::now() + std::chrono::milliseconds(1)));
  }
  wake_.wait_until(lock, until);
}

bool EtcdSender::is_busy(const std::vector<std::string>& keys,
                         const std::vector<std::string>& compared) const {
  const auto changed = [this](const std::string& key) { return busy_keys_.contains(key); };
  const auto looked_at = [this](const std::string& key) { return compared_keys_.contains(key); };
  return std::ranges::any_of(keys, changed) || std::ranges::any_of(keys, looked_at) ||
         std::ranges::any_of(compared, changed);
}

EtcdSender::Request EtcdSender::collect() {
  Request out;
  if (!requests_.empty() && requests_.back().barrier) return out;
  std::set<std::string> own;
  std::size_t operations = 0;
  std::size_t bytes = 0;
  std::size_t together = SIZE_MAX;
  while (!pending_.empty()) {
    const ItemPointer item = pending_.begin()->second;
    const Transaction& transaction = item->transaction;
    const bool barrier = erases_range(transaction);
    const bool single = barrier || !transaction.otherwise.empty();
    together = std::min(together, item->together);
    if (!out.items.empty() &&
        (single || out.items.size() >= together || transaction.when != out.items.front()->transaction.when)) {
      break;
    }
    if (barrier && !requests_.empty()) break;
    if (!out.items.empty() &&
        (operations + transaction.then.size() > cluster_.options().operations_a_request ||
         bytes + item->bytes > kRequestBytesMax)) {
      break;
    }
    std::vector<std::string> keys;
    add_keys(transaction, keys);
    auto compared = compared_keys_of(transaction);
    if (is_busy(keys, compared)) break;
    if (std::ranges::any_of(keys, [&own](const std::string& key) { return own.contains(key); })) break;
    // It compares what it is itself to change, or what one before it changes: then it is alone.
    const bool looks_at_own = std::ranges::any_of(compared, [&](const std::string& key) {
      return own.contains(key) || std::ranges::find(keys, key) != keys.end();
    });
    if (!out.items.empty() && looks_at_own) break;
    pending_.erase(pending_.begin());
    own.insert(keys.begin(), keys.end());
    operations += transaction.then.size();
    bytes += item->bytes;
    out.items.push_back(item);
    out.barrier = barrier;
    out.compared = std::move(compared);
    if (single || looks_at_own) break;
  }
  out.keys.assign(own.begin(), own.end());
  return out;
}

bool EtcdSender::send_one(EtcdMember& member, const std::string& token) {
  Request collected = collect();
  if (collected.items.empty()) return false;
  std::vector<const Transaction*> transactions;
  for (const auto& item : collected.items) transactions.push_back(&item->transaction);
  busy_keys_.insert(collected.keys.begin(), collected.keys.end());
  for (const auto& key : collected.compared) ++compared_keys_[key];
  requests_.push_back(std::move(collected));
  Request& request = requests_.back();
  request.member = &member;
  request.token = token;
  const auto deadline = std::chrono::system_clock::now() + cluster_.options().call_timeout / 2;
  request.call =
      request.member->start({deadline, token}, message_of(transactions, fence_),
                            [this, &request](const RpcStatus& status, const pb::TxnResponse& response) {
                              auto copy = std::make_unique<pb::TxnResponse>(response);
                              const std::lock_guard guard(mutex_);
                              request.status = status;
                              request.response = std::move(copy);
                              request.over = true;
                              wake_.notify_one();
                            });
  return true;
}

bool EtcdSender::settle_requests() {
  bool any = false;
  for (auto request = requests_.begin(); request != requests_.end();) {
    if (!request->over) {
      ++request;
      continue;
    }
    any = true;
    settle(*request);
    for (const auto& key : request->keys) busy_keys_.erase(key);
    for (const auto& key : request->compared)
      if (--compared_keys_[key] == 0) compared_keys_.erase(key);
    request = requests_.erase(request);
  }
  return any;
}

void EtcdSender::settle(Request& request) {
  const auto outcome = outcome_of(request.status);
  const auto refusal = cluster_.after(*request.member, request.token, "commit", request.status);
  if (refusal && outcome == RpcOutcome::not_done && refusal->again) {
    not_before_ = Clock::now() + kRetry / 10;
    return give_back(request, SIZE_MAX);
  }
  if (refusal && outcome == RpcOutcome::unknown) {
    fence_.broken();
    not_before_ = Clock::now() + kRetry / 10;
  }
  // One of them is refused: by halves it is found.
  if (refusal && outcome != RpcOutcome::unknown && request.items.size() > 1) {
    return give_back(request, request.items.size() / 2);
  }
  if (!refusal && !request.response->succeeded()) {
    fence_.broken();
    return give_back(request, SIZE_MAX);
  }
  if (refusal) {
    for (const auto& item : request.items) item->result = std::unexpected(refusal->error);
    return;
  }
  ++counts_.requests;
  Committed committed{true, request.response->header().revision()};
  cluster_.saw_revision(committed.revision);
  const auto& responses = request.response->responses();
  if (!request.items.front()->transaction.when.empty()) {
    if (responses.size() != 1 || !responses[0].has_response_txn()) {
      for (const auto& item : request.items) {
        item->result =
            std::unexpected(StoreError{Fault::corrupt, {"etcd answered a transaction with something else"}});
      }
      return;
    }
    committed.held = responses[0].response_txn().succeeded();
  }
  for (const auto& item : request.items) item->result = committed;
}

void EtcdSender::give_back(const Request& request, std::size_t together) {
  for (const auto& item : request.items) {
    item->together = std::min(item->together, together);
    pending_.emplace(item->number, item);
  }
}

void EtcdSender::expire() {
  const auto now = Clock::now();
  while (!pending_.empty() && pending_.begin()->second->expires <= now) {
    const auto trouble = cluster_.trouble();
    pending_.begin()->second->result = std::unexpected(StoreError{
        Fault::unavailable, {trouble.empty() ? "etcd takes no more commits: it is too slow" : trouble}});
    pending_.erase(pending_.begin());
  }
}

void EtcdSender::answer(std::unique_lock<std::mutex>& lock) {
  std::vector<ItemPointer> ready;
  while (!unanswered_.empty() && unanswered_.begin()->second->result.has_value()) {
    ready.push_back(std::move(unanswered_.begin()->second));
    unanswered_.erase(unanswered_.begin());
    queued_bytes_ -= ready.back()->bytes;
    ++(*ready.back()->result ? counts_.commits : counts_.failures);
  }
  if (ready.empty()) return;
  counts_.unanswered -= ready.size();
  lock.unlock();
  for (const auto& item : ready) item->done(std::move(*item->result));
  ready.clear();
  lock.lock();
}

void EtcdSender::renew_fence(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  const auto renewed = fence_.renew();
  lock.lock();
  if (renewed) return;
  not_before_ = Clock::now() + kRetry;
  if (renewed.error().fault == Fault::unavailable) return;  // what waits, waits for as long as it may
  for (const auto& [number, item] : pending_) item->result = std::unexpected(renewed.error());
  pending_.clear();
}

void EtcdSender::stop(std::unique_lock<std::mutex>& lock) {
  for (auto& request : requests_) request.call->cancel();
  while (!requests_.empty()) {
    if (!settle_requests()) wake_.wait(lock);
  }
  for (const auto& [number, item] : pending_) {
    item->result = std::unexpected(StoreError{Fault::ended, {"the store was closed"}});
  }
  pending_.clear();
  answer(lock);
  lock.unlock();
  fence_.close();
  lock.lock();
}

}  // namespace xk::store
