#include "controlplane/kea/supervisor.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <tuple>

#include "controlplane/kea/binary.h"
#include "controlplane/kea/directory.h"
#include "controlplane/kea/instance.h"
#include "controlplane/kea/paths.h"
#include "controlplane/kea/render.h"
#include "controlplane/kea/running.h"

namespace xk::kea {

namespace {

constexpr std::chrono::milliseconds kCommandTimeout(5'000);
constexpr std::chrono::milliseconds kQuickEnd(90);
constexpr std::size_t kConfigBytesMax = 16 << 20;
constexpr std::uint16_t kServerPort = 67;  // RFC 2131 4.1

std::uint64_t unix_ms() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

std::string context(const KeaSpec& spec) { return "vrf " + spec.vrf_name; }

// Whether the one can become the other by config-set.
bool same_process(const KeaSpec& a, const KeaSpec& b) {
  // With the store a Kea starts with other leases than without.
  const auto gated = [](const KeaSpec& spec) { return spec.settings.durability != Durability::none; };
  return a.netns == b.netns && a.directory == b.directory && a.settings.user == b.settings.user &&
         a.settings.binary == b.settings.binary && gated(a) == gated(b);
}

// Whether it lives in what its namespace's name means now; so if the name means nothing.
bool in_place(const Instance& instance) {
  const NetnsId now = netns_id_of(instance.spec.netns);
  return now.inode == 0 || now == instance.netns;
}

// Sends config-test or config-set; Kea's refusal is an Error in its own words.
Result<> send_configuration(const Instance& instance, const char* command, const std::string& config_json) {
  std::string request = std::string(R"({"command":")") + command + R"(","arguments":)" + config_json + "}";
  const auto text = exchange(path_in(instance.spec.directory, kSocketName), std::move(request),
                             instance.child.pid, kCommandTimeout);
  if (!text) return std::unexpected(Error(text.error()).in(command));
  const auto answer = parse_answer(*text);
  if (!answer) return std::unexpected(Error(answer.error()).in(command));
  if (answer->result != 0)
    return std::unexpected(Error{"Kea refuses the configuration: " + answer->text, EINVAL});
  return {};
}

}  // namespace

Supervisor::Supervisor(Fd epoll, Fd timer, Prepare prepare)
    : epoll_(std::move(epoll)), timer_(std::move(timer)), prepare_(std::move(prepare)) {}
Supervisor::~Supervisor() = default;

Result<std::unique_ptr<Supervisor>> Supervisor::make(Prepare prepare) {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  Fd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!epoll || !timer) return std::unexpected(errno_error("cannot watch Kea servers"));
  epoll_event event{.events = EPOLLIN, .data = {.fd = timer.get()}};
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, timer.get(), &event) != 0)
    return std::unexpected(errno_error("cannot watch Kea servers"));
  return std::unique_ptr<Supervisor>(new Supervisor(std::move(epoll), std::move(timer), std::move(prepare)));
}

// ---- from the executor ---------------------------------------------------------------------------

Result<> Supervisor::test(const KeaSpec& spec) {
  const auto tested = [&]() -> Result<> {
    if (const auto good = check_directory(spec.directory); !good) return good;
    if (const auto good = check_binary(spec.settings.binary); !good) return good;
    const auto user = find_user(spec.settings.user);
    if (!user) return std::unexpected(user.error());
    const auto netns = open_netns(spec.netns);
    if (!netns) return std::unexpected(netns.error());
    const auto directory = open_directory(spec.directory, user->uid, user->gid);
    if (!directory) return std::unexpected(directory.error());
    if (const auto written = write_file_at(directory->get(), kTestConfigName, spec.config_json, user->gid);
        !written)
      return written;
    const auto good = test_configuration(spec.settings.binary, spec.directory, *user, netns->get(),
                                         path_in(spec.directory, kTestConfigName));
    // A refused one stays: Kea's words name lines of it.
    if (good) return remove_at(directory->get(), kTestConfigName);
    return good;
  }();
  if (!tested) return std::unexpected(Error(tested.error()).in(context(spec)));
  return {};
}

