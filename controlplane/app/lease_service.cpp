#include "controlplane/app/lease_service.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <set>
#include <utility>

#include "controlplane/app/log.h"
#include "controlplane/app/views.h"
#include "controlplane/kea/process.h"
#include "controlplane/kea/render.h"
#include "controlplane/natives/position.h"

namespace xk::kead {
namespace {

Result<std::string> first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line) || line.empty())
    return std::unexpected(Error{"store.etcd.password_file: " + path + " has no first line to read"});
  return line;
}

}  // namespace

leases::VrfFacts facts_of(const KeaSpec& spec) {
  leases::VrfFacts facts;
  facts.name = spec.vrf_name;
  facts.subnets.insert(spec.subnets.begin(), spec.subnets.end());
  facts.shared = spec.settings.shared;
  return facts;
}

Result<std::unique_ptr<store::Store>> open_store(const Model& model, std::chrono::milliseconds call_timeout) {
  const StoreSettings& settings = model.store;
  if (settings.backend == StoreBackend::embedded) {
    std::string repaired;
    store::EmbeddedOptions options;
    options.directory = model.appliance.state_dir + "/store";
    options.begin_unavailable = true;
    auto opened = store::open_embedded(options, &repaired);
    if (!opened) return std::unexpected(Error(opened.error().error).in("the store"));
    if (!repaired.empty()) spdlog::warn("msg=\"the store was repaired\" text=\"{}\"", quoted(repaired));
    if (const auto health = (*opened)->health(); !health.available)
      spdlog::error("msg=\"the store cannot be opened: leases wait for it\" text=\"{}\"",
                    quoted(health.trouble));
    return std::move(*opened);
  }
  store::EtcdOptions options{.endpoints = settings.endpoints,
                             .ca_file = settings.ca_file,
                             .certificate_file = settings.certificate_file,
                             .key_file = settings.key_file,
                             .user = settings.user,
                             .password = {}};
  if (call_timeout.count() != 0) options.call_timeout = call_timeout;
  if (!settings.password_file.empty()) {
    auto password = first_line(settings.password_file);
    if (!password) return std::unexpected(password.error());
    options.password = std::move(*password);
  }
  auto opened = store::open_etcd(options);
  if (!opened) return std::unexpected(Error(opened.error().error).in("the store"));
  return std::move(*opened);
}

LeaseService::LeaseService(const Appliance& appliance, std::unique_ptr<store::Store> store,
                           std::uint32_t grace_s, Tell tell)
    : gate_directory_(appliance.run_dir + "/gate"),
      clock_file_(appliance.run_dir + "/clock"),
      grace_s_(grace_s),
      store_(std::move(store)),
      tell_(std::move(tell)) {
  const auto on_store = [this](bool takes, const std::string& why) {
    if (takes)
      tell_({.text = "the store takes leases again"});
    else
      tell_({.warning = true, .text = "the store takes no leases: " + why});
  };
  gate_ = std::make_unique<leases::Gate>(*store_, "/xdp-kea/v1/gate/" + appliance.name, on_store);
  worker_ = std::thread([this] { work(); });
  follower_ = std::make_unique<leases::LeaseFollower>(*store_);
}

void LeaseService::start_keeping(std::function<void(const std::set<std::string>& vrfs)> restart_keas) {
  keeper_ = std::make_unique<LeaseKeeper>(LeaseKeeper::Parts{
      .store = *store_,
      .follower = *follower_,
      .grace_s = grace_s_,
      .clock_file = clock_file_,
      .vrfs =
          [this] {
            std::set<std::string> vrfs = kept();
            std::erase_if(
                vrfs, [this](const std::string& vrf) { return sharing_.active && !sharing_.active(vrf); });
            return vrfs;
          },
      .tell =
          [this](bool warning, std::string vrf, std::string text) {
            tell_({.warning = warning, .vrf = std::move(vrf), .text = std::move(text)});
          },
      .restart_keas = std::move(restart_keas)});
}

