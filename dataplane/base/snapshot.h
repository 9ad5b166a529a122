// The complete, immutable forwarding state of one configuration generation, as plain values.
// xdp-kead makes it, dataplane/ipc carries it, the dataplane indexes it (forwarding.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/base/huge.h"
#include "dataplane/base/native_vrf.h"
#include "dataplane/base/types.h"

namespace xk {

enum class PortKind : std::uint8_t { af_xdp = 0, ethdev = 1, pcap = 2, sim = 3 };

// What an ethdev port (no XDP in front) does with traffic that is not ours.
enum class ExceptionPolicy : std::uint8_t { drop = 0, exception_port = 1 };

struct PortEntry {
  PortId id{};
  PortKind kind = PortKind::af_xdp;
  std::string name;   // kernel interface name, or the configured name of an ethdev/pcap port
  IfIndex ifindex{};  // 0 where there is no kernel interface
  Mac mac{};          // source address of frames sent here
  std::uint16_t queues = 1;
  std::uint16_t mtu = 1500;  // bytes of an IP packet
  std::string device;        // EAL device string of an ethdev port, file of a pcap port
  ExceptionPolicy exception = ExceptionPolicy::drop;
  std::string exception_device;  // EAL device string of the exception port
  friend bool operator==(const PortEntry&, const PortEntry&) = default;
};

enum class AttachmentRole : std::uint8_t { client = 0, server = 1, handoff = 2 };  // = enum xk_role

// What to do with a request that already carries option 82 (RFC 3046 2.1.1).
enum class Option82Policy : std::uint8_t { append = 0, replace = 1, keep = 2, drop = 3 };

// The character in circuit_id and remote_id where the client's MAC text belongs ("{mac}").
inline constexpr char kMacPlaceholder = '\x01';

// One place where clients, servers or a Kea are reached: (port, outer VLAN, inner VLAN). What every
// packet needs comes first, on few cache lines.
struct alignas(64) AttachmentEntry {
  AttachmentId id{};
  PortId port{};
  AttachmentRole role = AttachmentRole::client;
  Option82Policy policy = Option82Policy::keep;
  VlanTag outer{};  // vid 0: none
  VlanTag inner{};
  VrfId vrf{};
  Ip4 server_identifier{};  // by which clients reach the appliance here (RFC 5107), 0 = none
  Ip4 relay_address{};      // giaddr of the relay engine here
  Ip4 link_address{};       // the clients' subnet, for link selection (RFC 3527)
  Prefix4 subnet{};         // clients' subnet: its broadcast address is ours
  bool trusted = false;     // takes option 82 with giaddr zero
  bool answer_arp = false;  // the dataplane answers ARP for server_identifier
  std::string circuit_id;   // rendered, <= 255 bytes; empty: sub-option left out
  std::string remote_id;
  std::vector<Ip4> local_addresses;  // further addresses whose DHCP is ours here
  friend bool operator==(const AttachmentEntry&, const AttachmentEntry&) = default;
};

// One server of a VRF, resolved to the frame's addresses.
struct ServerEntry {
  Ip4 address{};
  AttachmentId via{};  // handoff or server attachment; 0 = no route now
  Mac next_hop{};      // zero = neighbour not resolved yet
  Ip4 source{};        // source address of what we send there
  friend bool operator==(const ServerEntry&, const ServerEntry&) = default;
};

enum class Engine : std::uint8_t { kea = 0, relay = 1, native = 2 };

// Which of a VRF's servers a request goes to (relay/choose_servers.h).
enum class ServerMode : std::uint8_t { all = 0, failover = 1, hash = 2 };

// RFC 6607 VSS-Information: type 0 (NVT ASCII name), 1 (RFC 2685 VPN-ID) or 255 (global).
struct VssEntry {
  bool enabled = false;
  std::uint8_t type = 0;
  std::string value;  // bytes after the type
  friend bool operator==(const VssEntry&, const VssEntry&) = default;
};

// What the dataplane's own replies say in a subnet. Its options are whole options, as in a message: subnet
// mask, routers and all others but those that depend on the request; parts of one are side by side.
struct SubnetEntry {
  Prefix4 prefix{};
  Ip4 server_identifier{};  // where no attachment says it; 0 = none
  std::uint32_t lease_time_s = 0;
  std::uint32_t renew_s = 0;
  std::uint32_t rebind_s = 0;
  std::string options;
  friend bool operator==(const SubnetEntry&, const SubnetEntry&) = default;
};
inline constexpr std::size_t kSubnetOptionsMax = 4096;  // bytes

// What every packet needs comes first, as in AttachmentEntry.
struct alignas(64) VrfEntry {
  VrfId id{};
  VrfId server_vrf{};  // where its servers are; itself unless configured
  Ip4 giaddr{};        // Kea engine: handoff address; relay engine: configured source, or 0 = per attachment
  Engine engine = Engine::kea;
  ServerMode server_mode = ServerMode::all;
  std::uint16_t dead_after_s = 10;     // requests unanswered for so long: the server is dead
  std::uint16_t probe_interval_s = 5;  // between the requests that a dead server gets as well
  std::uint8_t hops_max = 16;
  bool link_selection = false;         // sub-option 5
  bool server_id_override = false;     // sub-option 11
  bool relay_flags = false;            // sub-option 10
  bool draining = false;               // takes no new clients: DISCOVER is dropped
  bool static_leases = false;          // the dataplane answers clients with a static lease
  bool fenced = false;                 // shared with another appliance: served as the fence says
  std::uint16_t queue_depth = 512;     // packets, power of two
  std::uint32_t quantum_bytes = 2048;  // of the deficit-round-robin scheduler
  std::vector<ServerEntry> servers;    // server_mode says which of them a request goes to
  VssEntry vss{};
  std::string name;
  std::vector<Ip4> late_servers;  // no requests for them any more; their answers to earlier ones still count
  std::vector<SubnetEntry>
      subnets;  // by network, apart from each other; of the native engine, and with static_leases
  friend bool operator==(const VrfEntry&, const VrfEntry&) = default;
};

struct Snapshot {
  std::uint64_t generation = 0;
  std::vector<PortEntry> ports;
  HugeVector<AttachmentEntry> attachments;
  HugeVector<VrfEntry> vrfs;
  std::vector<NativeVrf> natives;  // one of each VRF of the native engine that is served
  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

}  // namespace xk
