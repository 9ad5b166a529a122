#include "controlplane/dataplane_link/dataplane_link.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <optional>

#include "bpf/shared/limits.h"
#include "controlplane/dataplane_link/counters_memory.h"
#include "controlplane/dataplane_link/peer.h"
#include "dataplane/ipc/channel.h"
#include "dataplane/ipc/fence_memory.h"

namespace xk {
namespace {

using dataplane_link::CountersMemory;
using dataplane_link::Peer;
using dataplane_link::printable;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kAppliedTimeout{2000};
constexpr std::size_t kCandidatesMax = 4;  // connections that have not said Hello
constexpr int kMessagesPerPoll = 64;       // so that a chatterbox does not hold the daemon

std::uint64_t unix_ms_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

struct Candidate {
  ipc::Channel channel;
  Peer peer;
};

class UnixDataplaneLink final : public DataplaneLink {
 public:
  UnixDataplaneLink() : unreported_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~UnixDataplaneLink() override {
    if (listening_) ::unlink(path_.c_str());
  }
  UnixDataplaneLink(const UnixDataplaneLink&) = delete;
  UnixDataplaneLink& operator=(const UnixDataplaneLink&) = delete;

  Result<> listen(const std::string& path, const std::string& user) override;
  [[nodiscard]] std::vector<int> fds() const override;
  [[nodiscard]] bool poll() override;
  void tick(std::uint64_t now_ms) override;
  [[nodiscard]] DataplaneStatus status() const override { return status_; }
  [[nodiscard]] bool set_settings(const ipc::Settings& settings) override;
  Result<> give_port(const ipc::PortSockets& port, std::vector<PacketSocket> sockets) override;
  Result<> release_ports(const std::vector<IfIndex>& ifindexes) override;
  Result<> publish(const Snapshot& snapshot) override;
  Result<> update_static_leases(ipc::StaticUpdateKind kind,
                                const std::vector<StaticChange>& changes) override;
  [[nodiscard]] std::vector<VrfCounts> counters() const override;
  [[nodiscard]] std::vector<ServerStatus> servers() const override {
    return channel_ ? totals_.servers() : std::vector<ServerStatus>{};
  }
  [[nodiscard]] std::vector<ipc::NativeReport> natives() const override;
  Result<> tell_stored(VrfId vrf, std::uint64_t revision) override {
    return send(ipc::NativeStored{.vrf = vrf, .revision = revision});
  }
  Result<> forget(VrfId vrf, Ip4 address) override {
    return send(ipc::NativeForget{.vrf = vrf, .address = address});
  }
  [[nodiscard]] std::shared_ptr<const ipc::FenceMemory> fence() const override { return fence_; }

 private:
  bool accept_waiting();
  bool hear_candidates();
  void connect(Candidate candidate, const ipc::Hello& hello, Fd counters);
  Result<> check_hello(const Candidate& candidate, const ipc::Hello& hello) const;
  bool hear_dataplane();
  Result<> handle(ipc::Received& received);
  void send_settings();
  Result<> send(const ipc::Message& message, const std::vector<int>& fds = {});
  template <typename Done>
  Result<> await(const std::string& what, Done done);
  void disconnect(const Error& why);
  [[nodiscard]] Result<> hear_native(ipc::NativeReport report);
  void await_natives(const Snapshot& snapshot);

