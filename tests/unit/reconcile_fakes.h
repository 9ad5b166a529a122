// A machine in memory behind reconcile/ports.h. Every change of it counts as an operation, and any
// one of them can be made to fail, without an effect of its own.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/reconcile/reconciler.h"

namespace xk::test {

struct KeyLess {
  template <typename T>
  bool operator()(const T& a, const T& b) const {
    return std::memcmp(&a, &b, sizeof a) < 0;
  }
};

struct Bytes16 {
  std::array<unsigned char, 16> bytes{};
  friend bool operator==(const Bytes16&, const Bytes16&) = default;
};
inline Bytes16 value_bytes(const xk_attachment_value& value) {
  Bytes16 bytes;
  std::memcpy(bytes.bytes.data(), &value, sizeof value);
  return bytes;
}

// Everything that a change may change, comparable.
struct MachineState {
  std::map<std::string, std::string> namespaces;  // name -> mark
  std::vector<LinkInfo> links;
  std::map<std::string, HandoffSpec> handoffs;  // host name -> as made
  std::map<VrfId, KeaSpec> keas;
  std::map<std::string, NativeSpec> natives;  // whose journal is in use, by VRF
  std::map<IfIndex, std::string> attached;
  std::map<std::array<std::uint32_t, 3>, Bytes16> rows;
  std::map<std::array<unsigned char, 24>, std::uint32_t> addresses;
  std::map<std::uint32_t, std::pair<IfIndex, std::uint16_t>> xsks;  // index -> whose socket
  std::map<IfIndex, std::uint16_t> held;                            // port -> queues
  std::optional<Snapshot> snapshot;                                 // generation 0
  friend bool operator==(const MachineState&, const MachineState&) = default;
};

class FakeMachine;

// The operations, in the order they were done, each a short text; and the one that fails.
class FakeMachine {
 public:
  MachineState state;
  std::vector<std::string> log;
  std::optional<std::size_t> fail_at;  // index of the operation that fails, counted from reset()
  std::set<std::string> broken;        // operations with these texts always fail
  std::size_t operations = 0;
  std::uint64_t now_ms = 1'000'000;
  std::uint32_t next_ifindex = 100;
  std::vector<ipc::NativeReport> native_reports;  // of the dataplane
  bool dataplane_connected = true;
  bool dataplane_silent = false;
  std::uint32_t dataplane_pid = 500;
  std::uint32_t dataplane_connects = 1;
  std::uint64_t dataplane_generation = 0;
  std::map<std::tuple<VrfId, StaticKind, std::string>, StaticLease> static_leases;  // the dataplane's
  std::vector<ipc::StaticUpdateKind> static_updates;
  std::uint32_t kea_looks_needed = 0;             // ticks until a started Kea runs
  std::uint32_t native_looks_needed = 0;          // until leases are where they are to be
  std::set<std::string> natives_forgotten;        // VRFs whose journals an earlier xdp-kead has left
  std::map<VrfId, std::uint64_t> natives_stored;  // what the dataplane was told
  std::function<void(VrfId, Ip4)> on_forget;
  std::map<VrfId, std::uint32_t> kea_looks;
  std::map<VrfId, KeaState> kea_states;
  std::map<Ip4, NextHop> routes;
  std::map<int, std::pair<IfIndex, std::uint16_t>> sockets;  // descriptor -> whose
  std::set<IfIndex> foreign_xdp;
  bool events = false;  // that matter, to be drained
  bool events_broken = false;
  std::uint64_t overruns = 0;
  std::vector<VrfCounts> counts;
  std::vector<ServerStatus> servers;
  std::map<std::string, Result<std::string>> kea_answers;  // by command

  void reset() {
    log.clear();
    operations = 0;
    fail_at.reset();
  }

  Result<> operation(const std::string& text) {
    const std::size_t index = operations++;
    if ((fail_at && *fail_at == index) || broken.contains(text)) {
      return std::unexpected(Error{"fake failure of " + text});
    }
    log.push_back(text);
    return {};
  }

