// The hook's end of the lease gate: sends changes of leases to xdp-kead and says when they are durable. One
// thread of its own does all that waits; knows nothing of Kea.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "controlplane/kea/hook/queue_file.h"
#include "controlplane/leases/gate_wire.h"
#include "dataplane/base/fd.h"

namespace xk::hook {

// What is done while the store is gone.
enum class Durability : std::uint8_t {
  strict,     // no ACK; the change waits for the store
  available,  // ACK; the change waits in the queue file, synced before the ACK
};

struct GateOptions {
  std::string socket;      // of xdp-kead
  std::string queue_file;  // beside Kea's leases
  Durability durability = Durability::strict;
  // How long a packet waits for its lease: then a client has asked again long ago (RFC 2131 4.1: after 4 s).
  std::chrono::milliseconds strict_wait{10'000};
  // After this the gate counts as gone.
  std::chrono::milliseconds available_wait{1'000};
  // Changes that come closer together than this share a frame's way, the store's sync and two wake-ups a
  // side: by itself each would cost as much as the rest of its packet does. One that comes alone does not
  // wait; when many come they are gathered for longer.
  std::chrono::microseconds gather{2'000};
  std::chrono::microseconds gather_busy{8'000};
  // What was wrong with the queue file, for the log; any thread.
  std::function<void(const std::string&)> say = [](const std::string&) {};
};

class GateClient {
 public:
  // true: the changes are on stable storage; false: they are not, do not answer. Called once, from the
  // client's thread or, if there is no room, from within submit().
  using Done = std::function<void(bool)>;

  [[nodiscard]] static std::expected<std::unique_ptr<GateClient>, Error> start(GateOptions options);
  // Waits up to half a second for what is under way. Every done has been called after that.
  ~GateClient();

  // Any thread; does not block. At most leases::kChangesMax changes.
  void submit(std::vector<leases::LeaseChange> changes, Done done);

  // Where appliances share the VRF nothing may be answered before a gate has once asked for this process's
  // changes: they would wait here, and be committed over the other appliance's leases when it is this one's
  // turn. Any thread. False: the packet is to be dropped, and was counted as withheld.
  [[nodiscard]] bool may_answer();
  // Waits for that, as long as this at most.
  void wait_for_turn(std::chrono::milliseconds most) const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting {
    std::uint64_t number = 0;
    std::string frame;
    Done done;  // empty: nobody waits (any more)
    Clock::time_point deadline;
    bool from_file = false;  // stays in the queue file until it is durable
  };

  explicit GateClient(GateOptions options, QueueFile file);
  void run();
  void take_submitted();
  void number(Waiting& waiting);
  void connect_if_due(Clock::time_point now);
  void disconnect(Clock::time_point now);
  [[nodiscard]] Clock::time_point gathers_until() const;
  [[nodiscard]] Clock::duration wait_until_due(Clock::time_point now) const;
  void wait_for_work();
  void receive();
  [[nodiscard]] std::expected<void, Error> handle(const leases::Frame& frame);
  void on_welcome();
  void on_durable(std::uint64_t number);
  void flush();
  void end_overdue(Clock::time_point now);
  void put_into_file();
  void send_figures();
  void end_all();

  GateOptions options_;
  QueueFile file_;
  Fd wake_;

  std::mutex mutex_;  // of what follows
  std::vector<Waiting> submitted_;
  bool stopping_ = false;

  std::atomic<std::size_t> waiting_count_{0};  // submitted or waiting
  std::atomic<std::uint64_t> withheld_{0};
  std::atomic<bool> was_welcome_{false};

  // The thread's own.
  std::deque<Waiting> waiting_;  // by number
  std::uint64_t numbers_ = 0;
  Fd connection_;
  bool welcome_ = false;
  leases::FrameReader reader_;
  std::string out_;
  std::size_t out_at_ = 0;
  Clock::time_point connect_at_{};
  bool busy_ = false;             // many changes come
  Clock::time_point taken_at_{};  // when what was submitted was taken last
  std::chrono::milliseconds backoff_{};
  leases::Figures told_;
  std::uint64_t queued_ = 0;
  std::thread thread_;
};

}  // namespace xk::hook
