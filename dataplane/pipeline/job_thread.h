// A thread that does jobs one after the other. What has not begun when it ends is not done.
#pragma once

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace xk {

// All signals are blocked, and the thread has a name of at most 15 characters.
inline void become_thread(const std::string& name) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  pthread_setname_np(pthread_self(), name.c_str());
}

class JobThread {
 public:
  // nice: as of setpriority(2).
  JobThread(const std::string& name, int nice) {
    thread_ = std::thread([this, name, nice] {
      become_thread(name);
      (void)setpriority(PRIO_PROCESS, 0, nice);  // of this thread alone (setpriority(2))
      work();
    });
  }
  ~JobThread() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
      there_.notify_all();
    }
    thread_.join();
  }
  JobThread(const JobThread&) = delete;
  JobThread& operator=(const JobThread&) = delete;

  void give(std::function<void()> job) {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    there_.notify_all();
  }

 private:
  void work() {
    while (true) {
      std::function<void()> job;
      {
        std::unique_lock lock(mutex_);
        there_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
        if (stop_) return;
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
      job();
    }
  }

  std::mutex mutex_;
  std::condition_variable there_;
  std::deque<std::function<void()>> jobs_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace xk
