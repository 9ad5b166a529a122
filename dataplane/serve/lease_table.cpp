#include "dataplane/serve/lease_table.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "bpf/shared/limits.h"

namespace xk {

void GroupCounts::reserve(std::uint32_t groups) {
  const std::size_t wanted = std::bit_ceil(std::size_t{groups} * 4 / 3 + 2);
  if (wanted > slots_.size()) rebuild(wanted);
}

// The key's slot, or the empty one where it would be.
std::size_t GroupCounts::place_of(std::uint32_t key) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = key * 0x9e3779b1u & mask;; at = (at + 1) & mask)
    if (slots_[at].key == key || slots_[at].key == 0) return at;
}

void GroupCounts::rebuild(std::size_t slots) {
  HugeVector<Slot> old = std::exchange(slots_, HugeVector<Slot>(slots));
  used_ = 0;
  for (const Slot& slot : old) {
    if (slot.count == 0) continue;
    slots_[place_of(slot.key)] = slot;
    ++used_;
  }
}

void GroupCounts::add(std::uint32_t key) {
  if (key == 0) return;
  std::size_t at = place_of(key);
  if (slots_[at].key == 0) {
    // Counts of 0 have filled it, or there are more groups than there was room for: those that are gone may
    // have leases yet.
    if (used_ + 1 > slots_.size() * 3 / 4) {
      rebuild(slots_.size());
      if (used_ + 1 > slots_.size() * 3 / 4) rebuild(slots_.size() * 2);
      at = place_of(key);
    }
    slots_[at].key = key;
    ++used_;
  }
  ++slots_[at].count;
}

void GroupCounts::remove(std::uint32_t key) {
  if (key == 0) return;
  Slot& slot = slots_[place_of(key)];
  if (slot.key == key && slot.count != 0) --slot.count;
}

std::uint32_t GroupCounts::of(std::uint32_t key) const {
  return key == 0 || slots_.empty() ? 0 : slots_[place_of(key)].count;
}

// ---- the addresses -------------------------------------------------------------------------------------

const LeaseTable::Span* LeaseTable::span_of(Ip4 address) const {
  const auto behind =
      std::ranges::upper_bound(spans_, address, {}, [](const Span& span) { return span.first; });
  if (behind == spans_.begin()) return nullptr;
  const Span& span = *std::prev(behind);
  return address <= span.last ? &span : nullptr;
}

Lease* LeaseTable::find(Ip4 address) {
  const Span* span = span_of(address);
  return span == nullptr ? nullptr : &at(span->place + (address.value - span->first.value));
}

const Lease* LeaseTable::find(Ip4 address) const { return const_cast<LeaseTable*>(this)->find(address); }

std::uint32_t LeaseTable::place_of(const Lease& lease) const {
  const Span& span = *span_of(lease.address);
  return span.place + (lease.address.value - span.first.value);
}

void LeaseTable::add_span(const Range4& range) {
  const Span span{range.first, range.last, size_};
  for (Ip4 address = range.first;; ++address.value) {
    leases_.emplace_back().address = address;
    ++size_;
    if (address == range.last) break;
  }
  spans_.insert(std::ranges::upper_bound(spans_, span.first, {}, [](const Span& s) { return s.first; }),
                span);
}

// Those of the range's addresses that are not there yet, piece by piece.
template <typename Take>
void LeaseTable::each_missing(const Range4& range, Take&& take) {
  std::uint64_t from = range.first.value;
  while (from <= range.last.value) {
    const auto behind = std::ranges::upper_bound(spans_, Ip4{static_cast<std::uint32_t>(from)}, {},
                                                 [](const Span& span) { return span.first; });
    if (behind != spans_.begin() && std::prev(behind)->last.value >= from) {
      from = std::uint64_t{std::prev(behind)->last.value} + 1;
      continue;
    }
    const std::uint32_t last =
        behind == spans_.end() ? range.last.value : std::min(range.last.value, behind->first.value - 1);
    take(Range4{Ip4{static_cast<std::uint32_t>(from)}, Ip4{last}});
    from = std::uint64_t{last} + 1;
  }
}

