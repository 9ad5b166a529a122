#include "dataplane/pipeline/loop.h"

#include <rte_cycles.h>
#include <rte_pause.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

namespace xk {
namespace {

// Requests whose origin a vrf loop remembers.
constexpr std::size_t kRecentSlots = 65536;
// More queues than can ever be active at once: every VRF's, and as many being emptied.
constexpr std::uint32_t kReadyCapacity = 4 * XK_VRFS_MAX;
constexpr std::uint32_t kInboxCapacity = 8192;
// A device that takes no more packets is asked again this often while the loop is idle.
constexpr long kRetrySleepNs = 1'000'000;
// With native engines: leases end while nobody speaks, and clients wait for probes.
constexpr long kNativeSleepNs = 500'000'000;
constexpr long kProbeSleepNs = 10'000'000;
// Iterations between looks at what the ports lost, under load.
constexpr std::uint32_t kCountLostEvery = 4096;

}  // namespace

Loop::Loop(Shared& shared, std::uint32_t index, std::uint8_t stages, const CountersBlock& counters)
    : shared_(shared),
      index_(index),
      stages_(stages),
      counters_(counters.counters),
      outcomes_(counters.outcomes),
      idle_(rte_get_tsc_hz(), shared.idle_spin_us),
      recent_((stages & kStageVrf) != 0 ? kRecentSlots : 1) {
  if ((stages & kStageVrf) != 0) active_natives_.reserve(XK_VRFS_MAX);
}

Loop::~Loop() {
  if (spare_ != nullptr) rte_pktmbuf_free(spare_);
  for (NativeHost* host : active_natives_) {
    while (!host->waiting.empty()) rte_pktmbuf_free(host->waiting.pop());
    for (const Probe& probe : host->probes) rte_pktmbuf_free(probe.request);
  }
  void* left = nullptr;
  while (rte_ring_dequeue(inbox_.get(), &left) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(left));
}

std::expected<std::unique_ptr<Loop>, Error> Loop::make(Shared& shared, std::uint32_t index,
                                                       std::uint8_t stages, const CountersBlock& counters) {
  auto ready = make_ring(kReadyCapacity, RING_F_SC_DEQ);
  if (!ready) return std::unexpected(std::move(ready.error()));
  auto inbox = make_ring(kInboxCapacity, RING_F_SC_DEQ);
  if (!inbox) return std::unexpected(std::move(inbox.error()));
  std::unique_ptr<Loop> loop(new Loop(shared, index, stages, counters));
  loop->ready_ = std::move(*ready);
  loop->inbox_ = std::move(*inbox);
  loop->wake_fd_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!loop->wake_fd_) return std::unexpected(errno_error("eventfd"));
  loop->epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  if (!loop->epoll_) return std::unexpected(errno_error("epoll_create1"));
  if (auto watched = loop->watch(loop->wake_fd_.get()); !watched)
    return std::unexpected(std::move(watched.error()));
  return loop;
}

std::expected<void, Error> Loop::watch(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
    return std::unexpected(errno_error("epoll_ctl"));
  return {};
}

