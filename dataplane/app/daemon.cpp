#include "dataplane/app/daemon.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <variant>

#include <systemd/sd-daemon.h>

#include "dataplane/port/eal.h"

namespace xk {
namespace {

constexpr int kBackoffFirstMs = 100;
constexpr int kBackoffMaxMs = 2000;
constexpr int kHousekeepingMs = 1000;
constexpr int kNativesMs = 100;
constexpr std::chrono::milliseconds kLoopsMoveWithin{1000};
// Drivers of NICs take their time to begin.
constexpr std::uint64_t kSetUpSilenceUs = 60'000'000;

// The handlers of a message, one for each kind, as one visitor.
template <typename... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};

std::vector<LoopPlacement> placements(const std::vector<ipc::LcoreSetting>& lcores) {
  static_assert(static_cast<int>(ipc::kLoopRx) == kStageRx && static_cast<int>(ipc::kLoopVrf) == kStageVrf &&
                static_cast<int>(ipc::kLoopTx) == kStageTx);
  std::vector<LoopPlacement> placed;
  for (const ipc::LcoreSetting& lcore : lcores)
    placed.push_back({.cpu = static_cast<int>(lcore.cpu), .stages = lcore.loops});
  return placed;
}

const char* name_of(NativeState state) {
  switch (state) {
    case NativeState::recovering:
      return "recovering";
    case NativeState::serving:
      return "serving";
    case NativeState::failing:
      return "failing";
    case NativeState::closed:
      return "closed";
    case NativeState::broken:
      return "broken";
  }
  return "unknown";
}

void log_native(const NativeStatus& before, const NativeStatus& status) {
  if (before.vrf == status.vrf && before.state == status.state && before.error == status.error) return;
  const bool good = status.error.empty();
  spdlog::log(good ? spdlog::level::info : spdlog::level::warn,
              "msg=\"native engine\" vrf={} state={} leases={} revision={} error=\"{}\"", status.vrf.value,
              name_of(status.state), status.leases, status.revision, status.error);
}

}  // namespace

Daemon::Daemon(std::string control_path, int stop_fd, CountersRegion counters, Fd counters_fd,
               ipc::FenceMemory fence)
    : control_path_(std::move(control_path)),
      stop_fd_(stop_fd),
      counters_(std::move(counters)),
      counters_fd_(std::move(counters_fd)),
      fence_(std::move(fence)) {}

Daemon::~Daemon() {
  pipeline_.reset();
  ports_.reset();
  pool_.reset();
  if (eal_) cleanup_eal();
}

std::expected<std::unique_ptr<Daemon>, Error> Daemon::make(std::string control_path, int stop_fd) {
  auto counters = CountersRegion::make();
  if (!counters) return std::unexpected(std::move(counters.error()));
  auto read_only = counters->read_only();
  if (!read_only) return std::unexpected(std::move(read_only.error()));
  auto fence = ipc::FenceMemory::make();
  if (!fence) return std::unexpected(std::move(fence.error()));
  return std::unique_ptr<Daemon>(new Daemon(std::move(control_path), stop_fd, std::move(*counters),
                                            std::move(*read_only), std::move(*fence)));
}

Daemon::Wait Daemon::wait(int fd, int timeout_ms) const {
  pollfd fds[2] = {{stop_fd_, POLLIN, 0}, {fd, POLLIN, 0}};
  const int count = poll(fds, 2, timeout_ms);
  if (fds[0].revents != 0) return Wait::stop;
  return count > 0 ? Wait::readable : Wait::timeout;
}

std::expected<ipc::Channel, Error> Daemon::greet() const {
  auto channel = ipc::connect_to(control_path_);
  if (!channel) return channel;
  ipc::Hello hello;
  hello.pid = static_cast<std::uint32_t>(getpid());
  if (pipeline_ != nullptr) {
    hello.generation = pipeline_->generation();
    hello.held_ports = ports_->held(*pipeline_);
  }
  if (auto sent = channel->send(hello, {counters_fd_.get()}); !sent)
    return std::unexpected(std::move(sent.error()));
  if (auto sent = channel->send(ipc::FenceMade{}, {fence_.fd()}); !sent)
    return std::unexpected(std::move(sent.error()));
  return channel;
}

// A loop that stands still is told of once, and no more once it moves.
bool Daemon::loops_move() {
  if (pipeline_ == nullptr) return true;
  const bool moves = pipeline_->moves(kLoopsMoveWithin);
  if (!moves && !stuck_)
    spdlog::error("msg=\"a packet loop stands still\" for_ms={}", kLoopsMoveWithin.count());
  if (moves && stuck_) spdlog::info("msg=\"the packet loops move again\"");
  stuck_ = !moves;
  return moves;
}

