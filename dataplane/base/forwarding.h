// A Snapshot with its indexes: what a packet's way looks things up in. Immutable after make();
// loops borrow it and report when they have let go (pipeline/). No look-up allocates, and its cost
// does not depend on the number of VRFs or attachments.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/base/prefetch.h"
#include "dataplane/base/snapshot.h"

namespace xk {

// A set of 64-bit keys other than 0, each with a 32-bit value and room for a second one: open
// addressing, half full at most.
class FlatIndex {
 public:
  // Room for so many keys; drops what was in it.
  void reset(std::size_t keys);
  // False if the key is there already (its value stays).
  bool insert(std::uint64_t key, std::uint32_t value, std::uint32_t second = 0);
  // The key's value, or kAbsent.
  [[nodiscard]] std::uint32_t find(std::uint64_t key) const { return find_both(key).first; }
  // Both values of the key, or kAbsent and 0.
  [[nodiscard]] std::pair<std::uint32_t, std::uint32_t> find_both(std::uint64_t key) const {
    for (std::size_t at = start(key);; at = (at + 1) & mask_) {
      if (slots_[at].key == key) return {slots_[at].value, slots_[at].second};
      if (slots_[at].key == 0) return {kAbsent, 0};
    }
  }
  void prefetch(std::uint64_t key) const { xk::prefetch(&slots_[start(key)]); }
  [[nodiscard]] bool contains(std::uint64_t key) const { return find(key) != kAbsent; }
  static constexpr std::uint32_t kAbsent = 0xffffffffu;

 private:
  struct Slot {
    std::uint64_t key = 0;
    std::uint32_t value = 0;
    std::uint32_t second = 0;
  };
  [[nodiscard]] std::size_t start(std::uint64_t key) const {
    key *= 0x9e3779b97f4a7c15u;
    return static_cast<std::size_t>(key ^ key >> 32) & mask_;
  }
  HugeVector<Slot> slots_{Slot{}, Slot{}};
  std::size_t mask_ = 1;
};

// The way to a server, with what of its attachment a frame needs: together, because a request to one of
// thousands of VRFs finds none of it in the cache.
struct Way {
  ServerEntry server{};
  PortId port{};
  VlanTag outer{};
  VlanTag inner{};
  bool there = false;  // the server's attachment exists
};
static_assert(sizeof(Way) == 32);

class Forwarding {
 public:
  // Checks that ids are in bounds and unique, that every reference resolves and that circuit-ids
  // tell the attachments of a server VRF apart; builds the indexes.
  [[nodiscard]] static std::expected<std::unique_ptr<const Forwarding>, Error> make(Snapshot snapshot);

  [[nodiscard]] const Snapshot& snapshot() const { return snapshot_; }
  // The attachment of (port, outer VID, inner VID), or nullptr, and its VRF, without touching the
  // attachment itself.
  struct Place {
    const AttachmentEntry* attachment = nullptr;
    VrfId vrf{};
  };
  [[nodiscard]] Place place(PortId port, std::uint16_t outer_vid, std::uint16_t inner_vid) const {
    const auto [index, vrf] = by_place_.find_both(place_key(port, outer_vid, inner_vid));
    return index == FlatIndex::kAbsent ? Place{} : Place{&snapshot_.attachments[index], VrfId{vrf}};
  }
  [[nodiscard]] const AttachmentEntry* attachment(PortId port, std::uint16_t outer_vid,
                                                  std::uint16_t inner_vid) const {
    return place(port, outer_vid, inner_vid).attachment;
  }
  // Has the memory of the look-up fetched.
  void prefetch_place(PortId port, std::uint16_t outer_vid, std::uint16_t inner_vid) const {
    by_place_.prefetch(place_key(port, outer_vid, inner_vid));
  }
  [[nodiscard]] const AttachmentEntry* attachment(AttachmentId id) const {
    return at(snapshot_.attachments, attachment_by_id_, id.value);
  }
  // The same for whoever remembers its place in a snapshot, this one or an earlier one: one look-up less
  // where it is still there.
  [[nodiscard]] const AttachmentEntry* attachment(AttachmentId id, std::uint32_t place) const {
    if (place < snapshot_.attachments.size() && snapshot_.attachments[place].id == id)
      return &snapshot_.attachments[place];
    return attachment(id);
  }
  [[nodiscard]] std::uint32_t place_of(const AttachmentEntry& attachment) const {
    return static_cast<std::uint32_t>(&attachment - snapshot_.attachments.data());
  }
  [[nodiscard]] const VrfEntry* vrf(VrfId id) const { return at(snapshot_.vrfs, vrf_by_id_, id.value); }
  // The ways to the servers of a VRF of this snapshot, in their order. Borrowed.
  [[nodiscard]] std::span<const Way> ways(const VrfEntry& vrf) const {
    const auto position = static_cast<std::size_t>(&vrf - snapshot_.vrfs.data());
    return std::span(ways_).subspan(ways_from_[position], ways_from_[position + 1] - ways_from_[position]);
  }
  [[nodiscard]] const PortEntry* port(PortId id) const { return at(snapshot_.ports, port_by_id_, id.value); }
  // The client attachment whose rendered circuit-id this is, among those whose VRF has its servers
  // in server_vrf; chaddr stands for {mac}. nullptr: not one of ours.
  [[nodiscard]] const AttachmentEntry* by_circuit_id(VrfId server_vrf, Bytes circuit_id,
                                                     const Mac& chaddr) const;
  // Whether the VRF's native engine asks by ARP before it gives out an address.
  [[nodiscard]] bool probes(VrfId vrf) const { return vrf.value < probes_.size() && probes_[vrf.value]; }
  // Whether the address is one of ours in the VRF: a relay, giaddr, source or server-identifier
  // address, or a further local address of its attachments. In a server VRF those of the VRFs that
  // have their servers there are ours too.
  [[nodiscard]] bool is_own_address(VrfId vrf, Ip4 address) const {
    return own_.contains(address_key(vrf.value, address));
  }
  // Whether DHCP unicast to the address on this attachment is ours (as XK_ADDRESS_LOCAL in BPF).
  [[nodiscard]] bool is_local(const AttachmentEntry& attachment, Ip4 address) const {
    return local_.contains(address_key(attachment.id.value, address));
  }
  // Whether the address is the broadcast address of the clients' subnet (there is none in a /31).
  [[nodiscard]] static bool is_subnet_broadcast(const AttachmentEntry& attachment, Ip4 address) {
    return attachment.subnet.length != 0 && attachment.subnet.length < 31 &&
           address == attachment.subnet.broadcast();
  }
  // Whether the address is one of the VRF's servers, configured now or until a moment ago.
  [[nodiscard]] bool is_server_of(const VrfEntry& client_vrf, Ip4 address) const {
    const std::uint64_t key = address_key(client_vrf.id.value, address);
    return servers_.contains(key) || late_servers_.contains(key);
  }
  // Its place among those configured now, or FlatIndex::kAbsent.
  [[nodiscard]] std::uint32_t server_index(const VrfEntry& client_vrf, Ip4 address) const {
    return servers_.find(address_key(client_vrf.id.value, address));
  }
  // Whether any VRF that has its servers in server_vrf has this one.
  [[nodiscard]] bool is_server_in(VrfId server_vrf, Ip4 address) const {
    return servers_in_.contains(address_key(server_vrf.value, address));
  }