void Loop::unwatch(int fd) { epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

void Loop::run() {
  // A sleep that ends by itself must end in time: the default slack alone is 50 us.
  prctl(PR_SET_TIMERSLACK, 1UL);
  while (!shared_.stop.load(std::memory_order_relaxed)) {
    const bool worked = iterate();
    if (!worked && idle_.looks_again(rte_rdtsc())) {
      rte_pause();
      continue;
    }
    // After a sleep that a packet ended the loop polls again; else it goes straight back to sleep.
    if (worked || sleep()) idle_.worked();
  }
}

bool Loop::iterate() {
  if (shared_.epoch.load(std::memory_order_acquire) != epoch_.load(std::memory_order_relaxed)) adopt();
  if (++iterations_ % kCountLostEvery == 0) count_lost();
  bool worked = false;
  if ((stages_ & kStageRx) != 0) worked |= receive();
  if ((stages_ & kStageVrf) != 0) worked |= serve();
  if ((stages_ & kStageVrf) != 0) worked |= serve_natives();
  if ((stages_ & kStageTx) != 0) worked |= collect_inbox();
  worked |= transmit();
  if (!alone_) wake_touched();
  if (std::exchange(recorded_, false)) wake_keeper();
  return worked;
}

// The keeper looks at the records once more after it has said that it sleeps.
void Loop::wake_keeper() const {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (shared_.keeper->sleeping()) shared_.keeper->wake();
}

// Moves to the published generation and says so: from here on nothing of the old one is touched.
// Nothing is in this loop's hands between two iterations but ids.
void Loop::adopt() {
  if (view_ != nullptr) count_lost();
  const std::uint64_t epoch = shared_.epoch.load(std::memory_order_acquire);
  const LoopView* before = view_;
  generation_ = shared_.generation.load(std::memory_order_acquire);
  forwarding_ = generation_->forwarding.get();
  static_leases_ = shared_.static_leases.load(std::memory_order_acquire);
  view_ = &generation_->loops[index_];
  if (before != nullptr)
    for (const NativeLane& lane : before->natives)
      if (native_lane(lane.host->vrf).host != lane.host) abandon(*lane.host);
  alone_ = shared_.loops.size() == 1;
  scheduler_.set_alone(alone_);
  epoch_.store(epoch, std::memory_order_release);
}

bool Loop::has_work() const {
  return rte_ring_empty(ready_.get()) == 0 || rte_ring_empty(inbox_.get()) == 0 ||
         std::ranges::any_of(active_natives_,
                             [this](const NativeHost* host) { return may_release(*host); }) ||
         shared_.epoch.load(std::memory_order_acquire) != epoch_.load(std::memory_order_relaxed) ||
         shared_.stop.load(std::memory_order_relaxed);
}

// Sleeps until a frame, a hand-over, a change or (where it must be polled) a short time. The flag is
// set before the last look at what others hand over; they hand over before they look at the flag:
// with both sides sequentially consistent one of them sees the other (Dekker). True: woken by work.
bool Loop::sleep() {
  count_lost();
  timespec timeout{0, 0};
  bool timed = false;
  for (TxBuffer* buffer : view_->tx) {
    if (buffer->queue->flush()) continue;
    timed = true;
    timeout.tv_nsec = kRetrySleepNs;
  }
  if (view_->polled) {
    timed = true;
    timeout.tv_nsec = idle_.polled_sleep_ns(rte_rdtsc());
  }
  if (!view_->natives.empty()) {
    long at_most = kNativeSleepNs;
    for (const NativeHost* host : active_natives_) {
      if (!host->probes.empty()) at_most = std::min(at_most, kProbeSleepNs);
      if (!host->waiting.empty() && boot_ms_ < host->held_until_ms) at_most = kRetrySleepNs;
    }
    timeout.tv_nsec = timed ? std::min(timeout.tv_nsec, at_most) : at_most;
    timed = true;
  }
  bool frames_wait = false;
  for (const RxBinding& binding : view_->rx)
    if (binding.queue->wait_fd() >= 0 && !binding.queue->arm() && !binding.queue->gone()) frames_wait = true;
  sleeping_.store(true, std::memory_order_seq_cst);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  int count = 0;
  bool worked = true;
  if (!frames_wait && !has_work()) {
    sleeps_.fetch_add(1, std::memory_order_relaxed);
    std::array<epoll_event, 16> events;
    count = epoll_pwait2(epoll_.get(), events.data(), static_cast<int>(events.size()),
                         timed ? &timeout : nullptr, nullptr);
    worked = count > 0;
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      // A device that is gone stays in error: it would never let us sleep again.
      if ((event.events & (EPOLLERR | EPOLLHUP)) != 0 && event.data.fd != wake_fd_.get())
        unwatch(event.data.fd);
    }
  }
  sleeping_.store(false, std::memory_order_relaxed);
  std::uint64_t woken = 0;
  if (count > 0) (void)!read(wake_fd_.get(), &woken, sizeof woken);
  for (const RxBinding& binding : view_->rx) binding.queue->disarm();
  return worked;
}

void Loop::wake() const {
  const std::uint64_t one = 1;
  (void)!write(wake_fd_.get(), &one, sizeof one);
}

// The other half of sleep()'s protocol.
void Loop::wake_touched() {
  bool fenced = false;
  for (std::uint32_t i = 0; i < shared_.loops.size(); ++i) {
    if (!touched_[i]) continue;
    touched_[i] = false;
    if (!fenced) std::atomic_thread_fence(std::memory_order_seq_cst);
    fenced = true;
    const Loop& other = *shared_.loops[i];
    if (other.sleeping_.load(std::memory_order_relaxed)) other.wake();
  }
}

// Frames that were lost before classify could see them belong to no VRF.
void Loop::count_lost() {
  const auto count = [this](std::uint64_t lost, std::uint64_t& counted, Outcome reason) {
    if (lost == counted) return;
    counters_[0].rx.add(lost - counted);
    count_drop(VrfId{}, reason, lost - counted);
    counted = lost;
  };
  for (const RxBinding& binding : view_->rx) {
    RxState& state = *binding.state;
    count(binding.queue->buffer_none(), state.buffer_none_counted, XK_BUFFER_NONE);
    count(state.overrun.load(std::memory_order_relaxed), state.overrun_counted, XK_PORT_OVERRUN);
  }
}

}  // namespace xk
