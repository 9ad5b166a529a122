#include "controlplane/api/http_service.h"

#include <httplib.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <set>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "controlplane/api/connection_stream.h"
#include "controlplane/api/views_json.h"
#include "dataplane/base/fd.h"

namespace xk::api {
namespace {

using namespace std::chrono_literals;

constexpr auto kReadTime = 5s;    // a request is read whole within
constexpr auto kWriteTime = 30s;  // an answer is taken whole within
constexpr auto kLingerTime = 200ms;
constexpr int kTickMs = 100;  // how late a silent connection may be closed
constexpr std::size_t kHeaderBytesMax = 64u << 10;
constexpr std::size_t kChunkOverheadMax = 64u << 10;  // of a chunked body at its limit
constexpr std::size_t kConnectionBytesMax = kHeaderBytesMax + kRequestBytesMax + kChunkOverheadMax;

// The library's constructor ignores SIGPIPE for the whole process; that is the program's to decide,
// and we write with MSG_NOSIGNAL. A base in front of the library's keeps what was set.
class SigpipeBefore {
 protected:
  SigpipeBefore() { sigaction(SIGPIPE, nullptr, &before_); }
  void restore_sigpipe() const { sigaction(SIGPIPE, &before_, nullptr); }

 private:
  struct sigaction before_{};
};

void give(httplib::Response& response, const ApiReply& reply) {
  response.status = reply.status;
  response.set_content(reply.body, reply.content_type);
  if (!reply.allow.empty()) response.set_header("Allow", reply.allow);
}

ApiRequest request_of(const httplib::Request& request) {
  ApiRequest made{request.method, request.path, {}, {}};
  for (const auto& [key, value] : request.params) made.query.emplace_back(key, value);
  return made;
}

// HTTP from the library, routes from our table: its routing is by regular expressions on what the
// peer sent, which recurse, and its body limit does not hold for chunked or compressed bodies.
class HttpServer : private SigpipeBefore, public httplib::Server {
 public:
  explicit HttpServer(HttpService::Answer answer) : answer_(std::move(answer)) {
    restore_sigpipe();
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      return before_body(request, response);
    });
    Post(".*", [this](const httplib::Request& request, httplib::Response& response,
                      const httplib::ContentReader& reader) { with_body(request, response, reader); });
    set_error_handler([](const httplib::Request& request, httplib::Response& response) {
      if (response.body.empty())
        give(response, error_reply(response.status, {"HTTP request refused: " + request.method}));
    });
  }

  void serve(httplib::Stream& stream) {
    bool closed = false;
    process_request(stream, true, closed, nullptr);
  }

 private:
  HandlerResponse before_body(const httplib::Request& request, httplib::Response& response) {
    const bool body_wanted = request.method == "POST" && request.path.size() <= kPathBytesMax;
    if (body_wanted && !request.is_multipart_form_data()) return HandlerResponse::Unhandled;
    give(response, body_wanted ? error_reply(415, {"send JSON, not a form"}) : answer_(request_of(request)));
    return HandlerResponse::Handled;
  }

  void with_body(const httplib::Request& request, httplib::Response& response,
                 const httplib::ContentReader& reader) {
    ApiRequest made = request_of(request);
    bool too_big = false;
    const bool whole = reader([&made, &too_big](const char* data, std::size_t size) {
      too_big = made.body.size() + size > kRequestBytesMax;
      if (!too_big) made.body.append(data, size);
      return !too_big;
    });
    if (too_big || response.status == 413) {
      return give(response, error_reply(413, {"the body is longer than " + std::to_string(kRequestBytesMax) +
                                              " bytes"}));
    }
    if (!whole) return give(response, error_reply(400, {"the body ends early or is badly encoded"}));
    give(response, answer_(made));
  }

  HttpService::Answer answer_;
};

// Lets a peer that is still sending read its answer: closing over unread bytes would cut it off.
void linger(int fd) {
  shutdown(fd, SHUT_WR);
  const auto until = ConnectionStream::Clock::now() + kLingerTime;
  ConnectionStream rest(fd, 2 * kConnectionBytesMax, until, kLingerTime);
  std::array<char, 4096> ignored{};
  while (rest.read(ignored.data(), ignored.size()) > 0) {
  }
}

}  // namespace

