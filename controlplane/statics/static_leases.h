// All static leases, in memory: what the store holds, found by identity and by address. Of one thread.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "controlplane/model/static_entry.h"

namespace xk::statics {

// What became of one: nothing where there was, or is, none.
struct Change {
  std::optional<StaticEntry> before;
  std::optional<StaticEntry> after;
};

class StaticLeases {
 public:
  // Adds or replaces it. What was there is in before.
  Change put(StaticEntry entry);
  Change erase(const StaticEntry& who);
  // Forgets all.
  void clear();

  // nullopt: there is none.
  [[nodiscard]] std::optional<StaticEntry> find(const StaticEntry& who) const;
  // Who has the address in the VRF. Of two that claim it (several wrote to the store at once) the one that
  // was there first.
  [[nodiscard]] std::optional<StaticEntry> holder(const std::string& vrf, Ip4 address) const;
  // Whether anybody has it.
  [[nodiscard]] bool has(const std::string& vrf, Ip4 address) const;
  // Addresses of the range that somebody has.
  [[nodiscard]] std::uint64_t count(const std::string& vrf, const Range4& range) const;
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t size(const std::string& vrf) const;

  // Those of a VRF in the order of kind and identity, from the one behind `after` on (nullptr: the first), at
  // most limit. Their number in the VRF does not matter to the cost.
  [[nodiscard]] std::vector<StaticEntry> page(const std::string& vrf, const StaticEntry* after,
                                              std::size_t limit) const;
  // VRFs that have any, in order.
  [[nodiscard]] std::vector<std::string> vrfs() const;

 private:
  using Who = std::pair<StaticKind, std::string>;
  struct What {
    Ip4 address{};
    std::string hostname;
    std::vector<OptionData> options;
  };
  using Entries = std::map<Who, What>;
  struct OfVrf {
    Entries entries;
    std::unordered_map<std::uint32_t, Entries::const_iterator> holders;
    std::map<std::uint32_t, std::bitset<256>>
        held;  // addresses that have a holder, by all but their last byte
  };
  [[nodiscard]] static StaticEntry entry_of(const std::string& vrf, const Who& who, const What& what);
  void let_go(OfVrf& of, Entries::const_iterator entry);

  std::map<std::string, OfVrf> vrfs_;
  std::size_t size_ = 0;
};

}  // namespace xk::statics
