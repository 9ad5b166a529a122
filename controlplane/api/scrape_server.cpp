#include "controlplane/api/scrape_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <string>

#include "controlplane/api/http_service.h"
#include "controlplane/api/routes.h"
#include "controlplane/api/views_json.h"
#include "controlplane/model/endpoint.h"
#include "dataplane/base/fd.h"

namespace xk::api {
namespace {

constexpr int kScrapeBacklog = 64;
constexpr const char* kPrometheusText = "text/plain; version=0.0.4; charset=utf-8";

std::expected<Fd, Error> listen_at(const std::string& text) {
  const auto endpoint = parse_endpoint(text);
  if (!endpoint) return std::unexpected(Error{text + " is no address with a port", EINVAL});
  const int family = endpoint->ip6 ? AF_INET6 : AF_INET;
  Fd listener(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return std::unexpected(errno_error("cannot make a socket for " + text));
  const int on = 1;
  ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage address{};
  socklen_t size = 0;
  if (endpoint->ip6) {
    auto& ip6 = reinterpret_cast<sockaddr_in6&>(address);
    ip6.sin6_family = AF_INET6;
    ip6.sin6_port = htons(endpoint->port);
    ::inet_pton(AF_INET6, endpoint->address.c_str(), &ip6.sin6_addr);
    ::setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    size = sizeof ip6;
  } else {
    auto& ip4 = reinterpret_cast<sockaddr_in&>(address);
    ip4.sin_family = AF_INET;
    ip4.sin_port = htons(endpoint->port);
    ::inet_pton(AF_INET, endpoint->address.c_str(), &ip4.sin_addr);
    size = sizeof ip4;
  }
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      ::listen(listener.get(), kScrapeBacklog) != 0) {
    return std::unexpected(errno_error("cannot listen at " + text));
  }
  return listener;
}

ApiReply metrics_reply(ScrapeSource& source) {
  auto text = source.metrics();
  if (!text) return failure_reply(std::move(text.error()));
  ApiReply reply{200, std::move(*text), {}};
  reply.content_type = kPrometheusText;
  return reply;
}

ApiReply ready_reply(ScrapeSource& source) {
  auto view = source.ready();
  if (!view) return failure_reply(std::move(view.error()));
  return ApiReply{view->ready ? 200 : 503, dump_json(to_json(*view)), {}};
}

// At most so many at a time.
class Places {
 public:
  explicit Places(unsigned count) : free_(static_cast<int>(count)) {}
  // Whether there was a place for it; it was made then.
  template <typename Call>
  bool with_one(Call&& call) {
    const bool free = free_.fetch_sub(1) > 0;
    if (free) call();
    free_.fetch_add(1);
    return free;
  }

 private:
  std::atomic<int> free_;
};

}  // namespace

class ScrapeServer::Implementation {
 public:
  explicit Implementation(ScrapeSource& source)
      : source_(source), http_([this](const ApiRequest& request) { return answer(request); }, kWorkers) {}

  std::expected<void, Error> start(const std::string& address) {
    auto listener = listen_at(address);
    if (!listener) return std::unexpected(listener.error());
    listener_ = std::move(*listener);
    return http_.start(listener_.get());
  }
  void stop() {
    http_.stop();
    listener_.reset();
  }

 private:
  ApiReply answer(const ApiRequest& request) {
    if (request.method == "GET" || request.method == "HEAD") return answer_get(request.path);
    ApiReply reply = error_reply(405, {"only GET is answered here"});
    reply.allow = "GET";
    return reply;
  }

  ApiReply answer_get(const std::string& path) {
    if (path == "/healthz") {
      auto alive = source_.alive();
      return alive ? ApiReply{200, R"({"alive":true})", {}} : failure_reply(std::move(alive.error()));
    }
    const bool metrics = path == "/metrics";
    if (!metrics && path != "/readyz") {
      return error_reply(404, {"there are /metrics, /healthz and /readyz here"});
    }
    ApiReply reply = error_reply(
        503, {std::to_string(kWaitingMax) + " others wait for the daemon already: try again later"});
    waiting_.with_one([&] { reply = metrics ? metrics_reply(source_) : ready_reply(source_); });
    return reply;
  }

  ScrapeSource& source_;
  Places waiting_{kWaitingMax};
  Fd listener_;
  HttpService http_;
};

ScrapeServer::ScrapeServer(ScrapeSource& source)
    : implementation_(std::make_unique<Implementation>(source)) {}
ScrapeServer::~ScrapeServer() { stop(); }

std::expected<void, Error> ScrapeServer::start(const std::string& address) {
  return implementation_->start(address);
}
void ScrapeServer::stop() { implementation_->stop(); }

}  // namespace xk::api
