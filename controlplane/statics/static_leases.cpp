#include "controlplane/statics/static_leases.h"

namespace xk::statics {

StaticEntry StaticLeases::entry_of(const std::string& vrf, const Who& who, const What& what) {
  return StaticEntry{vrf, who.first, who.second, what.address, what.hostname, what.options};
}

// The address is free, or another's that claims it too.
void StaticLeases::let_go(OfVrf& of, Entries::const_iterator entry) {
  const auto holder = of.holders.find(entry->second.address.value);
  if (holder == of.holders.end() || holder->second != entry) return;
  of.holders.erase(holder);
  const auto held = of.held.find(entry->second.address.value >> 8);
  held->second.reset(entry->second.address.value & 0xff);
  if (held->second.none()) of.held.erase(held);
}

Change StaticLeases::put(StaticEntry entry) {
  OfVrf& of = vrfs_[entry.vrf];
  Change change;
  const Who who{entry.kind, entry.identity};
  auto [at, added] = of.entries.try_emplace(who);
  if (added) {
    ++size_;
  } else {
    change.before = entry_of(entry.vrf, at->first, at->second);
    let_go(of, at);
  }
  at->second = What{entry.address, entry.hostname, entry.options};
  if (!entry.address.is_zero() && of.holders.try_emplace(entry.address.value, at).second)
    of.held[entry.address.value >> 8].set(entry.address.value & 0xff);
  change.after = std::move(entry);
  return change;
}

Change StaticLeases::erase(const StaticEntry& who) {
  Change change;
  const auto of = vrfs_.find(who.vrf);
  if (of == vrfs_.end()) return change;
  const auto entry = of->second.entries.find({who.kind, who.identity});
  if (entry == of->second.entries.end()) return change;
  change.before = entry_of(who.vrf, entry->first, entry->second);
  let_go(of->second, entry);
  of->second.entries.erase(entry);
  --size_;
  if (of->second.entries.empty()) vrfs_.erase(of);
  return change;
}

void StaticLeases::clear() {
  vrfs_.clear();
  size_ = 0;
}

std::optional<StaticEntry> StaticLeases::find(const StaticEntry& who) const {
  const auto of = vrfs_.find(who.vrf);
  if (of == vrfs_.end()) return std::nullopt;
  const auto entry = of->second.entries.find({who.kind, who.identity});
  if (entry == of->second.entries.end()) return std::nullopt;
  return entry_of(who.vrf, entry->first, entry->second);
}

std::optional<StaticEntry> StaticLeases::holder(const std::string& vrf, Ip4 address) const {
  const auto of = vrfs_.find(vrf);
  if (of == vrfs_.end()) return std::nullopt;
  const auto holder = of->second.holders.find(address.value);
  if (holder == of->second.holders.end()) return std::nullopt;
  return entry_of(vrf, holder->second->first, holder->second->second);
}

bool StaticLeases::has(const std::string& vrf, Ip4 address) const {
  const auto of = vrfs_.find(vrf);
  return of != vrfs_.end() && of->second.holders.contains(address.value);
}

std::uint64_t StaticLeases::count(const std::string& vrf, const Range4& range) const {
  const auto of = vrfs_.find(vrf);
  if (of == vrfs_.end()) return 0;
  std::uint64_t count = 0;
  const auto& held = of->second.held;
  for (auto page = held.lower_bound(range.first.value >> 8);
       page != held.end() && page->first <= range.last.value >> 8; ++page) {
    const Range4 whole{Ip4{page->first << 8}, Ip4{page->first << 8 | 0xff}};
    if (range.contains(whole.first) && range.contains(whole.last)) {
      count += page->second.count();
      continue;
    }
    for (std::uint32_t i = 0; i < 256; ++i)
      count += page->second.test(i) && range.contains(Ip4{whole.first.value | i}) ? 1 : 0;
  }
  return count;
}

std::size_t StaticLeases::size(const std::string& vrf) const {
  const auto of = vrfs_.find(vrf);
  return of == vrfs_.end() ? 0 : of->second.entries.size();
}

std::vector<StaticEntry> StaticLeases::page(const std::string& vrf, const StaticEntry* after,
                                            std::size_t limit) const {
  std::vector<StaticEntry> found;
  const auto of = vrfs_.find(vrf);
  if (of == vrfs_.end()) return found;
  const Entries& entries = of->second.entries;
  auto at = after == nullptr ? entries.begin() : entries.upper_bound({after->kind, after->identity});
  for (; at != entries.end() && found.size() < limit; ++at)
    found.push_back(entry_of(vrf, at->first, at->second));
  return found;
}

std::vector<std::string> StaticLeases::vrfs() const {
  std::vector<std::string> names;
  for (const auto& [name, of] : vrfs_) names.push_back(name);
  return names;
}

}  // namespace xk::statics