Result<> Supervisor::apply(const KeaSpec& spec) {
  if (const auto good = check_directory(spec.directory); !good)
    return std::unexpected(Error(good.error()).in(context(spec)));
  wake_soon();
  // One that is still stopping has the directory and the port: it comes back and is replaced.
  const auto leaving = std::find_if(leaving_.begin(), leaving_.end(), [&](const auto& instance) {
    return instance->spec.vrf == spec.vrf || instance->spec.directory == spec.directory;
  });
  if (leaving != leaving_.end() && !instances_.contains(spec.vrf)) {
    instances_[spec.vrf] = std::move(*leaving);
    leaving_.erase(leaving);
  }
  auto& known = instances_[spec.vrf];
  const bool is_new = known == nullptr;
  if (is_new) {
    known = std::make_unique<Instance>();
    known->spec = spec;
  }
  const auto done = is_new ? start(*known) : change(*known, spec);
  if (!done) return std::unexpected(Error(done.error()).in(context(spec)));
  return {};
}

Result<> Supervisor::change(Instance& instance, const KeaSpec& spec) {
  if (instance.alive() && has_exited(instance.child.pidfd.get())) {
    (void)reap(instance.child.pidfd.get());
    forget_process(instance);
  }
  const bool changed = !(instance.spec == spec);
  if (instance.preparation != nullptr) {
    // It will start with this one. A directory is the VRF's for good: what is made in it stays right.
    instance.spec = spec;
    return {};
  }
  if (!instance.alive()) {
    if (!changed && instance.state == KeaState::backoff) return {};
    instance.spec = spec;
    instance.failures = 0;
    return start(instance);
  }
  if (instance.terminating || !instance.hung.empty()) {
    instance.spec = spec;
    return {};
  }
  if (!changed && !instance.config_uncertain && in_place(instance)) {
    instance.refusal.clear();  // of what is not wanted any more
    return {};
  }
  if (!same_process(instance.spec, spec) || !instance.ready_ms || !in_place(instance)) {
    // What stops now is told by its pid; the new one starts when it is gone.
    terminate(instance);
    instance.spec = spec;
    return {};
  }
  return reconfigure(instance, spec);
}

bool Supervisor::restart(VrfId vrf) {
  const auto found = instances_.find(vrf);
  if (found == instances_.end()) return true;
  Instance& instance = *found->second;
  if (instance.preparation != nullptr) return false;
  if (instance.alive() && !instance.terminating) {
    terminate(instance);
    wake_soon();
  }
  return true;
}

Result<> Supervisor::stop(VrfId vrf) {
  const auto found = instances_.find(vrf);
  if (found == instances_.end()) return {};
  auto instance = std::move(found->second);
  instances_.erase(found);
  if (!instance->alive()) return {};
  if (!instance->terminating) terminate(*instance);
  if (has_exited(instance->child.pidfd.get(), kQuickEnd)) {
    (void)reap(instance->child.pidfd.get());
    forget_process(*instance);
    return {};
  }
  leaving_.push_back(std::move(instance));
  wake_soon();
  return {};
}

std::vector<KeaStatus> Supervisor::status() const {
  std::vector<KeaStatus> list;
  const auto add = [&](const Instance& instance) {
    KeaStatus status;
    status.vrf = instance.spec.vrf;
    status.vrf_name = instance.spec.vrf_name;
    status.state = instance.state;
    status.pid = instance.child.pid;
    status.started_unix_ms = instance.alive() ? instance.started_unix_ms : 0;
    status.restarts = instance.restarts;
    status.socket_drops = instance.losses.total();
    status.version = instance.version;
    for (const std::string* reason : {&instance.trouble, &instance.silence, &instance.refusal}) {
      if (!reason->empty()) status.last_error += (status.last_error.empty() ? "" : "; ") + *reason;
    }
    status.directory = instance.spec.directory;
    list.push_back(std::move(status));
  };
  for (const auto& [vrf, instance] : instances_) add(*instance);
  for (const auto& instance : leaving_) add(*instance);
  std::sort(list.begin(), list.end(), [](const KeaStatus& a, const KeaStatus& b) {
    return std::tie(a.vrf, a.directory) < std::tie(b.vrf, b.directory);
  });
  return list;
}

