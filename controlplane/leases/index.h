// What is leased, in memory: of each address of each VRF what it is and when that ends. 8 bytes an address
// where they are dense. Of one thread, or locked by its owner.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "controlplane/leases/record.h"

namespace xk::leases {

class LeaseIndex {
 public:
  static constexpr std::int64_t kNoEnd = std::numeric_limits<std::int64_t>::max() >> 2;
  struct Entry {
    State state = State::active;
    std::int64_t ends_unix_s = 0;  // the first second at which it is over; kNoEnd: never
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  void put(const std::string& vrf, Ip4 address, const Entry& entry);
  void erase(const std::string& vrf, Ip4 address);
  void clear() { vrfs_.clear(); }

  [[nodiscard]] std::optional<Entry> find(const std::string& vrf, Ip4 address) const;
  [[nodiscard]] std::uint64_t size(const std::string& vrf) const;

  // Calls each(address, entry) for what is in the range, in order.
  template <typename Each>
  void each(const std::string& vrf, const Range4& range, Each call) const {
    const auto of = vrfs_.find(vrf);
    if (of == vrfs_.end()) return;
    for (auto page = of->second.pages.lower_bound(range.first.value >> kPageBits);
         page != of->second.pages.end() && page->first <= range.last.value >> kPageBits; ++page) {
      for (std::uint32_t i = 0; i < kPage; ++i) {
        const std::uint64_t slot = page->second->slots.at(i);
        const Ip4 address{page->first << kPageBits | i};
        if (slot != 0 && range.contains(address)) call(address, entry_of(slot));
      }
    }
  }

 private:
  static constexpr std::uint32_t kPageBits = 8;
  static constexpr std::uint32_t kPage = 1u << kPageBits;
  // 0: nothing; else the end, and below it state + 1 in two bits.
  struct Page {
    std::array<std::uint64_t, kPage> slots{};
    std::uint32_t used = 0;
  };
  struct OfVrf {
    std::map<std::uint32_t, std::unique_ptr<Page>> pages;  // by the address without its last bits
    std::uint64_t size = 0;
  };
  [[nodiscard]] static Entry entry_of(std::uint64_t slot) {
    return {static_cast<State>((slot & 3) - 1), static_cast<std::int64_t>(slot >> 2)};
  }
  std::map<std::string, OfVrf> vrfs_;
};

// The entry of a lease.
[[nodiscard]] LeaseIndex::Entry entry_of(const Record& record);

}  // namespace xk::leases