class HttpService::Implementation {
 public:
  Implementation(Answer answer, unsigned workers) : http_(std::move(answer)), workers_max_(workers) {
    http_.set_payload_max_length(kRequestBytesMax);
  }

  std::expected<void, Error> start(int listener) {
    if (acceptor_.joinable()) return std::unexpected(Error{"it serves already", 0});
    wake_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_) return std::unexpected(errno_error("HTTP: eventfd"));
    listener_ = listener;
    stopping_ = false;
    acceptor_ = std::thread([this] { accept_loop(); });
    for (unsigned i = 0; i < workers_max_; ++i) workers_.emplace_back([this] { work_loop(); });
    return {};
  }

  [[nodiscard]] bool serving() const { return acceptor_.joinable(); }

  void stop() {
    if (!acceptor_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      speaking_.clear();
      for (const int fd : served_) shutdown(fd, SHUT_RD);  // readers end; an answer may still go out
    }
    eventfd_write(wake_.get(), 1);
    changed_.notify_all();
    acceptor_.join();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }

 private:
  using Clock = ConnectionStream::Clock;
  struct Accepted {
    Fd fd;
    Clock::time_point until;  // it has said something by then, or is closed
  };

  // Accepts, and hands on who has begun to speak: the silent take no worker's time.
  void accept_loop() {
    std::deque<Accepted> silent;  // oldest first
    bool exhausted = false;       // no descriptor was to be had: try again when the time is over
    for (;;) {
      std::vector<pollfd> polled = {{wake_.get(), POLLIN, 0},
                                    {listener_, static_cast<short>(exhausted ? 0 : POLLIN), 0}};
      for (const Accepted& peer : silent) polled.push_back({peer.fd.get(), POLLIN, 0});
      poll(polled.data(), polled.size(), exhausted || !silent.empty() ? kTickMs : -1);
      if ((polled[0].revents & POLLIN) != 0) return;
      hand_on(silent, std::span(polled).subspan(2));
      exhausted = !accept_all(silent);
    }
  }

  // polled: one for each of the silent.
  void hand_on(std::deque<Accepted>& silent, std::span<const pollfd> polled) {
    const auto now = Clock::now();
    std::deque<Accepted> still;
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < silent.size(); ++i) {
      if (polled[i].revents != 0) {
        speaking_.push_back(std::move(silent[i].fd));
        changed_.notify_one();
      } else if (now < silent[i].until) {
        still.push_back(std::move(silent[i]));
      }
    }
    silent = std::move(still);
    while (speaking_.size() > kWaitingMax) speaking_.pop_back();  // closed: they may come again
  }

  // False if there are no more descriptors.
  bool accept_all(std::deque<Accepted>& silent) const {
    for (;;) {
      Fd fd(accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!fd && errno == EINTR) continue;
      if (!fd) return errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS;
      silent.push_back({std::move(fd), Clock::now() + kReadTime});
      if (silent.size() > kWaitingMax) silent.pop_front();
    }
  }

  void work_loop() {
    for (;;) {
      Fd fd;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return stopping_ || !speaking_.empty(); });
        if (stopping_) return;
        fd = std::move(speaking_.front());
        speaking_.pop_front();
        served_.insert(fd.get());
      }
      {
        ConnectionStream stream(fd.get(), kConnectionBytesMax, Clock::now() + kReadTime, kWriteTime);
        http_.serve(stream);
        linger(fd.get());
      }
      const std::lock_guard lock(mutex_);
      served_.erase(fd.get());
      fd.reset();  // under the lock: stop() must not shut down a number that was given again
    }
  }

  HttpServer http_;
  const unsigned workers_max_;
  int listener_ = -1;
  Fd wake_;
  std::thread acceptor_;
  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;    // this and what follows: under mutex_
  std::deque<Fd> speaking_;  // for the workers, oldest first
  std::set<int> served_;     // what the workers have
};

HttpService::HttpService(Answer answer, unsigned workers)
    : implementation_(std::make_unique<Implementation>(std::move(answer), workers)) {}
HttpService::~HttpService() { stop(); }

std::expected<void, Error> HttpService::start(int listener) { return implementation_->start(listener); }
void HttpService::stop() { implementation_->stop(); }
bool HttpService::serving() const { return implementation_->serving(); }

}  // namespace xk::api
