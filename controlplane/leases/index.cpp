#include "controlplane/leases/index.h"

#include <algorithm>

namespace xk::leases {

void LeaseIndex::put(const std::string& vrf, Ip4 address, const Entry& entry) {
  OfVrf& of = vrfs_[vrf];
  auto& page = of.pages[address.value >> kPageBits];
  if (page == nullptr) page = std::make_unique<Page>();
  std::uint64_t& slot = page->slots.at(address.value & (kPage - 1));
  if (slot == 0) {
    ++page->used;
    ++of.size;
  }
  const auto end = static_cast<std::uint64_t>(std::clamp<std::int64_t>(entry.ends_unix_s, 0, kNoEnd));
  slot = end << 2 | (static_cast<std::uint64_t>(entry.state) + 1);
}

void LeaseIndex::erase(const std::string& vrf, Ip4 address) {
  const auto of = vrfs_.find(vrf);
  if (of == vrfs_.end()) return;
  const auto page = of->second.pages.find(address.value >> kPageBits);
  if (page == of->second.pages.end()) return;
  std::uint64_t& slot = page->second->slots.at(address.value & (kPage - 1));
  if (slot == 0) return;
  slot = 0;
  --of->second.size;
  if (--page->second->used == 0) of->second.pages.erase(page);
  if (of->second.size == 0) vrfs_.erase(of);
}

std::optional<LeaseIndex::Entry> LeaseIndex::find(const std::string& vrf, Ip4 address) const {
  const auto of = vrfs_.find(vrf);
  if (of == vrfs_.end()) return std::nullopt;
  const auto page = of->second.pages.find(address.value >> kPageBits);
  if (page == of->second.pages.end()) return std::nullopt;
  const std::uint64_t slot = page->second->slots.at(address.value & (kPage - 1));
  return slot == 0 ? std::nullopt : std::optional(entry_of(slot));
}

std::uint64_t LeaseIndex::size(const std::string& vrf) const {
  const auto of = vrfs_.find(vrf);
  return of == vrfs_.end() ? 0 : of->second.size;
}

LeaseIndex::Entry entry_of(const Record& record) {
  return {record.state, record.expires_unix_s().value_or(LeaseIndex::kNoEnd)};
}

}  // namespace xk::leases