void Daemon::keep_house() {
  if (pipeline_ != nullptr) pipeline_->count_port_losses();
  const auto now = std::chrono::steady_clock::now();
  if (watchdog_us_ == 0 || now - told_ < std::chrono::microseconds(watchdog_us_ / 3)) return;
  told_ = now;
  if (loops_move()) sd_notify(0, "WATCHDOG=1");
}

void Daemon::allow_silence(std::uint64_t limit_us) const {
  if (watchdog_us_ == 0) return;
  const std::string text = "WATCHDOG=1\nWATCHDOG_USEC=" + std::to_string(limit_us);
  sd_notify(0, text.c_str());
}

std::expected<void, Error> Daemon::run() {
  if (sd_watchdog_enabled(0, &watchdog_us_) <= 0) watchdog_us_ = 0;
  sd_notify(0, "READY=1\nSTATUS=waiting for xdp-kead");
  int backoff_ms = kBackoffFirstMs;
  std::string last_reason;
  while (true) {
    Error reason;
    if (auto channel = greet(); channel) {
      spdlog::info("msg=\"connected to xdp-kead\" path={}", control_path_);
      sd_notify(0, "STATUS=connected to xdp-kead");
      last_reason.clear();
      backoff_ms = kBackoffFirstMs;
      auto served = serve(*channel);
      if (fatal_) return std::unexpected(std::move(*fatal_));
      if (served) return {};
      reason = std::move(served.error());
    } else {
      reason = std::move(channel.error());
    }
    if (reason.message != last_reason)
      spdlog::warn("msg=\"no xdp-kead\" path={} forwarding={} error=\"{}\"", control_path_,
                   pipeline_ != nullptr, reason.message);
    last_reason = reason.message;
    sd_notify(0, "STATUS=no xdp-kead, forwarding as before");
    if (wait(-1, backoff_ms) == Wait::stop) return {};
    keep_house();
    (void)report_natives(nullptr);
    backoff_ms = std::min(2 * backoff_ms, kBackoffMaxMs);
  }
}

// What is new of the native engines: logged once, and said to xdp-kead where there is one.
std::expected<void, Error> Daemon::report_natives(ipc::Channel* channel) {
  if (pipeline_ == nullptr) return {};
  for (NativeStatus& status : pipeline_->native_statuses()) {
    NativeReported& reported = natives_[status.vrf];
    if (reported.status == status) continue;
    log_native(reported.status, status);
    reported = {.status = std::move(status), .said = false};
  }
  if (channel == nullptr) return {};
  for (auto at = natives_.begin(); at != natives_.end();) {
    NativeReported& reported = at->second;
    const NativeStatus& status = reported.status;
    if (!reported.said) {
      const ipc::NativeReport report{.vrf = status.vrf,
                                     .state = status.state,
                                     .revision = status.revision,
                                     .journal = status.journal,
                                     .clock_ms = status.clock_ms,
                                     .leases = status.leases,
                                     .declined = status.declined,
                                     .bytes = status.bytes,
                                     .error = status.error};
      if (auto sent = channel->send(report); !sent) return sent;
      reported.said = true;
    }
    at = status.state == NativeState::closed ? natives_.erase(at) : std::next(at);
  }
  return {};
}

std::expected<void, Error> Daemon::serve(ipc::Channel& channel) {
  for (auto& [vrf, reported] : natives_) reported.said = false;
  while (true) {
    const Wait waited = wait(channel.fd(), natives_.empty() ? kHousekeepingMs : kNativesMs);
    if (waited == Wait::stop) return {};
    keep_house();
    if (auto reported = report_natives(&channel); !reported) return reported;
    if (waited == Wait::timeout) continue;
    auto received = channel.receive();
    if (!received) {
      if (settings_) return std::unexpected(std::move(received.error()));
      return std::unexpected(
          std::move(received.error())
              .in("refused before any settings came (is another xdp-kea-dataplane connected?)"));
    }
    if (!*received) continue;
    if (auto handled = handle(channel, std::move(**received)); !handled) return handled;
  }
}