  IfIndex add_link(const std::string& name, std::vector<std::string> addresses = {}, IfIndex parent = {},
                   std::uint16_t vid = 0) {
    LinkInfo link;
    link.ifindex = IfIndex{next_ifindex++};
    link.name = name;
    link.mac = Mac{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(link.ifindex.value)}};
    link.up = true;
    if (parent.value != 0) {
      link.kind = "vlan";
      link.parent = parent;
      link.vid = Vid{vid};
      link.tpid = 0x8100;
    }
    for (const std::string& text : addresses) {
      const std::size_t slash = text.find('/');
      link.addresses.push_back(Prefix4{parse_ip4(text.substr(0, slash)).value(),
                                       static_cast<std::uint8_t>(std::stoul(text.substr(slash + 1)))});
    }
    state.links.push_back(link);
    return link.ifindex;
  }

  // As the kernel does it: with the interface go its program and its sockets.
  void remove_link(const std::string& name) {
    const auto link = std::ranges::find(state.links, name, &LinkInfo::name);
    const IfIndex ifindex = link->ifindex;
    state.links.erase(link);
    state.handoffs.erase(name);
    state.attached.erase(ifindex);
    std::erase_if(state.xsks, [ifindex](const auto& entry) { return entry.second.first == ifindex; });
  }

  void restart_dataplane() {
    dataplane_connected = true;
    ++dataplane_pid;
    ++dataplane_connects;
    dataplane_generation = 0;
    state.held.clear();
    state.xsks.clear();
    state.snapshot.reset();
  }

  const LinkInfo* link(const std::string& name) const {
    const auto found = std::ranges::find(state.links, name, &LinkInfo::name);
    return found == state.links.end() ? nullptr : &*found;
  }
};

class FakeLinks final : public Links {
 public:
  explicit FakeLinks(FakeMachine& machine) : machine_(machine) {}
  Result<std::vector<LinkInfo>> list() override { return machine_.state.links; }
  Result<LinkInfo> ensure_handoff(const HandoffSpec& spec) override {
    if (auto done = machine_.operation("handoff " + spec.host_name); !done)
      return std::unexpected(done.error());
    if (const LinkInfo* link = machine_.link(spec.host_name)) {
      if (link->alias != spec.mark) return std::unexpected(Error{spec.host_name + " is not ours"});
      machine_.state.handoffs[spec.host_name] = spec;
      return *link;
    }
    if (!machine_.state.namespaces.contains(spec.netns)) return std::unexpected(Error{"no such namespace"});
    machine_.add_link(spec.host_name);
    LinkInfo& link = machine_.state.links.back();
    link.kind = "veth";
    link.alias = spec.mark;
    link.mac = spec.host_mac;
    machine_.state.handoffs[spec.host_name] = spec;
    return link;
  }
  Result<> remove_handoff(const std::string& host_name, const std::string& mark) override {
    if (auto done = machine_.operation("remove handoff " + host_name); !done) return done;
    const LinkInfo* link = machine_.link(host_name);
    if (link != nullptr && link->alias != mark) return std::unexpected(Error{host_name + " is not ours"});
    if (link != nullptr) machine_.remove_link(host_name);
    return {};
  }
  Result<NextHop> next_hop(Ip4 destination, const std::string&) override {
    const auto route = machine_.routes.find(destination);
    return route == machine_.routes.end() ? NextHop{} : route->second;
  }
  int events_fd() const override { return -1; }
  Result<bool> drain_events() override {
    if (machine_.events_broken) return std::unexpected(Error{"no events"});
    return std::exchange(machine_.events, false);
  }
  std::uint64_t overruns() const override { return machine_.overruns; }

 private:
  FakeMachine& machine_;
};

class FakeNamespaces final : public Namespaces {
 public:
  explicit FakeNamespaces(FakeMachine& machine) : machine_(machine) {}
  Result<> ensure(const std::string& name, const std::string& mark) override {
    if (auto done = machine_.operation("namespace " + name); !done) return done;
    const auto [known, added] = machine_.state.namespaces.try_emplace(name, mark);
    if (known->second != mark) return std::unexpected(Error{name + " is not ours"});
    return {};
  }
  Result<> remove(const std::string& name, const std::string& mark) override {
    if (auto done = machine_.operation("remove namespace " + name); !done) return done;
    const auto known = machine_.state.namespaces.find(name);
    if (known == machine_.state.namespaces.end()) return {};
    if (known->second != mark) return std::unexpected(Error{name + " is not ours"});
    machine_.state.namespaces.erase(known);
    return {};
  }
  Result<std::vector<std::string>> list_marked(const std::string& prefix) override {
    std::vector<std::string> names;
    for (const auto& [name, mark] : machine_.state.namespaces) {
      if (mark.starts_with(prefix)) names.push_back(name);
    }
    return names;
  }

