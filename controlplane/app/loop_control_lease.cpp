// LoopControl's leases, pools and pauses.
#include <algorithm>
#include <charconv>
#include <cstdio>

#include "controlplane/app/lease_match.h"
#include "controlplane/app/loop_call.h"
#include "controlplane/app/views.h"
#include "controlplane/kea/leases.h"
#include "controlplane/leases/conditional.h"
#include "controlplane/leases/pool_figures.h"
#include "controlplane/model/lookup.h"

namespace xk::kead {
namespace {

using api::Answer;
using api::Failure;

constexpr std::size_t kScannedMax = 20'000;  // leases that one question looks at
constexpr std::size_t kPage = 2'000;         // leases of an answer, unless more are asked for
constexpr std::chrono::seconds kForgetWait{5};
constexpr int kForgetLooks = 10'000;  // changes of leases meanwhile
constexpr int kDeleteTries = 5;       // a client may renew meanwhile

std::uint64_t now_unix_s() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

std::string state_text(const kea::Lease& lease, std::uint64_t now_s) {
  if (lease.state == kea::LeaseState::declined) return "declined";
  return lease.state == kea::LeaseState::expired || lease.expires_unix_s() <= now_s ? "expired" : "active";
}

// Where the next page begins: "red/0a000064".
std::string cursor_text(const std::string& vrf, Ip4 address) {
  std::string key = leases::lease_key(vrf, address);
  return key.substr(leases::lease_prefix("").size());
}

// The part of the range that is paused.
std::string paused_text(const Range4& pool, const std::vector<leases::Pause>& pauses) {
  std::vector<Range4> paused;
  for (const leases::Pause& pause : pauses)
    if (pause.kind == leases::PauseKind::pool) paused.push_back(pause.pool);
  const auto left = without(pool, paused);
  if (left.empty()) return "yes";
  return left.size() == 1 && left.front() == pool ? "" : "part";
}

}  // namespace

struct LoopControl::Page {
  std::vector<std::pair<Ip4, api::LeaseView>> leases;
  bool last = false;
};

Answer<std::vector<std::string>> LoopControl::lessors(const std::string& vrf) {
  return on_loop<std::vector<std::string>>([this, vrf]() -> Answer<std::vector<std::string>> {
    if (!vrf.empty()) {
      if (const auto id = lessor_of(vrf); !id) return std::unexpected(id.error());
      return std::vector{vrf};
    }
    std::vector<std::string> names;
    for (const Vrf& each : parts_.reconciler.model()->vrfs) {
      if (each.engine != Engine::relay) names.push_back(each.name);
    }
    std::ranges::sort(names);
    return names;
  });
}

// Each page is a turn of its own on the loop: a long list holds nobody up. From is the address before.
Answer<LoopControl::Page> LoopControl::kea_page(const std::string& vrf, Ip4 from) {
  return on_loop<Page>([this, vrf, from]() -> Answer<Page> {
    const auto id = kea_of(vrf);
    if (!id) return std::unexpected(id.error());
    const auto answer = parts_.machine.keas.command(*id, kea::lease_page_request(from));
    if (!answer) return failure(502, answer.error().message);
    const auto rows = kea::parse_lease_page(*answer);
    if (!rows) return failure(502, "vrf " + vrf + ": " + rows.error().message);
    const Vrf* model = find_vrf(*parts_.reconciler.model(), vrf);
    const std::uint64_t now_s = now_unix_s();
    Page page;
    for (const kea::Lease& lease : rows->leases) {
      const auto subnet = std::ranges::find(model->subnets, lease.subnet_id, &Subnet::id);
      page.leases.emplace_back(
          lease.address,
          api::LeaseView{.vrf = vrf,
                         .address = to_string(lease.address),
                         .mac = lease.mac,
                         .client_id = lease.client_id,
                         .hostname = lease.hostname,
                         .state = state_text(lease, now_s),
                         .subnet = subnet == model->subnets.end() ? "" : to_string(subnet->prefix),
                         .attachment = attachment_of_circuit(parts_.reconciler.desired(), *id,
                                                             lease.circuit_id, lease.mac),
                         .lease_time_s = lease.valid_lifetime_s,
                         .expires_unix_s = lease.expires_unix_s(),
                         .server = "kea",
                         .start_unix_s = lease.cltt_unix_s,
                         .kept_until_unix_s = lease.expires_unix_s() + parts_.leases.grace_s(),
                         .circuit_id = lease.circuit_id,
                         .remote_id = lease.remote_id});
    }
    page.last = rows->last;
    return page;
  });
}

// Of a VRF whose leases are in the store, whether its Kea runs or not.
Answer<LoopControl::Page> LoopControl::stored_page(const std::string& vrf, Ip4 from, std::size_t limit) {
  auto stored = parts_.leases.page(vrf, from, limit);
  if (!stored) return failure(502, "vrf " + vrf + ": " + stored.error().message);
  Page page{.leases = {}, .last = stored->last};
  const std::uint64_t now_s = now_unix_s();
  for (const leases::Record& record : stored->records)
    page.leases.emplace_back(record.address, lease_view(record, now_s, parts_.leases.grace_s()));
  return page;
}

Answer<api::LeasePageView> LoopControl::leases(const api::LeaseQuery& query) {
  const auto match = LeaseMatch::make(query.filter);
  if (!match) return failure(400, match.error().message);
  leases::LeaseName at;
  if (!query.from.empty()) {
    auto parsed = leases::parse_lease_key(leases::lease_prefix("") + query.from);
    if (!parsed) return failure(400, "from is none that was given as next");
    at = std::move(*parsed);
  }
  const auto names = lessors(match->vrf());
  if (!names) return std::unexpected(names.error());
  const std::size_t limit = query.limit == 0 ? kPage : query.limit;
  api::LeasePageView view;
  std::vector<std::string> silent;
  std::size_t scanned = 0;
  for (const std::string& name : *names) {
    if (name < at.vrf) continue;
    Ip4 from = name == at.vrf ? at.address : Ip4{};
    // One address is asked for from the one before.
    if (!match->address().is_zero()) from = std::max(from, Ip4{match->address().value - 1});
    for (bool last = false; !last;) {
      auto page = parts_.leases.keeps(name) ? stored_page(name, from, match->address().is_zero() ? kPage : 1)
                                            : kea_page(name, from);
      if (!page) {
        // One Kea that does not answer hides no other's leases, unless it alone was asked.
        if (!match->vrf().empty() || page.error().status == 503) return std::unexpected(page.error());
        silent.push_back(page.error().messages.front());
        break;
      }
      last = page->last || !match->address().is_zero();
      for (auto& [address, lease] : page->leases) {
        from = address;
        ++scanned;
        if (match->holds(lease)) view.leases.push_back(std::move(lease));
        if (view.leases.size() < limit) continue;
        view.next = cursor_text(name, address);
        return view;
      }
      if (!last && scanned >= kScannedMax) {
        view.next = cursor_text(name, from);
        return view;
      }
    }
  }
  if (view.leases.empty() && query.from.empty() && !silent.empty())
    return std::unexpected(Failure{502, std::move(silent)});
  return view;
}

Answer<api::LeaseWatchView> LoopControl::lease_changes(const api::LeaseWatchQuery& query) {
  const auto match = LeaseMatch::make(query.filter);
  if (!match) return failure(400, match.error().message);
  if (!match->vrf().empty()) {
    if (const auto known = lessors(match->vrf()); !known) return std::unexpected(known.error());
    if (!parts_.leases.keeps(match->vrf()))
      return failure(409, "the leases of VRF '" + match->vrf() +
                              "' are not in the store (durability = \"none\"): they cannot be watched");
  }
  auto found = parts_.leases.follower().wait(static_cast<store::Revision>(query.since),
                                             std::chrono::seconds(query.wait_s));
  api::LeaseWatchView view{
      .resync = found.resync, .last = static_cast<std::uint64_t>(found.last), .changes = {}};
  leases::RecordReader reader;
  const std::uint64_t now_s = now_unix_s();
  for (const leases::LeaseFollower::Change& change : found.changes) {
    const auto name = leases::parse_lease_key(change.key);
    if (!name || !match->may_hold(name->vrf, name->address)) continue;
    const std::string value =
        change.erased ? parts_.leases.value_before(change.key, change.revision) : change.value;
    const auto record = reader.read(value);
    api::LeaseView lease;
    lease.vrf = name->vrf;
    lease.address = to_string(name->address);
    if (record) lease = lease_view(*record, now_s, parts_.leases.grace_s());
    if (record && !match->holds(lease)) continue;
    view.changes.push_back({.revision = static_cast<std::uint64_t>(change.revision),
                            .change = change.erased ? "erased" : "put",
                            .lease = std::move(lease)});
  }
  return view;
}

// ---- deleting ----------------------------------------------------------------------------------------

struct LoopControl::Held {
  VrfId vrf{};
  Ip4 address{};
  bool kea_runs = false;
  bool native = false;
};

Answer<LoopControl::Held> LoopControl::held(const api::LeaseDeleteRequest& request) {
  const auto address = parse_ip4(request.address);
  if (!address || address->is_zero()) return failure(400, "'" + request.address + "' is no IPv4 address");
  return on_loop<Held>([this, request, address = *address]() -> Answer<Held> {
    const auto id = lessor_of(request.vrf);
    if (!id) return std::unexpected(id.error());
    if (const auto holder = parts_.statics.leases().holder(request.vrf, address))
      return failure(409, to_string(address) + " is the static lease of " + identity_text(*holder) +
                              ": xdp-keactl static delete " + request.vrf + " takes it away");
    Held found;
    found.vrf = *id;
    found.address = address;
    found.native = find_vrf(*parts_.reconciler.model(), request.vrf)->engine == Engine::native;
    for (const KeaStatus& status : parts_.machine.keas.status())
      if (status.vrf == *id) found.kea_runs = status.pid != 0;
    const auto gates = parts_.leases.gates();
    const auto gate = std::ranges::find(gates, *id, &leases::GateStatus::vrf);
    if (found.kea_runs && parts_.leases.keeps(request.vrf) && (gate == gates.end() || !gate->connected))
      return failure(503, "the Kea of VRF '" + request.vrf +
                              "' has changes of leases that are not in the store yet: try again when "
                              "xdp-keactl kea status shows its gate");
    return found;
  });
}

// Whether it had it.
Answer<bool> LoopControl::erase_in_kea(VrfId vrf, Ip4 address) {
  return on_loop<bool>([this, vrf, address]() -> Answer<bool> {
    const auto answer = parts_.machine.keas.command(vrf, kea::lease_delete_request(address));
    if (!answer) return failure(502, "nothing was deleted: " + answer.error().message);
    const auto erased = kea::parse_lease_deleted(*answer);
    if (!erased) return failure(502, "nothing was deleted: " + erased.error().message);
    return *erased;
  });
}

// The record of its journal that says so takes it out of the store.
Answer<api::LeaseDeletedView> LoopControl::delete_in_native(const std::string& name, const Held& held) {
  const auto before = parts_.leases.find(name, held.address);
  if (!before) return failure(502, before.error().message);
  if (!*before)
    return failure(404, "there is no lease of " + to_string(held.address) + " in VRF '" + name + "'");
  auto seen = parts_.leases.follower().wait(0, std::chrono::milliseconds(0)).last;
  const auto asked = on_loop<bool>([this, &held]() -> Answer<bool> {
    if (auto sent = parts_.machine.dataplane.forget(held.vrf, held.address); !sent)
      return failure(503, "nothing was deleted: " + sent.error().message);
    return true;
  });
  if (!asked) return std::unexpected(asked.error());
  api::LeaseDeletedView view{.lease = lease_view((*before)->record, now_unix_s(), parts_.leases.grace_s()),
                             .kea = false,
                             .native = true};
  const auto deadline = std::chrono::steady_clock::now() + kForgetWait;
  for (int looks = 0; looks < kForgetLooks && std::chrono::steady_clock::now() < deadline; ++looks) {
    const auto now = parts_.leases.find(name, held.address);
    if (!now) return failure(502, now.error().message);
    // A lease that the address has again is another one.
    if (!*now || (*now)->record.start_unix_s > (*before)->record.start_unix_s) return view;
    seen = parts_.leases.follower().wait(seen, std::chrono::milliseconds(100)).last;
  }
  return failure(503, "the engine was asked to forget it, and no record of its journal has said so within " +
                          std::to_string(kForgetWait.count()) + " s: xdp-keactl vrf show " + name +
                          " tells how it does");
}

Answer<api::LeaseDeletedView> LoopControl::delete_lease(const api::LeaseDeleteRequest& request) {
  const auto found = held(request);
  if (!found) return std::unexpected(found.error());
  if (found->native) return delete_in_native(request.vrf, *found);
  if (parts_.ha != nullptr && !parts_.ha->active(request.vrf))
    return failure(409,
                   "VRF '" + request.vrf + "' is not active on this appliance: delete it on the one that is");
  api::LeaseDeletedView view;
  const bool stored = parts_.leases.keeps(request.vrf);
  bool was_there = false;
  for (int tries = 0; tries < kDeleteTries; ++tries) {
    const auto before = stored ? parts_.leases.find(request.vrf, found->address)
                               : Result<std::optional<LeaseService::Found>>(std::nullopt);
    if (!before) return failure(502, before.error().message);
    // Kea first: it would put it back.
    if (found->kea_runs) {
      const auto erased = erase_in_kea(found->vrf, found->address);
      if (!erased) return std::unexpected(erased.error());
      view.kea = view.kea || *erased;
    }
    if (!*before) {
      if (!was_there && !view.kea)
        return failure(404,
                       "there is no lease of " + to_string(found->address) + " in VRF '" + request.vrf + "'");
      view.lease.vrf = request.vrf;
      view.lease.address = to_string(found->address);
      return view;
    }
    was_there = true;
    view.lease = lease_view((*before)->record, now_unix_s(), parts_.leases.grace_s());
    const auto held = leases::commit_unchanged(
        parts_.leases.store(),
        {{leases::lease_key(request.vrf, found->address), (*before)->modified, std::nullopt}});
    if (!held)
      return failure(503,
                     "Kea has forgotten it, the store has not: do it again: " + held.error().error.message);
    if (*held == 1) return view;
  }
  return failure(409,
                 "the client renews it again and again; pause the client first (xdp-keactl client pause)");
}

// ---- pools -------------------------------------------------------------------------------------------

std::vector<api::PoolView> LoopControl::pools_now(const std::string& vrf) const {
  std::vector<api::PoolView> views;
  const auto now_s = static_cast<std::int64_t>(now_unix_s());
  for (const Vrf& each : parts_.reconciler.model()->vrfs) {
    if (each.engine == Engine::relay || (!vrf.empty() && each.name != vrf)) continue;
    const auto& statics = parts_.statics.leases();
    const std::vector<leases::Pause> pauses = parts_.pauses.of(each.name);
    for (const Subnet& subnet : each.subnets) {
      for (const PoolParts& pool : pool_parts(each, subnet)) {
        api::PoolView view;
        view.vrf = each.name;
        view.subnet = to_string(subnet.prefix);
        view.pool = to_string(pool.pool);
        view.paused = paused_text(pool.pool, pauses);
        view.size = pool.size();
        view.excluded = pool.excluded;
        view.own = pool.own;
        const auto count = [&](const leases::LeaseIndex& index) {
          const auto figures = leases::pool_figures(
              pool, each.name, index, [&](const Range4& range) { return statics.count(each.name, range); },
              [&](Ip4 address) { return statics.has(each.name, address); }, now_s);
          view.used = figures.used;
          view.leased = figures.leased;
          view.declined = figures.declined;
          view.fixed = figures.fixed;
          view.available = figures.available;
          view.expired = figures.expired;
          view.kept = figures.kept;
          view.next_expires_unix_s = static_cast<std::uint64_t>(figures.next_unix_s);
          if (!figures.next.is_zero()) view.next_expires = to_string(figures.next);
        };
        view.counted = parts_.leases.keeps(each.name) && parts_.leases.follower().look(count);
        views.push_back(std::move(view));
      }
    }
  }
  return views;
}

Answer<std::vector<api::PoolView>> LoopControl::pools(const std::string& vrf) {
  return on_loop<std::vector<api::PoolView>>([this, vrf]() -> Answer<std::vector<api::PoolView>> {
    if (!vrf.empty()) {
      if (const auto id = lessor_of(vrf); !id) return std::unexpected(id.error());
    }
    return pools_now(vrf);
  });
}

// ---- pauses ------------------------------------------------------------------------------------------

Answer<std::vector<api::PauseView>> LoopControl::pauses(const std::string& vrf) {
  return on_loop<std::vector<api::PauseView>>(
      [this, vrf] { return parts_.pauses.views(vrf, *parts_.reconciler.model()); });
}

Answer<std::vector<api::PauseView>> LoopControl::act_on_pause(const api::PauseRequest& request, bool pause) {
  const std::scoped_lock one_at_a_time(pause_mutex_);
  auto plan = on_loop<PauseService::Plan>([this, request, pause]() -> Answer<PauseService::Plan> {
    if (const auto id = lessor_of(request.vrf); !id) return std::unexpected(id.error());
    return parts_.pauses.plan(request, pause, *parts_.reconciler.model());
  });
  if (!plan) return std::unexpected(plan.error());
  return parts_.pauses.commit(std::move(*plan));
}

Answer<std::vector<api::PauseView>> LoopControl::pause(const api::PauseRequest& request) {
  return act_on_pause(request, true);
}

Answer<std::vector<api::PauseView>> LoopControl::resume(const api::PauseRequest& request) {
  return act_on_pause(request, false);
}

}  // namespace xk::kead