std::expected<void, Error> Daemon::handle(ipc::Channel& channel, ipc::Received received) {
  const bool is_set_up = pipeline_ != nullptr;
  const auto too_early = [] {
    return std::unexpected(Error{"xdp-kead speaks before it has sent the settings"});
  };
  const auto not_for_us = []() -> std::expected<void, Error> {
    return std::unexpected(Error{"xdp-kead sends a message that only a dataplane sends"});
  };
  return std::visit(Overloaded{
                        [&](const ipc::Settings& settings) { return on_settings(channel, settings); },
                        [&](const ipc::PortSockets& port) -> std::expected<void, Error> {
                          if (!is_set_up) return too_early();
                          return on_sockets(port, std::move(received.fds));
                        },
                        [&](const ipc::ReleasePorts& ports) -> std::expected<void, Error> {
                          if (!is_set_up) return too_early();
                          for (const IfIndex ifindex : ports.ifindexes) {
                            ports_->release(*pipeline_, ifindex);
                            spdlog::info("msg=\"port released\" ifindex={}", ifindex.value);
                          }
                          return {};
                        },
                        [&](const ipc::Publish& message) -> std::expected<void, Error> {
                          if (!is_set_up) return too_early();
                          if (received.fds.size() != 1)
                            return std::unexpected(Error{"a snapshot without its bytes"});
                          return on_publish(channel, message, received.fds[0]);
                        },
                        [&](const ipc::StaticUpdate& update) -> std::expected<void, Error> {
                          if (!is_set_up) return too_early();
                          if (received.fds.size() != 1)
                            return std::unexpected(Error{"static leases without their bytes"});
                          return on_static_update(channel, update, received.fds[0]);
                        },
                        // No answer is the answer of one that forwards nothing.
                        [&](const ipc::Ping& ping) -> std::expected<void, Error> {
                          if (!loops_move()) return {};
                          return channel.send(ipc::Pong{ping.token});
                        },
                        [&](const ipc::Hello&) { return not_for_us(); },
                        [&](const ipc::Applied&) { return not_for_us(); },
                        [&](const ipc::Pong&) { return not_for_us(); },
                        [&](const ipc::StaticApplied&) { return not_for_us(); },
                        [&](const ipc::FenceMade&) { return not_for_us(); },
                        [&](const ipc::NativeReport&) { return not_for_us(); },
                        [&](const ipc::NativeStored& stored) -> std::expected<void, Error> {
                          if (!is_set_up) return too_early();
                          pipeline_->note_stored(stored.vrf, stored.revision);
                          return {};
                        },
                        [&](const ipc::NativeForget& forget) -> std::expected<void, Error> {
                          if (!is_set_up) return too_early();
                          pipeline_->forget_lease(forget.vrf, forget.address);
                          return {};
                        },
                    },
                    received.message);
}

std::expected<void, Error> Daemon::on_settings(ipc::Channel& channel, const ipc::Settings& settings) {
  if (settings_) {
    if (*settings_ == settings) return {};
    const std::string text =
        "settings changed: the running xdp-kea-dataplane keeps its own until it is restarted";
    spdlog::warn("msg=\"{}\"", text);
    return channel.send(ipc::Applied{pipeline_->generation(), text});
  }
  allow_silence(std::max(watchdog_us_, kSetUpSilenceUs));
  auto done = set_up(settings);
  allow_silence(watchdog_us_);
  if (!done) {
    (void)channel.send(ipc::Applied{0, done.error().message});
    fatal_ = done.error();
    return done;
  }
  settings_ = settings;
  return {};
}

// What needs privileges first; packets flow only when they are gone.
std::expected<void, Error> Daemon::set_up(const ipc::Settings& settings) {
  auto user = find_user(settings.user);
  if (!user) return std::unexpected(std::move(user.error()));
  if (auto allowed = may_become(*user); !allowed) return allowed;
  EalOptions eal{.memory_mib = settings.memory_mib, .devices = {}};
  for (const ipc::EthdevSetting& setting : settings.ethdevs) {
    eal.devices.push_back(setting.device);
    if (!setting.exception_device.empty()) eal.devices.push_back(setting.exception_device);
  }
  if (auto initialized = init_eal(eal); !initialized) return initialized;
  eal_ = true;
  auto pool = make_mempool("xk_packets", settings.buffers, kPacketPrivateBytes);
  if (!pool) return std::unexpected(std::move(pool.error()));
  pool_ = std::move(*pool);
  ports_ = std::make_unique<Ports>(pool_.get());
  if (auto opened = ports_->open_ethdevs(settings.ethdevs); !opened) return opened;
  if (auto dropped = drop_privileges(*user); !dropped) return dropped;

  PipelineOptions options;
  options.loops = placements(settings.lcores);
  options.idle_spin_us = settings.idle_spin_us;
  options.pool = pool_.get();
  options.counters = &counters_;
  options.fence = &fence_.fence();
  auto pipeline = Pipeline::make(std::move(options));
  if (!pipeline) return std::unexpected(std::move(pipeline.error()));
  if (auto attached = ports_->attach(**pipeline); !attached) return attached;
  if (auto started = (*pipeline)->start(); !started) return started;
  pipeline_ = std::move(*pipeline);
  spdlog::info("msg=\"ready\" user={} lcores={} buffers={} ethdevs={}", settings.user,
               std::max<std::size_t>(settings.lcores.size(), 1), settings.buffers, settings.ethdevs.size());
  return {};
}

