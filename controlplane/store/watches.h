// The watches of the embedded store, fed by one thread of its own: a watch that is slow delays other watches,
// and never a commit. What is newest comes from memory, what is older from the log on the disk.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "controlplane/store/store.h"

namespace xk::store {

struct Span {
  std::string from;
  std::string to;  // empty: the one key `from`
};
// Events of whole revisions; those before `next` have been looked at.
struct LogPage {
  std::vector<Event> events;
  Revision next = 0;
};

class Watches {
 public:
  // Reads events of the span from this revision on. Fault::unavailable: it is tried again.
  using ReadLog = std::function<StoreResult<LogPage>(Revision from, const Span& span)>;
  explicit Watches(ReadLog read_log);
  ~Watches();
  Watches(const Watches&) = delete;
  Watches& operator=(const Watches&) = delete;

  [[nodiscard]] std::unique_ptr<Watch> add(Span span, Revision next, OnEvents call);
  // Whether publish wants events.
  [[nodiscard]] bool any() const;
  // Revisions first..last are durable. events: all of theirs, or null if they were not collected.
  void publish(Revision first, Revision last, std::shared_ptr<const std::vector<Event>> events);
  // Ends all watches with Fault::ended; no call is made after it returned.
  void stop();

 private:
  struct Entry {
    Span span;
    Revision next = 0;
    OnEvents call;
    bool ended = false;
    std::chrono::steady_clock::time_point not_before;
  };
  // Outlives the store for as long as there are watches.
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::shared_ptr<Entry>> entries;
    const Entry* called = nullptr;  // its call is under way
    bool stopping = false;
  };
  struct Recent {
    Revision first = 0;
    Revision last = 0;
    std::shared_ptr<const std::vector<Event>> events;
  };
  class Handle;

  void run();
  // The next that has something to be told, and when to look again if there is none.
  std::shared_ptr<Entry> due(std::chrono::steady_clock::time_point& again);
  StoreResult<LogPage> page_of(std::unique_lock<std::mutex>& lock, const Entry& entry);
  void tell(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Entry>& entry);

  ReadLog read_log_;
  std::shared_ptr<State> state_ = std::make_shared<State>();
  // Under state_->mutex:
  Revision newest_ = 0;
  std::deque<Recent> recent_;
  std::size_t recent_events_ = 0;
  std::size_t turn_ = 0;
  std::thread thread_;
};

}  // namespace xk::store
