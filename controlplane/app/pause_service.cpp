#include "controlplane/app/pause_service.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "controlplane/leases/record.h"
#include "controlplane/model/lookup.h"

namespace xk::kead {
namespace {

constexpr std::uint64_t kPauseRetryMs = 1000;
constexpr std::chrono::seconds kPausedWait{10};

std::unexpected<api::Failure> refusal(int status, std::string message) {
  return std::unexpected(api::Failure{status, {std::move(message)}});
}

api::PauseView view_of(const leases::Pause& pause, const Model& model) {
  const Vrf* vrf = find_vrf(model, pause.vrf);
  const bool deny = vrf != nullptr && vrf->paused_renewals == PausedRenewals::deny;
  return {.vrf = pause.vrf,
          .kind = std::string(to_string(pause.kind)),
          .who = who_of(pause),
          .since_unix_s = static_cast<std::uint64_t>(pause.since_unix_s),
          .renewals = deny ? "deny" : "allow"};
}

// What a request names: a pool's range, its subnet (all its pools), or a client.
std::expected<std::vector<leases::Pause>, api::Failure> named_by(const api::PauseRequest& request,
                                                                 const Vrf& vrf) {
  const int given = int{!request.pool.empty()} + int{!request.mac.empty()} + int{!request.client_id.empty()};
  if (given != 1) return refusal(400, "one of pool, mac and client_id is needed");
  std::vector<leases::Pause> named;
  if (request.pool.empty()) {
    const bool mac = !request.mac.empty();
    const auto bytes = leases::bytes_of_hex(mac ? request.mac : request.client_id);
    if (!bytes || bytes->empty() || bytes->size() > 255 || (mac && bytes->size() != 6))
      return refusal(400, mac ? "'" + request.mac + "' is no MAC address"
                              : "'" + request.client_id + "' is no client id in hex");
    named.push_back({vrf.name, mac ? leases::PauseKind::mac : leases::PauseKind::client_id, {}, *bytes, 0});
    return named;
  }
  const auto prefix = parse_prefix4(request.pool);
  for (const Subnet& subnet : vrf.subnets) {
    for (const Range4& pool : subnet.pools)
      if (prefix ? subnet.prefix == *prefix : to_string(pool) == request.pool)
        named.push_back({vrf.name, leases::PauseKind::pool, pool, {}, 0});
  }
  if (!named.empty()) return named;
  // One that the configuration has not any more can still be resumed.
  if (const auto range = parse_range4(request.pool)) {
    named.push_back({vrf.name, leases::PauseKind::pool, *range, {}, 0});
    return named;
  }
  return refusal(404, "VRF '" + vrf.name + "' has no pool '" + request.pool + "'");
}

}  // namespace

PauseService::~PauseService() { watch_.reset(); }

// ---- the store ---------------------------------------------------------------------------------------

void PauseService::start(store::Store& store) {
  store_ = &store;
  if (::mkdir(parts_.directory.c_str(), 0755) != 0 && errno != EEXIST)
    report("what is paused cannot be told to Kea: " + errno_error("cannot make " + parts_.directory).message);
  follow();
}

void PauseService::follow() {
  watch_.reset();
  const auto revision = read_all();
  if (!revision) {
    store_trouble_ = "what is paused cannot be read: " + revision.error().message;
    report(store_trouble_);
    return retry_soon();
  }
  const std::string prefix(leases::kPausePrefix);
  auto watch = store_->watch(prefix, store::end_of_prefix(prefix), *revision + 1, [this](auto events) {
    auto shared = std::make_shared<store::StoreResult<std::vector<store::Event>>>(std::move(events));
    parts_.loop.post([this, shared] { take(std::move(*shared)); });
  });
  if (!watch) {
    store_trouble_ = "what is paused cannot be followed: " + watch.error().error.message;
    report(store_trouble_);
    return retry_soon();
  }
  watch_ = std::move(*watch);
  store_trouble_.clear();
  said_.clear();
  loaded_ = true;
  // What the last xdp-kead has left may say what is not so any more.
  std::error_code failed;
  for (const auto& file : std::filesystem::directory_iterator(parts_.directory, failed))
    if (file.path().extension() == ".paused") unwritten_.insert(file.path().stem().string());
  write_all();
  arrive(*revision);
}

Result<store::Revision> PauseService::read_all() {
  const std::string prefix(leases::kPausePrefix);
  auto page = store_->range({prefix, store::end_of_prefix(prefix), 0, 0});
  if (!page) return std::unexpected(page.error().error);
  std::vector<leases::Pause> before = std::exchange(pauses_, {});
  for (const store::KeyValue& item : page->items) {
    auto pause = leases::parse_pause(item.key, item.value);
    if (pause)
      pauses_.push_back(std::move(*pause));
    else
      report(pause.error().message);
  }
  before.insert(before.end(), pauses_.begin(), pauses_.end());
  std::set<std::string> vrfs;
  for (const leases::Pause& pause : before) {
    parts_.changed(pause);
    vrfs.insert(pause.vrf);
  }
  if (parts_.put_in_force) parts_.put_in_force(vrfs);
  return page->revision;
}

void PauseService::put(leases::Pause pause) {
  std::erase_if(pauses_, [&](const leases::Pause& other) { return other.same(pause); });
  pauses_.push_back(std::move(pause));
}

void PauseService::take(store::StoreResult<std::vector<store::Event>> events) {
  if (!events) {
    store_trouble_ = "what is paused is not followed any more: " + events.error().error.message;
    if (events.error().fault == store::Fault::ended) return;
    if (events.error().fault != store::Fault::compacted) report(store_trouble_);
    return retry_soon();
  }
  store::Revision revision = 0;
  std::set<std::string> vrfs;
  for (const store::Event& event : *events) {
    revision = std::max(revision, event.item.modified);
    const bool gone = event.kind == store::Event::Kind::erase;
    auto pause = gone ? leases::parse_pause_key(event.item.key)
                      : leases::parse_pause(event.item.key, event.item.value);
    if (!pause) {
      report(pause.error().message);
      continue;
    }
    if (gone)
      std::erase_if(pauses_, [&](const leases::Pause& other) { return other.same(*pause); });
    else
      put(*pause);
    unwritten_.insert(pause->vrf);
    vrfs.insert(pause->vrf);
    parts_.changed(*pause);
  }
  sync();
  if (parts_.put_in_force) parts_.put_in_force(vrfs);
  arrive(revision);
}

void PauseService::arrive(store::Revision revision) {
  {
    const std::scoped_lock lock(mutex_);
    revision_ = std::max(revision_, revision);
  }
  arrived_.notify_all();
}

void PauseService::retry_soon() {
  auto timer = parts_.loop.at(EventLoop::now_ms() + kPauseRetryMs, [this] {
    if (!store_trouble_.empty()) return follow();
    sync();
  });
  if (timer) retry_ = std::move(*timer);
}

// The same thing once.
void PauseService::report(std::string trouble) {
  if (trouble == said_) return;
  parts_.events.record(
      {.level = EventLevel::error, .kind = event::kLeases, .vrf = {}, .interface = {}, .text = trouble});
  said_ = std::move(trouble);
}

// ---- Kea's files ---------------------------------------------------------------------------------------

// Complete before it has its name. One that would say what it says already is let be.
Result<> PauseService::write(const std::string& vrf) {
  const Model* model = parts_.model();
  const Vrf* known = model == nullptr ? nullptr : find_vrf(*model, vrf);
  const std::string path = leases::paused_file_of(parts_.directory, vrf);
  const std::string text =
      leases::paused_text(of(vrf), known == nullptr || known->paused_renewals == PausedRenewals::allow);
  const auto written = written_.find(vrf);
  if (written != written_.end() && written->second == text) return {};
  const std::string fresh = path + ".new";
  Fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!file || ::fchown(file.get(), static_cast<uid_t>(-1), parts_.kea_group(vrf)) != 0 ||
      ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::rename(fresh.c_str(), path.c_str()) != 0)
    return std::unexpected(errno_error("cannot write " + path));
  written_.insert_or_assign(vrf, text);
  return {};
}

