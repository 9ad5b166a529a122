// What the two daemons say to each other: datagrams over a SOCK_SEQPACKET unix socket, descriptors
// beside them (SCM_RIGHTS). xdp-kead listens, the dataplane connects and reconnects for ever. Either
// end is untrusted input to the other: everything is parsed with bounds.
//
//   dataplane -> kead   Hello{version, pid, generation, held ports} + [counters memfd]
//                       (base/counters.h; F_SEAL_SHRINK and F_SEAL_GROW set, else it is refused)
//   dataplane -> kead   FenceMade + [fence memfd]   after every Hello (base/fence.h; the same seals)
//   kead -> dataplane   Settings{...}   after every Hello, before all else; a dataplane that runs already
//                       keeps what it was made with
//   kead -> dataplane   PortSockets{...}     + [per queue: AF_XDP socket, UMEM memfd]   ports it is to hold
//   kead -> dataplane   ReleasePorts{ifindexes}                    ports to close
//   kead -> dataplane   Publish{generation} + [sealed memfd: encoded Snapshot]
//   dataplane -> kead   Applied{generation, error text or empty}
//   kead -> dataplane   StaticUpdate{serial, kind} + [sealed memfd: encoded static leases]   a whole table in
//                       pieces (begin, more ..., finish) after every Hello, before the first Publish; then
//                       single changes. They say VRF ids of the snapshot
//   dataplane -> kead   StaticApplied{serial, error text or empty}   each is answered
//   dataplane -> kead   NativeReport{vrf, state, ...}   of each VRF of the native engine, after every Hello,
//                       when its state changes, and about every second while its journal grows
//   kead -> dataplane   NativeStored{vrf, revision}   the store has its leases up to there
//   kead -> dataplane   NativeForget{vrf, address}    the operator deletes the lease: a record says so
//   kead -> dataplane   Ping{token};  dataplane -> kead   Pong{token}
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <variant>
#include <vector>

#include "dataplane/base/bytes.h"
#include "dataplane/base/snapshot.h"
#include "dataplane/base/static_lease.h"

