// Static leases as the two daemons tell each other of them: who is meant, and what of a reply to them the
// control plane has rendered into wire bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dataplane/base/types.h"

namespace xk {

// What a client is known by. A client that has several is looked for in this order.
enum class StaticKind : std::uint8_t {
  client_id = 0,  // the bytes of option 61
  mac = 1,        // the six bytes of chaddr
  circuit = 2,    // static_circuit_identity()
};
inline constexpr std::size_t kStaticKinds = 3;

inline constexpr std::size_t kStaticIdentityMax = 512;  // bytes: two sub-options with a length each
inline constexpr std::size_t kStaticOptionsMax = 1024;  // bytes of an entry's own options

// One static lease.
struct StaticLease {
  VrfId vrf{};
  StaticKind kind = StaticKind::mac;
  std::string identity;  // bytes
  Ip4 address{};         // 0: only its identity is known, the address comes from a pool
  std::string options;   // code, length, value ... as in a message: they take the place of the subnet's
  friend bool operator==(const StaticLease&, const StaticLease&) = default;
};

// A change of one static lease.
struct StaticChange {
  bool erase = false;  // the lease with this identity goes; its address and options say nothing
  StaticLease lease;
  friend bool operator==(const StaticChange&, const StaticChange&) = default;
};

// The identity of a line: circuit-id and remote-id, each up to 255 bytes, with their lengths. Without a
// remote-id it is that of the circuit whatever remote-id comes with it.
[[nodiscard]] inline std::string static_circuit_identity(std::string_view circuit_id) {
  std::string identity(1, static_cast<char>(static_cast<std::uint8_t>(circuit_id.size())));
  return identity.append(circuit_id);
}
[[nodiscard]] inline std::string static_circuit_identity(std::string_view circuit_id,
                                                         std::string_view remote_id) {
  std::string identity = static_circuit_identity(circuit_id);
  identity += static_cast<char>(static_cast<std::uint8_t>(remote_id.size()));
  return identity.append(remote_id);
}

// Whether options are whole options of codes 1..254, and none that a message cannot do without or that
// belongs to the relay.
[[nodiscard]] bool well_formed_options(std::string_view options);
// What makes a static lease unfit for the dataplane, or an empty text.
[[nodiscard]] std::string_view wrong_with_static_lease(const StaticLease& lease);

}  // namespace xk