 private:
  FakeMachine& machine_;
};

class FakeKeas final : public KeaServers {
 public:
  explicit FakeKeas(FakeMachine& machine) : machine_(machine) {}
  Result<> test(const KeaSpec& spec) override { return machine_.operation("test kea " + spec.vrf_name); }
  Result<> apply(const KeaSpec& spec) override {
    if (auto done = machine_.operation("apply kea " + spec.vrf_name); !done) return done;
    if (!machine_.state.keas.contains(spec.vrf)) {
      machine_.kea_looks[spec.vrf] = machine_.kea_looks_needed;
      machine_.kea_states[spec.vrf] = machine_.kea_looks_needed == 0 ? KeaState::running : KeaState::starting;
    }
    machine_.state.keas[spec.vrf] = spec;
    return {};
  }
  Result<> stop(VrfId vrf) override {
    if (auto done = machine_.operation("stop kea " + std::to_string(vrf.value)); !done) return done;
    machine_.state.keas.erase(vrf);
    machine_.kea_states.erase(vrf);
    return {};
  }
  int events_fd() const override { return -1; }
  void tick(std::uint64_t) override {
    for (auto& [vrf, looks] : machine_.kea_looks) {
      if (looks > 0) --looks;
      if (looks == 0 && machine_.kea_states[vrf] == KeaState::starting) {
        machine_.kea_states[vrf] = KeaState::running;
      }
    }
  }
  std::vector<KeaStatus> status() const override {
    std::vector<KeaStatus> all;
    for (const auto& [vrf, spec] : machine_.state.keas) {
      KeaStatus status;
      status.vrf = vrf;
      status.vrf_name = spec.vrf_name;
      status.state = machine_.kea_states.at(vrf);
      all.push_back(status);
    }
    return all;
  }
  bool restart(VrfId vrf) override {
    static_cast<void>(machine_.operation("restart kea " + std::to_string(vrf.value)));
    return true;
  }
  Result<std::string> command(VrfId vrf, const std::string& json) override {
    if (const auto answer = machine_.kea_answers.find(json); answer != machine_.kea_answers.end()) {
      return answer->second;
    }
    if (auto done = machine_.operation("kea " + std::to_string(vrf.value) + " " + json); !done) {
      return std::unexpected(done.error());
    }
    return R"({"result":0})";
  }

 private:
  FakeMachine& machine_;
};