namespace xk::ipc {

inline constexpr std::uint32_t kVersion = 4;
inline constexpr std::size_t kMessageMax = 64 * 1024;             // bytes of one datagram
inline constexpr std::size_t kSnapshotMax = 64 * 1024 * 1024;     // bytes of an encoded snapshot
inline constexpr std::size_t kStaticBytesMax = 16 * 1024 * 1024;  // bytes of the leases of one StaticUpdate
inline constexpr std::uint32_t kStaticChangesMax = 64 * 1024;     // leases of one
inline constexpr std::size_t kDescriptorsMax = 128;  // descriptors beside one datagram: 64 queues a port
inline constexpr std::uint32_t kPortsMax = 8192;     // ports of a snapshot, held ports of a Hello
inline constexpr std::uint32_t kEthdevsMax = 64;
inline constexpr std::uint32_t kServersMax = 256;      // servers of one VRF
inline constexpr std::uint32_t kLcoreSettingsMax = 8;  // = kLcoresMax of base/counters.h
inline constexpr std::uint16_t kNameMax = 255;         // bytes of a user's, port's or VRF's name
inline constexpr std::uint16_t kDeviceMax = 4096;      // bytes of a device string or file name
inline constexpr std::uint16_t kErrorTextMax = 4096;   // bytes of Applied::error; longer ones are cut

// The rings and the frame memory of one AF_XDP socket (linux/if_xdp.h). The frame memory is a memfd
// that kead registered as UMEM and passes along: frame i starts at i * frame_size. Frames
// [0, rx_frames) are for receiving, the rest for sending.
struct UmemGeometry {
  std::uint32_t frame_size = 2048;
  std::uint32_t frame_count = 8192;
  std::uint32_t rx_frames = 4096;
  std::uint32_t fill_size = 4096;  // ring entries, powers of two
  std::uint32_t completion_size = 4096;
  std::uint32_t rx_size = 4096;
  std::uint32_t tx_size = 2048;
  friend bool operator==(const UmemGeometry&, const UmemGeometry&) = default;
};

struct Hello {
  std::uint32_t version = kVersion;
  std::uint32_t pid = 0;
  std::uint64_t generation = 0;       // of the snapshot in force; 0 = none
  std::vector<IfIndex> held_ports{};  // ifindexes of the af_xdp ports it holds sockets of
  friend bool operator==(const Hello&, const Hello&) = default;
};

// What one lcore runs; bits of LoopBit.
enum LoopBit : std::uint8_t { kLoopRx = 1, kLoopVrf = 2, kLoopTx = 4 };
struct LcoreSetting {
  std::uint32_t cpu = 0;
  std::uint8_t loops = 0;
  friend bool operator==(const LcoreSetting&, const LcoreSetting&) = default;
};

// A port that DPDK drives: opened before privileges are dropped.
struct EthdevSetting {
  std::string name{};              // PortEntry::name
  std::string device{};            // EAL device string, "net_af_packet0,iface=eth1"
  std::string exception_device{};  // empty: none
  friend bool operator==(const EthdevSetting&, const EthdevSetting&) = default;
};

// What the dataplane process is made with.
struct Settings {
  std::string user{};                  // to run as while packets flow
  std::vector<LcoreSetting> lcores{};  // empty: one core runs everything, unpinned
  std::uint32_t buffers = 16384;
  std::uint32_t idle_spin_us = 50;
  std::uint32_t memory_mib = 256;
  std::vector<EthdevSetting> ethdevs{};
  friend bool operator==(const Settings&, const Settings&) = default;
};

// One af_xdp port with all its sockets; two descriptors a queue, in order: socket, memfd.
struct PortSockets {
  IfIndex ifindex{};
  std::string name{};
  std::uint16_t queues = 0;
  bool zero_copy = false;
  UmemGeometry geometry{};
  friend bool operator==(const PortSockets&, const PortSockets&) = default;
};

struct ReleasePorts {
  std::vector<IfIndex> ifindexes{};
  friend bool operator==(const ReleasePorts&, const ReleasePorts&) = default;
};

// The encoded snapshot is in the descriptor beside it.
struct Publish {
  std::uint64_t generation = 0;
  std::uint64_t bytes = 0;
  friend bool operator==(const Publish&, const Publish&) = default;
};

struct Applied {
  std::uint64_t generation = 0;  // asked for
  std::string error{};           // empty: in force on every loop, the old one is gone
  friend bool operator==(const Applied&, const Applied&) = default;
};

struct Ping {
  std::uint64_t token = 0;
  friend bool operator==(const Ping&, const Ping&) = default;
};
struct Pong {
  std::uint64_t token = 0;
  friend bool operator==(const Pong&, const Pong&) = default;
};

// The static leases are in the descriptor beside it. change: they are in force when it is answered. begin:
// a new table, to which they and those of every more belong; finish: they too, and the new table is in force
// in the place of the old one.
enum class StaticUpdateKind : std::uint8_t { change = 0, begin = 1, more = 2, finish = 3 };
struct StaticUpdate {
  std::uint64_t serial = 0;
  StaticUpdateKind kind = StaticUpdateKind::change;
  std::uint64_t bytes = 0;
  friend bool operator==(const StaticUpdate&, const StaticUpdate&) = default;
};

// An error: some of it may have been done; the whole table is due.
struct StaticApplied {
  std::uint64_t serial = 0;
  std::string error{};
  friend bool operator==(const StaticApplied&, const StaticApplied&) = default;
};

// The fence is in the descriptor beside it.
struct FenceMade {
  friend bool operator==(const FenceMade&, const FenceMade&) = default;
};

// How a native engine is. clock_ms is what its clock is ahead of CLOCK_BOOTTIME, modulo 2^64.
struct NativeReport {
  VrfId vrf{};
  NativeState state = NativeState::recovering;
  std::uint64_t revision = 0;  // of the last record on stable storage
  std::uint64_t journal = 0;   // number of the journal that is written
  std::uint64_t clock_ms = 0;
  std::uint64_t leases = 0;    // leased now
  std::uint64_t declined = 0;  // addresses
  std::uint64_t bytes = 0;     // memory of its table
  std::string error{};         // why it is failing or broken, or what recovery left out; cut if too long
  friend bool operator==(const NativeReport&, const NativeReport&) = default;
};

struct NativeStored {
  VrfId vrf{};
  std::uint64_t revision = 0;
  friend bool operator==(const NativeStored&, const NativeStored&) = default;
};

struct NativeForget {
  VrfId vrf{};
  Ip4 address{};
  friend bool operator==(const NativeForget&, const NativeForget&) = default;
};

using Message =
    std::variant<Hello, Settings, PortSockets, ReleasePorts, Publish, Applied, Ping, Pong, StaticUpdate,
                 StaticApplied, FenceMade, NativeReport, NativeStored, NativeForget>;

// One value has one encoding: what decodes encodes to the same bytes again. encode() returns no
// bytes if a value is out of its bounds (a text too long, a ring size that is no power of two);
// decode() refuses the same, and truncated and trailing bytes.
[[nodiscard]] std::vector<std::uint8_t> encode(const Message& message);
[[nodiscard]] std::expected<Message, Error> decode(Bytes datagram);
// How many descriptors go beside it: no more, no fewer.
[[nodiscard]] std::size_t descriptors_of(const Message& message);

// Flat, versioned, network order; bounds as above. References between ids are not checked here but
// by Forwarding::make.
[[nodiscard]] std::vector<std::uint8_t> encode_snapshot(const Snapshot& snapshot);
[[nodiscard]] std::expected<Snapshot, Error> decode_snapshot(Bytes bytes);

// The same for the leases of a StaticUpdate. Each is fit for the dataplane (wrong_with_static_lease); what an
// erased one does not need is empty.
[[nodiscard]] std::vector<std::uint8_t> encode_static_changes(const std::vector<StaticChange>& changes);
[[nodiscard]] std::expected<std::vector<StaticChange>, Error> decode_static_changes(Bytes bytes);

}  // namespace xk::ipc
