#include "controlplane/leases/sweep.h"

#include "controlplane/leases/conditional.h"

namespace xk::leases {

bool sweep_due(const LeaseIndex::Entry& entry, std::int64_t now_unix_s, std::int64_t grace_s) {
  if (entry.ends_unix_s == LeaseIndex::kNoEnd) return false;
  return entry.ends_unix_s + (entry.state == State::declined ? 0 : grace_s) <= now_unix_s;
}

std::expected<std::uint64_t, Error> sweep(store::Store& store, const LeaseFollower& follower,
                                          const std::string& vrf, std::int64_t now_unix_s,
                                          std::int64_t grace_s, std::size_t limit) {
  std::vector<Ip4> due;
  follower.look([&](const LeaseIndex& index) {
    index.each(vrf, {Ip4{0}, Ip4{0xffffffffu}}, [&](Ip4 address, const LeaseIndex::Entry& entry) {
      if (due.size() < limit && sweep_due(entry, now_unix_s, grace_s)) due.push_back(address);
    });
  });
  RecordReader reader;
  std::vector<Conditional> changes;
  for (const Ip4 address : due) {
    const auto found = store.range({.from = lease_key(vrf, address), .to = {}});
    if (!found) return std::unexpected(Error(found.error().error).in("cannot read a lease that is over"));
    if (found->items.empty()) continue;
    const auto record = reader.read(found->items.front().value);
    if (record && sweep_due(entry_of(*record), now_unix_s, grace_s))
      changes.push_back({found->items.front().key, found->items.front().modified, std::nullopt});
  }
  const auto held = commit_unchanged(store, changes);
  if (!held) return std::unexpected(Error(held.error().error).in("cannot erase leases that are over"));
  return *held;
}

}  // namespace xk::leases
