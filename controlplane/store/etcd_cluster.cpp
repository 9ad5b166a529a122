#include "controlplane/store/etcd_cluster.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "etcd.pb.h"

namespace xk::store {
namespace {

using Clock = std::chrono::system_clock;
namespace pb = etcdserverpb;

constexpr char kSystemRoots[] = "/etc/ssl/certs/ca-certificates.crt";
constexpr std::chrono::milliseconds kPauseMin{20};
constexpr std::chrono::milliseconds kPauseMax{500};

StoreError bad_endpoint(std::string message) { return {Fault::rejected, {std::move(message)}}; }

StoreResult<std::string> read_file(const std::string& path, const char* what) {
  if (path.empty()) return std::string();
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file) {
    const auto error = errno_error("cannot read the " + std::string(what) + " of etcd, " + path);
    return std::unexpected(StoreError{Fault::rejected, error});
  }
  return std::move(text).str();
}

struct Endpoint {
  std::string address;  // host:port
  bool secure = false;
};
StoreResult<Endpoint> read_endpoint(const std::string& text) {
  Endpoint out;
  const std::string_view kPlain = "http://";
  const std::string_view kSecure = "https://";
  out.secure = text.starts_with(kSecure);
  if (!out.secure && !text.starts_with(kPlain)) {
    return std::unexpected(
        bad_endpoint("etcd's endpoint '" + text + "' is neither http://HOST:PORT nor https://HOST:PORT"));
  }
  out.address = text.substr(out.secure ? kSecure.size() : kPlain.size());
  if (out.address.ends_with('/')) out.address.pop_back();
  const auto colon = out.address.rfind(':');
  const bool plain = out.address.find_first_of("/?#@ ") == std::string::npos;
  const bool port = colon != std::string::npos && colon > 0 && colon + 1 < out.address.size() &&
                    out.address.find_first_not_of("0123456789", colon + 1) == std::string::npos;
  if (plain && port) return out;
  return std::unexpected(
      bad_endpoint("etcd's endpoint '" + text + "' needs a host and a port, as in https://10.0.0.1:2379"));
}

}  // namespace

StoreResult<std::shared_ptr<EtcdCluster>> EtcdCluster::make(const EtcdOptions& options) {
  if (options.endpoints.empty()) return std::unexpected(bad_endpoint("etcd has no endpoints"));
  if (options.certificate_file.empty() != options.key_file.empty()) {
    return std::unexpected(
        bad_endpoint("etcd's certificate_file and key_file go together: one of them is missing"));
  }
  std::shared_ptr<EtcdCluster> cluster(new EtcdCluster(options));
  TlsFiles files;
  bool read = false;
  for (const auto& text : options.endpoints) {
    const auto endpoint = read_endpoint(text);
    if (!endpoint) return std::unexpected(endpoint.error());
    if (endpoint->secure && !read) {
      auto roots = read_file(options.ca_file.empty() ? kSystemRoots : options.ca_file, "ca_file");
      auto certificate = read_file(options.certificate_file, "certificate_file");
      auto key = read_file(options.key_file, "key_file");
      for (const auto* file : {&roots, &certificate, &key}) {
        if (!*file) return std::unexpected(file->error());
      }
      files = {std::move(*roots), std::move(*certificate), std::move(*key)};
      read = true;
    }
    cluster->members_.push_back(
        std::make_unique<EtcdMember>(text, endpoint->address, endpoint->secure, files));
  }
  return cluster;
}

EtcdMember& EtcdCluster::current() { return *members_[current_ % members_.size()]; }

void EtcdCluster::leave(const EtcdMember& member) {
  std::size_t now = current_;
  if (members_[now % members_.size()].get() == &member) current_.compare_exchange_strong(now, now + 1);
}

void EtcdCluster::unreachable(const EtcdMember& member) {
  leave(member);
  const std::lock_guard guard(mutex_);
  trouble_ = "etcd at " + member.endpoint() + " cannot be reached";
}

std::expected<std::string, EtcdCluster::Refusal> EtcdCluster::token_of(EtcdMember& member,
                                                                       Clock::time_point deadline) {
  if (options_.user.empty()) return std::string();
  {
    const std::lock_guard guard(mutex_);
    if (!token_.empty()) return token_;
  }
  pb::AuthenticateRequest request;
  request.set_name(options_.user);
  request.set_password(options_.password);
  pb::AuthenticateResponse response;
  if (auto refusal = after(member, {}, "log in as '" + options_.user + "'",
                           member.call({deadline, {}}, request, response))) {
    return std::unexpected(std::move(*refusal));
  }
  const std::lock_guard guard(mutex_);
  token_ = response.token();
  return token_;
}

std::optional<EtcdCluster::Refusal> EtcdCluster::after(EtcdMember& member, const std::string& token,
                                                       const std::string& what, const RpcStatus& status) {
  const auto outcome = outcome_of(status);
  const std::string text = "etcd at " + member.endpoint() + ": cannot " + what + ": " + status.message;
  {
    const std::lock_guard guard(mutex_);
    // Also a refusal is an answer: of a user that may not, though, nothing will be done.
    trouble_ =
        outcome == RpcOutcome::unknown || outcome == RpcOutcome::not_done || outcome == RpcOutcome::refused
            ? text
            : std::string();
    if (outcome == RpcOutcome::not_done && token_ == token) token_.clear();
  }
  switch (outcome) {
    case RpcOutcome::done:
      return std::nullopt;
    case RpcOutcome::not_done:
      return Refusal{{options_.user.empty() ? Fault::rejected : Fault::unavailable, {text}},
                     !options_.user.empty()};
    case RpcOutcome::unknown:
      leave(member);
      return Refusal{{Fault::unavailable, {text}}, true};
    case RpcOutcome::refused:
    case RpcOutcome::future:
      return Refusal{{Fault::rejected, {text}}, false};
    case RpcOutcome::compacted:
      return Refusal{{Fault::compacted, {text}}, false};
    case RpcOutcome::no_session:
      return Refusal{{Fault::ended, {text}}, false};
  }
  return std::nullopt;
}

Clock::time_point EtcdCluster::attempt_deadline(Clock::time_point deadline,
                                                std::chrono::milliseconds time) const {
  // One that does not answer is to leave time for another.
  if (members_.size() == 1) return deadline;
  return std::min(deadline, Clock::now() + std::min(time, options_.call_timeout) * 2 / 5);
}

bool EtcdCluster::may_ask_again(const Refusal& refusal, int attempt, Clock::time_point deadline) {
  if (!refusal.again) return false;
  const auto pause_time = std::min(kPauseMax, kPauseMin * (1 << std::min(attempt / 2, 5)));
  if (Clock::now() + pause_time >= deadline) return false;
  return pause(pause_time);
}

std::string EtcdCluster::forget_token() {
  const std::lock_guard guard(mutex_);
  return std::exchange(token_, {});
}

void EtcdCluster::saw_revision(Revision revision) {
  Revision known = revision_;
  while (known < revision && !revision_.compare_exchange_weak(known, revision)) {
  }
}

std::string EtcdCluster::trouble() const {
  const std::lock_guard guard(mutex_);
  return trouble_;
}

std::string EtcdCluster::endpoints() const {
  std::string out;
  for (const auto& member : members_) out += (out.empty() ? "" : ",") + member->endpoint();
  return out;
}

bool EtcdCluster::pause(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return !closed_.wait_for(lock, time, [this] { return closing_; });
}

void EtcdCluster::close() {
  {
    const std::lock_guard guard(mutex_);
    closing_ = true;
  }
  closed_.notify_all();
}

}  // namespace xk::store
