#include "dataplane/serve/static_table.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "dataplane/base/text_bytes.h"

namespace xk {
namespace {

constexpr std::size_t kLengths = 4;  // bytes in front of what is behind a record's pointer: two lengths
constexpr std::size_t kAllocationExtra = 16;  // what the allocator takes beside it, about

std::unexpected<Error> wrong(std::string message) { return std::unexpected(Error{std::move(message)}); }

std::uint64_t mix(std::uint64_t number) {
  number *= 0x9e3779b97f4a7c15u;
  number ^= number >> 32;
  number *= 0xd6e8feb86659fd93u;
  return number ^ number >> 32;
}

std::uint64_t mac_number(Bytes identity) {
  std::uint64_t number = 0;
  for (const std::uint8_t byte : identity) number = number << 8 | byte;
  return number;
}

std::uint64_t bytes_tag(StaticKind kind, Bytes identity) {
  std::uint64_t hash = mix(identity.size() + 1 + (static_cast<std::uint64_t>(kind) << 32));
  for (; identity.size() >= 8; identity = identity.subspan(8)) {
    std::uint64_t word = 0;
    std::memcpy(&word, identity.data(), 8);
    hash = std::rotl(mix(hash ^ word), 17);
  }
  for (const std::uint8_t byte : identity) hash = mix(hash ^ byte);
  return hash;
}

std::uint64_t tag_of(StaticKind kind, Bytes identity) {
  return kind == StaticKind::mac ? mac_number(identity) : bytes_tag(kind, identity);
}

std::uint64_t hash_of(std::uint32_t vrf, std::uint64_t tag) {
  return mix(tag + (std::uint64_t{vrf} << 48) + (std::uint64_t{vrf} >> 16));
}
std::uint64_t hash_of(std::uint32_t vrf, Ip4 address) {
  return mix(std::uint64_t{vrf} << 32 | address.value);
}

std::size_t length_at(const std::uint8_t* rest, std::size_t at) {
  return std::size_t{rest[at]} << 8 | rest[at + 1];
}

std::size_t rest_size(const std::uint8_t* rest) {
  return rest == nullptr ? 0 : kLengths + length_at(rest, 0) + length_at(rest, 2) + kAllocationExtra;
}

}  // namespace

Bytes StaticRecord::identity() const {
  return rest == nullptr ? Bytes{} : Bytes(rest + kLengths, length_at(rest, 0));
}

Bytes StaticRecord::options() const {
  return rest == nullptr ? Bytes{} : Bytes(rest + kLengths + length_at(rest, 0), length_at(rest, 2));
}

StaticTable::StaticTable() = default;

StaticTable::~StaticTable() {
  for (Chunk& chunk : owned_)
    for (const StaticRecord& record : chunk) delete[] record.rest;
}

std::size_t StaticTable::bytes() const {
  return (by_identity_.size() + by_address_.size()) * sizeof(std::uint32_t) + used_ * sizeof(StaticRecord) +
         rest_bytes_;
}

// ---- look-ups ----------------------------------------------------------------------------------------

std::uint32_t StaticTable::search(std::uint64_t hash, VrfId vrf, StaticKind kind, std::uint64_t tag,
                                  Bytes identity) const {
  std::uint32_t number = by_identity_[hash % kBuckets].load(std::memory_order_acquire);
  while (number != 0) {
    const StaticRecord& record = at(number);
    if (record.tag == tag && record.vrf == vrf.value && record.kind == kind &&
        (kind == StaticKind::mac || std::ranges::equal(record.identity(), identity)))
      return number;
    number = record.next_identity.load(std::memory_order_acquire);
  }
  return 0;
}

std::uint32_t StaticTable::search(VrfId vrf, StaticKind kind, Bytes identity) const {
  const std::uint64_t tag = tag_of(kind, identity);
  return search(hash_of(vrf.value, tag), vrf, kind, tag, identity);
}

std::uint32_t StaticTable::search(VrfId vrf, Ip4 address) const {
  std::uint32_t number = by_address_[hash_of(vrf.value, address) % kBuckets].load(std::memory_order_acquire);
  while (number != 0) {
    const StaticRecord& record = at(number);
    if (record.address == address && record.vrf == vrf.value) return number;
    number = record.next_address.load(std::memory_order_acquire);
  }
  return 0;
}

const StaticRecord* StaticTable::find(VrfId vrf, StaticKind kind, Bytes identity) const {
  const std::uint32_t number = search(vrf, kind, identity);
  return number == 0 ? nullptr : &at(number);
}

const StaticRecord* StaticTable::find(VrfId vrf, const Mac& mac) const {
  const std::uint32_t number =
      search(hash_of(vrf.value, mac.number()), vrf, StaticKind::mac, mac.number(), {});
  return number == 0 ? nullptr : &at(number);
}

const StaticRecord* StaticTable::find(VrfId vrf, Ip4 address) const {
  const std::uint32_t number = search(vrf, address);
  return number == 0 ? nullptr : &at(number);
}

// ---- changes -----------------------------------------------------------------------------------------

std::expected<std::uint32_t, Error> StaticTable::take_record() {
  if (!free_.empty()) {
    const std::uint32_t number = free_.back();
    free_.pop_back();
    return number;
  }
  if (used_ == kChunks * kChunk) return wrong("too many changes of static leases at once");
  if (used_ % kChunk == 0) {
    owned_.emplace_back(kChunk);
    chunks_[used_ / kChunk].store(owned_.back().data(), std::memory_order_relaxed);
  }
  if (by_identity_.empty()) {
    by_identity_ = Buckets(kBuckets);
    by_address_ = Buckets(kBuckets);
  }
  return ++used_;
}

// A record that no reader can come to yet.
void StaticTable::fill(StaticRecord& record, const StaticLease& lease, std::uint64_t tag) {
  record.address = lease.address;
  record.vrf = static_cast<std::uint16_t>(lease.vrf.value);
  record.kind = lease.kind;
  record.tag = tag;
  record.rest = nullptr;
  const std::size_t identity = lease.kind == StaticKind::mac ? 0 : lease.identity.size();
  const std::size_t options = lease.options.size();
  if (identity + options == 0) return;
  auto* rest = new std::uint8_t[kLengths + identity + options];
  ByteWriter writer({rest, kLengths + identity + options});
  writer.u16(static_cast<std::uint16_t>(identity));
  writer.u16(static_cast<std::uint16_t>(options));
  writer.bytes(bytes_of(std::string_view(lease.identity).substr(0, identity)));
  writer.bytes(bytes_of(lease.options));
  record.rest = rest;
  rest_bytes_ += rest_size(rest);
}

std::expected<void, Error> StaticTable::put(const StaticLease& lease) {
  if (const std::string_view why = wrong_with_static_lease(lease); !why.empty())
    return wrong("a static lease of VRF " + std::to_string(lease.vrf.value) + ": " + std::string(why));
  const std::uint64_t tag = tag_of(lease.kind, bytes_of(lease.identity));
  const std::uint64_t hash = hash_of(lease.vrf.value, tag);
  const bool any = !by_identity_.empty();
  const std::uint32_t old = any ? search(hash, lease.vrf, lease.kind, tag, bytes_of(lease.identity)) : 0;
  if (any && !lease.address.is_zero()) {
    const std::uint32_t holder = search(lease.vrf, lease.address);
    if (holder != 0 && holder != old)
      return wrong(to_string(lease.address) + " of VRF " + std::to_string(lease.vrf.value) +
                   " is another's static lease");
  }
  if (old == 0 && size_ == XK_STATIC_LEASES_MAX)
    return wrong("there are " + std::to_string(XK_STATIC_LEASES_MAX) + " static leases, no more fit");
  const auto number = take_record();
  if (!number) return std::unexpected(number.error());

  StaticRecord& record = at(*number);
  fill(record, lease, tag);
  // In front of the old one in both chains: who looks meanwhile finds one of them.
  auto& bucket = by_identity_[hash % kBuckets];
  record.next_identity.store(bucket.load(std::memory_order_relaxed), std::memory_order_relaxed);
  auto& addresses = by_address_[hash_of(lease.vrf.value, lease.address) % kBuckets];
  if (!lease.address.is_zero())
    record.next_address.store(addresses.load(std::memory_order_relaxed), std::memory_order_relaxed);
  bucket.store(*number, std::memory_order_release);
  if (!lease.address.is_zero()) addresses.store(*number, std::memory_order_release);
  ++size_;
  count(lease.vrf, lease.kind, true);
  if (old != 0) take_out(old);
  return {};
}

bool StaticTable::erase(VrfId vrf, StaticKind kind, Bytes identity) {
  if (by_identity_.empty() || vrf.value > XK_VRFS_MAX) return false;
  if (kind == StaticKind::mac && identity.size() != Mac{}.bytes.size()) return false;
  const std::uint32_t number = search(vrf, kind, identity);
  if (number == 0) return false;
  take_out(number);
  return true;
}

// Its own links stay, for readers that stand on it.
void StaticTable::take_out(std::uint32_t number) {
  const StaticRecord& record = at(number);
  unlink_identity(number);
  if (!record.address.is_zero()) unlink_address(number);
  count(VrfId{record.vrf}, record.kind, false);
  --size_;
  retired_.push_back(number);
}

void StaticTable::unlink_identity(std::uint32_t number) {
  const StaticRecord& record = at(number);
  std::atomic<std::uint32_t>* link = &by_identity_[hash_of(record.vrf, record.tag) % kBuckets];
  while (link->load(std::memory_order_relaxed) != number)
    link = &at(link->load(std::memory_order_relaxed)).next_identity;
  link->store(record.next_identity.load(std::memory_order_relaxed), std::memory_order_release);
}

void StaticTable::unlink_address(std::uint32_t number) {
  const StaticRecord& record = at(number);
  std::atomic<std::uint32_t>* link = &by_address_[hash_of(record.vrf, record.address) % kBuckets];
  while (link->load(std::memory_order_relaxed) != number)
    link = &at(link->load(std::memory_order_relaxed)).next_address;
  link->store(record.next_address.load(std::memory_order_relaxed), std::memory_order_release);
}

void StaticTable::reclaim() {
  for (const std::uint32_t number : retired_) {
    StaticRecord& record = at(number);
    rest_bytes_ -= rest_size(record.rest);
    delete[] record.rest;
    record.rest = nullptr;
    free_.push_back(number);
  }
  retired_.clear();
}

void StaticTable::count(VrfId vrf, StaticKind kind, bool more) {
  auto& counts = counts_[vrf.value];
  auto& own = counts[static_cast<std::size_t>(kind)];
  own.store(own.load(std::memory_order_relaxed) + (more ? 1u : ~0u), std::memory_order_relaxed);
  const bool any =
      std::ranges::any_of(counts, [](const auto& each) { return each.load(std::memory_order_relaxed) != 0; });
  auto& word = vrfs_[vrf.value / 64];
  const std::uint64_t bit = std::uint64_t{1} << (vrf.value % 64);
  const std::uint64_t bits = word.load(std::memory_order_relaxed);
  word.store(any ? bits | bit : bits & ~bit, std::memory_order_release);
}

}  // namespace xk
