#include "controlplane/store/etcd_rpc.h"

#include <grpc/support/log.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "etcd.grpc.pb.h"

namespace xk::store {
namespace {

namespace pb = etcdserverpb;

RpcStatus as_status(const grpc::Status& status) {
  return {static_cast<int>(status.error_code()), status.error_message()};
}

constexpr std::chrono::milliseconds kConnectTime{1000};

void prepare(grpc::ClientContext& context, const CallOptions& options) {
  context.set_deadline(options.deadline);
  context.AddMetadata("hasleader", "true");  // a member without a leader says so at once
  if (!options.token.empty()) context.AddMetadata("token", options.token);
}

class TxnCall : public EtcdMember::Call {
 public:
  TxnCall(pb::KV::Stub& stub, const CallOptions& options, pb::TxnRequest request, EtcdMember::OnTxn done)
      : request_(std::move(request)), done_(std::move(done)) {
    prepare(context_, options);
    stub.async()->Txn(&context_, &request_, &response_, [this](const grpc::Status& status) {
      done_(as_status(status), response_);
      const std::lock_guard guard(mutex_);
      over_ = true;
      ended_.notify_all();
    });
  }
  ~TxnCall() override {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return over_; });
  }
  void cancel() override { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  const pb::TxnRequest request_;
  pb::TxnResponse response_;
  EtcdMember::OnTxn done_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;
};

class Stream : public EtcdMember::WatchStream {
 public:
  Stream(pb::Watch::Stub& stub, const std::string& token) {
    context_.AddMetadata("hasleader", "true");
    if (!token.empty()) context_.AddMetadata("token", token);
    stream_ = stub.Watch(&context_);
  }
  bool write(const pb::WatchRequest& request) override { return stream_->Write(request); }
  bool read(pb::WatchResponse& response) override { return stream_->Read(&response); }
  RpcStatus finish() override { return as_status(stream_->Finish()); }
  void cancel() override { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<pb::WatchRequest, pb::WatchResponse>> stream_;
};

grpc::ChannelArguments channel_arguments() {
  grpc::ChannelArguments out;
  out.SetMaxReceiveMessageSize(-1);
  out.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // the endpoints are meant as they are written
  out.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  out.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
             static_cast<int>(kConnectTime.count()));  // how long one attempt may take
  out.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  // A member that is gone without a word is noticed by pings: not more often than etcd allows (5 s).
  out.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 6000);
  out.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 2000);
  // Every store has connections of its own, with credentials of its own.
  out.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return out;
}

std::shared_ptr<grpc::ChannelCredentials> credentials(bool secure, const TlsFiles& files) {
  if (!secure) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = files.roots;
  options.pem_cert_chain = files.certificate;
  options.pem_private_key = files.key;
  return grpc::SslCredentials(options);
}

}  // namespace

RpcOutcome outcome_of(const RpcStatus& status) {
  const auto says = [&status](const char* what) { return status.message.find(what) != std::string::npos; };
  switch (status.code) {
    case grpc::StatusCode::OK:
      return RpcOutcome::done;
    case grpc::StatusCode::UNAUTHENTICATED:
      return RpcOutcome::not_done;
    case grpc::StatusCode::INVALID_ARGUMENT:
      // etcd's accounts were changed since the token was given.
      return says("revision of auth store is old") ? RpcOutcome::not_done : RpcOutcome::refused;
    case grpc::StatusCode::OUT_OF_RANGE:
      return says("compacted") ? RpcOutcome::compacted : RpcOutcome::future;
    case grpc::StatusCode::NOT_FOUND:
      return says("lease not found") ? RpcOutcome::no_session : RpcOutcome::refused;
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNIMPLEMENTED:
      return RpcOutcome::refused;
    default:
      return RpcOutcome::unknown;
  }
}

struct EtcdMember::Stubs {
  explicit Stubs(const std::shared_ptr<grpc::Channel>& to)
      : channel(to), kv(channel), watch(channel), lease(channel), auth(channel) {}
  const std::shared_ptr<grpc::Channel> channel;
  pb::KV::Stub kv;
  pb::Watch::Stub watch;
  pb::Lease::Stub lease;
  pb::Auth::Stub auth;
};

namespace {

// What gRPC would write to stderr is in the status of the call as well.
void silence_grpc() {
  static std::once_flag once;
  std::call_once(once, [] { gpr_set_log_function([](gpr_log_func_args*) {}); });
}

}  // namespace