  std::string path_;
  std::optional<uid_t> user_;  // who may connect, besides root
  Fd listening_;
  Fd unreported_;  // readable while poll() has something to report that no socket tells
  std::deque<Candidate> candidates_;
  std::optional<ipc::Channel> channel_;
  DataplaneStatus status_;
  std::optional<ipc::Settings> settings_;
  std::optional<ipc::Settings> made_with_;  // what the process connected last was sent first
  std::optional<ipc::Applied> applied_;     // the last one heard
  std::optional<ipc::StaticApplied> static_applied_;
  std::uint64_t static_serial_ = 0;
  dataplane_link::Totals totals_;
  std::shared_ptr<const ipc::FenceMemory> fence_;
  std::map<VrfId, ipc::NativeReport> natives_;  // of the connected dataplane
  std::uint64_t ping_token_ = 0;
  std::uint64_t pinged_ms_ = 0;
  bool ping_answered_ = true;
  bool setting_up_ = false;  // a process of which it is not known yet that its loops run
  std::uint64_t ticked_ms_ = 0;
};

Result<> UnixDataplaneLink::listen(const std::string& path, const std::string& user) {
  if (!unreported_) return std::unexpected(Error{"no eventfd for the dataplane's socket", EMFILE});
  std::optional<uid_t> uid;
  if (!user.empty()) {
    const auto found = dataplane_link::uid_of(user);
    if (!found) return std::unexpected(found.error());
    uid = *found;
  }
  if (listening_ && path_ == path) {
    ::unlink(path.c_str());
    listening_.reset();
  }
  auto listening = ipc::listen_at(path, user);
  if (!listening) return std::unexpected(std::move(listening.error()));
  if (listening_) ::unlink(path_.c_str());
  listening_ = std::move(*listening);
  path_ = path;
  user_ = uid;
  return {};
}

std::vector<int> UnixDataplaneLink::fds() const {
  std::vector<int> all{unreported_.get()};
  if (listening_) all.push_back(listening_.get());
  if (channel_) all.push_back(channel_->fd());
  for (const Candidate& candidate : candidates_) all.push_back(candidate.channel.fd());
  return all;
}

// The dataplane is heard before newcomers are: one that died makes way for the next at once.
bool UnixDataplaneLink::poll() {
  bool changed = hear_dataplane();
  changed = accept_waiting() || changed;
  changed = hear_candidates() || changed;
  std::uint64_t ignored = 0;
  return ::read(unreported_.get(), &ignored, sizeof(ignored)) == sizeof(ignored) || changed;
}

// One question at a time: one that does not read is not written to without end.
void UnixDataplaneLink::tick(std::uint64_t now_ms) {
  ticked_ms_ = now_ms;
  if (!channel_) return;
  if (ping_answered_) {
    status_.silent = false;
    if (now_ms - pinged_ms_ < kDataplanePingMs) return;
    ping_answered_ = false;
    pinged_ms_ = now_ms;
    (void)send(ipc::Ping{++ping_token_});  // an error ends the connection, which says why
  } else if (now_ms - pinged_ms_ >= kDataplaneSilentMs) {
    status_.silent = !setting_up_;  // a slow NIC's driver may take its time
    // A question that it left alone because its loops stood still has to be asked again.
    pinged_ms_ = now_ms;
    (void)send(ipc::Ping{++ping_token_});
  }
}

bool UnixDataplaneLink::accept_waiting() {
  for (std::size_t accepted = 0; listening_ && accepted < kCandidatesMax; ++accepted) {
    auto channel = ipc::accept_from(listening_.get());
    if (!channel) {
      status_.last_error = channel.error().message;
      return true;
    }
    if (!*channel) return false;
    const auto peer = dataplane_link::peer_of((*channel)->fd());
    if (!peer || (peer->uid != 0 && peer->uid != user_)) {
      status_.last_error = peer ? "refused a connection of user id " + std::to_string(peer->uid) +
                                      ", neither root nor the dataplane's user"
                                : peer.error().message;
      continue;
    }
    if (candidates_.size() == kCandidatesMax) candidates_.pop_front();
    candidates_.push_back({std::move(**channel), *peer});
  }
  return false;
}

bool UnixDataplaneLink::hear_candidates() {
  bool changed = false;
  for (auto candidate = candidates_.begin(); candidate != candidates_.end();) {
    auto received = candidate->channel.receive();
    if (received && !*received) {
      ++candidate;
      continue;
    }
    Candidate heard = std::move(*candidate);
    candidate = candidates_.erase(candidate);
    if (!received) continue;  // it left, or does not speak our language
    const auto* hello = std::get_if<ipc::Hello>(&(*received)->message);
    if (hello == nullptr) continue;
    if (auto good = check_hello(heard, *hello); !good) {
      status_.last_error = good.error().message;
      continue;
    }
    connect(std::move(heard), *hello, std::move((*received)->fds.front()));
    changed = true;
  }
  return changed;
}

Result<> UnixDataplaneLink::check_hello(const Candidate& candidate, const ipc::Hello& hello) const {
  if (hello.version != ipc::kVersion)
    return std::unexpected(Error{"a dataplane of protocol version " + std::to_string(hello.version) +
                                 " was refused: install both daemons from one release"});
  if (channel_)
    return std::unexpected(Error{"a second dataplane (pid " + std::to_string(candidate.peer.pid) +
                                 ") was refused: pid " + std::to_string(status_.pid) + " is connected"});
  return {};
}

std::vector<VrfCounts> UnixDataplaneLink::counters() const {
  std::vector<VrfCounts> counts = totals_.read();
  if (channel_) return counts;
  for (VrfCounts& vrf : counts) vrf.queue_depth = 0;
  return counts;
}

void UnixDataplaneLink::connect(Candidate candidate, const ipc::Hello& hello, Fd counters) {
  auto memory = CountersMemory::map(std::move(counters));
  if (!memory) {
    status_.last_error = "a dataplane was refused: " + memory.error().message;
    return;
  }
  if (!totals_.follows(*memory)) made_with_.reset();
  totals_.follow(std::move(*memory));
  channel_ = std::move(candidate.channel);
  ping_answered_ = true;
  // One that has nothing yet sets itself up first, which takes a while: what it would be given before
  // could only be lost there, and goes to the kernel until it answers.
  setting_up_ = hello.generation == 0 && hello.held_ports.empty();
  status_ = {.connected = !setting_up_,
             .pid = candidate.peer.pid != 0 ? candidate.peer.pid : hello.pid,
             .generation = hello.generation,
             .connected_unix_ms = unix_ms_now(),
             .connects = status_.connects + (setting_up_ ? 0 : 1),
             .silent = false,
             .last_error = {},
             .held_ports = hello.held_ports};
  send_settings();
}

void UnixDataplaneLink::send_settings() {
  if (!channel_ || !settings_) return;
  if (send(*settings_) && !made_with_) made_with_ = settings_;
  if (!channel_ || !setting_up_) return;
  ping_answered_ = false;
  pinged_ms_ = ticked_ms_;
  (void)send(ipc::Ping{++ping_token_});
}

bool UnixDataplaneLink::set_settings(const ipc::Settings& settings) {
  settings_ = settings;
  if (!made_with_) send_settings();
  return !channel_ || !made_with_ || *made_with_ == settings;
}

bool UnixDataplaneLink::hear_dataplane() {
  bool changed = false;
  for (int heard = 0; channel_ && heard < kMessagesPerPoll; ++heard) {
    auto received = channel_->receive();
    if (received && !*received) return changed;
    changed = true;
    auto handled = received ? handle(**received) : std::unexpected(received.error());
    if (!handled) disconnect(handled.error());
  }
  return changed;
}

Result<> UnixDataplaneLink::handle(ipc::Received& received) {
  const ipc::Message& message = received.message;
  if (const auto* applied = std::get_if<ipc::Applied>(&message)) {
    applied_ = *applied;
    if (applied->error.empty()) status_.generation = applied->generation;
    status_.last_error = printable(applied->error);
    return {};
  }
  if (const auto* taken = std::get_if<ipc::StaticApplied>(&message)) {
    static_applied_ = *taken;
    return {};
  }
  if (const auto* pong = std::get_if<ipc::Pong>(&message)) {
    ping_answered_ = ping_answered_ || pong->token == ping_token_;
    if (setting_up_ && ping_answered_) {
      setting_up_ = false;
      status_.connected = true;
      status_.connected_unix_ms = unix_ms_now();
      ++status_.connects;
    }
    return {};
  }
  if (std::holds_alternative<ipc::FenceMade>(message)) {
    auto fence = ipc::FenceMemory::map(std::move(received.fds.front()));
    if (!fence) return std::unexpected(std::move(fence.error()));
    fence_ = std::make_shared<const ipc::FenceMemory>(std::move(*fence));
    return {};
  }
  if (auto* native = std::get_if<ipc::NativeReport>(&received.message))
    return hear_native(std::move(*native));
  return std::unexpected(Error{"the dataplane sent a message out of turn"});
}

Result<> UnixDataplaneLink::hear_native(ipc::NativeReport report) {
  if (natives_.size() >= XK_VRFS_MAX && !natives_.contains(report.vrf))
    return std::unexpected(Error{"the dataplane has more native engines than there can be VRFs"});
  report.error = printable(report.error);
  natives_.insert_or_assign(report.vrf, std::move(report));
  return {};
}

std::vector<ipc::NativeReport> UnixDataplaneLink::natives() const {
  std::vector<ipc::NativeReport> all;
  for (const auto& [vrf, report] : natives_) all.push_back(report);
  return all;
}

// What it said of one that it had closed before counts no more.
void UnixDataplaneLink::await_natives(const Snapshot& snapshot) {
  for (const NativeVrf& native : snapshot.natives) {
    ipc::NativeReport& report = natives_[native.vrf];
    if (report.vrf == native.vrf && report.state != NativeState::closed) continue;
    report = {.vrf = native.vrf, .state = NativeState::recovering, .error = {}};
  }
}

void UnixDataplaneLink::disconnect(const Error& why) {
  channel_.reset();
  fence_.reset();
  natives_.clear();
  status_.connected = false;
  status_.silent = false;
  status_.generation = 0;
  status_.held_ports.clear();
  status_.last_error = why.message;
  const std::uint64_t one = 1;
  static_cast<void>(::write(unreported_.get(), &one, sizeof(one)));
}

Result<> UnixDataplaneLink::send(const ipc::Message& message, const std::vector<int>& fds) {
  if (!channel_) return std::unexpected(Error{"no dataplane is connected", ENOTCONN});
  auto sent = channel_->send(message, fds);
  // A message that was not sent because it is wrong is our fault, not the connection's.
  if (!sent && sent.error().system_errno != EMSGSIZE) disconnect(sent.error());
  return sent;
}

Result<> UnixDataplaneLink::give_port(const ipc::PortSockets& port, std::vector<PacketSocket> sockets) {
  std::vector<int> fds;
  for (const PacketSocket& socket : sockets) {
    fds.push_back(socket.socket.get());
    fds.push_back(socket.memory.get());
  }
  if (fds.size() != ipc::descriptors_of(port))
    return std::unexpected(Error{"port " + port.name + ": " + std::to_string(sockets.size()) +
                                 " sockets for " + std::to_string(port.queues) + " queues"});
  if (auto sent = send(port, fds); !sent)
    return std::unexpected(std::move(sent.error()).in("port " + port.name));
  std::erase(status_.held_ports, port.ifindex);
  status_.held_ports.push_back(port.ifindex);
  return {};
}

Result<> UnixDataplaneLink::release_ports(const std::vector<IfIndex>& ifindexes) {
  if (auto sent = send(ipc::ReleasePorts{ifindexes}); !sent) return sent;
  for (const IfIndex ifindex : ifindexes) std::erase(status_.held_ports, ifindex);
  return {};
}

Result<> UnixDataplaneLink::publish(const Snapshot& snapshot) {
  const std::vector<std::uint8_t> bytes = ipc::encode_snapshot(snapshot);
  if (bytes.empty()) return std::unexpected(Error{"the forwarding state is out of its bounds", EMSGSIZE});
  const auto memory = ipc::sealed_memfd("xdp-kea-snapshot", bytes);
  if (!memory) return std::unexpected(memory.error());
  applied_.reset();
  const auto natives_before = natives_;
  await_natives(snapshot);
  auto sent = send(ipc::Publish{.generation = snapshot.generation, .bytes = bytes.size()}, {memory->get()});
  if (!sent) return sent;
  const std::string what = "generation " + std::to_string(snapshot.generation);
  auto taken = await(what, [&] { return applied_ && applied_->generation == snapshot.generation; });
  if (!taken || applied_->error.empty()) return taken;
  // It has none that it had not before.
  std::erase_if(natives_, [&](const auto& each) { return !natives_before.contains(each.first); });
  return std::unexpected(Error{"the dataplane refused " + what + ": " + printable(applied_->error)});
}

Result<> UnixDataplaneLink::update_static_leases(ipc::StaticUpdateKind kind,
                                                 const std::vector<StaticChange>& changes) {
  const std::vector<std::uint8_t> bytes = ipc::encode_static_changes(changes);
  if (bytes.empty()) return std::unexpected(Error{"static leases are out of their bounds", EMSGSIZE});
  const auto memory = ipc::sealed_memfd("xdp-kea-static", bytes);
  if (!memory) return std::unexpected(memory.error());
  const std::uint64_t serial = ++static_serial_;
  static_applied_.reset();
  auto sent = send(ipc::StaticUpdate{.serial = serial, .kind = kind, .bytes = bytes.size()}, {memory->get()});
  if (!sent) return sent;
  auto taken =
      await("the static leases", [&] { return static_applied_ && static_applied_->serial == serial; });
  if (!taken || static_applied_->error.empty()) return taken;
  return std::unexpected(
      Error{"the dataplane refused the static leases: " + printable(static_applied_->error)});
}

// Hears the dataplane until it is done, or for 2 s.
template <typename Done>
Result<> UnixDataplaneLink::await(const std::string& what, Done done) {
  const auto deadline = Clock::now() + kAppliedTimeout;
  while (channel_) {
    if (hear_dataplane() && done()) return {};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0)
      return std::unexpected(Error{
          "the dataplane did not take " + what + " within " + std::to_string(kAppliedTimeout.count()) + " ms",
          ETIMEDOUT});
    if (!channel_) break;
    pollfd waiting{.fd = channel_->fd(), .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, static_cast<int>(left)) < 0 && errno != EINTR)
      return std::unexpected(errno_error("poll"));
  }
  return std::unexpected(
      Error{"the dataplane went while it was taking " + what + ": " + status_.last_error, ECONNRESET});
}

}  // namespace

std::unique_ptr<DataplaneLink> make_dataplane_link() { return std::make_unique<UnixDataplaneLink>(); }

}  // namespace xk