Result<std::string> Supervisor::command(VrfId vrf, const std::string& json) {
  const auto found = instances_.find(vrf);
  if (found == instances_.end())
    return std::unexpected(Error{"vrf " + std::to_string(vrf.value) + " has no Kea"});
  const Instance& instance = *found->second;
  if (!instance.alive())
    return std::unexpected(Error{context(instance.spec) + ": Kea is not running: " + instance.trouble});
  if (instance.state == KeaState::silent)
    return std::unexpected(Error{context(instance.spec) + ": Kea does not answer: " + instance.silence});
  const auto request = parse_json(json);
  if (!request)
    return std::unexpected(Error{"the command is not JSON: " + request.error().error.message, EINVAL});
  if (!request->is_object() || !request->contains("command") || !(*request)["command"].is_string())
    return std::unexpected(Error{R"(a command is an object like {"command": "status-get"})", EINVAL});
  auto answer =
      exchange(path_in(instance.spec.directory, kSocketName), json, instance.child.pid, kCommandTimeout);
  if (!answer) return std::unexpected(Error(answer.error()).in(context(instance.spec)));
  return answer;
}

std::string Supervisor::version_of(const KeaSettings& settings) {
  struct stat info{};
  if (::stat(settings.binary.c_str(), &info) != 0) return {};
  const auto stamp = static_cast<std::uint64_t>(info.st_mtim.tv_sec) * 1'000'000'000 +
                     static_cast<std::uint64_t>(info.st_mtim.tv_nsec) + info.st_ino;
  KnownVersion& known = versions_[settings.binary];
  if (known.stamp == stamp && !known.version.empty()) return known.version;
  const auto user = find_user(settings.user);
  if (!user) return {};
  known = {.version = ask_version(settings.binary, *user), .stamp = stamp};
  return known.version;
}

std::vector<std::string> Supervisor::stop_strays(const std::string& root, const KeaSettings& settings) {
  std::vector<std::string> stopped;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(root, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string path = entry->path().string();
    if (stop_stray(path, settings)) stopped.push_back(path);
  }
  return stopped;
}

bool Supervisor::stop_stray(const std::string& path, const KeaSettings& settings) {
  const auto is_it = [&path](const auto& instance) { return instance->spec.directory == path; };
  if (std::ranges::any_of(leaving_, is_it) ||
      std::ranges::any_of(instances_, [&](const auto& pair) { return is_it(pair.second); }))
    return false;
  const auto user = find_user(settings.user);
  const auto directory = user ? open_existing_directory(path) : std::unexpected(Error{});
  if (!directory) return false;
  auto running = find_running(directory->get(), path, settings.binary, user->uid);
  if (!running) return false;
  auto instance = std::make_unique<Instance>();
  instance->spec.vrf_name = std::filesystem::path(path).filename().string();
  instance->spec.directory = path;
  instance->spec.settings = settings;
  take(*instance, std::move(*running));
  terminate(*instance);
  leaving_.push_back(std::move(instance));
  wake_soon();
  return true;
}

// ---- processes -----------------------------------------------------------------------------------

void Supervisor::watch(Instance& instance) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = instance.child.pidfd.get()}};
  // Without it the death is seen at the next tick all the same.
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, instance.child.pidfd.get(), &event);
}

void Supervisor::forget_process(Instance& instance) {
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, instance.child.pidfd.get(), nullptr);
  instance.child = Child{};
  instance.probe.reset();
  instance.deadline_ms.reset();
  instance.ready_ms.reset();
  instance.liveness = Liveness{};
  instance.hung.clear();
  instance.silence.clear();
  instance.config_uncertain = false;
  instance.terminating = false;
  instance.state = KeaState::stopped;
}

void Supervisor::take(Instance& instance, RunningKea running) {
  instance.child = std::move(running.child);
  instance.started_unix_ms = running.started_unix_ms;
  instance.netns = running.netns;
  instance.state = KeaState::starting;
  instance.deadline_ms.reset();
  watch(instance);
}

void Supervisor::terminate(Instance& instance) {
  count_losses(instance);
  // Should it fail, SIGKILL follows, and with that failing too the state stays what it is: visible.
  if (const auto sent = send_signal(instance.child.pidfd.get(), SIGTERM); !sent)
    instance.trouble = sent.error().message;
  instance.terminating = true;
  instance.state = KeaState::stopping;
  instance.probe.reset();
  instance.deadline_ms.reset();
}

