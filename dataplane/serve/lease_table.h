// The leases of one VRF: a record for every address of its pools, allocated at once; found by address, by
// client and by MAC in a few steps however many there are. One thread at a time; nothing allocates but
// extend().
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/base/huge.h"
#include "dataplane/base/prefetch.h"
#include "dataplane/base/types.h"
#include "dataplane/serve/client_key.h"
#include "dataplane/serve/lease_texts.h"
#include "dataplane/serve/number_set.h"

namespace xk {

// Seconds of the engine's clock; kEngineForEver does not come.
using EngineSeconds = std::uint32_t;
inline constexpr EngineSeconds kEngineForEver = 0xffffffffu;

enum class LeaseState : std::uint8_t {
  free = 0,      // nobody's
  offered = 1,   // held for a client until until_s
  leased = 2,    // a client's; when until_s is over, kept for it as long as nobody else needs it
  declined = 3,  // given to nobody until until_s
};

// Flags of a lease.
inline constexpr std::uint8_t kLeaseProbing = 1;  // offered, but not said yet: other hosts are asked first

// 64 bytes. Read freely; changed by the table.
struct alignas(64) Lease {
  Ip4 address{};
  LeaseState state = LeaseState::free;
  std::uint8_t flags = 0;
  bool counted = false;  // in the counts of its circuit and attachment
  std::uint8_t unused = 0;
  Mac mac{};
  TextSizes texts;  // of what is kept of its client id and its line
  ClientKey client{};
  EngineSeconds start_s = 0;      // the client's last transaction
  EngineSeconds until_s = 0;      // what the client was promised
  EngineSeconds recorded_s = 0;   // what the journal says; not before until_s once leased
  std::uint32_t circuit = 0;      // group_key of its line, 0: none
  std::uint32_t attachment = 0;   // group_key of its attachment, 0: unknown
  std::uint32_t next_client = 0;  // in the chain of its bucket: place + 1, 0 = the last
  std::uint32_t next_mac = 0;
  std::uint32_t revision = 0;  // of the record that recorded_s is in, its lower 32 bits
};
static_assert(sizeof(Lease) == 64);

// What put() makes of a lease.
struct LeaseContent {
  LeaseState state = LeaseState::leased;
  std::uint8_t flags = 0;
  ClientKey client{};
  Mac mac{};
  Bytes client_id;
  Bytes agent;  // content of the last option 82 that came with its messages
  EngineSeconds start_s = 0;
  EngineSeconds until_s = 0;
  EngineSeconds recorded_s = 0;
  std::uint32_t circuit = 0;
  std::uint32_t attachment = 0;
  std::uint32_t revision = 0;
};

// How many leases a circuit or an attachment has: keys that are not 0. How many addresses it has declined is
// counted beside that, under another key.
class GroupCounts {
 public:
  [[nodiscard]] static constexpr std::uint32_t declined_key(std::uint32_t key) {
    return key == 0 ? 0 : std::max(~key, 1u);
  }
  void reserve(std::uint32_t groups);  // so many at a time; what is in it stays
  void add(std::uint32_t key);
  void remove(std::uint32_t key);
  [[nodiscard]] std::uint32_t of(std::uint32_t key) const;
  [[nodiscard]] std::size_t bytes() const { return slots_.size() * sizeof(Slot); }

 private:
  struct Slot {
    std::uint32_t key = 0;
    std::uint32_t count = 0;
  };
  [[nodiscard]] std::size_t place_of(std::uint32_t key) const;
  void rebuild(std::size_t slots);
  HugeVector<Slot> slots_;
  std::size_t used_ = 0;  // slots with a key, counts of 0 too
};

class LeaseTable {
 public:
  // Records for the addresses of these ranges, beside those there are: costs time by their number and that of
  // the leases. Pointers to leases end.
  void extend(std::span<const Range4> ranges);
  // Whether leases are counted by circuit or attachment; those that are there are counted when it begins.
  void count_groups(bool circuits, bool attachments);

  // nullptr: the address is none of the table's.
  [[nodiscard]] Lease* find(Ip4 address);
  [[nodiscard]] const Lease* find(Ip4 address) const;
  // The leases of a client or a MAC, one after the other; nullptr: no further one.
  [[nodiscard]] Lease* first_of(const ClientKey& client);
  [[nodiscard]] Lease* next_of(const Lease& lease);
  [[nodiscard]] const Lease* first_of(const Mac& mac) const;
  [[nodiscard]] const Lease* next_of_mac(const Lease& lease) const;
  // Its client id and relay agent information, if it has them and they are kept (lease_texts.h).
  [[nodiscard]] LeaseTexts texts(const Lease& lease,
                                 std::span<std::uint8_t, LeaseTexts::kMax> scratch) const {
    return texts_.get(place_of(lease), lease.texts, scratch);
  }
  // What will be wanted of a client is fetched meanwhile: its buckets first, when they are there the first
  // lease in its bucket, and then the next.
  void prefetch(const ClientKey& client, const Mac& mac) const {
    xk::prefetch(&by_client_[bucket(client)]);
    xk::prefetch(&by_mac_[bucket(mac)]);
  }
  void prefetch_first(const ClientKey& client) const {
    if (const std::uint32_t number = by_client_[bucket(client)]; number != 0)
      xk::prefetch(&leases_[number - 1]);
  }
  void prefetch_second(const ClientKey& client) const {
    const std::uint32_t number = by_client_[bucket(client)];
    if (number == 0) return;
    if (const std::uint32_t next = leases_[number - 1].next_client; next != 0)
      xk::prefetch(&leases_[next - 1]);
  }

