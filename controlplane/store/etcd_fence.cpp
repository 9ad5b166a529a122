#include "controlplane/store/etcd_fence.h"

#include <random>

#include "etcd.pb.h"

namespace xk::store {
namespace {

namespace pb = etcdserverpb;
constexpr std::chrono::seconds kLeaseTime{3600};
constexpr std::chrono::seconds kKeepAliveAfter{600};

}  // namespace

SessionId random_lease() {
  std::random_device device;
  std::uniform_int_distribution<SessionId> any(1, INT64_MAX);
  return any(device);
}

StoreResult<> grant_lease(EtcdCluster& cluster, const std::string& what, std::chrono::milliseconds time,
                          SessionId lease, std::chrono::seconds time_to_live) {
  pb::LeaseGrantRequest request;
  request.set_ttl(time_to_live.count());
  request.set_id(lease);
  pb::LeaseGrantResponse response;
  auto done = cluster.ask(what, time, request, response);
  if (!done && done.error().error.message.find("lease already exists") != std::string::npos) return {};
  return done;
}

EtcdFence::EtcdFence(EtcdCluster& cluster) : cluster_(cluster) {
  char name[32];
  std::snprintf(name, sizeof name, "%016llx", static_cast<unsigned long long>(random_lease()));
  key_ = std::string("/xdp-kea/v1/writer/") + name;
}

StoreResult<> EtcdFence::renew() {
  revision_ = 0;
  const auto time = cluster_.options().call_timeout / 4;
  // One number until it is answered: else every lost answer would leave a lease behind.
  if (lease_ == 0) {
    lease_ = random_lease();
    granted_ = false;
  }
  if (!granted_) {
    if (auto done = grant_lease(cluster_, "begin to write", time, lease_, kLeaseTime); !done) return done;
    granted_ = true;
    keep_alive_at_ = std::chrono::steady_clock::now() + kKeepAliveAfter;
  }
  pb::TxnRequest request;
  auto& put = *request.add_success()->mutable_request_put();
  put.set_key(key_);
  put.set_value(R"({"v":1})");
  put.set_lease(lease_);
  pb::TxnResponse response;
  // Twice is as good as once: of two that are done the later one counts, and where it comes late the next
  // request finds the key changed, is not done, and the key is put again.
  auto done = cluster_.ask("begin to write", time, request, response);
  if (!done && done.error().fault == Fault::ended) {
    lease_ = 0;
    done.error().fault = Fault::unavailable;
  }
  if (done) revision_ = response.header().revision();
  return done;
}

void EtcdFence::keep_alive() {
  pb::LeaseKeepAliveRequest request;
  request.set_id(lease_);
  pb::LeaseKeepAliveResponse response;
  const auto done =
      cluster_.ask("keep the writer's lease", cluster_.options().call_timeout / 4, request, response);
  // Where it is over the key is gone, and the next request finds that.
  if (done && response.ttl() <= 0) lease_ = 0;
  keep_alive_at_ = std::chrono::steady_clock::now() + (done ? kKeepAliveAfter : std::chrono::seconds(10));
}

void EtcdFence::close() {
  if (lease_ == 0 || revision_ == 0) return;
  pb::LeaseRevokeRequest request;
  request.set_id(lease_);
  pb::LeaseRevokeResponse response;
  EtcdMember& member = cluster_.current();
  const auto deadline = std::chrono::system_clock::now() + std::chrono::milliseconds(500);
  // If it does not go at once it goes with its lease.
  if (const auto token = cluster_.token_of(member, deadline))
    (void)member.call({deadline, *token}, request, response);
}

}  // namespace xk::store
