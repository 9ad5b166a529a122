// One member of an etcd cluster: a connection that comes and goes by itself, and the calls over it. The only
// part that sees gRPC.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "controlplane/store/store.h"

namespace etcdserverpb {
class RangeRequest;
class RangeResponse;
class TxnRequest;
class TxnResponse;
class CompactionRequest;
class CompactionResponse;
class WatchRequest;
class WatchResponse;
class LeaseGrantRequest;
class LeaseGrantResponse;
class LeaseRevokeRequest;
class LeaseRevokeResponse;
class LeaseKeepAliveRequest;
class LeaseKeepAliveResponse;
class AuthenticateRequest;
class AuthenticateResponse;
}  // namespace etcdserverpb

namespace xk::store {

// How a call went: gRPC's code and message.
struct RpcStatus {
  int code = 0;
  std::string message;
  [[nodiscard]] bool ok() const { return code == 0; }
};

enum class RpcOutcome : std::uint8_t {
  done,
  not_done,    // refused for a reason that is of the caller: token too old, try again with a new one
  unknown,     // may or may not have been done
  refused,     // was not done, and never will be
  compacted,   // the revision is not there any more
  no_session,  // the lease is not there
  future,      // the revision is not there yet
};
[[nodiscard]] RpcOutcome outcome_of(const RpcStatus& status);

struct CallOptions {
  std::chrono::system_clock::time_point deadline;
  std::string token;  // of Authenticate; empty: none
};

struct TlsFiles {  // contents
  std::string roots;
  std::string certificate;
  std::string key;
};

class EtcdMember {
 public:
  // A Txn under way. Destroying it waits until its callback has returned: cancel it first.
  class Call {
   public:
    virtual ~Call() = default;
    virtual void cancel() = 0;
  };
  // The stream of one watch.
  class WatchStream {
   public:
    virtual ~WatchStream() = default;
    // False: the stream is over, see finish.
    virtual bool write(const etcdserverpb::WatchRequest& request) = 0;
    virtual bool read(etcdserverpb::WatchResponse& response) = 0;
    virtual RpcStatus finish() = 0;
    virtual void cancel() = 0;  // from any thread: read returns false
  };

  EtcdMember(std::string endpoint, const std::string& address, bool secure, const TlsFiles& files);
  ~EtcdMember();

  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }

  // Waits for the connection: while it is being made gRPC goes on only in calls that wait. False: it could
  // not be made. The calls that follow do this themselves; start and watch do not.
  bool connect(std::chrono::system_clock::time_point deadline);

  RpcStatus call(const CallOptions& options, const etcdserverpb::RangeRequest& request,
                 etcdserverpb::RangeResponse& response);
  RpcStatus call(const CallOptions& options, const etcdserverpb::TxnRequest& request,
                 etcdserverpb::TxnResponse& response);
  RpcStatus call(const CallOptions& options, const etcdserverpb::CompactionRequest& request,
                 etcdserverpb::CompactionResponse& response);
  RpcStatus call(const CallOptions& options, const etcdserverpb::LeaseGrantRequest& request,
                 etcdserverpb::LeaseGrantResponse& response);
  RpcStatus call(const CallOptions& options, const etcdserverpb::LeaseRevokeRequest& request,
                 etcdserverpb::LeaseRevokeResponse& response);
  RpcStatus call(const CallOptions& options, const etcdserverpb::LeaseKeepAliveRequest& request,
                 etcdserverpb::LeaseKeepAliveResponse& response);
  RpcStatus call(const CallOptions& options, const etcdserverpb::AuthenticateRequest& request,
                 etcdserverpb::AuthenticateResponse& response);

  // done is called once, from a thread of gRPC.
  using OnTxn = std::function<void(const RpcStatus&, const etcdserverpb::TxnResponse&)>;
  [[nodiscard]] std::unique_ptr<Call> start(const CallOptions& options, etcdserverpb::TxnRequest request,
                                            OnTxn done);
  [[nodiscard]] std::unique_ptr<WatchStream> watch(const std::string& token);

 private:
  struct Stubs;
  const std::string endpoint_;
  std::unique_ptr<Stubs> stubs_;
};

}  // namespace xk::store
