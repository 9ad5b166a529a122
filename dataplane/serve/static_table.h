// The static leases of all VRFs, looked up by the loops while the control thread changes them. A look-up
// costs the same however many there are; a change costs the same too, copies nothing and stops nobody.
//
// One writer. Any number of readers, without locks: what find() returned may be used until the reader's
// next quiescent state (the end of its iteration). What was taken out is not touched until the writer says
// reclaim(), after all readers have passed one.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string_view>
#include <vector>

#include "bpf/shared/limits.h"
#include "dataplane/base/bytes.h"
#include "dataplane/base/huge.h"
#include "dataplane/base/static_lease.h"

namespace xk {

// What a look-up finds. Two to a cache line; what is longer than a MAC is behind the pointer.
struct StaticRecord {
  std::atomic<std::uint32_t> next_identity{0};  // in the chain of its bucket: index + 1, 0 = the last
  std::atomic<std::uint32_t> next_address{0};
  Ip4 address{};  // 0: none
  std::uint16_t vrf = 0;
  StaticKind kind = StaticKind::mac;
  std::uint64_t tag = 0;               // the MAC as a number, else the hash of the identity
  const std::uint8_t* rest = nullptr;  // identity (unless it is a MAC) and options, lengths in front; or null

  [[nodiscard]] Bytes identity() const;  // empty for a MAC
  [[nodiscard]] Bytes options() const;   // whole options; empty: none of its own
};
static_assert(sizeof(StaticRecord) == 32);

class StaticTable {
 public:
  StaticTable();
  ~StaticTable();
  StaticTable(const StaticTable&) = delete;
  StaticTable& operator=(const StaticTable&) = delete;

  // ---- the writer ----

  // Adds it, or puts it in the place of the one with the same identity: readers find one or the other.
  // Errors, and nothing changed: it is unfit, the table is full, or another identity has the address.
  [[nodiscard]] std::expected<void, Error> put(const StaticLease& lease);
  // False: there is none.
  bool erase(VrfId vrf, StaticKind kind, Bytes identity);
  // Whether something waits for reclaim().
  [[nodiscard]] bool has_retired() const { return !retired_.empty(); }
  // All readers have passed a quiescent state since the last change: what was taken out is used again.
  void reclaim();
  [[nodiscard]] std::size_t size() const { return size_; }
  // Memory taken, for all leases together.
  [[nodiscard]] std::size_t bytes() const;

  // ---- readers ----

  // Whether the VRF has any. One bit of few cache lines.
  [[nodiscard]] bool concerns(VrfId vrf) const {
    return (vrfs_[vrf.value / 64].load(std::memory_order_acquire) >> (vrf.value % 64) & 1u) != 0;
  }
  // Whether the VRF has any of the kind.
  [[nodiscard]] bool concerns(VrfId vrf, StaticKind kind) const {
    return counts_[vrf.value][static_cast<std::size_t>(kind)].load(std::memory_order_relaxed) != 0;
  }
  // nullptr: none. The VRF concerns().
  [[nodiscard]] const StaticRecord* find(VrfId vrf, StaticKind kind, Bytes identity) const;
  [[nodiscard]] const StaticRecord* find(VrfId vrf, const Mac& mac) const;
  [[nodiscard]] const StaticRecord* find(VrfId vrf, Ip4 address) const;

 private:
  // A power of two, about as many as there can be leases: chains stay short.
  static constexpr std::size_t kBuckets = std::size_t{1} << 20;
  static constexpr std::size_t kChunk = std::size_t{1} << 16;  // records allocated together
  // Changed ones are there twice until they are reclaimed.
  static constexpr std::size_t kChunks = 2 * kBuckets / kChunk;
  using Buckets = HugeVector<std::atomic<std::uint32_t>>;
  using Chunk = HugeVector<StaticRecord>;

  // Records are counted from 1: 0 ends a chain.
  [[nodiscard]] StaticRecord& at(std::uint32_t number) const {
    return chunks_[(number - 1) / kChunk].load(std::memory_order_relaxed)[(number - 1) % kChunk];
  }
  // Numbers of records; 0: none.
  [[nodiscard]] std::uint32_t search(std::uint64_t hash, VrfId vrf, StaticKind kind, std::uint64_t tag,
                                     Bytes identity) const;
  [[nodiscard]] std::uint32_t search(VrfId vrf, StaticKind kind, Bytes identity) const;
  [[nodiscard]] std::uint32_t search(VrfId vrf, Ip4 address) const;
  [[nodiscard]] std::expected<std::uint32_t, Error> take_record();
  void fill(StaticRecord& record, const StaticLease& lease, std::uint64_t tag);
  void unlink_identity(std::uint32_t number);
  void unlink_address(std::uint32_t number);
  void take_out(std::uint32_t number);
  void count(VrfId vrf, StaticKind kind, bool more);

  std::array<std::atomic<std::uint64_t>, XK_VRFS_MAX / 64 + 1> vrfs_{};
  std::array<std::array<std::atomic<std::uint32_t>, kStaticKinds>, XK_VRFS_MAX + 1> counts_{};
  Buckets by_identity_, by_address_;
  std::array<std::atomic<StaticRecord*>, kChunks> chunks_{};
  std::vector<Chunk> owned_;
  std::uint32_t used_ = 0;  // records ever taken
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> retired_;
  std::size_t size_ = 0;
  std::size_t rest_bytes_ = 0;
};

}  // namespace xk
