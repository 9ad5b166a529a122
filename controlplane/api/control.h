// What the API can ask of the daemon. app/ implements it; api/ turns it into HTTP and JSON; cli/
// reads that JSON. Everything is a plain copy: no reference outlives a call. The server calls from its
// own threads, several at a time: app/ hands each call to the daemon's loop, or answers 503 when that
// ends.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/model/static_entry.h"
#include "dataplane/base/types.h"

namespace xk::api {

// How long the daemon's answer may take. A change of very many VRFs may take longer, for their Keas are
// tested and started one by one: the answer then says that it goes on.
inline constexpr std::chrono::seconds kAnswerWait{300};

struct PortView {
  std::string name;
  std::uint32_t ifindex = 0;
  std::string kind;   // "af_xdp", "ethdev"
  std::string mode;   // "native", "generic", "-"
  std::string state;  // "serving", "pending", "no dataplane"
  std::string warning;
};

struct KeaView {
  std::string vrf;
  std::string state;  // "running", "starting", "silent", "backoff", "missing", "stopped"
  std::int64_t pid = 0;
  std::uint64_t uptime_s = 0;
  std::uint32_t restarts = 0;
  std::uint64_t socket_drops = 0;
  std::string durability;           // "strict", "available", "none"
  bool gated = false;               // its hook is connected: leases are durable before their ACK
  std::uint64_t lease_changes = 0;  // taken from it since xdp-kead started
  std::uint64_t acks_withheld = 0;  // their lease was not durable in time; since Kea started
  std::uint64_t leases_queued = 0;  // changes that went into its queue on disk; since Kea started
  std::string version;
  std::string last_error;
  std::string netns;
  std::string directory;
};

// The native engine of a VRF, and how far the store has its leases. Revisions are those of its journal.
struct NativeView {
  std::string vrf;
  std::string state;       // "recovering", "serving", "failing", "broken", "closed", "unknown" (no dataplane)
  std::string durability;  // "none", "local", "replicated"
  std::uint64_t leases = 0;
  std::uint64_t declined = 0;          // addresses
  std::uint64_t table_bytes = 0;       // memory of its leases
  std::uint64_t journal = 0;           // number of the file that is written
  std::uint64_t durable_revision = 0;  // on the dataplane's disk
  bool followed = false;               // the store follows the journal
  std::uint64_t stored_revision = 0;   // in the store; 0 if it is not followed
  std::uint64_t behind = 0;            // records that are on the disk and not in the store yet
  std::string last_error;
  std::string directory;
};

struct AttachmentView {  // as the BPF map holds it, and what is configured and not there yet
  std::uint32_t id = 0;
  std::string vrf;
  std::string interface;
  std::uint32_t ifindex = 0;
  std::string vlan;    // "-", "100", "200.300"
  std::string role;    // "client", "server", "handoff"
  std::string origin;  // of a client's: "configured", "discovered"
  std::string on;      // of a client's: the interface that has it, where the port is only under it
  std::string subnet;
  std::string state;   // "serving", "pending", "unserved" (found, and no place of clients)
  std::string reason;  // why it is not serving
};

struct CountersView {
  std::string vrf;  // "-" for what belongs to no VRF
  std::uint64_t rx = 0, copies = 0, tx = 0, requests = 0, replies = 0, arp = 0, exceptions = 0;
  std::uint64_t queue_high_water = 0;
  std::uint64_t queue_depth = 0;                             // packets left in its queue by its last turn
  std::vector<std::pair<std::string, std::uint64_t>> drops;  // by name, only those above zero
  std::vector<std::pair<std::string, std::uint64_t>> notes;
};

struct AllCountersView {
  std::vector<CountersView> vrfs;
  CountersView total;
  std::vector<std::pair<std::string, std::uint64_t>> xdp;  // every verdict and reason by name
};

struct LeaseView {
  std::string vrf;
  std::string address;
  std::string mac;
  std::string client_id;  // hex, empty if none
  std::string hostname;
  std::string state;  // "active", "declined", "expired"
  std::string subnet;
  std::string attachment;  // "eth1 200.300", from the circuit-id if Kea stored it; may be empty
  std::uint64_t lease_time_s = 0;
  std::uint64_t expires_unix_s = 0;
  std::string server;                   // "kea", "native"
  std::uint64_t start_unix_s = 0;       // the client's last transaction
  std::uint64_t kept_until_unix_s = 0;  // erased then: its end and the grace time
  std::string circuit_id, remote_id;    // bytes
};

// Which leases; what is empty says nothing.
struct LeaseFilter {
  std::string vrf;
  std::string subnet;  // a prefix that the address is in
  std::string address;
  std::string mac;
  std::string client_id;  // hex
  std::string state;      // "active", "declined", "expired"
  std::string attachment;
};
struct LeaseQuery {
  LeaseFilter filter;
  std::string from;         // `next` of the page before; empty: the first page
  std::uint32_t limit = 0;  // 0: as many as go into an answer
};
inline constexpr std::uint32_t kLeasePageMax = 10'000;
// A page may be empty and not the last.
struct LeasePageView {
  std::vector<LeaseView> leases;
  std::string next;  // empty: that was all
};

struct LeaseWatchQuery {
  LeaseFilter filter;
  std::uint64_t since = 0;   // `last` of the answer before; 0: from now on
  std::uint32_t wait_s = 0;  // if there are none, how long to wait for one
};
struct LeaseChangeView {
  std::uint64_t revision = 0;
  std::string change;  // "put", "erased"
  LeaseView lease;     // of an erased one: as it was, if that is known
};
struct LeaseWatchView {
  bool resync = false;     // changes were missed: list all leases, and go on from last
  std::uint64_t last = 0;  // what to ask for next time
  std::vector<LeaseChangeView> changes;
};

struct LeaseDeleteRequest {
  std::string vrf;
  std::string address;
};
struct LeaseDeletedView {
  LeaseView lease;      // as it was
  bool kea = false;     // its Kea had it, and has not any more
  bool native = false;  // its native engine had it, and has not any more
};

// A pool of a VRF. available = size - excluded - own - used; used = leased + declined + static.
struct PoolView {
  std::string vrf;
  std::string subnet;
  std::string pool;      // "10.0.0.100-10.0.0.199"
  std::string paused;    // "", "yes", "part"
  bool counted = false;  // all that follows is known: the VRF's leases are in the store
  std::uint64_t size = 0;
  std::uint64_t excluded = 0;  // by the configuration
  std::uint64_t own = 0;       // gateways and server identifiers in it
  std::uint64_t used = 0;
  std::uint64_t leased = 0;
  std::uint64_t declined = 0;
  std::uint64_t fixed = 0;  // static leases' that Kea has not leased
  std::uint64_t available = 0;
  std::uint64_t expired = 0;              // of those available: kept for the client that had it
  std::uint64_t kept = 0;                 // leased although excluded, to the end of those leases
  std::uint64_t next_expires_unix_s = 0;  // 0: none
  std::string next_expires;               // which address
};

// A pool or a client that gets no new leases.
struct PauseView {
  std::string vrf;
  std::string kind;  // "pool", "mac", "client-id"
  std::string who;   // the range, the MAC, the client id in hex
  std::uint64_t since_unix_s = 0;
  std::string renewals;  // "allow", "deny"
};
// One of pool, mac and client_id; a pool's subnet stands for all its pools.
struct PauseRequest {
  std::string vrf;
  std::string pool;
  std::string mac;
  std::string client_id;
};

// A server elsewhere, of a VRF of the relay engine, as the dataplane sees it.
struct ServerView {
  std::string vrf;
  std::string address;
  std::string mode;                // of the VRF: "all", "failover", "hash"
  std::string state;               // "live", "dead", "unknown", "unreachable"
  std::uint64_t since_unix_s = 0;  // since when it is live or dead; 0 otherwise
  std::uint64_t requests = 0, replies = 0;
  std::uint64_t last_reply_unix_s = 0;  // 0: none
  std::uint32_t deaths = 0;             // times it was found dead
};

struct VrfView {
  std::string name;
  std::uint32_t id = 0;
  std::string origin;       // "configured", "discovered"; "awaited": decided of, not there since the start
  std::string device;       // the kernel's VRF device; empty: none
  std::uint32_t table = 0;  // of that device; 0: it is not there
  std::string engine;       // "kea", "relay", "native"
  std::string state;        // "serving", "degraded", "pending"
  std::string reason;
  std::string netns;
  std::string handoff;  // host-side interface
  std::string giaddr;
  std::uint32_t attachments = 0;
  std::uint32_t attachments_serving = 0;
  std::vector<std::string> subnets;
  std::vector<std::string> servers;
  std::uint32_t queue_capacity = 0;  // packets
  // With [ha] only.
  std::string standing = {};   // this appliance's: "active", "standby", "taking", "catching up", "leaving"
  std::string active_on = {};  // the appliance that is active; empty: none is
  std::uint64_t active_since_unix_s = 0;  // since when
  std::string standby_reason = {};        // why this one could not take it over now
};

// [ha]: how this appliance shares the VRFs.
struct HaView {
  bool enabled = false;
  std::string name;
  std::string state;                      // "in touch" with etcd, "silent"; empty: not enabled
  std::uint64_t silent_since_unix_s = 0;  // 0: it is not
  std::string trouble;
  std::vector<std::string> appliances;  // that are in touch with etcd
  std::uint64_t takeovers = 0;          // VRFs that this one became active in since xdp-kead started
};

struct HaRequest {
  std::string vrf;  // empty: all
};
struct HaDoneView {
  std::vector<std::string> vrfs;  // that changed hands
};

// Where leases are kept.
struct StoreView {
  std::string backend;  // "embedded", "etcd"
  std::string where;    // directory, or endpoints
  std::string state;    // "available", "unavailable"
  std::string trouble;  // why not
  std::int64_t revision = 0;
  std::uint64_t queued = 0;                            // changes that wait to be durable
  std::uint64_t commits = 0, syncs = 0, failures = 0;  // since xdp-kead started
};

struct StatusView {
  std::string version;
  std::uint64_t generation = 0;
  std::string configuration;  // path
  std::uint64_t uptime_s = 0;
  std::string dataplane_state;  // "running", "not answering", "not connected"
  std::uint32_t dataplane_pid = 0;
  std::uint64_t dataplane_generation = 0;
  StoreView store;
  HaView ha;
  std::vector<std::string> warnings;
  std::vector<PortView> ports;
  std::vector<VrfView> vrfs;
  std::vector<KeaView> keas;
  std::vector<NativeView> natives;
};

// Static leases of a VRF, or of all: a page of them.
struct StaticQuery {
  std::string vrf;
  std::string from;         // `next` of the page before; empty: the first page
  std::uint32_t limit = 0;  // 0: as many as go into an answer
};
inline constexpr std::uint32_t kStaticPageMax = 10'000;
struct StaticPageView {
  std::vector<StaticTexts> leases;
  std::string next;         // empty: that was all
  std::uint64_t total = 0;  // of the VRF, or of all
};

// What is to become of static leases. Of one that is to be deleted only who it is counts.
struct StaticRequest {
  std::vector<StaticTexts> leases;
  bool force = false;  // what is in the way gives way
  bool check = false;  // only say what would become of it
};
inline constexpr std::size_t kStaticRequestMax = 50'000;  // leases of one request
struct StaticProblemView {
  std::uint64_t index = 0;  // of the lease in the request
  std::string text;
};
struct StaticDoneView {
  std::uint64_t added = 0, changed = 0, unchanged = 0, deleted = 0;
  std::vector<std::string> notes;           // what gave way
  std::vector<StaticProblemView> problems;  // with check only: what would not be taken, and why
};

struct ReloadView {
  std::uint64_t generation = 0;
  std::vector<std::string> steps;  // what was done, in order
};

struct ConfigChangeView {
  std::string section;             // "[appliance]", "[dataplane]", "[[port]] eth1", "[[vrf]] red"
  std::string change;              // "added", "removed", "changed"
  std::vector<std::string> lines;  // of a changed section: "- " gone, "+ " new, "  " where that is
};

// What a configuration would do.
struct ConfigDiffView {
  std::uint64_t generation = 0;  // in force, and staying so
  std::vector<ConfigChangeView> changes;
  std::vector<std::string> steps;  // what would be done, in order
};

struct FindingView {
  std::string stage;   // "interface", "xdp", "attachment", "vrf", "dataplane", "option82", "engine"
  std::string result;  // "ok", "note", "stop": the way ends here
  std::string text;
};

struct ExplainView {
  std::string interface;
  std::string vlan;     // "-", "100", "200.300"
  std::string verdict;  // what becomes of a request
  std::string vrf;      // this and what follows: as far as it comes
  std::string engine;
  std::string subnet;
  std::string option82_policy;
  std::string circuit_id;  // "{mac}" where the client's MAC is put
  std::string remote_id;
  std::vector<FindingView> findings;  // in the order of the packet's way
};

struct EventView {
  std::uint64_t number = 0;  // counted from 1, without gaps
  std::uint64_t unix_ms = 0;
  std::string level;  // "info", "warning", "error"
  std::string kind;   // "vrf_added", "kea_died", ...: docs/operations.md
  std::string vrf;    // empty: of none
  std::string interface;
  std::string text;
};

struct EventsView {
  std::uint64_t log = 0;   // another number: xdp-kead was started anew, and events count from 1 again
  std::uint64_t last = 0;  // number of the newest event looked at: what to ask for next time
  std::uint64_t lost = 0;  // events that were asked for and are not kept any more
  std::vector<EventView> events;
};

// What to ask the event log for.
struct EventsQuery {
  std::uint64_t since = 0;   // only events with a higher number
  std::uint32_t wait_s = 0;  // if there are none, how long to wait for one
  std::string vrf;           // only of this VRF; empty: all
};
inline constexpr std::uint32_t kEventsWaitMax = 60;

// A configuration sent along instead of the daemon's own file.
struct ConfigText {
  std::string name;  // of the file, for messages
  std::string toml;
};

// What to do with a VRF, beside what is configured.
enum class VrfAction : std::uint8_t { drain, resume, remove };

struct DeleteRequest {
  bool purge = false;  // its leases too
};

struct TeardownView {
  std::vector<std::string> removed;   // in order
  std::vector<std::string> failures;  // what is still there, and why
};

// An API failure with its HTTP status: 400 bad request, 404 not found, 409 refused, 502 Kea did not
// answer, 503 not ready.
struct Failure {
  int status = 500;
  std::vector<std::string> messages;  // at least one
};
template <typename T>
using Answer = std::expected<T, Failure>;

class Control {
 public:
  virtual ~Control() = default;
  [[nodiscard]] virtual Answer<StatusView> status() = 0;
  [[nodiscard]] virtual Answer<std::vector<VrfView>> vrfs() = 0;
  [[nodiscard]] virtual Answer<std::vector<AttachmentView>> attachments() = 0;
  [[nodiscard]] virtual Answer<AllCountersView> counters() = 0;
  [[nodiscard]] virtual Answer<LeasePageView> leases(const LeaseQuery& query) = 0;
  // Answers early, with nothing, when too many wait.
  [[nodiscard]] virtual Answer<LeaseWatchView> lease_changes(const LeaseWatchQuery& query) = 0;
  [[nodiscard]] virtual Answer<LeaseDeletedView> delete_lease(const LeaseDeleteRequest& request) = 0;
  // vrf empty: all VRFs.
  [[nodiscard]] virtual Answer<std::vector<PoolView>> pools(const std::string& vrf) = 0;
  [[nodiscard]] virtual Answer<std::vector<PauseView>> pauses(const std::string& vrf) = 0;
  // What is paused, or not any more. In force and stored when it answers.
  [[nodiscard]] virtual Answer<std::vector<PauseView>> pause(const PauseRequest& request) = 0;
  [[nodiscard]] virtual Answer<std::vector<PauseView>> resume(const PauseRequest& request) = 0;
  [[nodiscard]] virtual Answer<StaticPageView> static_leases(const StaticQuery& query) = 0;
  // All of them or, with a message for each that may not be, none. In force and stored when it answers.
  [[nodiscard]] virtual Answer<StaticDoneView> add_static_leases(const StaticRequest& request) = 0;
  [[nodiscard]] virtual Answer<StaticDoneView> delete_static_leases(const StaticRequest& request) = 0;
  [[nodiscard]] virtual Answer<std::vector<KeaView>> keas() = 0;
  [[nodiscard]] virtual Answer<std::vector<NativeView>> natives() = 0;
  [[nodiscard]] virtual Answer<std::vector<ServerView>> servers() = 0;
  [[nodiscard]] virtual Answer<std::string> kea_command(const std::string& vrf, const std::string& json) = 0;
  [[nodiscard]] virtual Answer<std::string> config_show() = 0;  // TOML
  // A DHCP packet that arrives at an interface with these tags ("", "-", "100", "200.300").
  [[nodiscard]] virtual Answer<ExplainView> explain(const std::string& interface,
                                                    const std::string& vlan) = 0;
  // Answers early, with nothing, when too many wait.
  [[nodiscard]] virtual Answer<EventsView> events(const EventsQuery& query) = 0;
  // text: what to compare with; nothing: the daemon's file, read again.
  [[nodiscard]] virtual Answer<ConfigDiffView> config_diff(const std::optional<ConfigText>& text) = 0;
  [[nodiscard]] virtual Answer<ReloadView> reload() = 0;
  [[nodiscard]] virtual Answer<ReloadView> act_on_vrf(const std::string& vrf, VrfAction action,
                                                      bool purge) = 0;
  // Takes VRFs over from the appliance that is active, or lets go of them; waits for it.
  [[nodiscard]] virtual Answer<HaDoneView> hand_over(const std::string& vrf, bool to_us) = 0;
  // Ends the daemon once it is answered.
  [[nodiscard]] virtual Answer<TeardownView> teardown() = 0;
};

}  // namespace xk::api