Result<std::unique_ptr<LeaseService>> LeaseService::make(const Appliance& appliance,
                                                         std::unique_ptr<store::Store> store,
                                                         std::uint32_t grace_s, Tell tell) {
  const std::string directory = appliance.run_dir + "/gate";
  if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST)
    return std::unexpected(errno_error("cannot make " + directory));
  return std::unique_ptr<LeaseService>(
      new LeaseService(appliance, std::move(store), grace_s, std::move(tell)));
}

LeaseService::~LeaseService() {
  keeper_.reset();
  follower_.reset();
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wanted_.notify_one();
  worker_.join();
  for (Job& job : jobs_) job.done(std::unexpected(Error{"xdp-kead is ending"}));
  gate_.reset();
}

std::string LeaseService::gate_socket(VrfId vrf) const {
  return gate_directory_ + "/" + std::to_string(vrf.value) + ".sock";
}

Result<kea::GateHook> LeaseService::hook_of(const KeaSpec& spec, Durability durability) const {
  if (durability == Durability::none) return kea::GateHook{};
  auto library = kea::find_gate_library();
  if (!library) return std::unexpected(std::move(library.error()));
  return kea::GateHook{.library = std::move(*library),
                       .socket = gate_socket(spec.vrf),
                       .queue_file = spec.directory + "/" + leases::kQueueFileName};
}

void LeaseService::follow(const Desired& desired) {
  std::map<VrfId, leases::AttachmentNames> attachments;
  for (const AttachmentEntry& entry : desired.snapshot.attachments)
    if (entry.role == AttachmentRole::client)
      attachments[entry.vrf].add(entry.circuit_id, attachment_name(desired, entry));
  std::set<VrfId> open;
  std::set<std::string> kept;
  for (const auto& [vrf, kea] : desired.keas) {
    if (kea.spec.settings.durability == Durability::none) continue;
    const auto user = kea::find_user(kea.spec.settings.user);
    if (!user) continue;  // Kea's status says so
    leases::VrfFacts facts = facts_of(kea.spec);
    facts.attachments = std::move(attachments[vrf]);
    open.insert(vrf);
    kept.insert(kea.spec.vrf_name);
    auto opened = gate_->open(vrf, std::move(facts), gate_socket(vrf), user->uid, user->gid);
    if (!opened) tell_({.warning = true, .vrf = kea.spec.vrf_name, .text = opened.error().message});
  }
  for (const leases::GateStatus& status : gate_->status())
    if (!open.contains(status.vrf)) gate_->close(status.vrf);
  std::set<std::string> natives;
  for (const auto& [vrf, spec] : desired.natives) natives.insert(spec.vrf_name);
  const std::scoped_lock lock(mutex_);
  kept_ = std::move(kept);
  natives_ = std::move(natives);
}

bool LeaseService::keeps(const std::string& vrf) const {
  const std::scoped_lock lock(mutex_);
  return kept_.contains(vrf) || natives_.contains(vrf);
}

std::set<std::string> LeaseService::kept() const {
  const std::scoped_lock lock(mutex_);
  return kept_;
}

Result<LeaseService::RecordPage> LeaseService::page(const std::string& vrf, Ip4 behind, std::size_t limit) {
  const std::string prefix = leases::lease_prefix(vrf);
  const auto found = store_->range(
      {.from = leases::lease_key(vrf, behind) + '\0', .to = store::end_of_prefix(prefix), .limit = limit});
  if (!found) return std::unexpected(found.error().error);
  RecordPage page{.records = {}, .last = !found->more};
  std::uint64_t bad = 0;
  std::string first_bad;
  leases::RecordReader reader;
  for (const store::KeyValue& item : found->items) {
    auto record = reader.read(item.value);
    if (record)
      page.records.push_back(std::move(*record));
    else if (bad++ == 0)
      first_bad = item.key + ": " + record.error().message;
  }
  if (bad != 0) tell_bad(vrf, bad, first_bad);
  return page;
}