void Supervisor::count_losses(Instance& instance) {
  instance.losses.look(udp_drops(instance.child.pid, kServerPort));
}

void Supervisor::replace_if_displaced(Instance& instance) {
  if (!in_place(instance)) terminate(instance);
}

Result<> Supervisor::start(Instance& instance) {
  const auto started = spawn_or_adopt(instance);
  if (started && instance.preparation != nullptr) return {};
  return finish_start(instance, started);
}

Result<> Supervisor::finish_start(Instance& instance, Result<> started) {
  if (started) {
    if (instance.died) ++instance.restarts;
    // A start that failed is made good; a death is remembered for a while.
    if (instance.start_failed) instance.trouble.clear();
    instance.died = instance.start_failed = false;
    return {};
  }
  instance.trouble = started.error().message;
  instance.start_failed = true;
  if (!instance.alive()) {
    instance.state = started.error().system_errno == ENOENT && !check_binary(instance.spec.settings.binary)
                         ? KeaState::missing
                         : KeaState::backoff;
    instance.deadline_ms.reset();
  }
  return started;
}

Result<> Supervisor::spawn_or_adopt(Instance& instance) {
  const KeaSpec spec = instance.spec;
  if (const auto good = check_binary(spec.settings.binary); !good) return good;
  const auto user = find_user(spec.settings.user);
  if (!user) return std::unexpected(user.error());
  const auto netns = open_netns(spec.netns);
  if (!netns) return std::unexpected(netns.error());
  const auto directory = open_directory(spec.directory, user->uid, user->gid);
  if (!directory) return std::unexpected(directory.error());
  instance.version = version_of(spec.settings);
  if (auto running = find_running(directory->get(), spec.directory, spec.settings.binary, user->uid))
    return adopt(instance, std::move(*running), directory->get());
  if (!prepare_) return spawn(instance);
  prepare(instance, *user);
  return {};
}

void Supervisor::prepare(Instance& instance, const RunAs& user) {
  instance.preparation = std::make_shared<Preparation>();
  instance.state = KeaState::starting;
  instance.deadline_ms.reset();
  prepare_({.spec = instance.spec, .uid = user.uid, .gid = user.gid},
           [this, preparation = instance.preparation](Result<> outcome) {
             {
               const std::scoped_lock lock(preparation->mutex);
               preparation->outcome = std::move(outcome);
             }
             wake_soon();
           });
}

Result<> Supervisor::spawn(Instance& instance) {
  const KeaSpec& spec = instance.spec;
  const auto user = find_user(spec.settings.user);
  if (!user) return std::unexpected(user.error());
  const auto in_netns = open_netns(spec.netns);
  if (!in_netns) return std::unexpected(in_netns.error());
  const auto in_directory = open_directory(spec.directory, user->uid, user->gid);
  if (!in_directory) return std::unexpected(in_directory.error());
  const int directory = in_directory->get();
  // Nothing of ours runs here: what names a process is left over, and Kea would believe it.
  for (const char* name : {kPidName, kStartedName, kSocketName, kNewConfigName}) {
    if (const auto removed = remove_at(directory, name); !removed) return removed;
  }
  if (const auto written = write_file_at(directory, kConfigName, spec.config_json, user->gid); !written)
    return written;
  const auto output = new_log_at(directory, kOutputName, user->gid);
  if (!output) return std::unexpected(output.error());

  instance.log_size = size_at(directory, kLogName);
  Launch as =
      kea_launch(spec.settings.binary, spec.directory, *user, {"-c", path_in(spec.directory, kConfigName)});
  as.netns = in_netns->get();
  as.output = output->get();
  auto child = launch(as);
  if (!child) return std::unexpected(child.error());
  instance.child = std::move(*child);
  instance.started_unix_ms = unix_ms();
  instance.netns = netns_id(in_netns->get());
  instance.state = KeaState::starting;
  instance.deadline_ms.reset();
  watch(instance);
  // Should this fail, Kea's own pid file does.
  (void)write_file_at(directory, kStartedName, started_record(instance.child.pid), user->gid);
  return {};
}

