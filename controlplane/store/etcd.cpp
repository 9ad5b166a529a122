// The store on etcd.
#include <algorithm>
#include <list>

#include "controlplane/store/check.h"
#include "controlplane/store/etcd_cluster.h"
#include "controlplane/store/etcd_messages.h"
#include "controlplane/store/etcd_sender.h"
#include "controlplane/store/etcd_watch.h"
#include "controlplane/store/store.h"
#include "etcd.pb.h"

namespace xk::store {
namespace {

namespace pb = etcdserverpb;

constexpr std::int64_t kKeysAPage = 5000;
constexpr std::chrono::milliseconds kProbe{500};
constexpr std::chrono::milliseconds kProbeTime{1000};

class EtcdStore : public Store {
 public:
  explicit EtcdStore(std::shared_ptr<EtcdCluster> cluster)
      : cluster_(std::move(cluster)),
        sender_(std::make_unique<EtcdSender>(*cluster_)),
        prober_([this] { probe(); }) {}
  ~EtcdStore() override;

  void commit(Transaction transaction, OnCommitted done) override {
    sender_->commit(std::move(transaction), std::move(done));
  }
  StoreResult<Page> range(const Range& range) override;
  StoreResult<std::unique_ptr<Watch>> watch(std::string from_key, std::string to_key, Revision from,
                                            OnEvents call) override;
  StoreResult<SessionId> open_session(std::chrono::seconds time_to_live) override;
  StoreResult<> keep_alive(SessionId session, std::chrono::milliseconds time) override;
  StoreResult<> close_session(SessionId session) override;
  StoreResult<> compact(Revision revision) override;
  Health health() const override;

 protected:
  std::chrono::milliseconds call_timeout() const override { return cluster_->options().call_timeout; }

 private:
  class Handle : public Watch {
   public:
    explicit Handle(std::shared_ptr<EtcdWatch> watch) : watch_(std::move(watch)) {}
    ~Handle() override { watch_->stop(false); }

   private:
    std::shared_ptr<EtcdWatch> watch_;
  };

  StoreResult<bool> read_page(const pb::RangeRequest& request, Page& page);
  StoreResult<> be_heard(std::chrono::milliseconds time);
  void probe();

