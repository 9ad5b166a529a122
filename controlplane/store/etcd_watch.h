// One watch on etcd: a thread that reads a stream, and opens another one where the last one ended.
#pragma once

#include <memory>
#include <mutex>
#include <thread>

#include "controlplane/store/etcd_cluster.h"
#include "controlplane/store/store.h"

namespace xk::store {

class EtcdWatch {
 public:
  // from: of the first event that is wanted, 1 or more.
  EtcdWatch(std::shared_ptr<EtcdCluster> cluster, std::string from_key, std::string to_key, Revision from,
            OnEvents call);
  ~EtcdWatch() { stop(false); }
  EtcdWatch(const EtcdWatch&) = delete;
  EtcdWatch& operator=(const EtcdWatch&) = delete;

  // No call is made after it returned; tell: the last one with Fault::ended.
  void stop(bool tell);

 private:
  void run();
  // Reads a stream until it ends.
  void follow(EtcdMember& member, const std::string& token);
  bool take(const etcdserverpb::WatchResponse& response);
  void end(StoreError error);
  bool stopping();

  const std::shared_ptr<EtcdCluster> cluster_;
  const std::string from_key_;
  const std::string to_key_;
  const OnEvents call_;
  Revision next_;
  bool denied_ = false;  // with the token before this one
  bool ended_ = false;   // the last call was made
  std::mutex mutex_;
  std::unique_ptr<EtcdMember::WatchStream> stream_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace xk::store