EtcdMember::EtcdMember(std::string endpoint, const std::string& address, bool secure, const TlsFiles& files)
    : endpoint_(std::move(endpoint)),
      stubs_(std::make_unique<Stubs>(
          grpc::CreateCustomChannel(address, credentials(secure, files), channel_arguments()))) {
  silence_grpc();
}
EtcdMember::~EtcdMember() = default;

bool EtcdMember::connect(std::chrono::system_clock::time_point deadline) {
  const auto until = std::min(deadline, std::chrono::system_clock::now() + kConnectTime);
  bool tried = false;
  auto state = stubs_->channel->GetState(true);
  while (state != GRPC_CHANNEL_READY) {
    if (tried && state == GRPC_CHANNEL_TRANSIENT_FAILURE) return false;
    tried = tried || state == GRPC_CHANNEL_CONNECTING;
    if (!stubs_->channel->WaitForStateChange(state, until)) return false;
    state = stubs_->channel->GetState(true);
  }
  return true;
}

RpcStatus EtcdMember::call(const CallOptions& options, const pb::RangeRequest& request,
                           pb::RangeResponse& response) {
  connect(options.deadline);  // where it cannot, the call says why
  grpc::ClientContext context;
  prepare(context, options);
  return as_status(stubs_->kv.Range(&context, request, &response));
}
RpcStatus EtcdMember::call(const CallOptions& options, const pb::TxnRequest& request,
                           pb::TxnResponse& response) {
  connect(options.deadline);  // where it cannot, the call says why
  grpc::ClientContext context;
  prepare(context, options);
  return as_status(stubs_->kv.Txn(&context, request, &response));
}
RpcStatus EtcdMember::call(const CallOptions& options, const pb::CompactionRequest& request,
                           pb::CompactionResponse& response) {
  connect(options.deadline);  // where it cannot, the call says why
  grpc::ClientContext context;
  prepare(context, options);
  return as_status(stubs_->kv.Compact(&context, request, &response));
}
RpcStatus EtcdMember::call(const CallOptions& options, const pb::LeaseGrantRequest& request,
                           pb::LeaseGrantResponse& response) {
  connect(options.deadline);  // where it cannot, the call says why
  grpc::ClientContext context;
  prepare(context, options);
  return as_status(stubs_->lease.LeaseGrant(&context, request, &response));
}
RpcStatus EtcdMember::call(const CallOptions& options, const pb::LeaseRevokeRequest& request,
                           pb::LeaseRevokeResponse& response) {
  connect(options.deadline);  // where it cannot, the call says why
  grpc::ClientContext context;
  prepare(context, options);
  return as_status(stubs_->lease.LeaseRevoke(&context, request, &response));
}
RpcStatus EtcdMember::call(const CallOptions& options, const pb::LeaseKeepAliveRequest& request,
                           pb::LeaseKeepAliveResponse& response) {
  connect(options.deadline);  // where it cannot, the call says why
  grpc::ClientContext context;
  prepare(context, options);
  const auto stream = stubs_->lease.LeaseKeepAlive(&context);
  const bool answered = stream->Write(request) && stream->Read(&response);
  stream->WritesDone();
  if (answered) {
    context.TryCancel();  // one answer is all that is wanted
    stream->Finish();
    return {};
  }
  const auto status = as_status(stream->Finish());
  return status.ok() ? RpcStatus{grpc::StatusCode::UNAVAILABLE, "the stream ended without an answer"}
                     : status;
}
RpcStatus EtcdMember::call(const CallOptions& options, const pb::AuthenticateRequest& request,
                           pb::AuthenticateResponse& response) {
  connect(options.deadline);  // where it cannot, the call says why
  grpc::ClientContext context;
  prepare(context, options);
  return as_status(stubs_->auth.Authenticate(&context, request, &response));
}

std::unique_ptr<EtcdMember::Call> EtcdMember::start(const CallOptions& options, pb::TxnRequest request,
                                                    OnTxn done) {
  return std::make_unique<TxnCall>(stubs_->kv, options, std::move(request), std::move(done));
}

std::unique_ptr<EtcdMember::WatchStream> EtcdMember::watch(const std::string& token) {
  return std::make_unique<Stream>(stubs_->watch, token);
}

}  // namespace xk::store
