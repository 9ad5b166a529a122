#include "controlplane/app/ha_service.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace xk::kead {
namespace {

using namespace std::chrono_literals;
using ha::KeyKind;
using ha::Standing;

constexpr auto kLook = 100ms;  // at the election, when nothing happens
constexpr std::uint64_t kSessionRetryNs = 50 * ha::kMs;
// Times. An appliance that is cut off may be heard once more after that: by so much the session lasts longer.
constexpr std::uint64_t kKeptInTtl = 16;
constexpr std::uint64_t kAnswerWaitNs = 2'000 * ha::kMs;  // a longer session's half
constexpr std::uint64_t kWatchRetryNs = 200 * ha::kMs;
constexpr std::uint64_t kMarginLeastNs = 250 * ha::kMs;
constexpr auto kCommandWait = 5s;
// The one reason that an operator's will to take a VRF over does away with.
constexpr std::string_view kLetGo = "it was let go here a moment ago";
// Of the keys that are read whole: all of the span but the leases.
constexpr std::string_view kReadTo = "/xdp-kea/v1/handover0";

std::uint64_t unix_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

// Rounded up.
std::chrono::milliseconds whole_ms(std::uint64_t ns) {
  return std::chrono::milliseconds((ns + ha::kMs - 1) / ha::kMs);
}

store::Operation put_of(std::string key, std::string value, store::SessionId session) {
  return {store::Operation::Kind::put, std::move(key), {}, std::move(value), session};
}
store::Operation erase_of(std::string key) {
  return {store::Operation::Kind::erase, std::move(key), {}, {}, 0};
}
store::Compare created_is(std::string key, store::Revision created) {
  return {std::move(key), store::Compare::Target::created, store::Compare::Is::equal, created, {}};
}

}  // namespace

HaService::HaService(Parts parts)
    : parts_(std::move(parts)),
      ttl_ns_(std::uint64_t{parts_.settings.ttl_s} * 1000 * ha::kMs),
      margin_ns_(std::max(ttl_ns_ / 8, kMarginLeastNs)),
      election_(parts_.name) {
  status_.name = parts_.name;
  feed_ = std::make_unique<StandbyFeed>(StandbyFeed::Told{
      .caught_up =
          [this](const std::string& vrf, std::uint64_t epoch) {
            post([this, vrf, epoch] { election_.caught_up(vrf, epoch); });
          },
      .lost =
          [this](const std::string& vrf, const std::string& why) {
            post([this, vrf, why] {
              tell(EventLevel::warning, event::kHa, vrf,
                   "its Kea cannot be kept in step with the store and is started anew: " + why);
              election_.set_stale(vrf);
            });
          }});
  keeper_ = std::thread([this] { keep_session(); });
  worker_ = std::thread([this] { run(); });
}

HaService::~HaService() { stop(); }

void HaService::stop() {
  {
    const std::scoped_lock lock(mutex_);
    if (std::exchange(stopping_, true)) return;
  }
  fence_.close();
  wake_.notify_all();
  keep_.notify_all();
  status_changed_.notify_all();
  keeper_.join();
  worker_.join();
  watch_.reset();
  feed_.reset();
  // At once, instead of when its time is over. If it cannot be said the other appliance waits for that.
  const store::SessionId last = session_ != 0 ? session_ : ending_;
  if (last != 0) (void)parts_.store->close_session(last);
}

void HaService::post(Task task) {
  {
    const std::scoped_lock lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
}

void HaService::tell(EventLevel level, std::string_view kind, const std::string& vrf, std::string text) {
  parts_.events.record({.level = level, .kind = kind, .vrf = vrf, .interface = {}, .text = std::move(text)});
}

// ---- the session -------------------------------------------------------------------------------------

void HaService::keep_session() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const store::SessionId session = session_;
    lock.unlock();
    bool kept = false;
    // From when it was sent, not answered: etcd counts from some time between.
    const std::uint64_t sent_ns = boot_ns();
    const std::uint64_t until_ns = fence_.until_ns();
    if (session == 0) {
      begin_session();
    } else if (sent_ns >= until_ns) {
      // Kept alive any further by what arrives but is not answered it would keep others from taking over.
      ending_ = session;
      end_session("etcd has not answered in time");
    } else {
      // As long as this appliance may answer at all: what is asked anew while no answer comes may arrive, and
      // keep others from taking over for that much longer.
      const auto wait_ns = std::min(until_ns - sent_ns, std::max(ttl_ns_ / 2, kAnswerWaitNs));
      const auto done = parts_.store->keep_alive(session, whole_ms(wait_ns));
      kept = done.has_value();
      if (kept)
        fence_.extend(session, sent_ns + ttl_ns_ - margin_ns_);
      else if (done.error().fault == store::Fault::ended)
        end_session(done.error().error.message);
      const std::scoped_lock guard(mutex_);
      trouble_ = kept ? "" : done.error().error.message;
    }
    say_time_is_over(boot_ns() >= fence_.until_ns());
    lock.lock();
    if (session != 0 && session_ == 0) continue;  // the next one at once
    const std::uint64_t now_ns = boot_ns();
    std::uint64_t next_ns = now_ns + kSessionRetryNs;
    if (kept)
      next_ns = std::max(now_ns, sent_ns + ttl_ns_ / kKeptInTtl);
    else if (session != 0)
      next_ns = std::min(next_ns, std::max(now_ns, fence_.until_ns()));
    keep_.wait_for(lock, std::chrono::nanoseconds(next_ns - now_ns), [this] { return stopping_; });
  }
}

