// The commits to etcd: those that compare nothing, or the same, and change different keys go together in one
// request, several requests are under way at once, changes of the same key never overtake one another, and
// answers are given in the order of the commits.
#pragma once

#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "controlplane/store/etcd_cluster.h"
#include "controlplane/store/etcd_fence.h"
#include "controlplane/store/store.h"

namespace etcdserverpb {
class TxnResponse;
}

namespace xk::store {

class EtcdSender {
 public:
  explicit EtcdSender(EtcdCluster& cluster);
  ~EtcdSender();
  EtcdSender(const EtcdSender&) = delete;
  EtcdSender& operator=(const EtcdSender&) = delete;

  void commit(Transaction transaction, OnCommitted done);
  struct Counts {
    std::uint64_t unanswered = 0;
    std::uint64_t commits = 0;
    std::uint64_t requests = 0;
    std::uint64_t failures = 0;
  };
  [[nodiscard]] Counts counts() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Item {
    std::uint64_t number = 0;  // in the order of the commits
    Transaction transaction;
    OnCommitted done;
    std::size_t bytes = 0;
    Clock::time_point expires;
    std::size_t together = SIZE_MAX;  // goes with so many at most: with more it was refused
    std::optional<StoreResult<Committed>> result;
  };
  using ItemPointer = std::shared_ptr<Item>;
  struct Request {
    std::vector<ItemPointer> items;
    std::vector<std::string> keys;      // that it may change
    std::vector<std::string> compared;  // that it compares
    bool barrier = false;
    EtcdMember* member = nullptr;
    std::string token;
    std::unique_ptr<EtcdMember::Call> call;
    bool over = false;
    RpcStatus status;
    std::unique_ptr<etcdserverpb::TxnResponse> response;
  };

  // All with mutex_ held; those with a lock let go of it meanwhile.
  void run();
  void step(std::unique_lock<std::mutex>& lock);
  bool settle_requests();
  void settle(Request& request);
  // together: how many of them at most go into one request from now on.
  void give_back(const Request& request, std::size_t together);
  void answer(std::unique_lock<std::mutex>& lock);
  void expire();
  void renew_fence(std::unique_lock<std::mutex>& lock);
  bool send_one(EtcdMember& member, const std::string& token);
  // Takes what goes into the next request off pending_; empty: nothing can go now.
  Request collect();
  // Whether what is under way stands in its way: keys that both may change, or one changes and the other
  // compares.
  bool is_busy(const std::vector<std::string>& keys, const std::vector<std::string>& compared) const;
  void stop(std::unique_lock<std::mutex>& lock);

  EtcdCluster& cluster_;
  EtcdFence fence_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::uint64_t, ItemPointer> unanswered_;
  std::map<std::uint64_t, ItemPointer> pending_;  // not under way
  std::list<Request> requests_;                   // under way
  std::set<std::string> busy_keys_;
  std::map<std::string, std::size_t> compared_keys_;  // by how many requests
  std::uint64_t next_number_ = 0;
  std::size_t queued_bytes_ = 0;
  Counts counts_;
  Clock::time_point not_before_;  // of the next try after a failure
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace xk::store