void PauseService::write_all() {
  for (const leases::Pause& pause : pauses_) unwritten_.insert(pause.vrf);
  for (const auto& [vrf, text] : written_) unwritten_.insert(vrf);
  sync();
}

void PauseService::sync() {
  if (!loaded_) return;
  for (const std::string& vrf : std::exchange(unwritten_, {})) {
    if (auto written = write(vrf); !written) {
      report("what is paused cannot be told to Kea: " + written.error().message);
      unwritten_.insert(vrf);
    }
  }
  if (!unwritten_.empty()) retry_soon();
}

// ---- requests ----------------------------------------------------------------------------------------

std::vector<leases::Pause> PauseService::of(const std::string& vrf) const {
  std::vector<leases::Pause> found;
  std::ranges::copy_if(pauses_, std::back_inserter(found),
                       [&](const leases::Pause& pause) { return pause.vrf == vrf; });
  return found;
}

std::map<std::string, Paused> PauseService::all() const {
  std::map<std::string, Paused> all;
  for (const leases::Pause& pause : pauses_) {
    Paused& of_vrf = all[pause.vrf];
    if (pause.kind == leases::PauseKind::pool) {
      of_vrf.pools.push_back(pause.pool);
    } else {
      const bool mac = pause.kind == leases::PauseKind::mac;
      of_vrf.clients.push_back(
          {.kind = mac ? StaticKind::mac : StaticKind::client_id, .identity = pause.client});
    }
  }
  return all;
}

