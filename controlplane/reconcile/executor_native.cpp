// The executor's steps for VRFs of the native engine.
#include <algorithm>
#include <cerrno>

#include "controlplane/reconcile/executor.h"

namespace xk {
namespace {

constexpr std::uint64_t kNativeWaitMs = 10'000;
constexpr std::uint64_t kNativeLookMs = 5;

}  // namespace

Result<> Executor::perform(const step::EnsureNative& step) {
  if (step.before)
    undo_with([this, step] { return ensure_native(*step.before); });
  else
    undo_with([this, step] { return finish_native(step.spec.vrf_name); });
  return ensure_native(step.spec);
}

Result<> Executor::perform(const step::EndNative& step) {
  if (step.before) undo_with([this, step] { return ensure_native(*step.before); });
  return finish_native(step.vrf_name);
}

Result<> Executor::ensure_native(const NativeSpec& spec) {
  return await_native([this, &spec]() -> Result<> {
    const std::vector<KeaStatus> keas = machine_.keas.status();
    const bool ending = std::ranges::any_of(keas, [&spec](const KeaStatus& kea) {
      return kea.vrf == spec.vrf || kea.directory == spec.kea_directory;
    });
    if (ending) return std::unexpected(Error{"its Kea has not ended yet", EINPROGRESS});
    return machine_.natives->ensure(spec);
  });
}

Result<> Executor::finish_native(const std::string& vrf_name) {
  return await_native([this, &vrf_name]() -> Result<> {
    if (!machine_.dataplane.status().connected)
      return std::unexpected(Error{"it waits for the dataplane, which has them in its journal", EINPROGRESS});
    return machine_.natives->finish(vrf_name);
  });
}

Result<> Executor::await_native(const std::function<Result<>()>& ask) {
  const std::uint64_t deadline_ms = machine_.now_ms() + (wait_ ? kNativeWaitMs : 0);
  for (;;) {
    auto done = ask();
    if (done || done.error().system_errno != EINPROGRESS || machine_.now_ms() >= deadline_ms) return done;
    if (machine_.moved) machine_.moved();
    machine_.pause(kNativeLookMs);
    machine_.keas.tick(machine_.now_ms());
    static_cast<void>(machine_.dataplane.poll());
  }
}

}  // namespace xk