std::expected<void, Error> Daemon::on_sockets(const ipc::PortSockets& port, std::vector<Fd> fds) {
  // A port that cannot be held is an answer to the next snapshot, not the end of the connection.
  if (auto held = ports_->hold(*pipeline_, port, std::move(fds)); !held)
    spdlog::error("msg=\"port not taken\" port={} ifindex={} error=\"{}\"", port.name, port.ifindex.value,
                  held.error().message);
  else
    spdlog::info("msg=\"port taken\" port={} ifindex={} queues={} zero_copy={}", port.name,
                 port.ifindex.value, port.queues, port.zero_copy);
  return {};
}

std::expected<void, Error> Daemon::on_publish(ipc::Channel& channel, const ipc::Publish& message,
                                              const Fd& bytes) {
  ipc::Applied applied;
  applied.generation = message.generation;
  if (auto published = publish(message, bytes); !published) {
    applied.error = published.error().message;
    spdlog::error("msg=\"snapshot refused\" generation={} error=\"{}\"", message.generation, applied.error);
  } else {
    spdlog::info("msg=\"snapshot in force\" generation={}", message.generation);
  }
  return channel.send(applied);
}

std::expected<void, Error> Daemon::on_static_update(ipc::Channel& channel, const ipc::StaticUpdate& update,
                                                    const Fd& bytes) {
  ipc::StaticApplied applied;
  applied.serial = update.serial;
  if (auto updated = update_static_leases(update, bytes); !updated) {
    applied.error = updated.error().message;
    spdlog::error("msg=\"static leases refused\" serial={} error=\"{}\"", update.serial, applied.error);
  } else if (update.kind == ipc::StaticUpdateKind::finish) {
    spdlog::info("msg=\"static leases in force\" leases={} bytes={}", pipeline_->static_lease_count(),
                 pipeline_->static_lease_bytes());
  }
  return channel.send(applied);
}

std::expected<void, Error> Daemon::update_static_leases(const ipc::StaticUpdate& update, const Fd& bytes) {
  auto encoded = ipc::read_sealed_memfd(bytes.get(), ipc::kStaticBytesMax);
  if (!encoded) return std::unexpected(std::move(encoded.error()));
  if (encoded->size() != update.bytes)
    return std::unexpected(Error{"the static leases are not as long as announced"});
  const auto changes = ipc::decode_static_changes(*encoded);
  if (!changes) return std::unexpected(changes.error());
  if (update.kind == ipc::StaticUpdateKind::change) return pipeline_->change_static_leases(*changes);
  if (update.kind == ipc::StaticUpdateKind::begin) pipeline_->begin_static_leases();
  auto loaded = pipeline_->load_static_leases(*changes);
  if (!loaded || update.kind != ipc::StaticUpdateKind::finish) return loaded;
  return pipeline_->finish_static_leases();
}

std::expected<void, Error> Daemon::publish(const ipc::Publish& message, const Fd& bytes) {
  auto encoded = ipc::read_sealed_memfd(bytes.get(), ipc::kSnapshotMax);
  if (!encoded) return std::unexpected(std::move(encoded.error()));
  if (encoded->size() != message.bytes)
    return std::unexpected(Error{"the snapshot is not as long as announced"});
  auto snapshot = ipc::decode_snapshot(*encoded);
  if (!snapshot) return std::unexpected(std::move(snapshot.error()));
  if (snapshot->generation != message.generation)
    return std::unexpected(Error{"the snapshot is of another generation than announced"});
  if (auto prepared = ports_->prepare(*pipeline_, *snapshot); !prepared) return prepared;
  auto forwarding = Forwarding::make(std::move(*snapshot));
  if (!forwarding) return std::unexpected(std::move(forwarding.error()));
  const Forwarding* in_force = forwarding->get();
  if (auto published = pipeline_->publish(std::move(*forwarding)); !published) return published;
  ports_->tidy(*pipeline_, in_force->snapshot());
  return {};
}

}  // namespace xk