bool PauseService::paused(const std::string& vrf, leases::PauseKind kind, const std::string& client) const {
  return std::ranges::any_of(pauses_, [&](const leases::Pause& pause) {
    return pause.kind == kind && pause.vrf == vrf && pause.client == client;
  });
}

std::vector<api::PauseView> PauseService::views(const std::string& vrf, const Model& model) const {
  std::vector<api::PauseView> found;
  for (const leases::Pause& pause : pauses_)
    if (vrf.empty() || pause.vrf == vrf) found.push_back(view_of(pause, model));
  return found;
}

api::Answer<PauseService::Plan> PauseService::plan(const api::PauseRequest& request, bool pause,
                                                   const Model& model) const {
  if (!loaded_)
    return refusal(503, store_trouble_.empty() ? "what is paused is not read yet" : store_trouble_);
  const Vrf* vrf = find_vrf(model, request.vrf);
  if (vrf == nullptr) return refusal(404, "there is no VRF '" + request.vrf + "'");
  auto named = named_by(request, *vrf);
  if (!named) return std::unexpected(named.error());
  if (pause && of(vrf->name).size() + named->size() > leases::kPausesMax)
    return refusal(409, "more than " + std::to_string(leases::kPausesMax) + " would be paused in the VRF");
  Plan plan;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  for (leases::Pause& one : *named) {
    const auto there =
        std::ranges::find_if(pauses_, [&](const leases::Pause& other) { return other.same(one); });
    one.since_unix_s = std::chrono::duration_cast<std::chrono::seconds>(now).count();
    if (there != pauses_.end()) one = *there;
    if (pause && one.kind == leases::PauseKind::pool && there == pauses_.end()) {
      const bool known = std::ranges::any_of(vrf->subnets, [&](const Subnet& subnet) {
        return std::ranges::find(subnet.pools, one.pool) != subnet.pools.end();
      });
      if (!known) return refusal(404, "VRF '" + vrf->name + "' has no pool '" + request.pool + "'");
    }
    if (!pause && there == pauses_.end()) continue;
    plan.done.push_back(view_of(one, model));
    if (pause == (there != pauses_.end())) continue;  // it is as it is wanted
    store::Operation operation;
    operation.key = leases::pause_key(one);
    if (pause)
      operation.value = leases::pause_value(one);
    else
      operation.kind = store::Operation::Kind::erase;
    plan.transaction.then.push_back(std::move(operation));
  }
  if (!pause && plan.done.empty())
    return refusal(404, "it is not paused in VRF '" + vrf->name + "': " + who_of(named->front()));
  return plan;
}

api::Answer<std::vector<api::PauseView>> PauseService::commit(Plan plan) {
  if (plan.transaction.then.empty()) return std::move(plan.done);
  const auto committed = store_->commit_and_wait(std::move(plan.transaction));
  if (!committed)
    return refusal(503, "it is not stored, or it is not known; doing it again does no harm: " +
                            committed.error().error.message);
  std::unique_lock lock(mutex_);
  if (!arrived_.wait_for(lock, kPausedWait, [&] { return revision_ >= committed->revision; }))
    return refusal(503, "it is stored, but not in force yet: the store has not told of it");
  return std::move(plan.done);
}

}  // namespace xk::kead
