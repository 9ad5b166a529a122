// The fence of one writer to etcd: a key that only it changes. Every request compares the revision of the
// key, so that after the key was put again no request from before can still be done: one whose outcome is not
// known would otherwise arrive late, from a member that was cut off, and undo a newer change of the same key.
#pragma once

#include <chrono>
#include <string>

#include "controlplane/store/etcd_cluster.h"

namespace xk::store {

class EtcdFence {
 public:
  explicit EtcdFence(EtcdCluster& cluster);

  [[nodiscard]] const std::string& key() const { return key_; }
  // What a request compares; 0: renew first.
  [[nodiscard]] Revision revision() const { return revision_; }
  void broken() { revision_ = 0; }

  // Puts the key: no request from before is done from now on. Blocks for half of call_timeout at most.
  [[nodiscard]] StoreResult<> renew();
  // The key hangs on a lease of etcd's, so that it does not outlive its writer for long.
  [[nodiscard]] bool due() const { return lease_ != 0 && std::chrono::steady_clock::now() >= keep_alive_at_; }
  void keep_alive();
  // The writer ends: the key goes.
  void close();

 private:
  EtcdCluster& cluster_;
  std::string key_;
  Revision revision_ = 0;
  SessionId lease_ = 0;  // 0: another is begun with
  bool granted_ = false;
  std::chrono::steady_clock::time_point keep_alive_at_;
};

[[nodiscard]] SessionId random_lease();
// Has etcd make the lease. Its number is random: where it is there already, a request before had been done.
[[nodiscard]] StoreResult<> grant_lease(EtcdCluster& cluster, const std::string& what,
                                        std::chrono::milliseconds time, SessionId lease,
                                        std::chrono::seconds time_to_live);

}  // namespace xk::store
