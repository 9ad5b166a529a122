#include "dataplane/relay/recent_requests.h"

#include <algorithm>
#include <bit>

#include "dataplane/base/prefetch.h"
#include "dataplane/relay/mix.h"

namespace xk {

RecentRequests::RecentRequests(std::size_t slots, std::uint64_t keep_ms, std::size_t relay_slots)
    : buckets_(std::bit_ceil(std::max(slots, kWays) / kWays)),
      relays_(std::bit_ceil(std::max(relay_slots, kWays) / kWays)),
      keep_ms_(keep_ms) {}

RecentRequests::Key RecentRequests::key_of(VrfId server_vrf, std::uint32_t xid, const Mac& chaddr) {
  // VRF ids fit 16 bits and are not 0 (limits.h): neither is the key.
  return Key{chaddr.number() | std::uint64_t{server_vrf.value} << 48, xid};
}

std::size_t RecentRequests::bucket_of(const Key& key) const {
  return mix(key.who ^ mix(key.xid)) & (buckets_.size() - 1);
}

void RecentRequests::prefetch(VrfId server_vrf, std::uint32_t xid, const Mac& chaddr) const {
  const Bucket& bucket = buckets_[bucket_of(key_of(server_vrf, xid, chaddr))];
  xk::prefetch(&bucket.slots[0]);
  xk::prefetch(&bucket.slots[2]);
}

void RecentRequests::remember(VrfId server_vrf, std::uint32_t xid, const Mac& chaddr,
                              const RequestOrigin& origin, std::uint64_t now_ms) {
  const Key key = key_of(server_vrf, xid, chaddr);
  Slot* place = nullptr;
  for (Slot& slot : buckets_[bucket_of(key)].slots) {
    if (slot.is(key)) {
      place = &slot;
      break;
    }
    if (place == nullptr || slot.age_ms(now_ms) > place->age_ms(now_ms)) place = &slot;
  }
  const bool again = place->is(key) && place->age_ms(now_ms) <= keep_ms_;
  const bool ambiguous = again && (place->ambiguous != 0 || place->attachment != origin.attachment.value);
  *place = Slot{.who = key.who,
                .at_ms = static_cast<std::uint32_t>(now_ms),
                .xid = key.xid,
                .attachment = origin.attachment.value,
                .generation = origin.generation,
                .next_hop = origin.next_hop,
                .foreign_option82 = static_cast<std::uint16_t>(origin.foreign_option82 & 0x3fffu),
                .own_option82 = origin.own_option82,
                .ambiguous = ambiguous};
}

RequestOrigin RecentRequests::find(VrfId server_vrf, std::uint32_t xid, const Mac& chaddr,
                                   std::uint64_t now_ms) const {
  const Key key = key_of(server_vrf, xid, chaddr);
  for (const Slot& slot : buckets_[bucket_of(key)].slots) {
    if (!slot.is(key)) continue;
    if (slot.ambiguous != 0 || slot.age_ms(now_ms) > keep_ms_) return {};
    return RequestOrigin{AttachmentId{slot.attachment}, slot.next_hop, slot.foreign_option82,
                         slot.own_option82 != 0, slot.generation};
  }
  return {};
}

std::size_t RecentRequests::relay_bucket_of(AttachmentId attachment, Ip4 giaddr) const {
  return mix(std::uint64_t{attachment.value} << 32 | giaddr.value) & (relays_.size() - 1);
}

void RecentRequests::remember_relay(AttachmentId attachment, Ip4 giaddr, const Mac& mac) {
  RelayBucket& bucket = relays_[relay_bucket_of(attachment, giaddr)];
  const auto known = std::ranges::find_if(bucket.slots, [&](const RelaySlot& slot) {
    return slot.attachment == attachment.value && slot.giaddr == giaddr;
  });
  // The slots of a bucket are in the order of their last use: the first is the latest.
  const auto place = known != bucket.slots.end() ? known : bucket.slots.end() - 1;
  if (place != bucket.slots.begin()) std::move_backward(bucket.slots.begin(), place, place + 1);
  bucket.slots.front() = RelaySlot{attachment.value, giaddr, mac};
}

Mac RecentRequests::relay_mac(AttachmentId attachment, Ip4 giaddr) const {
  for (const RelaySlot& slot : relays_[relay_bucket_of(attachment, giaddr)].slots)
    if (slot.attachment == attachment.value && slot.giaddr == giaddr) return slot.mac;
  return {};
}

}  // namespace xk