class FakeClassifier final : public Classifier {
 public:
  explicit FakeClassifier(FakeMachine& machine) : machine_(machine) {}
  static std::array<std::uint32_t, 3> key(const xk_attachment_key& key) {
    return {key.ifindex, key.outer_vid, key.inner_vid};
  }
  static std::array<unsigned char, 24> key(const xk_address_key& key) {
    std::array<unsigned char, 24> bytes{};
    std::memcpy(bytes.data(), &key, sizeof key);
    return bytes;
  }
  Result<> open(const std::string&) override { return {}; }
  Result<AttachedPort> attach(IfIndex ifindex, const std::string& name, bool) override {
    if (auto done = machine_.operation("attach " + name); !done) return std::unexpected(done.error());
    if (machine_.foreign_xdp.contains(ifindex)) return std::unexpected(Error{"a foreign program"});
    machine_.state.attached[ifindex] = name;
    return AttachedPort{.ifindex = ifindex, .mode = AttachMode::native, .warning = {}};
  }
  Result<> detach(IfIndex ifindex, const std::string& name) override {
    if (auto done = machine_.operation("detach " + name); !done) return done;
    machine_.state.attached.erase(ifindex);
    return {};
  }
  std::vector<AttachedPort> attached() const override {
    std::vector<AttachedPort> all;
    for (const auto& [ifindex, name] : machine_.state.attached) {
      all.push_back({.ifindex = ifindex, .mode = AttachMode::native, .warning = {}});
    }
    return all;
  }
  Result<> put_attachment(const AttachmentRow& row) override {
    if (auto done = machine_.operation("put row"); !done) return done;
    machine_.state.rows[key(row.key)] = value_bytes(row.value);
    return {};
  }
  Result<> remove_attachment(const xk_attachment_key& row) override {
    if (auto done = machine_.operation("remove row"); !done) return done;
    machine_.state.rows.erase(key(row));
    return {};
  }
  Result<std::vector<AttachmentRow>> attachments() override {
    std::vector<AttachmentRow> rows;
    for (const auto& [bytes, value] : machine_.state.rows) {
      AttachmentRow row;
      row.key = {.ifindex = bytes[0],
                 .outer_vid = static_cast<__u16>(bytes[1]),
                 .inner_vid = static_cast<__u16>(bytes[2])};
      std::memcpy(&row.value, value.bytes.data(), sizeof row.value);
      rows.push_back(row);
    }
    return rows;
  }
  Result<> put_address(const AddressRow& row) override {
    if (auto done = machine_.operation("put address"); !done) return done;
    machine_.state.addresses[key(row.key)] = row.flags;
    return {};
  }
  Result<> remove_address(const xk_address_key& row) override {
    if (auto done = machine_.operation("remove address"); !done) return done;
    machine_.state.addresses.erase(key(row));
    return {};
  }
  Result<std::vector<AddressRow>> addresses() override {
    std::vector<AddressRow> rows;
    for (const auto& [bytes, flags] : machine_.state.addresses) {
      AddressRow row;
      std::memcpy(&row.key, bytes.data(), sizeof row.key);
      row.flags = flags;
      rows.push_back(row);
    }
    return rows;
  }
  Result<> put_socket(std::uint32_t index, int fd) override {
    const auto whose = machine_.sockets.at(fd);
    if (auto done = machine_.operation("put socket " + std::to_string(index)); !done) {
      // The caller closes its sockets, and with them they leave the map.
      std::erase_if(machine_.state.xsks,
                    [&whose](const auto& entry) { return entry.second.first == whose.first; });
      return done;
    }
    machine_.state.xsks[index] = whose;
    return {};
  }
  Result<std::vector<std::uint64_t>> counters() override {
    std::vector<std::uint64_t> counts(XK_OUTCOME_COUNT);
    counts[XK_REDIRECT_DHCP4] = 7;
    return counts;
  }

 private:
  FakeMachine& machine_;
};

class FakeSockets final : public PacketSockets {
 public:
  explicit FakeSockets(FakeMachine& machine) : machine_(machine) {}
  Result<PacketSocket> make(IfIndex ifindex, std::uint16_t queue, const ipc::UmemGeometry&) override {
    if (auto done = machine_.operation("make socket"); !done) return std::unexpected(done.error());
    PacketSocket socket{
        .socket = Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)), .memory = Fd(), .zero_copy = true};
    machine_.sockets[socket.socket.get()] = {ifindex, queue};
    return socket;
  }

 private:
  FakeMachine& machine_;
};

