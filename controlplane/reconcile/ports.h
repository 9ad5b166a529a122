// The interfaces through which the control plane touches the machine. Adapters implement them
// (netlink/, netns/, kea/, bpfmaps/, xsk/, dataplane_link/) and never see one another; the executor
// drives them; tests of the planner and executor use fakes. All are called from the daemon's one
// loop thread, and none blocks longer than it says.
#pragma once

#include <cerrno>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bpf/shared/layout.h"
#include "controlplane/model/model.h"
#include "dataplane/base/counters.h"
#include "dataplane/base/fd.h"
#include "dataplane/base/snapshot.h"
#include "dataplane/base/types.h"
#include "dataplane/ipc/messages.h"

namespace xk::ipc {
class FenceMemory;
}

namespace xk {

template <typename T = void>
using Result = std::expected<T, Error>;

// ---- netlink/ ----------------------------------------------------------------------------------

// VLANs of a bridge port, or of the bridge itself: first to last.
struct BridgeVlans {
  Vid first{};
  Vid last{};
  bool pvid = false;      // untagged frames from outside are in this VLAN (first = last then)
  bool untagged = false;  // frames to the outside lose their tag
  friend bool operator==(const BridgeVlans&, const BridgeVlans&) = default;
};

// Which members of a bond take frames from outside.
enum class BondReception : std::uint8_t { all, active_only };

struct LinkInfo {
  IfIndex ifindex{};
  std::string name;
  std::string kind;   // "veth", "vlan", "vrf", "bond", "bridge", "" for a NIC
  std::string alias;  // ownership mark of what we made
  Mac mac{};
  std::uint16_t mtu = 1500;
  std::uint16_t rx_queues = 1;  // in use now (real_num_rx_queues), not what the driver could have
  bool up = false;
  IfIndex master{};        // VRF, bridge or bond it is enslaved to
  IfIndex parent{};        // of a VLAN device
  Vid vid{};               // of a VLAN device
  std::uint16_t tpid = 0;  // of a VLAN device; of a VLAN-aware bridge, that of its VLANs
  bool ethernet = true;
  std::uint32_t vrf_table = 0;  // of a VRF device
  BondReception bond_reception = BondReception::all;
  IfIndex active_member{};         // of a bond with BondReception::active_only
  bool vlan_filtering = false;     // of a bridge
  std::vector<BridgeVlans> vlans;  // of a VLAN-aware bridge and its ports
  std::vector<Prefix4> addresses;  // in the kernel's order; network holds the address itself, not masked
  friend bool operator==(const LinkInfo&, const LinkInfo&) = default;
};

// The veth pair between the appliance's namespace and a VRF's Kea namespace; one queue each way.
struct HandoffSpec {
  std::string host_name;  // <= 15 characters, from the VRF's id
  std::string peer_name;  // name inside the namespace
  std::string netns;      // name under /run/netns
  std::string mark;       // alias of both ends: tells ours from others'
  Ip4 host_ip{};          // not assigned to the host end: the dataplane owns it
  Ip4 peer_ip{};          // /31 on the peer
  std::uint16_t mtu = 1500;
  Mac host_mac{};  // set on the host end; both are fixed by the VRF's id, so that the forwarding
  Mac peer_mac{};  // state is known before the pair is made; an adopted pair gets them too
  friend bool operator==(const HandoffSpec&, const HandoffSpec&) = default;
};

// How to reach an IPv4 address from here.
struct NextHop {
  IfIndex ifindex{};  // way out, 0 = no route
  Ip4 gateway{};      // or the destination itself when on link
  Ip4 source{};       // the kernel's preferred source address
  Mac mac{};          // zero = not resolved yet (a resolution was started)
};

class Links {
 public:
  virtual ~Links() = default;
  [[nodiscard]] virtual Result<std::vector<LinkInfo>> list() = 0;
  // Makes (or adopts, if both ends carry the mark) the pair, moves the peer, gives the peer its
  // address, a default route through host_ip and a permanent neighbour for it, sets all up and
  // returns the host end. Refuses an interface of that name without the mark. On failure nothing stays.
  [[nodiscard]] virtual Result<LinkInfo> ensure_handoff(const HandoffSpec& spec) = 0;
  // Removes the host end (and so the peer) if it carries the mark; gone already is no error.
  [[nodiscard]] virtual Result<> remove_handoff(const std::string& host_name, const std::string& mark) = 0;
  // Looks up route and neighbour; starts a resolution if the neighbour is unknown.
  [[nodiscard]] virtual Result<NextHop> next_hop(Ip4 destination, const std::string& vrf_device) = 0;
  // Readable when links, addresses, routes or neighbours changed. Borrowed.
  [[nodiscard]] virtual int events_fd() const = 0;
  // Reads the waiting events away; true if anything relevant changed (an overrun counts as such).
  [[nodiscard]] virtual Result<bool> drain_events() = 0;
  // Times that events were lost since the start: everything was looked at anew then.
  [[nodiscard]] virtual std::uint64_t overruns() const = 0;
};

// ---- netns/ ------------------------------------------------------------------------------------

class Namespaces {
 public:
  virtual ~Namespaces() = default;
  // Makes /run/netns/<name> (lo up, its alias = mark) or adopts it if its lo carries the mark;
  // refuses one without it.
  [[nodiscard]] virtual Result<> ensure(const std::string& name, const std::string& mark) = 0;
  // Removes it if it carries the mark; gone already is no error.
  [[nodiscard]] virtual Result<> remove(const std::string& name, const std::string& mark) = 0;
  // Names of namespaces whose lo alias starts with mark_prefix.
  [[nodiscard]] virtual Result<std::vector<std::string>> list_marked(const std::string& mark_prefix) = 0;
};

// ---- kea/ --------------------------------------------------------------------------------------

// All that one Kea needs; two equal specs mean the same running server.
struct KeaSpec {
  VrfId vrf{};
  std::string vrf_name;
  std::string netns;
  std::string interface;  // inside the namespace
  std::string interface_ip;
  std::string directory;    // own directory: configuration, sockets, leases, logs, pid
  std::string config_json;  // rendered, complete
  KeaSettings settings;
  std::vector<std::pair<std::uint32_t, Prefix4>> subnets;  // with their ids
  friend bool operator==(const KeaSpec&, const KeaSpec&) = default;
};

// silent: it has answered on its control socket and does not any more.
enum class KeaState : std::uint8_t { missing, starting, running, silent, backoff, stopping, stopped };
struct KeaStatus {
  VrfId vrf{};
  std::string vrf_name;
  KeaState state = KeaState::stopped;
  std::int64_t pid = 0;
  std::uint64_t started_unix_ms = 0;
  std::uint32_t restarts = 0;  // since xdp-kead started
  // Datagrams that found its sockets' buffers full, as of its last answer.
  std::uint64_t socket_drops = 0;
  std::string version;
  std::string last_error;  // last refusal, exit status or log line that explains the state
  std::string directory;
};

class KeaServers {
 public:
  virtual ~KeaServers() = default;
  // Has Kea itself test the configuration (kea-dhcp4 -t in the namespace, as its user).
  [[nodiscard]] virtual Result<> test(const KeaSpec& spec) = 0;
  // Starts it, adopts a running one, or sets a changed configuration live by config-set.
  [[nodiscard]] virtual Result<> apply(const KeaSpec& spec) = 0;
  // SIGTERM, SIGKILL after 5 s without blocking the caller longer than 100 ms; ends its restarts.
  [[nodiscard]] virtual Result<> stop(VrfId vrf) = 0;
  // Readable when a Kea has died. Borrowed; -1 if it is enough to call tick().
  [[nodiscard]] virtual int events_fd() const = 0;
  // Reaps, restarts those whose backoff is over, probes control sockets. Call on events and at
  // least every 100 ms while anything is not running, else every second.
  virtual void tick(std::uint64_t now_ms) = 0;
  [[nodiscard]] virtual std::vector<KeaStatus> status() const = 0;
  // Has it start anew, with what it is to start with made again. False: its start is being prepared, try
  // again. One that does not run starts when it is its turn.
  [[nodiscard]] virtual bool restart(VrfId vrf) = 0;
  // Sends a command to the control socket; at most 5 s.
  [[nodiscard]] virtual Result<std::string> command(VrfId vrf, const std::string& json) = 0;
};

// ---- bpfmaps/ ----------------------------------------------------------------------------------

enum class AttachMode : std::uint8_t { native, generic };
struct AttachedPort {
  IfIndex ifindex{};
  AttachMode mode = AttachMode::native;
  std::string warning;  // why not native, what could not be set; stays in status
  bool vlan_offload_taken = false;
};
struct AttachmentRow {
  xk_attachment_key key{};
  xk_attachment_value value{};
};
struct AddressRow {
  xk_address_key key{};
  std::uint32_t flags = 0;
};

class Classifier {
 public:
  virtual ~Classifier() = default;
  // Mounts bpffs if needed, loads the program, makes or adopts the pinned maps and links.
  [[nodiscard]] virtual Result<> open(const std::string& bpf_dir) = 0;
  // Attaches in native mode, else generic with a warning; adopts (and updates) our own pinned link;
  // refuses a foreign program, naming it. Takes rx VLAN offload off and remembers it on disk.
  [[nodiscard]] virtual Result<AttachedPort> attach(IfIndex ifindex, const std::string& name,
                                                    bool force_generic) = 0;
  // Detaches our link and restores the offload; an interface that is gone is no error.
  [[nodiscard]] virtual Result<> detach(IfIndex ifindex, const std::string& name) = 0;
  [[nodiscard]] virtual std::vector<AttachedPort> attached() const = 0;
  [[nodiscard]] virtual Result<> put_attachment(const AttachmentRow& row) = 0;
  [[nodiscard]] virtual Result<> remove_attachment(const xk_attachment_key& key) = 0;
  [[nodiscard]] virtual Result<std::vector<AttachmentRow>> attachments() = 0;
  [[nodiscard]] virtual Result<> put_address(const AddressRow& row) = 0;
  [[nodiscard]] virtual Result<> remove_address(const xk_address_key& key) = 0;
  [[nodiscard]] virtual Result<std::vector<AddressRow>> addresses() = 0;
  [[nodiscard]] virtual Result<> put_socket(std::uint32_t index, int socket_fd) = 0;
  // Sum over CPUs, by enum xk_outcome.
  [[nodiscard]] virtual Result<std::vector<std::uint64_t>> counters() = 0;
};

// ---- xsk/ --------------------------------------------------------------------------------------

struct PacketSocket {
  Fd socket;  // AF_XDP, UMEM registered, rings sized, bound
  Fd memory;  // memfd that is the UMEM
  bool zero_copy = false;
};

class PacketSockets {
 public:
  virtual ~PacketSockets() = default;
  // The socket of one receive queue. The caller passes both descriptors on and closes its own, so
  // that the socket dies with the dataplane and XDP passes packets to the kernel.
  [[nodiscard]] virtual Result<PacketSocket> make(IfIndex ifindex, std::uint16_t queue,
                                                  const ipc::UmemGeometry& geometry) = 0;
};

// ---- dataplane_link/ ---------------------------------------------------------------------------

struct DataplaneStatus {
  bool connected = false;  // and set up: its loops run
  std::uint32_t pid = 0;
  std::uint64_t generation = 0;  // in force there
  std::uint64_t connected_unix_ms = 0;
  std::uint32_t connects = 0;  // since xdp-kead started
  bool silent = false;         // connected, but has not answered for kDataplaneSilentMs
  std::string last_error;
  std::vector<IfIndex> held_ports;  // af_xdp ports it holds sockets of
};

// Counters of one VRF slot summed over lcores; slot 0 is what belongs to no VRF.
struct VrfCounts {
  VrfId vrf{};
  std::uint64_t rx = 0, copies = 0, tx = 0, requests = 0, replies = 0, arp = 0, exceptions = 0;
  std::uint64_t queue_high_water = 0;
  std::uint64_t queue_depth = 0;        // now; 0 while no dataplane is connected
  std::vector<std::uint64_t> outcomes;  // by enum xk_outcome
};

// What the dataplane knows of one server of a VRF of the relay engine. Times are milliseconds of
// CLOCK_MONOTONIC, 0 = never.
struct ServerStatus {
  VrfId vrf{};
  Ip4 address{};
  ServerState state = ServerState::unknown;
  std::uint32_t deaths = 0;
  std::uint64_t since_ms = 0;  // since when the state is what it is
  std::uint64_t requests = 0, replies = 0;
  std::uint64_t last_reply_ms = 0;
  friend bool operator==(const ServerStatus&, const ServerStatus&) = default;
};

// How often a dataplane is asked whether it and its loops move, and how long it may take.
inline constexpr std::uint64_t kDataplanePingMs = 2'000;
inline constexpr std::uint64_t kDataplaneSilentMs = 6'000;

class DataplaneLink {
 public:
  virtual ~DataplaneLink() = default;
  [[nodiscard]] virtual Result<> listen(const std::string& path, const std::string& user) = 0;
  // Descriptors to poll for reading. Borrowed.
  [[nodiscard]] virtual std::vector<int> fds() const = 0;
  // Reads what is waiting; true if a dataplane came, went or applied something.
  [[nodiscard]] virtual bool poll() = 0;
  // Asks it, when it is time to. Call about every second.
  virtual void tick(std::uint64_t now_ms) = 0;
  [[nodiscard]] virtual DataplaneStatus status() const = 0;
  // Sent to every dataplane that connects, before anything else. False: the running one was made
  // with other settings and keeps them until it is restarted.
  [[nodiscard]] virtual bool set_settings(const ipc::Settings& settings) = 0;
  [[nodiscard]] virtual Result<> give_port(const ipc::PortSockets& port,
                                           std::vector<PacketSocket> sockets) = 0;
  [[nodiscard]] virtual Result<> release_ports(const std::vector<IfIndex>& ifindexes) = 0;
  // Sends the snapshot and waits (at most 2 s) until it is in force on every loop.
  [[nodiscard]] virtual Result<> publish(const Snapshot& snapshot) = 0;
  // One piece of the static leases (ipc/messages.h says what each kind does); waits at most 2 s until the
  // dataplane has taken it.
  [[nodiscard]] virtual Result<> update_static_leases(ipc::StaticUpdateKind kind,
                                                      const std::vector<StaticChange>& changes) = 0;
  // All slots that ever counted anything, slot 0 always; empty if no dataplane ever connected.
  [[nodiscard]] virtual std::vector<VrfCounts> counters() const = 0;
  // Of the connected dataplane, ordered by VRF and address; empty without one.
  [[nodiscard]] virtual std::vector<ServerStatus> servers() const = 0;
  // What the connected dataplane said last of each VRF of the native engine, ordered by VRF; empty without
  // one. One that was published since and of which nothing was heard is recovering.
  [[nodiscard]] virtual std::vector<ipc::NativeReport> natives() const { return {}; }
  // The store has the leases of its journal up to the revision.
  [[nodiscard]] virtual Result<> tell_stored(VrfId, std::uint64_t /*revision*/) {
    return std::unexpected(Error{"no dataplane is connected", ENOTCONN});
  }
  // Has it forget a lease: a record of the journal says so.
  [[nodiscard]] virtual Result<> forget(VrfId, Ip4) {
    return std::unexpected(Error{"no dataplane is connected", ENOTCONN});
  }
  // The fence of the connected dataplane; null without one.
  [[nodiscard]] virtual std::shared_ptr<const ipc::FenceMemory> fence() const { return nullptr; }
};

// ---- natives/, by app/native_service ------------------------------------------------------------

// What the leases of a VRF of the native engine need beside the dataplane; two equal specs mean the same.
struct NativeSpec {
  VrfId vrf{};
  std::string vrf_name;
  std::string directory;                                   // of its journal
  std::string kea_directory;                               // where a Kea of the VRF would have left leases
  bool urgent = false;                                     // answers wait for the store
  std::vector<std::pair<std::uint32_t, Prefix4>> subnets;  // with their ids
  friend bool operator==(const NativeSpec&, const NativeSpec&) = default;
};

class NativeLeases {
 public:
  virtual ~NativeLeases() = default;
  // Has the leases of the VRF where its engine finds them: those it had, or those of the store if the engine
  // was another one since; no Kea of the VRF runs. From then on the store follows them. EINPROGRESS: not yet.
  [[nodiscard]] virtual Result<> ensure(const NativeSpec& spec) = 0;
  // What was published last has no native engine of the VRF: waits until the dataplane has closed it and the
  // store has all its leases. EINPROGRESS: not yet.
  [[nodiscard]] virtual Result<> finish(const std::string& vrf_name) = 0;
  // Those that ensure() has done.
  [[nodiscard]] virtual std::vector<NativeSpec> ready() const = 0;
  // Names of the VRFs of which that finish() has not; also what an earlier xdp-kead has left.
  [[nodiscard]] virtual std::vector<std::string> open() const = 0;
  // Why the store does not follow the leases of a VRF, by name.
  [[nodiscard]] virtual std::map<std::string, std::string> troubles() const { return {}; }
};

}  // namespace xk