  void put(Lease& lease, const LeaseContent& content);
  void clear(Lease& lease);
  // The same client's lease goes on.
  void prolong(Lease& lease, EngineSeconds start_s, EngineSeconds until_s);
  // It is over now, and seen to be.
  void end(Lease& lease, EngineSeconds now_s);
  void note_recorded(Lease& lease, EngineSeconds recorded_s, std::uint32_t revision) {
    lease.recorded_s = recorded_s;
    lease.revision = revision;
  }
  void clear_flags(Lease& lease) { lease.flags = 0; }

  // The first free address of the range that is not below from; nullptr: there is none.
  [[nodiscard]] Lease* next_free(const Range4& range, Ip4 from);
  // One whose lease is over, as far as sweep() has seen.
  [[nodiscard]] Lease* next_expired(const Range4& range, Ip4 from);

  // Looks at the next records in turn: leases that are over are found by next_expired() from now on; those
  // that are over by grace_s, and offered and declined ones whose time is over, are told to reclaim(Lease&),
  // which clears them, or does not yet.
  template <typename Reclaim>
  void sweep(EngineSeconds now_s, EngineSeconds grace_s, std::uint32_t records, Reclaim&& reclaim);

  [[nodiscard]] const GroupCounts& circuits() const { return circuits_; }
  [[nodiscard]] const GroupCounts& attachments() const { return attachments_; }
  [[nodiscard]] std::uint32_t size() const { return size_; }  // records
  [[nodiscard]] std::uint64_t leased() const { return leased_; }
  [[nodiscard]] std::uint64_t declined() const { return declined_; }
  [[nodiscard]] std::uint64_t offered() const { return offered_; }
  [[nodiscard]] std::size_t bytes() const;
  // Every record, in no order that means anything.
  [[nodiscard]] Lease& at(std::uint32_t place) { return leases_[place]; }
  [[nodiscard]] const Lease& at(std::uint32_t place) const { return leases_[place]; }

 private:
  // Addresses side by side and their records.
  struct Span {
    Ip4 first{};
    Ip4 last{};
    std::uint32_t place = 0;
  };
  [[nodiscard]] const Span* span_of(Ip4 address) const;
  [[nodiscard]] std::uint32_t place_of(const Lease& lease) const;
  [[nodiscard]] Lease* next_in(const NumberSet& set, const Range4& range, Ip4 from);
  [[nodiscard]] std::size_t bucket(const ClientKey& client) const { return client.low & bucket_mask_; }
  [[nodiscard]] std::size_t bucket(const Mac& mac) const {
    return (mac.number() * 0x9e3779b97f4a7c15u >> 20) & (bucket_mask_ >> 1);
  }
  template <typename Take>
  void each_missing(const Range4& range, Take&& take);
  void add_span(const Range4& range);
  void rehash();
  void link(Lease& lease);
  void unlink(Lease& lease);
  void count(Lease& lease, bool on);
  void count_state(LeaseState state, bool more);
  void see_alive(const Lease& lease);
  void see_expired(Lease& lease);

  std::vector<Span> spans_;  // by address
  HugeVector<Lease> leases_;
  TextStore texts_;
  HugeVector<std::uint32_t> by_client_{0}, by_mac_{0};  // there are half as many buckets of MACs
  std::size_t bucket_mask_ = 0;
  NumberSet free_, expired_;
  GroupCounts circuits_, attachments_;
  bool count_circuits_ = false;
  bool count_attachments_ = false;
  std::uint32_t size_ = 0;
  std::uint32_t swept_ = 0;  // the record that sweep() looks at next
  std::uint64_t leased_ = 0, declined_ = 0, offered_ = 0;
};

template <typename Reclaim>
void LeaseTable::sweep(EngineSeconds now_s, EngineSeconds grace_s, std::uint32_t records, Reclaim&& reclaim) {
  const auto over = [now_s](EngineSeconds until, EngineSeconds grace) {
    return until != kEngineForEver && std::uint64_t{until} + grace <= now_s;
  };
  if (records > size_) records = size_;
  for (; records > 0; --records) {
    if (swept_ >= size_) swept_ = 0;
    Lease& lease = at(swept_++);
    if (lease.state == LeaseState::free) continue;
    if (!over(lease.until_s, 0)) continue;
    if (lease.state == LeaseState::offered || lease.state == LeaseState::declined) {
      reclaim(lease);
    } else {
      see_expired(lease);
      if (over(lease.until_s, grace_s)) reclaim(lease);
    }
  }
}

}  // namespace xk
