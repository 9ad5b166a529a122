#include "controlplane/store/etcd_watch.h"

#include "controlplane/store/etcd_messages.h"
#include "etcd.pb.h"

namespace xk::store {
namespace {

namespace pb = etcdserverpb;
constexpr std::chrono::milliseconds kPauseMin{20};
constexpr std::chrono::milliseconds kPauseMax{1000};

}  // namespace

EtcdWatch::EtcdWatch(std::shared_ptr<EtcdCluster> cluster, std::string from_key, std::string to_key,
                     Revision from, OnEvents call)
    : cluster_(std::move(cluster)),
      from_key_(std::move(from_key)),
      to_key_(std::move(to_key)),
      call_(std::move(call)),
      next_(from),
      thread_([this] { run(); }) {}

void EtcdWatch::stop(bool tell) {
  {
    const std::lock_guard guard(mutex_);
    stopping_ = true;
    if (stream_) stream_->cancel();
  }
  if (thread_.joinable()) thread_.join();
  if (tell && !ended_) end({Fault::ended, {"the store was closed"}});
  ended_ = true;
}

bool EtcdWatch::stopping() {
  const std::lock_guard guard(mutex_);
  return stopping_;
}

void EtcdWatch::end(StoreError error) {
  ended_ = true;
  call_(std::unexpected(std::move(error)));
}

void EtcdWatch::run() {
  auto pause = kPauseMin;
  while (!stopping() && !ended_) {
    EtcdMember& member = cluster_->current();
    const auto token =
        cluster_->token_of(member, std::chrono::system_clock::now() + cluster_->options().call_timeout);
    const Revision before = next_;
    if (token) {
      member.connect(std::chrono::system_clock::now() + cluster_->options().call_timeout);
      follow(member, *token);
    } else if (!token.error().again) {
      end(token.error().error);
    }
    if (stopping() || ended_) return;
    pause = next_ > before ? kPauseMin : std::min(2 * pause, kPauseMax);
    if (!cluster_->pause(pause)) return;
  }
}

void EtcdWatch::follow(EtcdMember& member, const std::string& token) {
  auto opened = member.watch(token);
  auto& stream = *opened;
  {
    const std::lock_guard guard(mutex_);
    if (stopping_) {
      stream.cancel();
      stream.finish();
      return;
    }
    stream_ = std::move(opened);
  }
  pb::WatchRequest request;
  auto& create = *request.mutable_create_request();
  create.set_key(from_key_);
  create.set_range_end(to_key_);
  // One before: of the revision that was compacted to etcd itself may have forgotten what was erased by it.
  create.set_start_revision(std::max<Revision>(next_ - 1, 1));
  create.set_progress_notify(true);
  bool goes_on = stream.write(request);
  pb::WatchResponse response;
  while (goes_on && stream.read(response)) goes_on = take(response);
  stream.cancel();
  const auto status = stream.finish();
  {
    const std::lock_guard guard(mutex_);
    stream_.reset();
    if (stopping_) return;
  }
  // Cancelled by ourselves: take() has said why.
  if (goes_on) (void)cluster_->after(member, token, "follow the keys", status);
}

bool EtcdWatch::take(const pb::WatchResponse& response) {
  if (response.canceled()) {
    if (response.compact_revision() > 0) {
      end({Fault::compacted,
           {"the revision " + std::to_string(next_) + " is not kept any more by etcd: the oldest is " +
            std::to_string(response.compact_revision())}});
    } else if (response.cancel_reason().find("permission denied") != std::string::npos) {
      // Also what etcd says of a token that it does not know any more: another one is tried once.
      const std::string token = cluster_->forget_token();
      if (denied_ || token.empty())
        end({Fault::rejected, {"etcd: cannot follow the keys: permission denied"}});
      denied_ = true;
    }
    return false;
  }
  denied_ = false;
  cluster_->saw_revision(response.header().revision());
  auto events = read_events(response, next_);
  if (!events) {
    end(std::move(events.error()));
    return false;
  }
  if (response.events_size() == 0) {
    // A sign of progress: everything up to this revision was told.
    if (!response.created()) next_ = std::max(next_, response.header().revision() + 1);
    return true;
  }
  if (events->empty()) return true;  // all of them were told before
  next_ = events->back().item.modified + 1;
  call_(std::move(*events));
  return true;
}

}  // namespace xk::store