Result<std::optional<LeaseService::Found>> LeaseService::find(const std::string& vrf, Ip4 address) {
  const std::string key = leases::lease_key(vrf, address);
  const auto found = store_->range({.from = key, .to = {}});
  if (!found) return std::unexpected(found.error().error);
  if (found->items.empty()) return std::optional<Found>();
  leases::RecordReader reader;
  auto record = reader.read(found->items.front().value);
  if (!record) return std::unexpected(Error(record.error()).in(key));
  return Found{std::move(*record), found->items.front().modified};
}

std::string LeaseService::value_before(const std::string& key, store::Revision revision) {
  if (revision <= 1) return {};
  const auto found = store_->range({.from = key, .to = {}, .limit = 0, .at = revision - 1});
  return found && !found->items.empty() ? found->items.front().value : std::string();
}

void LeaseService::tell_bad(const std::string& vrf, std::uint64_t count, const std::string& first) const {
  tell_({.warning = true,
         .vrf = vrf,
         .text = std::to_string(count) +
                 " values of the store are no leases and were left out, the first: " + first});
}

void LeaseService::prepare(const kea::Start& start, std::function<void(Result<>)> done) {
  {
    const std::scoped_lock lock(mutex_);
    jobs_.push_back({start, std::move(done)});
  }
  wanted_.notify_one();
}

void LeaseService::work() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      wanted_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job.done(make_ready(job.start));
  }
}

// Leases that a native engine has left are in the store, and then in Kea's file.
Result<> LeaseService::make_ready(const kea::Start& start) {
  const std::string& vrf = start.spec.vrf_name;
  const auto native = natives::read_position(*store_, vrf);
  if (!native) return std::unexpected(Error(native.error().error).in("cannot read from the store"));
  if (*native && !(*native)->ended)
    return std::unexpected(
        Error{"not all leases of the VRF's native engine are in the store yet: it waits for them"});
  const bool without = start.spec.settings.durability == Durability::none;
  if (!without || *native) {
    if (auto restored = restore(start); !restored) return restored;
  }
  if (*native) {
    if (auto erased = natives::erase_position(*store_, vrf); !erased)
      return std::unexpected(Error(erased.error().error).in("cannot write to the store"));
  }
  return without ? leases::forget_restored(*store_, vrf) : Result<>();
}

Result<> LeaseService::restore(const kea::Start& start) {
  const KeaSpec& spec = start.spec;
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  const bool shared = spec.settings.shared;
  if (shared && sharing_.starting) sharing_.starting(spec.vrf_name);
  const auto restored = leases::restore_kea(*store_,
                                            {.facts = facts_of(spec),
                                             .directory = spec.directory,
                                             .uid = start.uid,
                                             .gid = start.gid,
                                             .shared = shared},
                                            now.count());
  if (!restored) return std::unexpected(restored.error());
  if (shared && sharing_.prepared) sharing_.prepared(spec.vrf_name, restored->revision);
  if (restored->leases != 0 || restored->imported != 0 || restored->queued != 0)
    tell_({.vrf = spec.vrf_name,
           .text =
               "Kea starts with " + std::to_string(restored->leases) + " leases of the store" +
               (restored->outside == 0 ? ""
                                       : ", " + std::to_string(restored->outside) +
                                             " of them in no subnet of the configuration") +
               (restored->expired == 0 ? "" : ", " + std::to_string(restored->expired) + " of them over") +
               (restored->imported == 0
                    ? ""
                    : ", " + std::to_string(restored->imported) + " lines of its own file were taken over") +
               (restored->queued == 0
                    ? ""
                    : ", " + std::to_string(restored->queued) + " changes were in its queue")});
  if (restored->bad != 0) tell_bad(spec.vrf_name, restored->bad, restored->first_bad);
  if (!restored->queue_trouble.empty())
    tell_({.warning = restored->queue_damaged, .vrf = spec.vrf_name, .text = restored->queue_trouble});
  if (restored->bad_contexts != 0)
    tell_({.warning = true,
           .vrf = spec.vrf_name,
           .text = std::to_string(restored->bad_contexts) +
                   " leases have a user_context that is no JSON map for Kea: Kea has them without it, the "
                   "first: " +
                   restored->first_bad_context});
  return {};
}

}  // namespace xk::kead