void HaService::begin_session() {
  // The active keys that hang on the one before are in the way of this appliance too.
  if (ending_ != 0) {
    const auto closed = parts_.store->close_session(ending_);
    if (!closed && closed.error().fault != store::Fault::ended) {
      const std::scoped_lock lock(mutex_);
      trouble_ = closed.error().error.message;
      return;
    }
    ending_ = 0;
  }
  const std::uint64_t sent_ns = boot_ns();
  const auto session = parts_.store->open_session(std::chrono::seconds(parts_.settings.ttl_s));
  {
    const std::scoped_lock lock(mutex_);
    trouble_ = session ? "" : session.error().error.message;
    if (!session) return;
    session_ = *session;
  }
  fence_.begin(*session, sent_ns + ttl_ns_ - margin_ns_);
  post([this, id = *session] {
    election_.set_session(id, boot_ns());
    parts_.store->commit({.when = {},
                          .then = {put_of(ha::appliance_key(parts_.name), ha::name_value(parts_.name), id)},
                          .otherwise = {}},
                         [](const auto&) {});
  });
}

void HaService::end_session(const std::string& why) {
  fence_.close();
  {
    const std::scoped_lock lock(mutex_);
    session_ = 0;
    show_no_more_than_held(status_.vrfs);
  }
  post([this, why] {
    election_.set_session(0, boot_ns());
    tell(EventLevel::warning, event::kHa, {}, "the session with etcd is over: " + why);
  });
}

void HaService::say_time_is_over(bool over) {
  std::string why;
  {
    const std::scoped_lock lock(mutex_);
    if (over == (silent_unix_ms_ != 0)) return;
    silent_unix_ms_ = over ? unix_ms() : 0;
    why = trouble_;
  }
  if (over)
    tell(EventLevel::warning, event::kHa, {},
         "this appliance answers nobody: it has not been heard by etcd" + (why.empty() ? "" : ": " + why));
  else
    tell(EventLevel::info, event::kHa, {}, "etcd hears this appliance");
}

// ---- the election ------------------------------------------------------------------------------------

void HaService::run() {
  for (;;) {
    std::deque<Task> tasks;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kLook, [this] { return stopping_ || !tasks_.empty(); });
      if (stopping_) return;
      tasks.swap(tasks_);
    }
    for (Task& task : tasks) task();
    if (watch_due_ && boot_ns() >= watch_not_before_ns_) follow();
    for (const ha::Order& order : election_.orders(boot_ns())) carry_out(order);
    publish_status();
  }
}

// One watch tells of all in the order in which it happened: when it tells that this appliance is the active
// one it has told of every lease before.
void HaService::follow() {
  watch_.reset();
  watch_not_before_ns_ = boot_ns() + kWatchRetryNs;
  const auto page = parts_.store->range({.from = std::string(ha::kSpanFrom), .to = std::string(kReadTo)});
  if (!page) return;
  if (watched_) {
    election_.set_known(false, boot_ns());
    prepared_.clear();
  }
  // A Kea may have got its leases before: what came since is told too.
  known_revision_ = page->revision;
  watched_from_ = page->revision + 1;
  for (const auto& [name, revision] : prepared_) watched_from_ = std::min(watched_from_, revision + 1);
  appliances_.clear();
  std::set<std::string> held;
  for (const store::KeyValue& item : page->items) {
    const ha::KeyName name = ha::name_of_key(item.key);
    if (name.kind == KeyKind::active) held.insert(name.name);
    take_key({store::Event::Kind::put, item});
  }
  std::vector<std::string> free;
  for (const auto& [name, seat] : election_.seats())
    if (seat.holder && !held.contains(name)) free.push_back(name);
  for (const std::string& name : free) election_.set_holder(name, std::nullopt, boot_ns());
  auto watch = parts_.store->watch(
      std::string(ha::kSpanFrom), std::string(ha::kSpanTo), watched_from_, [this](auto events) {
        auto shared = std::make_shared<store::StoreResult<std::vector<store::Event>>>(std::move(events));
        post([this, shared] {
          if (*shared) return take(**shared);
          if (shared->error().fault == store::Fault::ended) return;
          tell(EventLevel::warning, event::kHa, {},
               "etcd is not followed any more, all is read anew: " + shared->error().error.message);
          watch_due_ = true;
        });
      });
  if (!watch) return;
  watch_ = std::move(*watch);
  watch_due_ = false;
  watched_ = true;
  election_.set_known(true, boot_ns());
}