void LeaseTable::extend(std::span<const Range4> ranges) {
  const std::uint32_t before = size_;
  std::uint64_t more = 0;
  for (const Range4& range : ranges)
    each_missing(range, [&more](const Range4& piece) { more += piece.size(); });
  if (more == 0) return;
  leases_.reserve(size_ + more);
  for (const Range4& range : ranges) each_missing(range, [this](const Range4& piece) { add_span(piece); });
  texts_.grow(size_);
  free_.grow(size_);
  expired_.grow(size_);
  for (std::uint32_t place = before; place < size_; ++place) free_.add(place);
  if (count_circuits_) circuits_.reserve(size_);
  if (count_attachments_) attachments_.reserve(std::min(size_, XK_ATTACHMENTS_MAX));
  if (by_client_.size() < std::bit_ceil(std::size_t{size_})) rehash();
}

void LeaseTable::rehash() {
  const std::size_t buckets = std::bit_ceil(std::size_t{size_});
  by_client_.assign(buckets, 0);
  by_mac_.assign(std::max<std::size_t>(buckets / 2, 1), 0);
  bucket_mask_ = buckets - 1;
  for (std::uint32_t place = 0; place < size_; ++place)
    if (at(place).state != LeaseState::free) link(at(place));
}

void LeaseTable::count_groups(bool circuits, bool attachments) {
  if (circuits == count_circuits_ && attachments == count_attachments_) return;
  for (std::uint32_t place = 0; place < size_; ++place) count(at(place), false);
  circuits_ = GroupCounts{};
  attachments_ = GroupCounts{};
  count_circuits_ = circuits;
  count_attachments_ = attachments;
  if (circuits) circuits_.reserve(size_);
  if (attachments) attachments_.reserve(std::min(size_, XK_ATTACHMENTS_MAX));
  for (std::uint32_t place = 0; place < size_; ++place) {
    Lease& lease = at(place);
    if (lease.state != LeaseState::free && !expired_.contains(place)) count(lease, true);
  }
}

// ---- chains --------------------------------------------------------------------------------------------

void LeaseTable::link(Lease& lease) {
  const std::uint32_t number = place_of(lease) + 1;
  std::uint32_t& client = by_client_[bucket(lease.client)];
  lease.next_client = client;
  client = number;
  std::uint32_t& mac = by_mac_[bucket(lease.mac)];
  lease.next_mac = mac;
  mac = number;
}

void LeaseTable::unlink(Lease& lease) {
  const std::uint32_t number = place_of(lease) + 1;
  const auto take_out = [&](std::uint32_t& head, std::uint32_t Lease::* next) {
    std::uint32_t* at_number = &head;
    while (*at_number != number) at_number = &(at(*at_number - 1).*next);
    *at_number = lease.*next;
    lease.*next = 0;
  };
  take_out(by_client_[bucket(lease.client)], &Lease::next_client);
  take_out(by_mac_[bucket(lease.mac)], &Lease::next_mac);
}

Lease* LeaseTable::first_of(const ClientKey& client) {
  for (std::uint32_t number = by_client_[bucket(client)]; number != 0; number = at(number - 1).next_client)
    if (at(number - 1).client == client) return &at(number - 1);
  return nullptr;
}

Lease* LeaseTable::next_of(const Lease& lease) {
  for (std::uint32_t number = lease.next_client; number != 0; number = at(number - 1).next_client)
    if (at(number - 1).client == lease.client) return &at(number - 1);
  return nullptr;
}

const Lease* LeaseTable::first_of(const Mac& mac) const {
  for (std::uint32_t number = by_mac_[bucket(mac)]; number != 0; number = at(number - 1).next_mac)
    if (at(number - 1).mac == mac) return &at(number - 1);
  return nullptr;
}

const Lease* LeaseTable::next_of_mac(const Lease& lease) const {
  for (std::uint32_t number = lease.next_mac; number != 0; number = at(number - 1).next_mac)
    if (at(number - 1).mac == lease.mac) return &at(number - 1);
  return nullptr;
}

// ---- changes -------------------------------------------------------------------------------------------

