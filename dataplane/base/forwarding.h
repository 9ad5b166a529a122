// A Snapshot with its indexes: what a packet's way looks things up in. Immutable after make();
// loops borrow it and report when they have let go (pipeline/).
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/base/snapshot.h"

namespace xk {

class Forwarding {
 public:
  // Checks that ids are in bounds and unique, that every reference resolves and that circuit-ids
  // tell the attachments of a server VRF apart; builds the indexes.
  [[nodiscard]] static std::expected<std::unique_ptr<const Forwarding>, Error> make(Snapshot snapshot);

  [[nodiscard]] const Snapshot& snapshot() const { return snapshot_; }
  // The attachment of (port, outer VID, inner VID), or nullptr.
  [[nodiscard]] const AttachmentEntry* attachment(PortId port, std::uint16_t outer_vid,
                                                  std::uint16_t inner_vid) const;
  [[nodiscard]] const AttachmentEntry* attachment(AttachmentId id) const;
  [[nodiscard]] const VrfEntry* vrf(VrfId id) const;
  [[nodiscard]] const PortEntry* port(PortId id) const;
  // The client attachment whose rendered circuit-id this is, among those whose VRF has its servers
  // in server_vrf; chaddr stands for {mac}. nullptr: not one of ours.
  [[nodiscard]] const AttachmentEntry* by_circuit_id(VrfId server_vrf, Bytes circuit_id,
                                                     const Mac& chaddr) const;
  // Whether the address is a relay, giaddr or server-identifier address of the VRF's attachments.
  [[nodiscard]] bool is_own_address(VrfId vrf, Ip4 address) const;
  // Whether DHCP unicast to the address on this attachment is ours (as XK_ADDRESS_LOCAL in BPF).
  [[nodiscard]] bool is_local(const AttachmentEntry& attachment, Ip4 address) const;
  // A VRF that has its servers in server_vrf and this address among them; nullptr: unknown server.
  [[nodiscard]] bool is_server_of(const VrfEntry& client_vrf, Ip4 address) const;

 private:
  explicit Forwarding(Snapshot snapshot) : snapshot_(std::move(snapshot)) {}
  Snapshot snapshot_;
};

}  // namespace xk
