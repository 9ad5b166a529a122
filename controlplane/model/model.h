// The validated desired state, as plain values: what the configuration (and later discovery and the
// API) ask for. Everything here is complete and consistent; what may be missing at run time is only
// what the machine has not got yet (an interface, a route).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/model/option_type.h"
#include "dataplane/base/snapshot.h"
#include "dataplane/base/types.h"

namespace xk {

// Where a value stood in the configuration file; line 0: a default. Two models are equal when they
// ask for the same, wherever it was written: origins never make a difference.
struct Origin {
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  friend bool operator==(const Origin&, const Origin&) { return true; }
};

// [appliance]
struct Appliance {
  std::string name = "xdp-kea";                 // first letters of kernel names, ownership mark
  std::string hostname;                         // "{hostname}"; empty: the machine's
  std::string state_dir = "/var/lib/xdp-kea";   // ids, Kea's leases
  std::string run_dir = "/run/xdp-kea";         // sockets, generated files
  std::string bpf_dir = "/sys/fs/bpf/xdp-kea";  // pinned maps and links
  std::string api_socket = "/run/xdp-kea/api.sock";
  std::uint32_t api_socket_mode = 0660;
  std::string api_group;                         // group of the API socket; empty: root
  std::string metrics_address;                   // "127.0.0.1:9547": where /metrics is; empty: nowhere
  std::string log_level = "info";                // trace, debug, info, warn, error
  Prefix4 handoff_prefix{Ip4{0xa9fe0000u}, 16};  // link-local /31 pairs, two addresses a VRF
  friend bool operator==(const Appliance&, const Appliance&) = default;
};

// [store]: where leases are.
enum class StoreBackend : std::uint8_t { embedded, etcd };
struct StoreSettings {
  StoreBackend backend = StoreBackend::embedded;
  std::vector<std::string> endpoints;  // of etcd, as all that follows
  std::string ca_file;                 // empty: the system's certificates
  std::string certificate_file;
  std::string key_file;
  std::string user;  // empty: no authentication
  std::string password_file;
  std::uint32_t lease_grace_s = 3600;  // how long after its end a lease is kept for its client
  friend bool operator==(const StoreSettings&, const StoreSettings&) = default;
};

// [ha]: the VRFs are shared with another appliance, by the store.
struct HaSettings {
  bool enabled = false;
  std::string name;         // of this appliance; empty: the host's name
  std::uint32_t ttl_s = 2;  // of the session with etcd, on which being active hangs
  friend bool operator==(const HaSettings&, const HaSettings&) = default;
};

// What one lcore runs, in a multi-core topology.
enum class LoopRole : std::uint8_t { rx, vrf, tx };
struct LcorePlan {
  std::uint32_t cpu = 0;
  std::vector<LoopRole> roles;  // at least one; rx, vrf and tx each appear on at least one lcore
  friend bool operator==(const LcorePlan&, const LcorePlan&) = default;
};

// [dataplane]
struct DataplaneSettings {
  std::string user = "xdp-kea";
  std::vector<LcorePlan> lcores;       // empty: one core runs everything, unpinned
  std::uint32_t buffers = 16384;       // packet buffers of all ports and queues
  std::uint16_t queue_depth = 512;     // of a VRF's rte_ring, power of two
  std::uint32_t quantum_bytes = 2048;  // of the deficit-round-robin scheduler
  std::uint32_t idle_spin_us = 50;     // busy time after the last packet before a loop sleeps
  std::uint32_t memory_mib = 256;      // EAL memory
  friend bool operator==(const DataplaneSettings&, const DataplaneSettings&) = default;
};

// [[port]]: only for what is not a plain kernel interface.
struct Port {
  std::string name;
  PortKind kind = PortKind::af_xdp;
  std::string device;        // EAL device string, ethdev only
  std::uint16_t queues = 0;  // 0: as many as the interface has
  ExceptionPolicy exception = ExceptionPolicy::drop;
  std::string exception_device;
  bool force_generic = false;  // af_xdp: attach in generic mode at once
  Origin origin;
  friend bool operator==(const Port&, const Port&) = default;
};

// A DHCP option, as Kea's option-data takes it.
struct OptionData {
  std::string name;       // Kea's name, or empty
  std::uint8_t code = 0;  // 0: by name
  std::string data;
  bool hex = false;                       // data is hex digits (csv-format false)
  OptionType type = OptionType::defined;  // what data means
  friend bool operator==(const OptionData&, const OptionData&) = default;
};

// A pool with conditions or options of its own; native engine only.
struct PoolTerms {
  Range4 pool{};                     // one of Subnet::pools
  std::vector<std::string> classes;  // of the VRF: a client needs one of them; empty: for all
  std::vector<OptionData> options;   // in the place of the subnet's
  friend bool operator==(const PoolTerms&, const PoolTerms&) = default;
};

struct Subnet {
  std::uint32_t id = 0;  // Kea's subnet id, unique in the VRF, stable by prefix
  Prefix4 prefix{};
  std::vector<Range4> pools;     // all, apart from each other
  std::vector<PoolTerms> terms;  // of those pools that have some
  std::vector<Range4> exclude;   // of the pools: not handed out; in no order
  Ip4 gateway{};                 // 0 = none
  Ip4 server_identifier{};       // default: the gateway
  std::vector<Ip4> dns;
  std::string domain;
  std::vector<Ip4> ntp;
  std::uint32_t lease_time_s = 3600;
  std::vector<OptionData> options;
  // Native engine only.
  std::uint32_t lease_time_max_s = 0;  // 0: lease_time_s
  std::string network;                 // subnets of the VRF with the same one share a link; empty: by itself
  Ip4 next_server{};                   // 0 = none
  std::string boot_file;
  Origin origin;
  friend bool operator==(const Subnet&, const Subnet&) = default;
};

// Clients of the native engine that something is true of.
struct ClientClass {
  std::string name;
  std::vector<NativeCondition> conditions;  // all of them; at least one
  std::uint32_t lease_time_s = 0;           // 0: the subnet's
  Ip4 next_server{};                        // 0: the subnet's
  std::string boot_file;                    // empty: the subnet's
  std::vector<OptionData> options;
  Origin origin;
  friend bool operator==(const ClientClass&, const ClientClass&) = default;
};

struct Attachment {
  std::string interface;  // kernel interface or [[port]] name
  VlanTag outer{};
  VlanTag inner{};
  Prefix4 subnet{};  // one of the VRF's subnets
  Ip4 address{};     // relay engine: giaddr here; default: the subnet's gateway
  bool trusted = false;
  Option82Policy option82_policy = Option82Policy::keep;
  std::string circuit_id_template;
  std::string remote_id_template;
  bool found = false;  // made by discovery, not configured
  Origin origin;
  friend bool operator==(const Attachment&, const Attachment&) = default;
};

// [vrf.relay]: for the relay engine; option-82 settings for both engines.
struct RelaySettings {
  std::vector<Ip4> servers;
  std::string server_vrf;        // name; empty: the VRF itself
  std::string server_interface;  // port servers are reached by; empty: by the kernel's route
  VlanTag server_outer{};
  VlanTag server_inner{};
  Mac next_hop{};  // fixed next hop; zero: by the kernel's neighbour table
  Ip4 source{};    // giaddr and source for all attachments; 0: per attachment
  ServerMode server_mode = ServerMode::all;
  std::uint16_t dead_after_s = 10;
  std::uint16_t probe_interval_s = 5;
  std::uint8_t hops_max = 16;
  bool link_selection = false;  // set when source is, and for the kea engine
  bool server_id_override = false;
  bool relay_flags = false;
  VssEntry vss{};
  friend bool operator==(const RelaySettings&, const RelaySettings&) = default;
};

// What happens to an ACK while the store cannot take its lease.
enum class Durability : std::uint8_t {
  strict,     // it is not sent
  available,  // it is sent once the lease is in a queue on disk
  none,       // Kea keeps its leases by itself: no store
};

struct KeaSettings {
  std::string user = "_kea";
  std::string template_file;  // empty: rendered from the model
  std::string binary = "/usr/sbin/kea-dhcp4";
  Durability durability = Durability::available;
  bool shared = false;  // by [ha]: another appliance may have made the leases
  friend bool operator==(const KeaSettings&, const KeaSettings&) = default;
};

// [vrf.native]
struct NativeSettings {
  ReplyAfter reply_after = ReplyAfter::journal;  // key durability
  bool available = false;                        // key on_failure
  Allocate allocate = Allocate::lowest;
  bool probe = false;  // key conflict_check
  bool rapid_commit = false;
  bool bootp = false;
  bool authoritative = true;
  std::uint32_t offer_hold_s = 30;
  std::uint32_t decline_s = 86400;
  std::uint32_t circuit_leases_max = 0;     // 0: no limit
  std::uint32_t attachment_leases_max = 0;  // 0: no limit
  std::vector<Ip4> query_requestors;
  friend bool operator==(const NativeSettings&, const NativeSettings&) = default;
};

// Who answers clients with a static lease.
enum class StaticBy : std::uint8_t { dataplane, kea };

// What clients of a paused pool, and paused clients, are told that have a lease and renew it.
enum class PausedRenewals : std::uint8_t { allow, deny };

struct Vrf {
  std::string name;
  std::string device;     // kernel VRF device it is bound to; empty: only a name
  bool discover = false;  // subnets and attachments also from the interfaces that are in device
  bool found = false;     // made by discovery, not configured
  Engine engine = Engine::kea;
  std::vector<Subnet> subnets;
  std::vector<Attachment> attachments;
  RelaySettings relay;
  KeaSettings kea;
  NativeSettings native;
  std::vector<ClientClass> classes;  // native engine only
  std::vector<OptionData> options;   // of all subnets that say nothing else; with the model's
  std::uint16_t queue_depth = 512;
  StaticBy static_by = StaticBy::dataplane;
  PausedRenewals paused_renewals = PausedRenewals::allow;
  Origin origin;
  friend bool operator==(const Vrf&, const Vrf&) = default;
};

// Which addresses of a subnet that was found are handed out: host numbers from first to last, both
// counted in the subnet (0 is its network address). What the interfaces of the VRF hold is left out.
struct PoolRule {
  enum class Kind : std::uint8_t { none, all, upper_half, lower_half, range };
  Kind kind = Kind::all;
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  friend bool operator==(const PoolRule&, const PoolRule&) = default;
};

// [discovery]: VRF devices of the kernel become VRFs, the interfaces in them attachments, and the
// addresses of those subnets and gateways.
struct Discovery {
  bool enabled = false;
  std::vector<std::string> include{"*"};  // globs of VRF devices
  std::vector<std::string> exclude;
  std::vector<std::string> interfaces{"*"};  // globs of interfaces in them
  std::vector<std::string> exclude_interfaces;
  PoolRule pool;
  // What is made, but for names, prefixes and addresses.
  Vrf vrf;
  Subnet subnet;
  Attachment attachment;
  friend bool operator==(const Discovery&, const Discovery&) = default;
};

struct Model {
  Appliance appliance;
  DataplaneSettings dataplane;
  StoreSettings store;
  HaSettings ha;
  Discovery discovery;
  std::vector<OptionData> options;  // of all VRFs that say nothing else
  std::vector<Port> ports;
  std::vector<Vrf> vrfs;
  friend bool operator==(const Model&, const Model&) = default;
};

}  // namespace xk