void HaService::take(const std::vector<store::Event>& events) {
  for (const store::Event& event : events) {
    const ha::KeyName name = ha::name_of_key(event.item.key);
    if (name.kind != KeyKind::lease) {
      if (event.item.modified > known_revision_) take_key(event);
      continue;
    }
    const std::string vrf = name.name.substr(0, name.name.find('/'));
    if (election_.follows(vrf)) feed_->add(vrf, event);
  }
}

void HaService::take_key(const store::Event& event) {
  const ha::KeyName name = ha::name_of_key(event.item.key);
  const bool put = event.kind == store::Event::Kind::put;
  const auto bad = [&](const Error& error) {
    tell(EventLevel::error, event::kHa, {}, "in etcd, " + event.item.key + ": " + error.message);
  };
  switch (name.kind) {
    case KeyKind::active: {
      if (!put) return election_.set_holder(name.name, std::nullopt, boot_ns());
      auto holder = ha::parse_active(event.item);
      if (holder) return election_.set_holder(name.name, std::move(*holder), boot_ns());
      // Somebody has it, whoever that is.
      bad(holder.error());
      return election_.set_holder(name.name, ha::Holder{.appliance = "?", .created = event.item.created},
                                  boot_ns());
    }
    case KeyKind::epoch: {
      const auto epoch = put ? ha::parse_epoch(event.item.value) : 0;
      if (!epoch) bad(epoch.error());
      return election_.set_epoch(name.name, epoch.value_or(0), put ? event.item.modified : 0);
    }
    case KeyKind::appliance:
      if (put)
        appliances_[name.name] = name.name;
      else
        appliances_.erase(name.name);
      return election_.set_others(appliances_.size() > appliances_.count(parts_.name));
    case KeyKind::handover: {
      const auto wants = put ? ha::parse_name(event.item.value) : std::string();
      if (wants && !wants->empty() && *wants != parts_.name) (void)election_.release(name.name, boot_ns());
      return;
    }
    case KeyKind::lease:
    case KeyKind::other:
      return;
  }
}

void HaService::carry_out(const ha::Order& order) {
  switch (order.kind) {
    case ha::Order::Kind::take:
      return take_vrf(order);
    case ha::Order::Kind::catch_up:
      if (vrfs_[order.vrf].ability.has_leases)
        feed_->flush(order.vrf, order.holder->epoch);
      else
        post([this, order] { election_.caught_up(order.vrf, order.holder->epoch); });
      return;
    case ha::Order::Kind::serve:
      return serve(order);
    case ha::Order::Kind::silence:
      return silence(order.vrf);
    case ha::Order::Kind::give_up:
      return give_up(order);
    case ha::Order::Kind::renew:
      return parts_.renew_kea(order.vrf);
  }
}

// Whether it was done the watch tells.
void HaService::take_vrf(const ha::Order& order) {
  // The one that the election knows: if it is over meanwhile etcd refuses it. Without one the key would stay
  // for ever.
  const store::SessionId session = election_.session();
  if (session == 0) return election_.take_failed(order.vrf, boot_ns());
  const ha::Holder holder{.appliance = parts_.name, .since_unix_ms = unix_ms(), .epoch = order.epoch};
  store::Compare same_epoch{ha::epoch_key(order.vrf),
                            store::Compare::Target::modified,
                            store::Compare::Is::equal,
                            order.epoch_modified,
                            {}};
  parts_.store->commit({.when = {created_is(ha::active_key(order.vrf), 0), std::move(same_epoch)},
                        .then = {put_of(ha::active_key(order.vrf), ha::active_value(holder), session),
                                 put_of(ha::epoch_key(order.vrf), ha::epoch_value(order.epoch), 0)},
                        .otherwise = {}},
                       [this, vrf = order.vrf](const store::StoreResult<store::Committed>& done) {
                         if (done && done->held) return;
                         post([this, vrf] { election_.take_failed(vrf, boot_ns()); });
                       });
}

