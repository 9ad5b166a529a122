// The daemon's one loop: descriptors, signals, timers, and calls from other threads, by sd-event.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "controlplane/reconcile/ports.h"

struct sd_event;
struct sd_event_source;

namespace xk::kead {

// A registration with the loop; ends with its owner, which must not outlive the loop.
class EventSource {
 public:
  EventSource();
  EventSource(EventSource&&) noexcept;
  EventSource& operator=(EventSource&&) noexcept;
  EventSource(const EventSource&) = delete;
  EventSource& operator=(const EventSource&) = delete;
  ~EventSource();

 private:
  friend class EventLoop;
  struct Registration;
  explicit EventSource(std::unique_ptr<Registration> registration);
  std::unique_ptr<Registration> registration_;
};

class EventLoop {
 public:
  [[nodiscard]] static Result<std::unique_ptr<EventLoop>> make();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // While the descriptor is readable (or hung up). Borrowed.
  [[nodiscard]] Result<EventSource> on_readable(int fd, std::function<void()> call);
  // The signal must be blocked in every thread.
  [[nodiscard]] Result<EventSource> on_signal(int signal, std::function<void()> call);
  // Once, at a time of now_ms(). Replaces nothing: each call is a timer of its own.
  [[nodiscard]] Result<EventSource> at(std::uint64_t when_ms, std::function<void()> call);

  // From any thread: the call is made by the loop, in order. False once the loop has ended: the
  // call is then never made.
  bool post(std::function<void()> call);

  // Until stop().
  [[nodiscard]] Result<> run();
  void stop();

  // Monotonic.
  [[nodiscard]] static std::uint64_t now_ms();

 private:
  EventLoop() = default;
  void run_posted();

  sd_event* event_ = nullptr;
  Fd wake_;
  EventSource wake_source_;
  std::mutex mutex_;  // of what follows
  std::vector<std::function<void()>> posted_;
  bool ended_ = false;
};

}  // namespace xk::kead