  std::shared_ptr<EtcdCluster> cluster_;
  std::unique_ptr<EtcdSender> sender_;
  std::mutex watches_mutex_;
  std::list<std::weak_ptr<EtcdWatch>> watches_;
  std::thread prober_;
};

EtcdStore::~EtcdStore() {
  sender_.reset();
  cluster_->close();
  prober_.join();
  for (const auto& weak : watches_) {
    if (const auto watch = weak.lock()) watch->stop(true);
  }
}

// Some member answers, and can speak for the cluster.
StoreResult<> EtcdStore::be_heard(std::chrono::milliseconds time) {
  pb::RangeRequest request;
  request.set_key("/xdp-kea/v1/writer/");
  pb::RangeResponse response;
  return cluster_->ask("read", time, request, response);
}

// While nothing is asked nobody would notice that etcd is there, or well again.
void EtcdStore::probe() {
  do {
    if (!cluster_->trouble().empty()) (void)be_heard(kProbeTime);
  } while (cluster_->pause(kProbe));
}

StoreResult<bool> EtcdStore::read_page(const pb::RangeRequest& request, Page& page) {
  pb::RangeResponse response;
  if (auto done = cluster_->ask("read a range", request, response); !done)
    return std::unexpected(done.error());
  cluster_->saw_revision(response.header().revision());
  page.revision = request.revision() != 0 ? request.revision() : response.header().revision();
  for (const auto& pair : response.kvs()) {
    auto item = read_pair(pair);
    if (!item) return std::unexpected(std::move(item.error()));
    const bool in_order = page.items.empty() || page.items.back().key < item->key;
    if (!in_order || !in_span(item->key, request.key(), request.range_end())) {
      return std::unexpected(StoreError{
          Fault::corrupt, {"etcd answered a range with a key that is not its: " + printable(item->key)}});
    }
    page.items.push_back(std::move(*item));
  }
  return response.more();
}

StoreResult<Page> EtcdStore::range(const Range& range) {
  if (auto bad = refusal_of(range)) return std::unexpected(std::move(*bad));
  Page page;
  pb::RangeRequest request;
  request.set_key(range.from);
  request.set_range_end(range.to);
  request.set_revision(range.at);
  while (true) {
    std::int64_t limit = kKeysAPage;
    if (range.limit != 0) limit = std::min(limit, static_cast<std::int64_t>(range.limit - page.items.size()));
    request.set_limit(limit);
    const std::size_t before = page.items.size();
    const auto more = read_page(request, page);
    if (!more) return std::unexpected(more.error());
    page.more = *more;
    if (!*more || page.items.size() == range.limit || page.items.size() == before) return page;
    request.set_key(page.items.back().key + '\0');
    request.set_revision(page.revision);
  }
}

StoreResult<std::unique_ptr<Watch>> EtcdStore::watch(std::string from_key, std::string to_key, Revision from,
                                                     OnEvents call) {
  if (auto bad = refusal_of_span(from_key, to_key)) return std::unexpected(std::move(*bad));
  if (from < 0) return std::unexpected(StoreError{Fault::rejected, {"a watch from a negative revision"}});
  if (from == 0) {
    Page page;
    pb::RangeRequest request;
    request.set_key(from_key);
    if (auto done = read_page(request, page); !done) return std::unexpected(std::move(done.error()));
    from = page.revision + 1;
  }
  auto watch =
      std::make_shared<EtcdWatch>(cluster_, std::move(from_key), std::move(to_key), from, std::move(call));
  const std::lock_guard guard(watches_mutex_);
  watches_.remove_if([](const auto& weak) { return weak.expired(); });
  watches_.push_back(watch);
  return std::make_unique<Handle>(std::move(watch));
}

StoreResult<SessionId> EtcdStore::open_session(std::chrono::seconds time_to_live) {
  if (time_to_live.count() < 1) {
    return std::unexpected(StoreError{Fault::rejected, {"a session lives a second or longer"}});
  }
  const SessionId session = random_lease();
  auto done =
      grant_lease(*cluster_, "open a session", cluster_->options().call_timeout, session, time_to_live);
  if (!done) return std::unexpected(std::move(done.error()));
  return session;
}

StoreResult<> EtcdStore::keep_alive(SessionId session, std::chrono::milliseconds time) {
  pb::LeaseKeepAliveRequest request;
  request.set_id(session);
  pb::LeaseKeepAliveResponse response;
  const auto deadline = std::chrono::system_clock::now() + time;
  for (int attempt = 1;; ++attempt) {
    auto refusal = cluster_->ask_once("keep a session alive", cluster_->attempt_deadline(deadline, time),
                                      request, response);
    if (!refusal) break;
    if (!cluster_->may_ask_again(*refusal, attempt, deadline))
      return std::unexpected(std::move(refusal->error));
    // What no answer came to may have been heard. Asked of one member after the other, where all hear and
    // none is heard, the session would go on for long after its time was over here: first somebody has to
    // answer.
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::system_clock::now());
    if (auto heard = be_heard(left); !heard) return heard;
  }
  if (response.ttl() > 0) return {};
  return std::unexpected(StoreError{Fault::ended, {"the session " + std::to_string(session) + " is over"}});
}

StoreResult<> EtcdStore::close_session(SessionId session) {
  pb::LeaseRevokeRequest request;
  request.set_id(session);
  pb::LeaseRevokeResponse response;
  int attempts = 0;
  auto done = cluster_->ask("close a session", request, response, &attempts);
  if (!done && attempts > 1 && done.error().fault == Fault::ended) return {};  // by an attempt before
  return done;
}

StoreResult<> EtcdStore::compact(Revision revision) {
  // etcd forgets what was erased by the revision itself: one less.
  if (revision <= 1) return {};
  pb::CompactionRequest request;
  request.set_revision(revision - 1);
  pb::CompactionResponse response;
  auto done = cluster_->ask("compact", request, response);
  if (!done && done.error().fault == Fault::compacted) return {};
  return done;
}

Health EtcdStore::health() const {
  const auto counts = sender_->counts();
  Health out;
  out.backend = "etcd";
  out.where = cluster_->endpoints();
  out.trouble = cluster_->trouble();
  out.available = out.trouble.empty();
  out.revision = cluster_->revision();
  out.queued = counts.unanswered;
  out.commits = counts.commits;
  out.syncs = counts.requests;
  out.failures = counts.failures;
  return out;
}

}  // namespace

StoreResult<std::unique_ptr<Store>> open_etcd(const EtcdOptions& options) {
  auto cluster = EtcdCluster::make(options);
  if (!cluster) return std::unexpected(std::move(cluster.error()));
  return std::make_unique<EtcdStore>(std::move(*cluster));
}

}  // namespace xk::store