void LeaseTable::count_state(LeaseState state, bool more) {
  std::uint64_t* const counter = state == LeaseState::leased     ? &leased_
                                 : state == LeaseState::declined ? &declined_
                                 : state == LeaseState::offered  ? &offered_
                                                                 : nullptr;
  if (counter != nullptr) *counter += more ? 1 : ~std::uint64_t{0};
}

void LeaseTable::count(Lease& lease, bool on) {
  if (lease.counted == on) return;
  lease.counted = on;
  const auto change = [&](GroupCounts& counts, std::uint32_t group) {
    const std::uint32_t key = lease.state == LeaseState::declined ? GroupCounts::declined_key(group) : group;
    on ? counts.add(key) : counts.remove(key);
  };
  if (count_circuits_) change(circuits_, lease.circuit);
  if (count_attachments_) change(attachments_, lease.attachment);
}

void LeaseTable::put(Lease& lease, const LeaseContent& content) {
  const std::uint32_t place = place_of(lease);
  const bool was_free = lease.state == LeaseState::free;
  // What was offered is mostly leased to the same client: it stays in its chains.
  const bool linked = !was_free && lease.client == content.client && lease.mac == content.mac;
  if (was_free) {
    free_.remove(place);
  } else {
    see_alive(lease);
    count(lease, false);
    if (!linked) unlink(lease);
    count_state(lease.state, false);
    texts_.clear(place, lease.texts);
  }
  lease.state = content.state;
  lease.flags = content.flags;
  lease.texts = texts_.put(place, {content.client_id, content.agent});
  lease.mac = content.mac;
  lease.client = content.client;
  lease.start_s = content.start_s;
  lease.until_s = content.until_s;
  lease.recorded_s = content.recorded_s;
  lease.circuit = content.circuit;
  lease.attachment = content.attachment;
  lease.revision = content.revision;
  if (!linked) link(lease);
  count_state(lease.state, true);
  count(lease, true);
}

void LeaseTable::clear(Lease& lease) {
  if (lease.state == LeaseState::free) return;
  see_alive(lease);
  count(lease, false);
  unlink(lease);
  count_state(lease.state, false);
  const std::uint32_t place = place_of(lease);
  const Ip4 address = lease.address;
  texts_.clear(place, lease.texts);
  lease = Lease{};
  lease.address = address;
  free_.add(place);
}

void LeaseTable::prolong(Lease& lease, EngineSeconds start_s, EngineSeconds until_s) {
  lease.start_s = start_s;
  lease.until_s = until_s;
  see_alive(lease);
  count(lease, true);
}

void LeaseTable::end(Lease& lease, EngineSeconds now_s) {
  lease.until_s = now_s;
  see_expired(lease);
}

// One that is counted is not among those that are over: the set need not be looked at.
void LeaseTable::see_alive(const Lease& lease) {
  if (!lease.counted) expired_.remove(place_of(lease));
}

void LeaseTable::see_expired(Lease& lease) {
  expired_.add(place_of(lease));
  count(lease, false);
}

// ---- choosing ------------------------------------------------------------------------------------------

Lease* LeaseTable::next_in(const NumberSet& set, const Range4& range, Ip4 from) {
  from = std::max(from, range.first);
  auto behind = std::ranges::upper_bound(spans_, from, {}, [](const Span& span) { return span.first; });
  if (behind != spans_.begin() && std::prev(behind)->last >= from) --behind;
  for (; behind != spans_.end() && behind->first <= range.last; ++behind) {
    const std::uint32_t first = std::max(from, behind->first).value - behind->first.value;
    const std::uint32_t last = std::min(range.last, behind->last).value - behind->first.value;
    if (const auto place = set.next(behind->place + first, behind->place + last)) return &at(*place);
  }
  return nullptr;
}

Lease* LeaseTable::next_free(const Range4& range, Ip4 from) { return next_in(free_, range, from); }

Lease* LeaseTable::next_expired(const Range4& range, Ip4 from) { return next_in(expired_, range, from); }

std::size_t LeaseTable::bytes() const {
  return leases_.capacity() * sizeof(Lease) + texts_.bytes() +
         (by_client_.size() + by_mac_.size()) * sizeof(std::uint32_t) + free_.bytes() + expired_.bytes() +
         circuits_.bytes() + attachments_.bytes();
}

}  // namespace xk