void HaService::give_up(const ha::Order& order) {
  parts_.store->commit({.when = {created_is(ha::active_key(order.vrf), order.holder->created)},
                        .then = {erase_of(ha::active_key(order.vrf))},
                        .otherwise = {}},
                       [](const auto&) {});
}

// The store first: no lease is taken but under this appliance's key.
void HaService::serve(const ha::Order& order) {
  const VrfId id = vrfs_[order.vrf].id;
  parts_.gate.let(id, created_is(ha::active_key(order.vrf), order.holder->created));
  fence_.open(id, order.holder->session);
  {
    const std::scoped_lock lock(mutex_);
    ++takeovers_;
  }
  parts_.serves(id);
}

void HaService::silence(const std::string& vrf) {
  const VrfId id = vrfs_[vrf].id;
  fence_.silence(id);
  parts_.gate.let(id, std::nullopt);
}

// ---- what the daemon says ----------------------------------------------------------------------------

void HaService::set_vrfs(std::map<std::string, Vrf> vrfs) {
  post([this, vrfs = std::move(vrfs)]() mutable {
    std::map<std::string, ha::Ability> abilities;
    std::set<VrfId> ids;
    for (const auto& [name, vrf] : vrfs) {
      abilities[name] = vrf.ability;
      ids.insert(vrf.id);
      if (vrf.ability.has_leases) feed_->set_place(name, vrf.directory, vrf.facts);
    }
    // One that goes is silent while its number still is its own.
    election_.set_vrfs(abilities, boot_ns());
    for (const ha::Order& order : election_.orders(boot_ns())) carry_out(order);
    for (const auto& [name, vrf] : vrfs_)
      if (!vrfs.contains(name)) feed_->forget(name);
    vrfs_ = std::move(vrfs);
    fence_.keep_only(ids);
  });
}

void HaService::kea_starting(const std::string& vrf) {
  post([this, vrf] {
    prepared_.erase(vrf);
    election_.set_starting(vrf, boot_ns());
    feed_->starting(vrf);
  });
}

void HaService::kea_prepared(const std::string& vrf, store::Revision revision) {
  post([this, vrf, revision] {
    feed_->prepared(vrf, revision);
    election_.set_fresh(vrf);
    prepared_[vrf] = revision;
    // The watch began later than that, and will not tell what was between.
    if (watched_ && revision + 1 < watched_from_) election_.set_stale(vrf);
  });
}

// ---- what is shown, and commands ---------------------------------------------------------------------

void HaService::publish_status() {
  std::map<std::string, HaVrf> shown;
  const std::uint64_t now_ns = boot_ns();
  for (const auto& [name, seat] : election_.seats()) {
    if (!seat.wanted) continue;
    HaVrf& vrf = shown[name];
    vrf.standing = seat.standing;
    vrf.epoch = seat.epoch;
    if (seat.holder) {
      vrf.active = seat.holder->appliance;
      vrf.since_unix_ms = seat.holder->since_unix_ms;
      vrf.session = seat.holder->session;
    }
    vrf.waiting = feed_->waiting(name);
    if (seat.standing == Standing::active) continue;
    if (!seat.ability.fit)
      vrf.reason = "it cannot be served here now";
    else if (seat.ability.has_leases && !seat.fresh)
      vrf.reason = "its Kea does not have the leases of the store yet";
    else if (now_ns < seat.not_before_ns)
      vrf.reason = kLetGo;
    else if (seat.ability.drained)
      vrf.reason = "it is drained here";
  }
  for (const auto& [name, vrf] : shown) {
    const std::string holder = vrf.standing == Standing::active ? "this appliance" : vrf.active;
    // Ours, but not served yet: said when it is.
    if (vrf.standing != Standing::active && vrf.active == parts_.name) continue;
    std::string& before = shown_holders_[name];
    if (watch_due_ || holder == before) continue;
    before = holder;
    tell(holder.empty() ? EventLevel::warning : EventLevel::info, event::kHa, name,
         holder.empty() ? "no appliance is active"
                        : holder + " is active, epoch " + std::to_string(vrf.epoch));
  }
  std::erase_if(shown_holders_, [&](const auto& known) { return !shown.contains(known.first); });
  {
    const std::scoped_lock lock(mutex_);
    show_no_more_than_held(shown);
    status_.vrfs = std::move(shown);
    status_.appliances.clear();
    for (const auto& [name, value] : appliances_) status_.appliances.push_back(name);
  }
  status_changed_.notify_all();
}

