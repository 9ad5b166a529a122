#include "controlplane/statics/feed.h"

namespace xk::statics {
namespace {

constexpr std::size_t kPieceBytes = 2 * 1024 * 1024;  // of one message, about
constexpr std::size_t kPieceLeases = 16 * 1024;       // the dataplane's control thread answers pings between
constexpr std::size_t kPage = 16 * 1024;

static_assert(kPieceLeases <= ipc::kStaticChangesMax);
static_assert(kPieceBytes + kStaticIdentityMax + kStaticOptionsMax < ipc::kStaticBytesMax);

std::map<std::string, VrfId> served_of(const Snapshot& snapshot) {
  std::map<std::string, VrfId> served;
  for (const VrfEntry& vrf : snapshot.vrfs) {
    if (vrf.static_leases) served[vrf.name] = vrf.id;
  }
  return served;
}

StaticChange erased(const StaticEntry& entry, VrfId vrf) {
  return {true, StaticLease{vrf, entry.kind, entry.identity, {}, {}}};
}

}  // namespace

Result<> Feed::tell(Result<> done) {
  trouble_ = done ? "" : done.error().message;
  if (!done) in_step_ = false;
  pending_.clear();
  pending_bytes_ = 0;
  return done;
}

Result<> Feed::sync(const Snapshot& snapshot) {
  const DataplaneStatus status = dataplane_.status();
  if (!status.connected) {
    in_step_ = false;
    return {};
  }
  std::map<std::string, VrfId> served = served_of(snapshot);
  if (!in_step_ || status.pid != pid_ || status.connects != connects_) {
    served_ = std::move(served);
    if (auto sent = tell(send_all()); !sent) return sent;
    pid_ = status.pid;
    connects_ = status.connects;
    in_step_ = true;
    return {};
  }
  kind_ = ipc::StaticUpdateKind::change;
  // Those that go first: another VRF may have their id now.
  const auto move = [&]() -> Result<> {
    for (const auto& [name, id] : served_) {
      const auto now = served.find(name);
      if (now != served.end() && now->second == id) continue;
      if (auto sent = send_vrf(name, id, true); !sent) return sent;
    }
    for (const auto& [name, id] : served) {
      const auto before = served_.find(name);
      if (before != served_.end() && before->second == id) continue;
      if (auto sent = send_vrf(name, id, false); !sent) return sent;
    }
    if (pending_.empty()) return {};
    return flush(ipc::StaticUpdateKind::change);
  };
  auto moved = move();
  served_ = std::move(served);
  return tell(std::move(moved));
}

Result<> Feed::send_all() {
  kind_ = ipc::StaticUpdateKind::begin;
  for (const auto& [name, id] : served_) {
    if (auto sent = send_vrf(name, id, false); !sent) return sent;
  }
  // The table may be empty, or one piece: begun it must be.
  if (kind_ == ipc::StaticUpdateKind::begin) {
    if (auto sent = flush(ipc::StaticUpdateKind::begin); !sent) return sent;
  }
  return flush(ipc::StaticUpdateKind::finish);
}

Result<> Feed::send_vrf(const std::string& vrf, VrfId id, bool erase) {
  std::vector<StaticEntry> page = leases_.page(vrf, nullptr, kPage);
  while (!page.empty()) {
    for (const StaticEntry& entry : page) {
      if (erase) {
        if (auto added = add(erased(entry, id)); !added) return added;
        continue;
      }
      // Two that claim an address: the first has it.
      const auto holder = leases_.holder(vrf, entry.address);
      if (holder && (holder->kind != entry.kind || holder->identity != entry.identity)) continue;
      auto lease = render(entry, id);
      if (!lease) continue;  // it was rendered when it was taken
      if (auto added = add({false, std::move(*lease)}); !added) return added;
    }
    const StaticEntry last = std::move(page.back());
    page = leases_.page(vrf, &last, kPage);
  }
  return {};
}

Result<StaticLease> Feed::render(const StaticEntry& entry, VrfId vrf) const {
  auto lease = render_static(entry, vrf);
  if (lease && paused_ && paused_(entry)) lease->address = {};
  return lease;
}

Result<> Feed::add(StaticChange change) {
  pending_bytes_ += 16 + change.lease.identity.size() + change.lease.options.size();
  pending_.push_back(std::move(change));
  if (pending_.size() < kPieceLeases && pending_bytes_ < kPieceBytes) return {};
  return flush(kind_);
}

Result<> Feed::flush(ipc::StaticUpdateKind last) {
  auto sent = dataplane_.update_static_leases(last, pending_);
  pending_.clear();
  pending_bytes_ = 0;
  if (kind_ == ipc::StaticUpdateKind::begin) kind_ = ipc::StaticUpdateKind::more;
  return sent;
}

Result<> Feed::changed(const std::vector<Change>& changes) {
  if (!in_step_ || !dataplane_.status().connected) {
    in_step_ = false;
    return {};
  }
  kind_ = ipc::StaticUpdateKind::change;
  const auto send = [&]() -> Result<> {
    // What goes first makes room for what comes: an address may move from one to another.
    for (const Change& change : changes) {
      if (!change.before || change.after) continue;
      const auto served = served_.find(change.before->vrf);
      if (served == served_.end()) continue;
      if (auto added = add(erased(*change.before, served->second)); !added) return added;
    }
    for (const Change& change : changes) {
      if (!change.after) continue;
      const auto served = served_.find(change.after->vrf);
      if (served == served_.end()) continue;
      auto lease = render(*change.after, served->second);
      if (!lease) return std::unexpected(lease.error());
      if (auto added = add({false, std::move(*lease)}); !added) return added;
    }
    if (pending_.empty()) return {};
    return flush(ipc::StaticUpdateKind::change);
  };
  return tell(send());
}

}  // namespace xk::statics
