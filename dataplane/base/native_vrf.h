// What the native engine is told of a VRF that it serves: a part of the snapshot.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/base/static_lease.h"
#include "dataplane/base/types.h"

namespace xk {

struct VrfEntry;

// What an answer that promises a lease waits for.
enum class ReplyAfter : std::uint8_t {
  nothing = 0,  // the lease is in the journal soon, and a crash may lose it
  journal = 1,  // the journal has it on stable storage
  store = 2,    // the store of xdp-kead has it too
};

// Which free address a client gets that had none and asks for none.
enum class Allocate : std::uint8_t {
  lowest = 0,
  hashed = 1,  // the first free one from a place that its identity says
};

// Addresses of one subnet that are handed out, without those that are excluded.
struct NativePool {
  std::uint32_t subnet = 0;    // index in VrfEntry::subnets
  std::vector<Range4> ranges;  // in order, apart from each other, of the subnet, in no other pool
  std::uint32_t classes = 0;   // bits of NativeVrf::classes of which a client needs one; 0: for all
  bool paused = false;         // no new leases
  std::string options;         // whole options: in the place of the subnet's
  friend bool operator==(const NativePool&, const NativePool&) = default;
};

// What of a subnet only the native engine needs: beside VrfEntry::subnets, as many and in their order.
struct NativeSubnet {
  std::uint32_t network = 0;  // those with the same number share a link (RFC 3046 2.2.2), 0: by itself
  std::uint32_t lease_time_max_s = 0;  // for clients that ask for more than lease_time_s; not less than that
  Ip4 next_server{};                   // siaddr
  std::string boot_file;               // file, at most 127 bytes
  friend bool operator==(const NativeSubnet&, const NativeSubnet&) = default;
};

enum class ConditionKind : std::uint8_t {
  vendor_class = 0,  // option 60
  user_class = 1,    // option 77, as a whole or one of its classes (RFC 3004)
  circuit_id = 2,    // of option 82, or the attachment's
  remote_id = 3,
  mac = 4,     // chaddr
  option = 5,  // the option with the code
};
enum class ConditionMatch : std::uint8_t { equals = 0, begins = 1, contains = 2, present = 3 };

struct NativeCondition {
  ConditionKind kind = ConditionKind::option;
  ConditionMatch match = ConditionMatch::equals;
  std::uint8_t code = 0;  // of ConditionKind::option
  std::string value;      // bytes; empty with ConditionMatch::present
  friend bool operator==(const NativeCondition&, const NativeCondition&) = default;
};

// Clients for which all conditions hold. What a class says takes the place of what pool and subnet say; the
// first of several classes counts.
struct NativeClass {
  std::vector<NativeCondition> conditions;  // at least one
  std::uint32_t lease_time_s = 0;           // 0: the subnet's
  Ip4 next_server{};                        // 0: the subnet's
  std::string boot_file;                    // empty: the subnet's
  std::string options;                      // whole options
  friend bool operator==(const NativeClass&, const NativeClass&) = default;
};

// A client that gets no new lease.
struct PausedClient {
  StaticKind kind = StaticKind::mac;  // mac or client_id
  std::string identity;               // bytes
  friend bool operator==(const PausedClient&, const PausedClient&) = default;
};

inline constexpr std::size_t kNativeClassesMax = 32;            // of a VRF
inline constexpr std::size_t kNativeConditionsMax = 8;          // of a class
inline constexpr std::size_t kNativePoolsMax = 65536;           // of a VRF
inline constexpr std::size_t kNativeRangesMax = 65536;          // of all pools of a VRF together
inline constexpr std::uint64_t kNativeAddressesMax = 1u << 24;  // of all pools of a VRF together
inline constexpr std::size_t kNativeBootFileMax = 127;          // bytes
inline constexpr std::size_t kNativeRequestorsMax = 256;        // of lease queries
inline constexpr std::size_t kNativePausedMax = 65536;          // clients
inline constexpr std::size_t kNativeDirectoryMax = 4096;        // bytes

struct NativeVrf {
  VrfId vrf{};
  std::string directory;  // of its journal: there, and the dataplane's user may write in it
  ReplyAfter reply_after = ReplyAfter::journal;
  bool available = false;  // answers also while the journal cannot be written
  Allocate allocate = Allocate::lowest;
  bool probe = false;         // asks by ARP on the attachment before an address is offered the first time
  bool rapid_commit = false;  // RFC 4039
  bool bootp = false;         // BOOTP clients get a lease without end (RFC 1534 2)
  bool authoritative = true;  // also clients that it knows nothing of are refused what does not fit
  bool renew_paused = true;   // clients of paused pools and paused clients may renew
  std::uint32_t offer_hold_s = 30;          // that an address which was offered is kept for the client
  std::uint32_t grace_s = 3600;             // that an address is kept for its last client after the lease
  std::uint32_t decline_s = 86400;          // that a declined address is not given out
  std::uint32_t circuit_leases_max = 0;     // leases of one circuit-id at a time, 0: no limit
  std::uint32_t attachment_leases_max = 0;  // leases of one attachment at a time, 0: no limit
  std::vector<Ip4> query_requestors;        // who may ask DHCPLEASEQUERY (RFC 4388)
  std::vector<NativeSubnet> subnets;
  std::vector<NativePool> pools;
  std::vector<NativeClass> classes;
  std::vector<PausedClient> paused_clients;
  friend bool operator==(const NativeVrf&, const NativeVrf&) = default;
};

// How the native engine of a VRF is.
enum class NativeState : std::uint8_t {
  recovering = 0,  // reads its journal, answers nobody
  serving = 1,
  failing = 2,  // cannot write its journal: NativeVrf::available says what it answers
  closed = 3,   // gives the VRF up: the journal is complete, and nobody writes it any more
  broken = 4,   // cannot read its journal: answers nobody
};

// What makes it unfit for a VRF, or an empty text.
[[nodiscard]] std::string_view wrong_with_native(const NativeVrf& native, const VrfEntry& vrf);

}  // namespace xk
