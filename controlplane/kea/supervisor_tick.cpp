// The supervisor's clockwork: deaths, backoff, readiness.
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "controlplane/kea/binary.h"
#include "controlplane/kea/directory.h"
#include "controlplane/kea/instance.h"
#include "controlplane/kea/paths.h"
#include "controlplane/kea/supervisor.h"

namespace xk::kea {

namespace {

constexpr std::uint64_t kPreparedLookMs = 50;   // should the wake-up for a finished preparation be missed
constexpr std::uint64_t kProbeStartingMs = 20;  // between probes until it is ready
constexpr std::uint64_t kProbeRunningMs = 10'000;
constexpr std::uint64_t kProbeTimeoutMs = 5'000;
constexpr std::uint64_t kProbeStepMs = 2;  // an answer that is on its way
constexpr std::size_t kTailBytes = 16 << 10;
constexpr std::size_t kWordsBytesMax = 1000;

std::uint64_t backoff_ms(std::uint32_t failures) {
  const std::uint32_t doublings = std::min(failures == 0 ? 0 : failures - 1, 16u);
  return std::min(kBackoffFirstMs << doublings, kBackoffMaxMs);
}

// How it ended, with Kea's own last words.
std::string death_text(const Instance& instance, const std::string& how) {
  std::string text = "Kea " + how;
  const auto directory = open_existing_directory(instance.spec.directory);
  if (!directory) return text;
  std::string words = explain(tail_at(directory->get(), kOutputName, kTailBytes));
  // Its log has older stories too: they count only if it chose to go.
  const bool chose = how.starts_with("exited") && how != "exited with status 0";
  if (words.find("DHCP4_STARTING") == 0) words.clear();
  if (words.empty() && chose)
    words = explain(tail_at(directory->get(), kLogName, kTailBytes, instance.log_size));
  return words.empty() ? text : text + ": " + words;
}

// Whether a Kea that says this of its status serves. Its sockets can be late: the interface may not
// be running yet.
Result<> ready(const Answer& answer) {
  if (answer.result != 0) return std::unexpected(Error{"Kea says of its status: " + answer.text});
  if (!answer.arguments.is_object()) return {};
  const auto sockets = answer.arguments.find("sockets");
  if (sockets == answer.arguments.end() || !sockets->is_object()) return {};
  if (sockets->value("status", nlohmann::json("ready")) == nlohmann::json("ready")) return {};
  std::string why;
  const auto errors = sockets->find("errors");
  if (errors != sockets->end() && errors->is_array() && !errors->empty() && errors->front().is_string())
    why = ": " + errors->front().get<std::string>().substr(0, kWordsBytesMax);
  return std::unexpected(Error{"Kea cannot open its sockets" + why});
}

}  // namespace

void Supervisor::tick(std::uint64_t now_ms) {
  std::uint64_t expirations = 0;
  (void)!::read(timer_.get(), &expirations, sizeof expirations);
  for (auto& [vrf, instance] : instances_) step(*instance, now_ms);
  for (auto& instance : leaving_) step_leaving(*instance, now_ms);
  std::erase_if(leaving_, [](const auto& instance) { return !instance->alive(); });
  wake_at(now_ms);
}

void Supervisor::step(Instance& instance, std::uint64_t now_ms) {
  if (instance.preparation != nullptr) return step_prepared(instance, now_ms);
  if (instance.alive() && has_exited(instance.child.pidfd.get())) on_death(instance, now_ms);
  if (instance.terminating || !instance.hung.empty()) {
    kill_if_late(instance, now_ms);
  } else if (instance.alive()) {
    probe(instance, now_ms);
  } else if (!instance.deadline_ms) {
    // A start that failed outside of tick().
    ++instance.failures;
    instance.deadline_ms = now_ms + backoff_ms(instance.failures);
  } else if (now_ms >= *instance.deadline_ms) {
    (void)start(instance);  // its status says what went wrong
    if (!instance.alive() && instance.preparation == nullptr)
      instance.deadline_ms = now_ms + backoff_ms(++instance.failures);
  }
}

// What a start needs is there, or cannot be had.
void Supervisor::step_prepared(Instance& instance, std::uint64_t now_ms) {
  std::optional<Result<>> outcome;
  {
    const std::scoped_lock lock(instance.preparation->mutex);
    outcome.swap(instance.preparation->outcome);
  }
  if (!outcome) {
    instance.deadline_ms = now_ms + kPreparedLookMs;
    return;
  }
  instance.preparation.reset();
  instance.deadline_ms.reset();
  finish_start(instance, *outcome ? spawn(instance) : *outcome);
  if (!instance.alive()) instance.deadline_ms = now_ms + backoff_ms(++instance.failures);
}

void Supervisor::step_leaving(Instance& instance, std::uint64_t now_ms) {
  if (has_exited(instance.child.pidfd.get())) {
    (void)reap(instance.child.pidfd.get());
    forget_process(instance);
    return;
  }
  kill_if_late(instance, now_ms);
}

void Supervisor::kill_if_late(Instance& instance, std::uint64_t now_ms) {
  if (!instance.deadline_ms) instance.deadline_ms = now_ms + kKillAfterMs;
  if (now_ms < *instance.deadline_ms) return;
  (void)send_signal(instance.child.pidfd.get(), SIGKILL);
  instance.deadline_ms = now_ms + kKillAfterMs;
}

void Supervisor::on_death(Instance& instance, std::uint64_t now_ms) {
  const std::string how = reap(instance.child.pidfd.get());
  const bool replaced = instance.terminating;
  const bool ran_well = instance.ready_ms && now_ms - *instance.ready_ms >= kRanWellMs;
  const std::string hung = instance.hung;
  forget_process(instance);
  if (replaced) {
    instance.trouble.clear();
    (void)start(instance);
    return;
  }
  if (ran_well) instance.failures = 0;
  ++instance.failures;
  instance.trouble = hung.empty() ? death_text(instance, how) : hung;
  instance.died = true;
  instance.start_failed = false;
  instance.state = KeaState::backoff;
  instance.deadline_ms = now_ms + backoff_ms(instance.failures);
}

void Supervisor::probe(Instance& instance, std::uint64_t now_ms) {
  if (!instance.probe) {
    if (instance.deadline_ms && now_ms < *instance.deadline_ms) return;
    if (!instance.liveness.waits()) instance.liveness.asked(now_ms, cpu_ticks(instance.child.pid));
    auto started = Exchange::start(path_in(instance.spec.directory, kSocketName),
                                   R"({"command":"status-get"})", instance.child.pid);
    if (!started) return on_probe(instance, std::unexpected(started.error()), now_ms);
    instance.probe = std::move(*started);
    instance.probe_deadline_ms = now_ms + kProbeTimeoutMs;
  }
  // Never waited for: there may be a thousand Keas.
  const auto done = instance.probe->step();
  if (!done) return on_probe(instance, std::unexpected(done.error()), now_ms);
  if (!*done) {
    instance.deadline_ms = now_ms + kProbeStepMs;
    if (now_ms < instance.probe_deadline_ms) return;
    return on_probe(instance, std::unexpected(Error{"Kea's control socket does not answer"}), now_ms);
  }
  instance.liveness.answered();
  const auto answer = parse_answer(instance.probe->take_answer());
  if (!answer) return on_probe(instance, std::unexpected(answer.error()), now_ms);
  on_probe(instance, ready(*answer), now_ms);
}

void Supervisor::on_probe(Instance& instance, const Result<>& outcome, std::uint64_t now_ms) {
  instance.probe.reset();
  if (outcome) {
    instance.silence.clear();
    if (!instance.ready_ms) instance.ready_ms = now_ms;
    // Why it died last stays to be read until it has run well.
    if (now_ms - *instance.ready_ms >= kRanWellMs) instance.trouble.clear();
    instance.state = KeaState::running;
    instance.deadline_ms = now_ms + kProbeRunningMs;
    count_losses(instance);
    replace_if_displaced(instance);
    return;
  }
  // A socket that is not there yet is no trouble; one that went is.
  if (instance.ready_ms || outcome.error().system_errno == 0) instance.silence = outcome.error().message;
  const bool silent = instance.ready_ms && instance.liveness.silent_ms(now_ms) > 0;
  instance.state = silent ? KeaState::silent : KeaState::starting;
  instance.deadline_ms = now_ms + kProbeStartingMs;
  kill_if_hung(instance, now_ms);
}

void Supervisor::kill_if_hung(Instance& instance, std::uint64_t now_ms) {
  if (instance.liveness.silent_ms(now_ms) < kHungIdleMs) return;
  if (!instance.liveness.hangs(now_ms, cpu_ticks(instance.child.pid), instance.ready_ms.has_value())) return;
  instance.hung = "Kea, pid " + std::to_string(instance.child.pid) +
                  ", left its control socket without answer for " +
                  std::to_string(instance.liveness.silent_ms(now_ms) / 1000) + " s and was killed";
  count_losses(instance);
  (void)send_signal(instance.child.pidfd.get(), SIGKILL);
  instance.state = KeaState::stopping;
  instance.deadline_ms = now_ms + kKillAfterMs;
}

}  // namespace xk::kea