class FakeDataplane final : public DataplaneLink {
 public:
  explicit FakeDataplane(FakeMachine& machine) : machine_(machine) {}
  Result<> listen(const std::string&, const std::string&) override { return {}; }
  std::vector<int> fds() const override { return {}; }
  bool poll() override { return false; }
  void tick(std::uint64_t) override {}
  std::vector<ipc::NativeReport> natives() const override { return machine_.native_reports; }
  DataplaneStatus status() const override {
    DataplaneStatus status;
    status.connected = machine_.dataplane_connected;
    status.pid = machine_.dataplane_pid;
    status.connects = machine_.dataplane_connects;
    status.generation = machine_.dataplane_generation;
    status.silent = machine_.dataplane_silent;
    for (const auto& [ifindex, queues] : machine_.state.held) status.held_ports.push_back(ifindex);
    return status;
  }
  bool set_settings(const ipc::Settings&) override { return true; }
  Result<> give_port(const ipc::PortSockets& port, std::vector<PacketSocket> given) override {
    const auto ours = [&](const auto& entry) { return entry.second.first == port.ifindex; };
    auto done = machine_.operation("give " + port.name);
    if (!machine_.dataplane_connected) done = std::unexpected(Error{"no dataplane"});
    if (!done || given.size() != port.queues) {
      std::erase_if(machine_.state.xsks, ours);  // the last descriptors are closed
      return done ? std::unexpected(Error{"wrong number of sockets"}) : done;
    }
    machine_.state.held[port.ifindex] = port.queues;
    return {};
  }
  Result<> release_ports(const std::vector<IfIndex>& ifindexes) override {
    if (auto done = machine_.operation("release"); !done) return done;
    for (const IfIndex ifindex : ifindexes) {
      machine_.state.held.erase(ifindex);
      std::erase_if(machine_.state.xsks,
                    [ifindex](const auto& entry) { return entry.second.first == ifindex; });
    }
    return {};
  }
  Result<> publish(const Snapshot& snapshot) override {
    if (auto done = machine_.operation("publish"); !done) return done;
    if (!machine_.dataplane_connected) return std::unexpected(Error{"no dataplane"});
    if (snapshot.generation <= machine_.dataplane_generation) return std::unexpected(Error{"old generation"});
    machine_.dataplane_generation = snapshot.generation;
    machine_.state.snapshot = snapshot;
    machine_.state.snapshot->generation = 0;
    return {};
  }
  Result<> update_static_leases(ipc::StaticUpdateKind kind,
                                const std::vector<StaticChange>& changes) override {
    if (auto done = machine_.operation("static"); !done) return done;
    if (!machine_.dataplane_connected) return std::unexpected(Error{"no dataplane"});
    if (kind == ipc::StaticUpdateKind::begin) machine_.static_leases.clear();
    for (const StaticChange& change : changes) {
      const auto key = std::tuple(change.lease.vrf, change.lease.kind, change.lease.identity);
      if (change.erase)
        machine_.static_leases.erase(key);
      else
        machine_.static_leases[key] = change.lease;
    }
    machine_.static_updates.push_back(kind);
    return {};
  }
  std::vector<VrfCounts> counters() const override { return machine_.counts; }
  std::vector<ServerStatus> servers() const override { return machine_.servers; }
  Result<> tell_stored(VrfId vrf, std::uint64_t revision) override {
    machine_.natives_stored[vrf] = revision;
    return {};
  }
  Result<> forget(VrfId vrf, Ip4 address) override {
    if (!machine_.on_forget) return std::unexpected(Error{"no dataplane"});
    machine_.on_forget(vrf, address);
    return {};
  }

 private:
  FakeMachine& machine_;
};

class FakeNatives final : public NativeLeases {
 public:
  explicit FakeNatives(FakeMachine& machine) : machine_(machine) {}
  Result<> ensure(const NativeSpec& spec) override {
    if (takes_time()) return std::unexpected(Error{"not yet", EINPROGRESS});
    if (auto done = machine_.operation("native " + spec.vrf_name); !done) return done;
    machine_.state.natives[spec.vrf_name] = spec;
    machine_.natives_forgotten.erase(spec.vrf_name);
    return {};
  }
  Result<> finish(const std::string& vrf_name) override {
    if (takes_time()) return std::unexpected(Error{"not yet", EINPROGRESS});
    if (!machine_.state.natives.contains(vrf_name) && !machine_.natives_forgotten.contains(vrf_name))
      return {};
    if (auto done = machine_.operation("end native " + vrf_name); !done) return done;
    machine_.state.natives.erase(vrf_name);
    machine_.natives_forgotten.erase(vrf_name);
    return {};
  }
  std::vector<NativeSpec> ready() const override {
    std::vector<NativeSpec> all;
    for (const auto& [name, spec] : machine_.state.natives)
      if (!machine_.natives_forgotten.contains(name)) all.push_back(spec);
    return all;
  }
  std::vector<std::string> open() const override {
    std::set<std::string> names = machine_.natives_forgotten;
    for (const auto& [name, spec] : machine_.state.natives) names.insert(name);
    return {names.begin(), names.end()};
  }