// The session may be over while the election has not been told yet: the fence knows.
void HaService::show_no_more_than_held(std::map<std::string, HaVrf>& vrfs) const {
  for (auto& [name, vrf] : vrfs)
    if (vrf.standing == Standing::active && vrf.session != session_) vrf.standing = Standing::standby;
}

HaStatus HaService::status() const {
  const std::scoped_lock lock(mutex_);
  HaStatus status = status_;
  status.session = session_ != 0 && boot_ns() < fence_.until_ns();
  status.silent_unix_ms = silent_unix_ms_;
  status.trouble = trouble_;
  status.takeovers = takeovers_;
  return status;
}

bool HaService::active(const std::string& vrf) const {
  if (boot_ns() >= fence_.until_ns()) return false;
  const std::scoped_lock lock(mutex_);
  const auto found = status_.vrfs.find(vrf);
  return found != status_.vrfs.end() && found->second.standing == Standing::active;
}

std::expected<std::vector<std::string>, Error> HaService::names_of(const std::string& vrf) const {
  const std::scoped_lock lock(mutex_);
  if (!vrf.empty() && !status_.vrfs.contains(vrf))
    return std::unexpected(Error{"there is no VRF '" + vrf + "'", ENOENT});
  if (!vrf.empty()) return std::vector{vrf};
  std::vector<std::string> names;
  for (const auto& [name, shown] : status_.vrfs) names.push_back(name);
  return names;
}

template <typename Done>
std::expected<void, Error> HaService::wait_until(const std::string& what, Done done) {
  std::unique_lock lock(mutex_);
  status_changed_.wait_for(lock, kCommandWait, [&] { return stopping_ || done(status_); });
  if (done(status_)) return {};
  return std::unexpected(Error{what + " within 5 s" + (trouble_.empty() ? "" : ": " + trouble_), ETIMEDOUT});
}

std::expected<std::vector<std::string>, Error> HaService::release(const std::string& vrf) {
  const auto names = names_of(vrf);
  if (!names) return names;
  std::vector<std::string> ours;
  {
    const std::scoped_lock lock(mutex_);
    for (const std::string& name : *names)
      if (status_.vrfs[name].active == parts_.name) ours.push_back(name);
  }
  if (ours.empty() && !vrf.empty())
    return std::unexpected(Error{"this appliance is not active in VRF '" + vrf + "'", EALREADY});
  post([this, ours] {
    for (const std::string& name : ours) (void)election_.release(name, boot_ns());
  });
  const auto gone = wait_until("etcd has not let go of it", [&](const HaStatus& status) {
    return std::ranges::none_of(ours, [&](const std::string& name) {
      const auto found = status.vrfs.find(name);
      return found != status.vrfs.end() && found->second.active == parts_.name;
    });
  });
  if (!gone) return std::unexpected(gone.error());
  return ours;
}

std::expected<std::vector<std::string>, Error> HaService::take_over(const std::string& vrf) {
  const auto names = names_of(vrf);
  if (!names) return names;
  std::vector<std::string> wanted;
  store::SessionId session = 0;
  {
    const std::scoped_lock lock(mutex_);
    session = session_;
    for (const std::string& name : *names) {
      const HaVrf& shown = status_.vrfs[name];
      if (shown.standing == Standing::active) continue;
      const bool passing = shown.reason.empty() || shown.reason == kLetGo;
      if (!passing && !vrf.empty())
        return std::unexpected(Error{"VRF '" + name + "' cannot be taken over: " + shown.reason, EBUSY});
      if (passing) wanted.push_back(name);
    }
  }
  if (session == 0)
    return std::unexpected(Error{"there is no session with etcd: " + status().trouble, ENOTCONN});
  post([this, wanted, session] {
    for (const std::string& name : wanted) {
      election_.want(name);
      parts_.store->commit({.when = {},
                            .then = {put_of(ha::handover_key(name), ha::name_value(parts_.name), session)},
                            .otherwise = {}},
                           [](const auto&) {});
    }
  });
  auto taken = wait_until("the active appliance has not let go of it", [&](const HaStatus& status) {
    return std::ranges::all_of(wanted, [&](const std::string& name) {
      const auto found = status.vrfs.find(name);
      return found != status.vrfs.end() && found->second.standing == Standing::active;
    });
  });
  for (const std::string& name : wanted)
    parts_.store->commit({.when = {}, .then = {erase_of(ha::handover_key(name))}, .otherwise = {}},
                         [](const auto&) {});
  if (!taken) return std::unexpected(taken.error());
  return wanted;
}

}  // namespace xk::kead
