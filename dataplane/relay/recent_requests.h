// What the relay remembers of requests it forwarded, in tables of fixed size that are allocated once.
// Not thread-safe: one belongs to the loop that runs the relay.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "dataplane/base/huge.h"
#include "dataplane/base/types.h"

namespace xk {

// Where a request came from and with what option 82 it went on.
struct RequestOrigin {
  AttachmentId attachment{};           // 0 = unknown
  Mac next_hop{};                      // source of the frame: the client, a relay or a router
  std::uint16_t foreign_option82 = 0;  // bytes of option 82 content in it that are not ours
  bool own_option82 = false;           // our sub-options went with it, after the foreign ones
  std::uint32_t generation = 0;        // whose names these are; the lower half
  friend bool operator==(const RequestOrigin&, const RequestOrigin&) = default;
};

// Remembers which attachment a (server VRF, xid, chaddr) came from, for replies whose option 82 does
// not say: a bucket holds the four latest requests with its hash. Two attachments with the same
// (VRF, xid, chaddr) within the time make it ambiguous: no answer.
// Beside that, the MAC by which each downstream relay (attachment, giaddr) was last seen.
class RecentRequests {
 public:
  // slots and relay_slots: requests and relays it has room for; rounded up to a power of two, 4 at
  // least.
  explicit RecentRequests(std::size_t slots, std::uint64_t keep_ms = 30'000,
                          std::size_t relay_slots = 16'384);

  void remember(VrfId server_vrf, std::uint32_t xid, const Mac& chaddr, const RequestOrigin& origin,
                std::uint64_t now_ms);
  // What was remembered; attachment 0 if unknown, expired or ambiguous.
  [[nodiscard]] RequestOrigin find(VrfId server_vrf, std::uint32_t xid, const Mac& chaddr,
                                   std::uint64_t now_ms) const;
  // Has the memory of these fetched while the packet is still being checked.
  void prefetch(VrfId server_vrf, std::uint32_t xid, const Mac& chaddr) const;

  void remember_relay(AttachmentId attachment, Ip4 giaddr, const Mac& mac);
  // The relay's MAC, or zero if it was not seen or was displaced by others.
  [[nodiscard]] Mac relay_mac(AttachmentId attachment, Ip4 giaddr) const;

 private:
  struct Key {
    std::uint64_t who = 0;  // chaddr and server VRF, 0 = free
    std::uint32_t xid = 0;
  };
  struct Slot {
    std::uint64_t who = 0;
    std::uint32_t at_ms = 0;  // the clock's lower half: differences are right for 49 days
    std::uint32_t xid = 0;
    std::uint32_t attachment = 0;
    std::uint32_t generation = 0;
    Mac next_hop;
    std::uint16_t foreign_option82 : 14 = 0;
    std::uint16_t own_option82 : 1 = 0;
    std::uint16_t ambiguous : 1 = 0;
    [[nodiscard]] bool is(const Key& key) const { return who == key.who && xid == key.xid; }
    [[nodiscard]] std::uint32_t age_ms(std::uint64_t now_ms) const {
      return who == 0 ? ~0u : static_cast<std::uint32_t>(now_ms) - at_ms;  // a free one is the oldest
    }
  };
  static_assert(sizeof(Slot) == 32);  // two to a cache line
  static constexpr std::size_t kWays = 4;
  struct alignas(64) Bucket {
    std::array<Slot, kWays> slots;
  };
  struct RelaySlot {
    std::uint32_t attachment = 0;  // 0 = free
    Ip4 giaddr;
    Mac mac;
  };
  struct RelayBucket {  // the latest first
    std::array<RelaySlot, kWays> slots;
  };

  static Key key_of(VrfId server_vrf, std::uint32_t xid, const Mac& chaddr);
  [[nodiscard]] std::size_t bucket_of(const Key& key) const;
  [[nodiscard]] std::size_t relay_bucket_of(AttachmentId attachment, Ip4 giaddr) const;

  HugeVector<Bucket> buckets_;
  std::vector<RelayBucket> relays_;
  std::uint64_t keep_ms_;
};

}  // namespace xk
