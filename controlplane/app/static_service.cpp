#include "controlplane/app/static_service.h"

#include <algorithm>
#include <set>

#include "controlplane/statics/record.h"

namespace xk::kead {
namespace {

constexpr std::uint64_t kRetryMs = 1000;
constexpr std::size_t kReadPage = 10'000;
constexpr std::size_t kOperationsMax = 100;  // of a transaction: etcd takes 128
constexpr std::chrono::seconds kInForceWait{10};

std::unexpected<api::Failure> failure(int status, std::string message) {
  return std::unexpected(api::Failure{status, {std::move(message)}});
}

// Who an entry is, for cursors of pages and sets.
std::string cursor_of(const StaticEntry& entry) {
  return statics::key_of(entry).substr(statics::kPrefix.size());
}

// Transactions from groups of operations that belong together.
class Batches {
 public:
  void add(std::vector<store::Operation> group) {
    if (transactions_.empty() || transactions_.back().then.size() + group.size() > kOperationsMax)
      transactions_.emplace_back();
    std::ranges::move(group, std::back_inserter(transactions_.back().then));
  }
  std::vector<store::Transaction> take() { return std::move(transactions_); }

 private:
  std::vector<store::Transaction> transactions_;
};

store::Operation put_of(const StaticEntry& entry) {
  return {store::Operation::Kind::put, statics::key_of(entry), {}, statics::value_of(entry), 0};
}
store::Operation erase_of(const StaticEntry& entry) {
  return {store::Operation::Kind::erase, statics::key_of(entry), {}, {}, 0};
}

std::string lease_text(const StaticEntry& entry) {
  return "static lease of " + identity_text(entry) + " in VRF " + entry.vrf;
}

}  // namespace

StaticService::~StaticService() { watch_.reset(); }

// ---- the store ---------------------------------------------------------------------------------------

void StaticService::start(store::Store& store) {
  store_ = &store;
  follow();
}

void StaticService::follow() {
  watch_.reset();
  const auto revision = read_all();
  if (!revision) {
    store_trouble_ = "static leases cannot be read: " + revision.error().message;
    report(store_trouble_);
    return retry_soon();
  }
  const std::string prefix(statics::kPrefix);
  auto watch = store_->watch(prefix, store::end_of_prefix(prefix), *revision + 1, [this](auto events) {
    auto shared = std::make_shared<store::StoreResult<std::vector<store::Event>>>(std::move(events));
    parts_.loop.post([this, shared] { take(std::move(*shared)); });
  });
  if (!watch) {
    store_trouble_ = "static leases cannot be followed: " + watch.error().error.message;
    report(store_trouble_);
    return retry_soon();
  }
  watch_ = std::move(*watch);
  store_trouble_.clear();
  loaded_ = true;
  feed_.all_changed();
  arrive(*revision);
  files_right_ = false;
  tell_kea({});
  if (const Snapshot* snapshot = parts_.snapshot(); snapshot != nullptr) sync(*snapshot);
}

// As of one revision, a page at a time. What is malformed is told of and left out.
Result<store::Revision> StaticService::read_all() {
  leases_.clear();
  const std::string prefix(statics::kPrefix);
  store::Range range{prefix, store::end_of_prefix(prefix), kReadPage, 0};
  while (true) {
    auto page = store_->range(range);
    if (!page) return std::unexpected(page.error().error);
    if (range.at == 0) range.at = page->revision;
    for (const store::KeyValue& item : page->items) {
      if (item.key == kTurnKey) continue;
      auto entry = statics::parse_record(item.key, item.value);
      if (entry)
        leases_.put(std::move(*entry));
      else
        report(entry.error().message);
    }
    if (parts_.moved) parts_.moved();
    if (!page->more || page->items.empty()) return range.at;
    range.from = page->items.back().key + '\0';
  }
}

void StaticService::take(store::StoreResult<std::vector<store::Event>> events) {
  if (!events) {
    store_trouble_ = "static leases are not followed any more: " + events.error().error.message;
    if (events.error().fault != store::Fault::ended) {
      report(store_trouble_);
      retry_soon();
    }
    return;
  }
  std::vector<statics::Change> changes;
  store::Revision revision = 0;
  for (const store::Event& event : *events) {
    revision = std::max(revision, event.item.modified);
    if (event.item.key == kTurnKey) continue;
    auto entry = event.kind == store::Event::Kind::erase
                     ? statics::parse_key(event.item.key)
                     : statics::parse_record(event.item.key, event.item.value);
    if (!entry) {
      report(entry.error().message);
      continue;
    }
    changes.push_back(event.kind == store::Event::Kind::erase ? leases_.erase(*entry)
                                                              : leases_.put(std::move(*entry)));
  }
  if (auto told = feed_.changed(changes); !told) {
    report(told.error().message);
    retry_soon();
  }
  tell_kea(changes);
  arrive(revision);
}

// By the files that each VRF's Kea follows.
void StaticService::tell_kea(const std::vector<statics::Change>& changes) {
  if (parts_.kea_directory.empty()) return;
  auto written = files_right_ ? files_.changed(changes) : files_.write_all();
  files_right_ = written.has_value();
  if (written) return;
  report("static leases for Kea: " + written.error().message);
  retry_soon();
}

void StaticService::arrive(store::Revision revision) {
  {
    const std::scoped_lock lock(mutex_);
    revision_ = std::max(revision_, revision);
  }
  arrived_.notify_all();
}

void StaticService::retry_soon() {
  auto timer = parts_.loop.at(EventLoop::now_ms() + kRetryMs, [this] {
    if (!store_trouble_.empty()) return follow();
    if (!files_right_) tell_kea({});
    if (const Snapshot* snapshot = parts_.snapshot(); snapshot != nullptr) sync(*snapshot);
  });
  if (timer) retry_ = std::move(*timer);
}

void StaticService::sync(const Snapshot& snapshot) {
  if (!loaded_) return;
  auto synced = feed_.sync(snapshot);
  if (synced) {
    if (store_trouble_.empty()) said_.clear();
    return;
  }
  report(synced.error().message);
  retry_soon();
}

void StaticService::pause_changed(const leases::Pause& pause) {
  if (pause.kind == leases::PauseKind::pool) return;
  StaticEntry who;
  who.vrf = pause.vrf;
  who.kind = pause.kind == leases::PauseKind::mac ? StaticKind::mac : StaticKind::client_id;
  who.identity = pause.client;
  const auto entry = leases_.find(who);
  if (!entry) return;
  if (auto told = feed_.changed({{entry, entry}}); !told) {
    report(told.error().message);
    retry_soon();
  }
}

std::string StaticService::trouble() const {
  return store_trouble_.empty() ? feed_.trouble() : store_trouble_;
}

// The same thing once.
void StaticService::report(std::string trouble) {
  if (trouble == said_) return;
  parts_.events.record({.level = EventLevel::error,
                        .kind = event::kStaticTrouble,
                        .vrf = {},
                        .interface = {},
                        .text = trouble});
  said_ = std::move(trouble);
}

// ---- requests ----------------------------------------------------------------------------------------

api::Answer<api::StaticPageView> StaticService::page(const api::StaticQuery& query,
                                                     const Model& model) const {
  if (!loaded_)
    return failure(503, store_trouble_.empty() ? "static leases are not read yet" : store_trouble_);
  const bool known = std::ranges::find(model.vrfs, query.vrf, &Vrf::name) != model.vrfs.end();
  if (!query.vrf.empty() && !known && leases_.size(query.vrf) == 0)
    return failure(404, "there is no VRF '" + query.vrf + "'");
  const std::size_t limit = query.limit == 0 ? api::kStaticPageMax : query.limit;
  std::optional<StaticEntry> after;
  if (!query.from.empty()) {
    auto parsed = statics::parse_key(std::string(statics::kPrefix) + query.from);
    if (!parsed) return failure(400, "from is none that was given as next");
    after = std::move(*parsed);
  }
  std::vector<std::string> names = query.vrf.empty() ? leases_.vrfs() : std::vector{query.vrf};
  api::StaticPageView view;
  view.total = query.vrf.empty() ? leases_.size() : leases_.size(query.vrf);
  for (const std::string& name : names) {
    if (after && name < after->vrf) continue;
    const bool inside = after && name == after->vrf;
    const auto found = leases_.page(name, inside ? &*after : nullptr, limit - view.leases.size());
    for (const StaticEntry& entry : found) view.leases.push_back(texts_of(entry));
    if (view.leases.size() < limit) continue;
    view.next = cursor_of(found.back());
    break;
  }
  return view;
}

api::Answer<StaticService::Plan> StaticService::plan_add(const api::StaticRequest& request,
                                                         const Model& model, const Leased& leased) const {
  if (!loaded_)
    return failure(503, store_trouble_.empty() ? "static leases are not read yet" : store_trouble_);
  Plan plan;
  std::vector<std::pair<StaticEntry, statics::Decision>> wanted;
  std::set<std::string> names;
  std::set<std::pair<std::string, Ip4>> addresses;
  for (std::size_t i = 0; i < request.leases.size(); ++i) {
    const auto refuse = [&](std::string why) { plan.done.problems.push_back({i, std::move(why)}); };
    auto entry = parse_static(request.leases[i]);
    if (!entry) {
      refuse(entry.error().message);
      continue;
    }
    if (!names.insert(cursor_of(*entry)).second) refuse(identity_text(*entry) + " is there twice");
    if (!entry->address.is_zero() && !addresses.insert({entry->vrf, entry->address}).second)
      refuse(identity_text(*entry) + ": " + to_string(entry->address) + " is there twice");
    const auto holder = leased.find({entry->vrf, entry->address});
    auto decision =
        statics::decide(*entry, model, leases_,
                        holder == leased.end() ? std::nullopt : std::optional(holder->second), request.force);
    for (std::string& why : decision.problems) refuse(std::move(why));
    wanted.emplace_back(std::move(*entry), std::move(decision));
  }
  if (!plan.done.problems.empty()) {
    if (request.check) return plan;
    api::Failure refused{409, {}};
    for (const api::StaticProblemView& problem : plan.done.problems) refused.messages.push_back(problem.text);
    return std::unexpected(std::move(refused));
  }
  Batches batches;
  std::set<std::string> gone;
  for (auto& [entry, decision] : wanted) {
    if (decision.effect == statics::Effect::unchanged) {
      ++plan.done.unchanged;
      continue;
    }
    ++(decision.effect == statics::Effect::added ? plan.done.added : plan.done.changed);
    std::vector<store::Operation> group;
    for (const StaticEntry& other : decision.giving_way) {
      // One that the request itself gives another address stays.
      if (names.contains(cursor_of(other)) || !gone.insert(cursor_of(other)).second) continue;
      group.push_back(erase_of(other));
      ++plan.done.deleted;
      plan.done.notes.push_back(lease_text(other) + " had " + to_string(other.address) + " and is deleted");
    }
    if (decision.takes_from_client)
      plan.done.notes.push_back(to_string(entry.address) + " of VRF " + entry.vrf +
                                " is leased by another client, which is refused it when it renews");
    group.push_back(put_of(entry));
    batches.add(std::move(group));
  }
  if (leases_.size() + plan.done.added > XK_STATIC_LEASES_MAX + plan.done.deleted)
    return failure(409,
                   "there would be more than " + std::to_string(XK_STATIC_LEASES_MAX) + " static leases");
  plan.transactions = batches.take();
  return plan;
}

api::Answer<StaticService::Plan> StaticService::plan_delete(const api::StaticRequest& request) const {
  if (!loaded_)
    return failure(503, store_trouble_.empty() ? "static leases are not read yet" : store_trouble_);
  Plan plan;
  Batches batches;
  std::set<std::string> names;
  api::Failure refused{404, {}};
  for (std::size_t i = 0; i < request.leases.size(); ++i) {
    const auto entry = parse_static_identity(request.leases[i]);
    std::string why;
    if (!entry)
      why = entry.error().message;
    else if (!leases_.find(*entry) && !request.force)
      why = "there is no " + lease_text(*entry);
    if (!why.empty()) {
      if (!entry) refused.status = 400;
      refused.messages.push_back(why);
      plan.done.problems.push_back({i, std::move(why)});
      continue;
    }
    if (!leases_.find(*entry) || !names.insert(cursor_of(*entry)).second) {
      ++plan.done.unchanged;
      continue;
    }
    ++plan.done.deleted;
    batches.add({erase_of(*entry)});
  }
  if (!refused.messages.empty() && !request.check) return std::unexpected(std::move(refused));
  plan.transactions = batches.take();
  return plan;
}

api::Answer<std::unique_ptr<StaticTurn>> StaticService::turn() {
  if (store_->health().backend != "etcd") return nullptr;
  auto taken = StaticTurn::take(*store_, [this](store::Revision revision) {
    std::unique_lock lock(mutex_);
    return arrived_.wait_for(lock, kInForceWait, [&] { return revision_ >= revision; });
  });
  if (!taken) return failure(503, std::move(taken.error().message));
  return std::move(*taken);
}

api::Answer<api::StaticDoneView> StaticService::commit(Plan plan, const StaticTurn* turn) {
  struct Outcome {
    std::mutex mutex;
    std::condition_variable done;
    std::size_t waiting = 0, failed = 0;
    store::Revision revision = 0;
    std::string error;
  };
  const auto outcome = std::make_shared<Outcome>();
  const std::size_t all = plan.transactions.size();
  outcome->waiting = all;
  for (store::Transaction& transaction : plan.transactions) {
    if (turn != nullptr) transaction.when = {turn->condition()};
    store_->commit(std::move(transaction), [outcome](store::StoreResult<store::Committed> committed) {
      const std::scoped_lock lock(outcome->mutex);
      --outcome->waiting;
      if (committed && !committed->held) {
        ++outcome->failed;
        outcome->error = "another appliance began to change static leases meanwhile";
      } else if (committed) {
        outcome->revision = std::max(outcome->revision, committed->revision);
      } else {
        ++outcome->failed;
        outcome->error = committed.error().error.message;
      }
      outcome->done.notify_all();
    });
  }
  std::unique_lock stored(outcome->mutex);
  outcome->done.wait(stored, [&] { return outcome->waiting == 0; });
  if (outcome->failed != 0)
    return failure(
        503, std::to_string(outcome->failed) + " of " + std::to_string(all) +
                 " parts are not stored, or it is not known; doing it again does no harm: " + outcome->error);
  std::unique_lock lock(mutex_);
  if (!arrived_.wait_for(lock, kInForceWait, [&] { return revision_ >= outcome->revision; }))
    return failure(503, "it is stored, but not in force yet: the store has not told of it");
  return std::move(plan.done);
}

}  // namespace xk::kead
