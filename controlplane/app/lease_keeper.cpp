#include "controlplane/app/lease_keeper.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <utility>

#include "controlplane/leases/shift.h"
#include "controlplane/leases/sweep.h"

namespace xk::kead {
namespace {

constexpr int kLookMs = 1000;
constexpr std::int64_t kSweepMs = 10'000;
constexpr std::size_t kSweptMax = 20'000;  // leases of a VRF at a time

std::string first_line_of(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// What the last xdp-kead of this start of the machine knew; else the clock counts as right.
leases::ClockWatch first_watch(const std::string& path, const std::string& boot_id) {
  const std::string text = first_line_of(path.c_str()) + "\n";
  return leases::ClockWatch(
      leases::parse_clock_text(text, boot_id).value_or(leases::read_clocks().offset_ms()));
}

}  // namespace

LeaseKeeper::LeaseKeeper(Parts parts)
    : parts_(std::move(parts)),
      boot_id_(first_line_of("/proc/sys/kernel/random/boot_id")),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      timer_(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK)),
      clock_(first_watch(parts_.clock_file, boot_id_)),
      steady_since_ms_(leases::read_clocks().boot_ms) {
  thread_ = std::thread([this] { run(); });
}

LeaseKeeper::~LeaseKeeper() {
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
}

void LeaseKeeper::remember() {
  std::ofstream(parts_.clock_file, std::ios::trunc) << leases::clock_text(boot_id_, clock_.offset_ms());
}

// A second, or until the clock is set or the keeper ends.
void LeaseKeeper::wait() {
  itimerspec never{};
  never.it_value.tv_sec = std::int64_t{1} << 40;
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, nullptr);
  std::array<pollfd, 2> fds{{{wake_.get(), POLLIN, 0}, {timer_.get(), POLLIN, 0}}};
  ::poll(fds.data(), fds.size(), kLookMs);
}

void LeaseKeeper::run() {
  remember();
  for (;;) {
    wait();
    eventfd_t ended = 0;
    if (::eventfd_read(wake_.get(), &ended) == 0) return;
    const leases::ClockReading now = leases::read_clocks();
    if (const auto step = clock_.look(now)) on_step(*step);
    if (!pending_vrfs_.empty()) shift();
    if (now.boot_ms - swept_ms_ < kSweepMs) continue;
    swept_ms_ = now.boot_ms;
    if (pending_vrfs_.empty() && now.boot_ms - steady_since_ms_ >= kHoldoffMs) sweep(now);
  }
}

void LeaseKeeper::on_step(const leases::ClockStep& step) {
  steady_since_ms_ = leases::read_clocks().boot_ms;
  // One that could not be seen to before the next one.
  pending_by_s_ = (pending_vrfs_.empty() ? 0 : pending_by_s_) + step.by_s;
  pending_vrfs_ = parts_.vrfs();
  remember();
  parts_.tell(true, "",
              "the clock was set " + std::string(step.by_s > 0 ? "forward" : "back") + " by " +
                  std::to_string(std::abs(step.by_s)) +
                  " s: leases go along with it, so that they end when their clients think they do");
}

void LeaseKeeper::shift() {
  std::set<std::string> done;
  for (const std::string& vrf : pending_vrfs_) {
    const auto shifted = leases::shift_leases(parts_.store, vrf, pending_by_s_,
                                              [] { return leases::read_clocks().real_ms / 1000; });
    if (!shifted) {
      // Tried again at the next look. Kea gives no lease that is over to another client meanwhile.
      if (std::exchange(said_, shifted.error().message) != said_) parts_.tell(true, vrf, said_);
      break;
    }
    said_.clear();
    parts_.tell(false, vrf,
                std::to_string(*shifted) + " leases went along with the clock; its Kea starts anew");
    done.insert(vrf);
  }
  for (const std::string& vrf : done) pending_vrfs_.erase(vrf);
  if (!done.empty()) parts_.restart_keas(done);
}

void LeaseKeeper::sweep(const leases::ClockReading& now) {
  for (const std::string& vrf : parts_.vrfs()) {
    const auto swept =
        leases::sweep(parts_.store, parts_.follower, vrf, now.real_ms / 1000, parts_.grace_s, kSweptMax);
    if (swept) continue;
    if (std::exchange(said_, swept.error().message) != said_) parts_.tell(true, vrf, said_);
    return;
  }
}

}  // namespace xk::kead
