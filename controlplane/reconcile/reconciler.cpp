#include "controlplane/reconcile/reconciler.h"

#include <algorithm>

#include "controlplane/model/lookup.h"
#include "dataplane/base/forwarding.h"

namespace xk {
namespace {

std::uint64_t retry_after(std::uint32_t attempts) {
  return std::min(kRetryMaxMs, kRetryFirstMs << std::min(attempts, 10u));
}

template <typename Key>
void note_failure(std::map<Key, Trouble>& troubles, const Key& key, const std::string& reason,
                  std::uint64_t now_ms) {
  Trouble& trouble = troubles[key];
  trouble.reason = reason;
  trouble.retry_ms = now_ms + retry_after(trouble.attempts);
  ++trouble.attempts;
}

}  // namespace

ipc::Settings dataplane_settings(const Model& model) {
  ipc::Settings settings{.user = model.dataplane.user,
                         .lcores = {},
                         .buffers = model.dataplane.buffers,
                         .idle_spin_us = model.dataplane.idle_spin_us,
                         .memory_mib = model.dataplane.memory_mib,
                         .ethdevs = {}};
  for (const LcorePlan& lcore : model.dataplane.lcores) {
    std::uint8_t loops = 0;
    for (const LoopRole role : lcore.roles) {
      loops |= role == LoopRole::rx ? ipc::kLoopRx : role == LoopRole::vrf ? ipc::kLoopVrf : ipc::kLoopTx;
    }
    settings.lcores.push_back({.cpu = lcore.cpu, .loops = loops});
  }
  for (const Port& port : model.ports) {
    if (port.kind != PortKind::ethdev) continue;
    settings.ethdevs.push_back(
        {.name = port.name, .device = port.device, .exception_device = port.exception_device});
  }
  return settings;
}

std::vector<std::string> restart_needed(const Model& running, const Model& wanted) {
  std::vector<std::string> changed;
  const auto compare = [&changed](const char* key, const std::string& before, const std::string& now) {
    if (before == now) return;
    changed.push_back(std::string("appliance.") + key + " is \"" + before + "\" while xdp-kead runs; \"" +
                      now + "\" needs a restart of xdp-kead");
  };
  const Appliance& a = running.appliance;
  const Appliance& b = wanted.appliance;
  compare("name", a.name, b.name);
  compare("state_dir", a.state_dir, b.state_dir);
  compare("run_dir", a.run_dir, b.run_dir);
  compare("bpf_dir", a.bpf_dir, b.bpf_dir);
  compare("api_socket", a.api_socket, b.api_socket);
  compare("api_group", a.api_group, b.api_group);
  compare("metrics_address", a.metrics_address, b.metrics_address);
  if (!(running.ha == wanted.ha))
    changed.push_back("[ha] is another one than xdp-kead runs with; it needs a restart of xdp-kead");
  if (!(running.store == wanted.store))
    changed.push_back("[store] is another one than xdp-kead runs with; it needs a restart of xdp-kead");
  compare("api_socket_mode", std::to_string(a.api_socket_mode), std::to_string(b.api_socket_mode));
  return changed;
}

Result<> Reconciler::load() {
  auto ids = IdTable::load(setup_.ids_path);
  if (!ids) return std::unexpected(ids.error());
  ids_ = std::move(*ids);
  auto admin = AdminTable::load(setup_.admin_path);
  if (!admin) return std::unexpected(admin.error());
  admin_ = std::move(*admin);
  awaited_ = admin_.names();
  return {};
}

std::vector<Vrf> Reconciler::take_deleted(Discovered& discovered, const AdminTable& admin) {
  const std::set<std::string> names = admin.all(AdminState::deleted);
  std::vector<Vrf> taken;
  if (names.empty()) return taken;
  std::vector<Vrf>& vrfs = discovered.model.vrfs;
  // One that others have their servers in stays until they are gone too.
  std::set<std::string> needed;
  for (const Vrf& vrf : vrfs) {
    if (!names.contains(vrf.name)) needed.insert(vrf.relay.server_vrf);
  }
  std::erase_if(vrfs, [&](Vrf& vrf) {
    if (!names.contains(vrf.name) || needed.contains(vrf.name)) return false;
    taken.push_back(std::move(vrf));
    return true;
  });
  std::erase_if(discovered.not_served, [&taken](const NotServed& one) {
    return std::ranges::find(taken, one.vrf, &Vrf::name) != taken.end();
  });
  return taken;
}

// A VRF of before, served or deleted; nullptr: there was none of that name.
const Vrf* Reconciler::find(const std::string& vrf) const {
  if (const Vrf* served = find_vrf(served_, vrf)) return served;
  const auto gone = std::ranges::find(deleted_, vrf, &Vrf::name);
  return gone == deleted_.end() ? nullptr : &*gone;
}

// VRFs whose device has another name than before.
std::map<std::string, std::string> Reconciler::renames(const Discovered& discovered) const {
  std::map<std::string, std::string> renames;
  for (const VrfDevice& device : discovered.devices) {
    const auto known = devices_.find(device.ifindex);
    if (known == devices_.end() || known->second.vrf == device.vrf) continue;
    const VrfDevice& before = known->second;
    const Vrf* still = find_vrf(discovered.model, before.vrf);
    if (!before.found && still != nullptr && !still->found) continue;
    if (!device.found && find(device.vrf) != nullptr) continue;
    renames.emplace(before.vrf, device.vrf);
  }
  return renames;
}

Reconciler::Named Reconciler::follow(const Discovered& discovered) const {
  Named named{.ids = ids_, .admin = admin_};
  const std::map<std::string, std::string> names = renames(discovered);
  named.ids.rename_vrfs(names);
  named.admin.rename(names);
  return named;
}

std::optional<std::string> Reconciler::lease_directory(const std::string& vrf) const {
  const Vrf* known = model_ ? find(vrf) : nullptr;
  if (known == nullptr || known->engine == Engine::relay) return std::nullopt;
  const auto directory = ids_.find_directory(vrf);
  if (!directory) return std::nullopt;
  return model_->appliance.state_dir + (known->engine == Engine::native ? "/native/" : "/kea/") + *directory;
}

std::uint32_t Reconciler::vrf_table(const std::string& device) const {
  const auto table = tables_.find(device);
  return table == tables_.end() ? 0 : table->second;
}

// What was there and is neither configured nor discovered any more. What was not there yet may come: the
// interfaces of a machine that starts are made while xdp-kead looks.
void Reconciler::forget_admin(RunReport& report) {
  std::set<std::string> known;
  for (const Vrf& vrf : served_.vrfs) known.insert(vrf.name);
  for (const Vrf& vrf : deleted_) known.insert(vrf.name);
  std::erase_if(awaited_, [&known](const std::string& name) { return known.contains(name); });
  while (awaited_.size() > XK_VRFS_MAX) awaited_.erase(awaited_.begin());
  known.insert(awaited_.begin(), awaited_.end());
  admin_unsaved_ = admin_.keep_only(known) || admin_unsaved_;
  if (!admin_unsaved_) return;
  if (auto saved = admin_.save(setup_.admin_path)) {
    admin_unsaved_ = false;
  } else {
    report.leftovers.push_back(saved.error().message);
  }
}

Result<ChangeReport> Reconciler::set_admin(const std::string& vrf, std::optional<AdminState> state) {
  const auto is_it = [&vrf](const Vrf& each) { return each.name == vrf; };
  const bool served = std::ranges::any_of(served_.vrfs, is_it);
  const auto gone = std::ranges::find_if(deleted_, is_it);
  // One that is awaited can only be taken back.
  if (!served && gone == deleted_.end() && (state || !awaited_.contains(vrf)))
    return std::unexpected(Error{"there is no VRF '" + vrf + "'", ENOENT});
  if (state == AdminState::deleted) {
    for (const Vrf& other : served_.vrfs) {
      if (other.relay.server_vrf == vrf && other.name != vrf)
        return std::unexpected(Error{"VRF " + other.name + " has its servers in it: delete that one first"});
    }
  } else if (gone != deleted_.end()) {
    const std::string& servers = gone->relay.server_vrf;
    if (std::ranges::find(deleted_, servers, &Vrf::name) != deleted_.end() && servers != vrf)
      return std::unexpected(
          Error{"its servers are in VRF " + servers + ", which is deleted: resume that one first"});
  }
  AdminTable wanted = admin_;
  wanted.set(vrf, state);
  if (auto saved = wanted.save(setup_.admin_path); !saved) return std::unexpected(saved.error());
  admin_ = std::move(wanted);
  if (!state) awaited_.erase(vrf);
  return refresh(true);
}

Result<Desired> Reconciler::desire(const Observed& observed, const Named& named,
                                   const std::vector<Vrf>& deleted) const {
  std::set<std::string> kept;
  for (const Vrf& vrf : deleted) kept.insert(vrf.name);
  auto desired = make_desired({.model = observed.discovered.model,
                               .observed = observed,
                               .ids = named.ids,
                               .render_kea = setup_.render_kea,
                               .hostname = setup_.hostname,
                               .draining = named.admin.all(AdminState::draining),
                               .kept = std::move(kept),
                               .paused = setup_.paused ? setup_.paused() : std::map<std::string, Paused>{},
                               .before = model_ ? &desired_ : nullptr,
                               .now_ms = setup_.machine.now_ms()});
  if (!desired) return desired;
  // The dataplane checks the same: better to know before anything is touched.
  if (auto checked = Forwarding::make(desired->snapshot); !checked) {
    return std::unexpected(std::move(checked.error()).in("the configuration cannot be served"));
  }
  return desired;
}

Result<RunReport> Reconciler::reconcile(const Model& model, RunPolicy policy, bool skip_waiting) {
  auto observed = executor_.observe(model);
  if (!observed) return std::unexpected(observed.error());
  Named named = follow(observed->discovered);
  std::vector<Vrf> deleted = take_deleted(observed->discovered, named.admin);
  auto desired = desire(*observed, named, deleted);
  if (!desired) return std::unexpected(desired.error());
  retry_changed_ports(*observed);
  if (skip_waiting) policy.skip = waiting_scopes();
  // What failed with the very same wishes before is no reason to refuse this change.
  if (policy.strict) policy.weak = weak_vrfs(*desired);

  const IdTable before = ids_;
  if (!(desired->ids == ids_)) {
    // On disk first: no kernel name may outlive the memory of its id.
    if (auto saved = desired->ids.save(setup_.ids_path); !saved) return std::unexpected(saved.error());
  }
  ids_ = desired->ids;
  auto report = executor_.run(plan(*desired, *observed), policy);
  if (!report) {
    if (!(before == ids_)) {
      if (auto saved = before.save(setup_.ids_path); !saved)
        report.error().message += "; " + saved.error().message;
    }
    ids_ = before;
    return report;
  }
  executor_.bind(*desired);
  const bool counted = executor_.generation() != desired_.snapshot.generation;
  if (!counted && !same_forwarding(desired_.snapshot, desired->snapshot)) executor_.count_generation();
  desired_ = std::move(*desired);
  desired_.snapshot.generation = executor_.generation();
  served_ = std::move(observed->discovered.model);
  deleted_ = std::move(deleted);
  admin_unsaved_ = admin_unsaved_ || !(named.admin == admin_);
  admin_ = std::move(named.admin);
  forget_admin(*report);
  devices_.clear();
  for (VrfDevice& device : observed->discovered.devices) devices_[device.ifindex] = std::move(device);
  tables_.clear();
  for (const LinkInfo& link : observed->links) {
    if (link.kind == "vrf") tables_[link.name] = link.vrf_table;
  }
  note(*report, policy.skip);
  troubled_links_ = troubled_links(*observed);
  return report;
}

Result<RunReport> Reconciler::measured(const Model& model, RunPolicy policy, bool skip_waiting) {
  const std::uint64_t started_ms = setup_.machine.now_ms();
  auto report = reconcile(model, std::move(policy), skip_waiting);
  const std::uint64_t took_ms = setup_.machine.now_ms() - started_ms;
  const auto bucket = std::ranges::lower_bound(kReconcileBucketsMs, took_ms);
  if (bucket != kReconcileBucketsMs.end())
    ++stats_.buckets.at(static_cast<std::size_t>(bucket - kReconcileBucketsMs.begin()));
  ++stats_.count;
  stats_.sum_ms += took_ms;
  stats_.errors += report ? report->failures.size() + report->leftovers.size() : 1;
  return report;
}

std::expected<ChangeReport, std::vector<std::string>> Reconciler::change(const Model& model) {
  const bool first = !model_.has_value();
  if (!first) {
    if (auto refused = restart_needed(*model_, model); !refused.empty()) return std::unexpected(refused);
  }
  if (first) settings_stale_ = !setup_.machine.dataplane.set_settings(dataplane_settings(model));
  const auto report =
      measured(model, {.strict = !first, .weak = {}, .skip = {}, .wait = true, .failed = {}}, false);
  if (!report) {
    if (!first) return std::unexpected(std::vector<std::string>{report.error().message});
    // Served later, when whatever was in the way is gone.
    model_ = model;
    served_ = model;
    note_general({report.error().message});
    return ChangeReport{.steps = {}, .failures = {report.error().message}};
  }
  if (!first) settings_stale_ = !setup_.machine.dataplane.set_settings(dataplane_settings(model));
  model_ = model;
  ChangeReport change{.steps = report->done, .failures = report->leftovers};
  for (const StepFailure& failure : report->failures) {
    if (!failure.waiting) change.failures.push_back(failure.reason);
  }
  return change;
}

ChangeReport Reconciler::refresh(bool retry_now) {
  if (!model_) return {};
  if (retry_now) general_retry_ms_ = 0;
  if (general_retry_ms_ > setup_.machine.now_ms()) return {};
  RunPolicy policy{.strict = false, .weak = {}, .skip = {}, .wait = false, .failed = {}};
  for (const auto& [vrf, trouble] : vrf_troubles_) policy.failed.insert(vrf);
  const auto report = measured(*model_, std::move(policy), !retry_now);
  if (!report) {
    note_general({report.error().message});
    return {.steps = {}, .failures = {report.error().message}};
  }
  ChangeReport change{.steps = report->done, .failures = report->leftovers};
  for (const StepFailure& failure : report->failures) {
    if (!failure.waiting) change.failures.push_back(failure.reason);
  }
  return change;
}

std::expected<std::vector<std::string>, std::vector<std::string>> Reconciler::preview(const Model& model) {
  if (model_) {
    if (auto refused = restart_needed(*model_, model); !refused.empty()) return std::unexpected(refused);
  }
  auto observed = executor_.observe(model);
  if (!observed) return std::unexpected(std::vector{observed.error().message});
  const Named named = follow(observed->discovered);
  const std::vector<Vrf> deleted = take_deleted(observed->discovered, named.admin);
  const auto desired = desire(*observed, named, deleted);
  if (!desired) return std::unexpected(std::vector{desired.error().message});
  std::vector<std::string> texts;
  for (Step& step : plan(*desired, *observed)) texts.push_back(std::move(step.text));
  return texts;
}

void Reconciler::note(const RunReport& report, const Scopes& skipped) {
  const std::uint64_t now_ms = setup_.machine.now_ms();
  std::set<VrfId> failed_vrfs = skipped.vrfs;
  std::set<std::string> failed_ports = skipped.ports;
  for (const StepFailure& failure : report.failures) {
    if (failure.vrf.value != 0) {
      failed_vrfs.insert(failure.vrf);
      note_failure(vrf_troubles_, failure.vrf, failure.reason, now_ms);
    } else {
      failed_ports.insert(failure.port);
      note_failure(port_troubles_, failure.port, failure.reason, now_ms);
    }
  }
  std::erase_if(vrf_troubles_, [&](const auto& entry) { return !failed_vrfs.contains(entry.first); });
  std::erase_if(port_troubles_, [&](const auto& entry) { return !failed_ports.contains(entry.first); });
  std::vector<std::string> general = report.leftovers;
  general.insert(general.end(), desired_.without_id.begin(), desired_.without_id.end());
  note_general(std::move(general));
}

void Reconciler::note_general(std::vector<std::string> troubles) {
  general_troubles_ = std::move(troubles);
  if (general_troubles_.empty()) {
    general_attempts_ = 0;
    general_retry_ms_ = 0;
    return;
  }
  general_retry_ms_ = setup_.machine.now_ms() + retry_after(general_attempts_);
  ++general_attempts_;
}

// What is in trouble already and asks for nothing new.
std::set<VrfId> Reconciler::weak_vrfs(const Desired& desired) const {
  std::set<VrfId> weak;
  for (const auto& [vrf, trouble] : vrf_troubles_) {
    const auto before = desired_.keas.find(vrf);
    const auto now = desired.keas.find(vrf);
    if (before != desired_.keas.end() && now != desired.keas.end() && before->second == now->second) {
      weak.insert(vrf);
    }
    const auto native = desired_.natives.find(vrf);
    if (native != desired_.natives.end() && desired.natives.contains(vrf) &&
        desired.natives.at(vrf) == native->second)
      weak.insert(vrf);
  }
  return weak;
}

std::map<std::string, Reconciler::SeenLink> Reconciler::troubled_links(const Observed& observed) const {
  std::map<std::string, SeenLink> links;
  for (const LinkInfo& link : observed.links) {
    if (port_troubles_.contains(link.name)) links[link.name] = {link.ifindex, link.up};
  }
  return links;
}

// An interface that was made anew or set up is tried at once.
void Reconciler::retry_changed_ports(const Observed& observed) {
  for (const auto& [name, link] : troubled_links(observed)) {
    const auto before = troubled_links_.find(name);
    if (before == troubled_links_.end() || before->second != link) port_troubles_[name].retry_ms = 0;
  }
}

Scopes Reconciler::waiting_scopes() const {
  const std::uint64_t now_ms = setup_.machine.now_ms();
  Scopes waiting;
  for (const auto& [vrf, trouble] : vrf_troubles_) {
    if (trouble.retry_ms > now_ms) waiting.vrfs.insert(vrf);
  }
  for (const auto& [port, trouble] : port_troubles_) {
    if (trouble.retry_ms > now_ms) waiting.ports.insert(port);
  }
  return waiting;
}

std::optional<std::uint64_t> Reconciler::next_retry_ms() const {
  std::optional<std::uint64_t> next;
  const auto consider = [&next](std::uint64_t at) { next = next ? std::min(*next, at) : at; };
  for (const auto& [vrf, trouble] : vrf_troubles_) consider(trouble.retry_ms);
  for (const auto& [port, trouble] : port_troubles_) consider(trouble.retry_ms);
  if (!general_troubles_.empty()) consider(general_retry_ms_);
  if (const auto end = desired_.late.next_end_ms()) consider(*end);
  return next;
}

void Reconciler::retry(VrfId vrf) {
  if (const auto trouble = vrf_troubles_.find(vrf); trouble != vrf_troubles_.end())
    trouble->second.retry_ms = 0;
}

}  // namespace xk