Result<> Supervisor::adopt(Instance& instance, RunningKea running, int directory) {
  take(instance, std::move(running));
  instance.log_size = size_at(directory, kLogName);
  const auto on_disk = read_file_at(directory, kConfigName, kConfigBytesMax);
  // A new file that is still there: config-set was under way when xdp-kead died.
  const bool certain = on_disk && !read_file_at(directory, kNewConfigName, kConfigBytesMax);
  if (in_place(instance) && certain && *on_disk == instance.spec.config_json &&
      !instance.spec.settings.shared)
    return {};
  // Loaded into a running Kea the gate would know nothing of the leases that it has.
  const bool gate_wanted = instance.spec.config_json.contains(kGateLibrary);
  const bool gate_loaded = on_disk && on_disk->contains(kGateLibrary);
  // Nobody knows what happened to its leases elsewhere meanwhile.
  const bool may_be_old = instance.spec.settings.shared;
  if (!in_place(instance) || !on_disk || gate_wanted != gate_loaded || may_be_old) {
    terminate(instance);
    return {};
  }
  const KeaSpec wanted = instance.spec;
  instance.spec.config_json = *on_disk;
  return reconfigure(instance, wanted);
}

Result<> Supervisor::reconfigure(Instance& instance, const KeaSpec& spec) {
  const auto refuse = [&](const Error& error) -> Result<> {
    instance.refusal = error.message;
    return std::unexpected(error);
  };
  // Waiting for it would hold up all others.
  if (instance.state == KeaState::silent) return refuse(Error{"Kea does not answer: " + instance.silence});
  if (const auto json = parse_json(spec.config_json); !json)
    return refuse(Error{"the configuration is not JSON: " + json.error().error.message});
  const auto user = find_user(spec.settings.user);
  if (!user) return refuse(user.error());
  const auto directory = open_existing_directory(spec.directory);
  if (!directory) return refuse(directory.error());

  if (const auto tested = send_configuration(instance, "config-test", spec.config_json); !tested)
    return refuse(tested.error());
  if (const auto written = write_file_at(directory->get(), kNewConfigName, spec.config_json, user->gid);
      !written)
    return refuse(written.error());
  count_losses(instance);  // it will open other sockets
  if (const auto set = send_configuration(instance, "config-set", spec.config_json); !set) {
    // Kea's refusal leaves the old one in force; no answer leaves us in doubt.
    instance.config_uncertain = set.error().system_errno != EINVAL;
    if (!instance.config_uncertain) (void)remove_at(directory->get(), kNewConfigName);
    return refuse(set.error());
  }
  instance.spec = spec;
  instance.config_uncertain = false;
  instance.refusal.clear();
  if (::renameat(directory->get(), kNewConfigName, directory->get(), kConfigName) != 0)
    return refuse(errno_error("Kea runs with the new configuration, but it cannot be kept for its restart"));
  return {};
}

// ---- time ----------------------------------------------------------------------------------------

void Supervisor::wake_at(std::uint64_t now_ms) {
  std::optional<std::uint64_t> first;
  const auto look = [&](const Instance& instance) {
    const std::uint64_t at = std::max(instance.deadline_ms.value_or(now_ms), now_ms);
    if (!first || at < *first) first = at;
  };
  for (const auto& [vrf, instance] : instances_) look(*instance);
  for (const auto& instance : leaving_) look(*instance);
  // At least a millisecond: zero would disarm it.
  const std::uint64_t in_ms = first ? std::max<std::uint64_t>(*first - now_ms, 1) : 0;
  itimerspec spec{};
  spec.it_value.tv_sec = static_cast<time_t>(in_ms / 1000);
  spec.it_value.tv_nsec = static_cast<long>(in_ms % 1000) * 1'000'000;
  (void)::timerfd_settime(timer_.get(), 0, &spec, nullptr);
}

void Supervisor::wake_soon() {
  itimerspec spec{};
  spec.it_value.tv_nsec = 1'000'000;
  (void)::timerfd_settime(timer_.get(), 0, &spec, nullptr);
}

}  // namespace xk::kea
