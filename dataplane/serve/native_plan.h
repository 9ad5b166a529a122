// A NativeVrf with its indexes: what the rules of the native engine look up. Immutable; borrows the snapshot
// that it was made of.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/base/native_vrf.h"
#include "dataplane/base/snapshot.h"

namespace xk {

class NativePlan {
 public:
  // native is fit for vrf (wrong_with_native).
  NativePlan(const NativeVrf& native, const VrfEntry& vrf);

  [[nodiscard]] const NativeVrf& native() const { return native_; }
  [[nodiscard]] const VrfEntry& vrf() const { return vrf_; }
  [[nodiscard]] std::uint32_t index_of(const SubnetEntry& subnet) const {
    return static_cast<std::uint32_t>(&subnet - vrf_.subnets.data());
  }
  // The pools of a subnet, in their order: indexes in native().pools.
  [[nodiscard]] std::span<const std::uint32_t> pools_of(std::uint32_t subnet) const {
    return std::span(pools_).subspan(pools_from_[subnet], pools_from_[subnet + 1] - pools_from_[subnet]);
  }
  // The subnets of a subnet's link, itself first.
  [[nodiscard]] std::span<const std::uint32_t> link_of(std::uint32_t subnet) const {
    return std::span(links_).subspan(links_from_[subnet], links_from_[subnet + 1] - links_from_[subnet]);
  }
  [[nodiscard]] bool on_one_link(std::uint32_t one, std::uint32_t other) const {
    const std::uint32_t network = native_.subnets[one].network;
    return one == other || (network != 0 && network == native_.subnets[other].network);
  }
  // The pool that gives the address out, or nullptr.
  [[nodiscard]] const NativePool* pool_of(Ip4 address) const;
  // Addresses of a pool.
  [[nodiscard]] std::uint64_t size_of(std::uint32_t pool) const { return sizes_[pool]; }
  [[nodiscard]] bool may_query(Ip4 requestor) const;
  [[nodiscard]] bool is_paused(StaticKind kind, std::string_view identity) const;
  // All ranges of all pools, by address.
  [[nodiscard]] std::vector<Range4> ranges() const;

 private:
  struct PoolRange {
    Range4 range{};
    std::uint32_t pool = 0;
  };
  const NativeVrf& native_;
  const VrfEntry& vrf_;
  std::vector<PoolRange> ranges_;  // by address
  std::vector<std::uint32_t> pools_, pools_from_, links_, links_from_;
  std::vector<std::uint64_t> sizes_;
  std::vector<Ip4> requestors_;              // in order
  std::vector<const PausedClient*> paused_;  // by kind and identity
};

}  // namespace xk