 private:
  bool takes_time() {
    if (machine_.native_looks_needed == 0) return false;
    --machine_.native_looks_needed;
    return true;
  }
  FakeMachine& machine_;
};

// A machine with a reconciler on it; restart() is a new xdp-kead on the same machine.
class Daemon {
 public:
  explicit Daemon(FakeMachine& machine, std::string directory)
      : machine_(machine),
        directory_(std::move(directory)),
        links_(machine),
        namespaces_(machine),
        keas_(machine),
        classifier_(machine),
        sockets_(machine),
        dataplane_(machine),
        natives_(machine) {
    restart();
  }
  [[nodiscard]] Machine machine() {
    return {.links = links_,
            .namespaces = namespaces_,
            .keas = keas_,
            .classifier = classifier_,
            .sockets = sockets_,
            .dataplane = dataplane_,
            .now_ms = [this] { return machine_.now_ms; },
            .pause = [this](std::uint64_t ms) { machine_.now_ms += ms; },
            .natives = &natives_};
  }
  void restart() {
    reconciler_ = std::make_unique<Reconciler>(Reconciler::Setup{
        .machine = machine(),
        .render_kea = [this](const Vrf& vrf, const KeaSpec&, const HandoffSpec&) -> Result<std::string> {
          if (unrenderable_ == vrf.name) return std::unexpected(Error{"no template"});
          std::string text = "kea of " + vrf.name;
          for (const Subnet& subnet : vrf.subnets) text += " " + to_string(subnet.prefix);
          return text;
        },
        .ids_path = directory_ + "/ids.json",
        .admin_path = directory_ + "/admin.json",
        .hostname = "router1"});
    loaded_ = reconciler_->load();
  }
  Reconciler& operator*() { return *reconciler_; }
  Reconciler* operator->() { return reconciler_.get(); }
  [[nodiscard]] bool loaded() const { return loaded_.has_value(); }
  void cannot_render(const std::string& vrf) { unrenderable_ = vrf; }

 private:
  FakeMachine& machine_;
  std::string directory_;
  FakeLinks links_;
  FakeNamespaces namespaces_;
  FakeKeas keas_;
  FakeClassifier classifier_;
  FakeSockets sockets_;
  FakeDataplane dataplane_;
  FakeNatives natives_;
  std::string unrenderable_;
  std::unique_ptr<Reconciler> reconciler_;
  Result<> loaded_;
};

// ---- models -----------------------------------------------------------------------------------------

inline Ip4 ip(const std::string& text) { return parse_ip4(text).value(); }
inline Prefix4 prefix(const std::string& text) { return parse_prefix4(text).value(); }

inline Subnet subnet(std::uint32_t id, const std::string& text, const std::string& gateway) {
  Subnet made;
  made.id = id;
  made.prefix = prefix(text);
  made.gateway = ip(gateway);
  made.server_identifier = made.gateway;
  return made;
}

inline Attachment attachment(const std::string& interface, std::uint16_t outer, std::uint16_t inner,
                             const std::string& in_subnet, const std::string& address) {
  Attachment made;
  made.interface = interface;
  made.outer.vid = Vid{outer};
  made.inner.vid = Vid{inner};
  made.subnet = prefix(in_subnet);
  made.address = ip(address);
  made.circuit_id_template = "{port}:{svlan}.{cvlan}";
  made.remote_id_template = "{hostname}:{vrf}";
  return made;
}

inline Vrf kea_vrf(const std::string& name, std::vector<Attachment> attachments) {
  Vrf vrf;
  vrf.name = name;
  vrf.engine = Engine::kea;
  vrf.subnets = {subnet(1, "10.0.0.0/24", "10.0.0.1")};
  vrf.attachments = std::move(attachments);
  return vrf;
}

inline Vrf relay_vrf(const std::string& name, std::vector<Attachment> attachments,
                     std::vector<std::string> servers) {
  Vrf vrf = kea_vrf(name, std::move(attachments));
  vrf.engine = Engine::relay;
  for (const std::string& server : servers) vrf.relay.servers.push_back(ip(server));
  return vrf;
}

}  // namespace xk::test
