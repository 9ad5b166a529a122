#include "controlplane/app/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include <systemd/sd-event.h>

namespace xk::kead {

struct EventSource::Registration {
  sd_event_source* source = nullptr;
  std::function<void()> call;

  Registration() = default;
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;
  ~Registration() { sd_event_source_disable_unref(source); }
};

namespace {

// A registration may end during its own call: the call is kept by a copy.
template <typename Registration>
int make_call(void* data) {
  const std::function<void()> call = static_cast<Registration*>(data)->call;
  call();
  return 0;
}

}  // namespace

EventSource::EventSource(std::unique_ptr<Registration> registration)
    : registration_(std::move(registration)) {}
EventSource::EventSource() = default;
EventSource::EventSource(EventSource&&) noexcept = default;
EventSource& EventSource::operator=(EventSource&&) noexcept = default;
EventSource::~EventSource() = default;

Result<std::unique_ptr<EventLoop>> EventLoop::make() {
  std::unique_ptr<EventLoop> loop(new EventLoop);
  if (const int error = sd_event_new(&loop->event_); error < 0) {
    return std::unexpected(errno_error("cannot make an event loop", -error));
  }
  loop->wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!loop->wake_) return std::unexpected(errno_error("cannot make an eventfd"));
  auto source = loop->on_readable(loop->wake_.get(), [raw = loop.get()] { raw->run_posted(); });
  if (!source) return std::unexpected(source.error());
  loop->wake_source_ = std::move(*source);
  return loop;
}

EventLoop::~EventLoop() {
  wake_source_ = EventSource();
  sd_event_unref(event_);
}

Result<EventSource> EventLoop::on_readable(int fd, std::function<void()> call) {
  auto registration = std::make_unique<EventSource::Registration>();
  registration->call = std::move(call);
  const auto handler = [](sd_event_source*, int, std::uint32_t, void* data) {
    return make_call<EventSource::Registration>(data);
  };
  const int error = sd_event_add_io(event_, &registration->source, fd, EPOLLIN, handler, registration.get());
  if (error < 0) return std::unexpected(errno_error("cannot watch a descriptor", -error));
  return EventSource(std::move(registration));
}

Result<EventSource> EventLoop::on_signal(int signal, std::function<void()> call) {
  auto registration = std::make_unique<EventSource::Registration>();
  registration->call = std::move(call);
  const auto handler = [](sd_event_source*, const signalfd_siginfo*, void* data) {
    return make_call<EventSource::Registration>(data);
  };
  const int error = sd_event_add_signal(event_, &registration->source, signal, handler, registration.get());
  if (error < 0) return std::unexpected(errno_error("cannot watch a signal", -error));
  return EventSource(std::move(registration));
}

Result<EventSource> EventLoop::at(std::uint64_t when_ms, std::function<void()> call) {
  auto registration = std::make_unique<EventSource::Registration>();
  registration->call = std::move(call);
  const auto handler = [](sd_event_source*, std::uint64_t, void* data) {
    return make_call<EventSource::Registration>(data);
  };
  constexpr std::uint64_t kAccuracyUs = 1000;
  const int error = sd_event_add_time(event_, &registration->source, CLOCK_MONOTONIC, when_ms * 1000,
                                      kAccuracyUs, handler, registration.get());
  if (error < 0) return std::unexpected(errno_error("cannot set a timer", -error));
  return EventSource(std::move(registration));
}

bool EventLoop::post(std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return false;
    posted_.push_back(std::move(call));
  }
  const std::uint64_t one = 1;
  // Full is readable too.
  static_cast<void>(!::write(wake_.get(), &one, sizeof one));
  return true;
}

void EventLoop::run_posted() {
  std::uint64_t count = 0;
  static_cast<void>(!::read(wake_.get(), &count, sizeof count));
  std::vector<std::function<void()>> calls;
  {
    const std::lock_guard lock(mutex_);
    calls.swap(posted_);
  }
  for (const auto& call : calls) call();
}

Result<> EventLoop::run() {
  const int error = sd_event_loop(event_);
  std::vector<std::function<void()>> dropped;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    dropped.swap(posted_);  // whoever waits for one learns that it is never made
  }
  if (error < 0) return std::unexpected(errno_error("event loop", -error));
  return {};
}

void EventLoop::stop() { sd_event_exit(event_, 0); }

std::uint64_t EventLoop::now_ms() {
  using std::chrono::milliseconds;
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<milliseconds>(now).count());
}

}  // namespace xk::kead
