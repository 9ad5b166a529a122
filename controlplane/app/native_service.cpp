#include "controlplane/app/native_service.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>

#include "controlplane/natives/clock.h"

namespace xk::kead {
namespace {

using Phase = natives::Status::Phase;

natives::Spec spec_of(const NativeSpec& spec) {
  natives::Spec made{.vrf = spec.vrf,
                     .facts = {},
                     .directory = spec.directory,
                     .kea_directory = spec.kea_directory,
                     .urgent = spec.urgent};
  made.facts.name = spec.vrf_name;
  made.facts.subnets.insert(spec.subnets.begin(), spec.subnets.end());
  return made;
}

// Empty where a machine has none.
std::string machine_id() {
  std::ifstream file("/etc/machine-id");
  std::string id;
  std::getline(file, id);
  return leases::bytes_of_hex(id) ? id : std::string();
}

}  // namespace

std::string_view state_text(NativeState state) {
  constexpr std::array<std::string_view, 5> kStates{"recovering", "serving", "failing", "closed", "broken"};
  return kStates.at(static_cast<std::size_t>(state));
}

std::optional<std::uint64_t> NativeStatus::behind() const {
  if (!report || !journal || !journal->stored) return std::nullopt;
  return report->revision > *journal->stored ? report->revision - *journal->stored : 0;
}

Result<std::unique_ptr<NativeService>> NativeService::make(Parts parts) {
  const auto boot_id = natives::read_boot_id();
  if (!boot_id) return std::unexpected(boot_id.error());
  return std::unique_ptr<NativeService>(new NativeService(std::move(parts), *boot_id));
}

NativeService::NativeService(Parts parts, natives::BootId boot_id) : parts_(std::move(parts)) {
  natives_ = std::make_unique<natives::Natives>(natives::Natives::Parts{
      .store = parts_.store,
      .machine = machine_id(),
      .user = parts_.user,
      .grace_s = parts_.grace_s,
      .clock = [boot_id] { return natives::MachineClock{.boot_id = boot_id, .now = leases::read_clocks()}; },
      .tell =
          [this](natives::Natives::Told told) {
            parts_.events.record({.level = told.warning ? EventLevel::warning : EventLevel::info,
                                  .kind = event::kLeases,
                                  .vrf = std::move(told.vrf),
                                  .interface = {},
                                  .text = std::move(told.text)});
          },
      .changed = [this] { look_soon(); }});
}

// From any thread; one look for all that comes meanwhile.
void NativeService::look_soon() {
  if (look_posted_.exchange(true)) return;
  parts_.loop.post([this] {
    look_posted_ = false;
    look();
  });
}

Result<> NativeService::ensure(const NativeSpec& spec) {
  std::erase_if(ready_, [&spec](const auto& each) {
    return each.first != spec.vrf_name && each.second.directory == spec.directory;
  });
  if (!ready_.contains(spec.vrf_name) && parts_.stop_stray(spec.kea_directory))
    return std::unexpected(Error{"its Kea has not ended yet", EINPROGRESS});
  auto done = natives_->ensure(spec_of(spec));
  if (done) ready_.insert_or_assign(spec.vrf_name, spec);
  return done;
}

Result<> NativeService::finish(const std::string& vrf_name) {
  ready_.erase(vrf_name);
  const std::vector<natives::Status> all = natives_->status();
  const auto entry = std::ranges::find(all, vrf_name, &natives::Status::name);
  if (entry == all.end()) return {};
  // Of one that an earlier xdp-kead has left it is not known which VRF's it was.
  const auto writes = [&](const ipc::NativeReport& report) {
    const bool ready =
        std::ranges::any_of(ready_, [&report](const auto& each) { return each.second.vrf == report.vrf; });
    // A broken one stays so: nobody writes it either.
    const bool may_write = report.state != NativeState::closed && report.state != NativeState::broken;
    return may_write && !ready && (entry->vrf.value == 0 || report.vrf == entry->vrf);
  };
  for (const ipc::NativeReport& report : parts_.dataplane.natives()) {
    if (!writes(report)) continue;
    return std::unexpected(Error{"the dataplane has not closed its journal yet" +
                                     (report.error.empty() ? std::string() : ": " + report.error),
                                 EINPROGRESS});
  }
  return natives_->finish(vrf_name);
}

std::vector<NativeSpec> NativeService::ready() const {
  std::vector<NativeSpec> specs;
  for (const auto& [name, spec] : ready_) specs.push_back(spec);
  return specs;
}

std::vector<std::string> NativeService::open() const {
  std::vector<std::string> names;
  for (const natives::Status& status : natives_->status()) names.push_back(status.name);
  return names;
}

std::map<std::string, std::string> NativeService::troubles() const {
  std::map<std::string, std::string> troubles;
  for (const natives::Status& status : natives_->status())
    if (!status.trouble.empty()) troubles[status.name] = status.trouble;
  return troubles;
}

std::set<std::string> NativeService::directories() const {
  std::set<std::string> directories;
  for (const natives::Status& status : natives_->status()) directories.insert(status.directory);
  return directories;
}

void NativeService::look() {
  const DataplaneStatus dataplane = parts_.dataplane.status();
  const std::pair<std::uint32_t, std::uint32_t> connection{dataplane.pid, dataplane.connects};
  if (std::exchange(dataplane_, connection) != connection) told_.clear();
  const std::vector<natives::Status> all = natives_->status();
  if (dataplane.connected) tell_stored(all);
  tell_states();
  tell_progress(all);
}

void NativeService::tell_stored(const std::vector<natives::Status>& all) {
  const std::vector<ipc::NativeReport> reports = parts_.dataplane.natives();
  // An engine that ended knows nothing any more: the next one of the VRF is told again.
  std::erase_if(told_, [&](const auto& each) {
    const auto report = std::ranges::find(reports, each.first, &ipc::NativeReport::vrf);
    return report == reports.end() || report->state == NativeState::closed;
  });
  for (const natives::Status& status : all) {
    if (status.vrf.value == 0 || !status.stored) continue;
    if (std::ranges::find(reports, status.vrf, &ipc::NativeReport::vrf) == reports.end()) continue;
    const auto told = told_.find(status.vrf);
    if (told != told_.end() && told->second == *status.stored) continue;
    // An error ends the connection, which says why.
    if (parts_.dataplane.tell_stored(status.vrf, *status.stored)) told_[status.vrf] = *status.stored;
  }
}

// What was being done and is done now, and what the dataplane has closed.
void NativeService::tell_progress(const std::vector<natives::Status>& all) {
  std::map<std::string, Phase> phases;
  for (const natives::Status& status : all) phases[status.name] = status.phase;
  const auto before = std::exchange(phases_, phases);
  for (const auto& [name, phase] : before) {
    const auto now = phases.find(name);
    if (now == phases.end() || now->second != phase) parts_.progress(name);
  }
  for (const auto& [name, phase] : phases)
    if (!before.contains(name) && !ready_.contains(name)) parts_.progress(name);
}

void NativeService::tell_states() {
  std::map<std::string, Seen> now;
  for (const auto& [name, status] : status()) {
    if (!status.report) continue;
    now[name] = {status.report->state, status.report->error};
    const auto before = seen_.find(name);
    if (before != seen_.end() && before->second == now[name]) continue;
    tell_state(name, *status.report);
    if (status.report->state == NativeState::closed) parts_.progress(name);
  }
  // What a dataplane that is gone said last stays said.
  for (const auto& [name, seen] : now) seen_.insert_or_assign(name, seen);
  std::erase_if(seen_, [&](const auto& each) {
    return !now.contains(each.first) && each.second.state == NativeState::closed;
  });
}

void NativeService::tell_state(const std::string& vrf, const ipc::NativeReport& report) {
  const auto before = seen_.find(vrf);
  const bool failed = before != seen_.end() && (before->second.state == NativeState::failing ||
                                                before->second.state == NativeState::broken);
  const auto record = [&](EventLevel level, std::string_view kind, std::string text) {
    parts_.events.record(
        {.level = level, .kind = kind, .vrf = vrf, .interface = {}, .text = std::move(text)});
  };
  const std::string why = report.error.empty() ? "" : ": " + report.error;
  switch (report.state) {
    case NativeState::recovering:
      return;
    case NativeState::serving:
      if (failed)
        return record(EventLevel::info, event::kNativeRecovered,
                      "its native engine writes its journal again");
      return record(why.empty() ? EventLevel::info : EventLevel::warning, event::kNativeServing,
                    "its native engine serves, with " + std::to_string(report.leases) + " leases" + why);
    case NativeState::failing:
      return record(EventLevel::error, event::kNativeFailing,
                    "its native engine cannot write its journal" + why);
    case NativeState::broken:
      return record(EventLevel::error, event::kNativeFailing,
                    "its native engine cannot read its journal, and answers nobody" + why);
    case NativeState::closed:
      return record(EventLevel::info, event::kNativeClosed, "its native engine has closed its journal");
  }
}

std::map<std::string, NativeStatus> NativeService::status() const {
  std::map<std::string, NativeStatus> all;
  std::map<VrfId, std::string> names;
  for (const auto& [name, spec] : ready_) {
    all[name];
    names[spec.vrf] = name;
  }
  for (natives::Status& status : natives_->status()) {
    if (status.vrf.value != 0) names[status.vrf] = status.name;
    all[status.name].journal = std::move(status);
  }
  for (ipc::NativeReport& report : parts_.dataplane.natives())
    if (const auto name = names.find(report.vrf); name != names.end())
      all[name->second].report = std::move(report);
  return all;
}

}  // namespace xk::kead