 private:
  explicit Forwarding(Snapshot snapshot) : snapshot_(std::move(snapshot)) {}
  [[nodiscard]] std::expected<void, Error> index();
  [[nodiscard]] std::expected<void, Error> index_ids();
  [[nodiscard]] std::expected<void, Error> index_circuit_ids();
  [[nodiscard]] std::expected<void, Error> index_natives();
  void index_addresses();
  void index_ways();

  // Bit 63 keeps a key apart from the empty slot's 0.
  static constexpr std::uint64_t kUsed = std::uint64_t{1} << 63;
  static std::uint64_t place_key(PortId port, std::uint16_t outer, std::uint16_t inner) {
    return kUsed | std::uint64_t{port.value} << 32 | std::uint64_t{outer} << 16 | inner;
  }
  static std::uint64_t address_key(std::uint32_t id, Ip4 address) {
    return kUsed | std::uint64_t{id} << 32 | address.value;
  }
  // Position + 1 by id, 0 = no such id.
  template <typename Entries>
  static const typename Entries::value_type* at(const Entries& entries,
                                                const std::vector<std::uint32_t>& by_id, std::uint32_t id) {
    return id < by_id.size() && by_id[id] != 0 ? &entries[by_id[id] - 1] : nullptr;
  }
  // A circuit-id of a client attachment in a chain of those with the same hash.
  struct CircuitSlot {
    std::uint64_t hash = 0;        // of server VRF and text, never 0 when used
    std::uint32_t attachment = 0;  // position
  };
  [[nodiscard]] const AttachmentEntry* find_circuit(VrfId server_vrf, std::string_view text) const;

  Snapshot snapshot_;
  std::vector<std::uint32_t> attachment_by_id_, vrf_by_id_, port_by_id_;
  std::vector<bool> probes_;              // by VRF id
  HugeVector<Way> ways_;                  // of all VRFs, in the order of the snapshot
  std::vector<std::uint32_t> ways_from_;  // by position of the VRF; one more at the end
  std::vector<CircuitSlot> circuits_;
  std::vector<bool> mac_in_circuits_;  // by server VRF id: some circuit-id there has {mac}
  FlatIndex by_place_, own_, local_, servers_, late_servers_, servers_in_;
};

// What Forwarding::make checks of single entries, before it indexes them.
[[nodiscard]] std::expected<void, Error> check_port(const PortEntry& port);
[[nodiscard]] std::expected<void, Error> check_attachment(const AttachmentEntry& attachment);
[[nodiscard]] std::expected<void, Error> check_vrf(const VrfEntry& vrf);
// Bytes of a circuit-id or remote-id once the MAC is in place of its placeholders.
[[nodiscard]] std::size_t rendered_length(std::string_view text);

}  // namespace xk
