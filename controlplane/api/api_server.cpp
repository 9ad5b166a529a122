#include "controlplane/api/api_server.h"

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
#include <thread>
#include <utility>
#include <vector>

#include "controlplane/api/connection_stream.h"
#include "controlplane/api/routes.h"
#include "controlplane/api/views_json.h"

namespace xk::api {
namespace {

using namespace std::chrono_literals;

constexpr auto kReadTime = 5s;    // a request is read whole within
constexpr auto kWriteTime = 30s;  // an answer is taken whole within
constexpr auto kLingerTime = 200ms;
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
  response.set_content(reply.body, "application/json");
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
  explicit HttpServer(Control& control) : control_(control) {
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
    give(response,
         body_wanted ? error_reply(415, {"send JSON, not a form"}) : answer(control_, request_of(request)));
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
    give(response, answer(control_, made));
  }

  Control& control_;
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

class ApiServer::Implementation {
 public:
  explicit Implementation(Control& control) : http_(control) {
    http_.set_payload_max_length(kRequestBytesMax);
  }

  std::expected<void, Error> start(const SocketSpec& spec) {
    if (acceptor_.joinable()) return std::unexpected(Error{"the API serves already", 0});
    auto taken = ListeningSocket::take(spec);
    if (!taken) return std::unexpected(taken.error());
    wake_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_) return std::unexpected(errno_error("API: eventfd"));
    socket_ = std::move(*taken);
    stopping_ = false;
    acceptor_ = std::thread([this] { accept_loop(); });
    for (unsigned i = 0; i < kWorkers; ++i) workers_.emplace_back([this] { work_loop(); });
    return {};
  }

  void stop() {
    if (!acceptor_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      waiting_.clear();
      for (const int fd : served_) shutdown(fd, SHUT_RD);  // readers end; an answer may still go out
    }
    eventfd_write(wake_.get(), 1);
    changed_.notify_all();
    acceptor_.join();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
    socket_.close();
  }

 private:
  struct Accepted {
    Fd fd;
    ConnectionStream::Clock::time_point read_by;
  };

  void accept_loop() {
    int pause_ms = -1;
    for (;;) {
      std::array<pollfd, 2> polled = {pollfd{wake_.get(), POLLIN, 0},
                                      pollfd{socket_.fd(), static_cast<short>(pause_ms < 0 ? POLLIN : 0), 0}};
      poll(polled.data(), polled.size(), pause_ms);
      if ((polled[0].revents & POLLIN) != 0) return;
      Fd fd(accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      const bool out_of_something =
          !fd && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS);
      pause_ms = out_of_something ? 100 : -1;
      if (!fd) continue;
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      if (waiting_.size() >= kWaitingMax) continue;  // closed: the peer may come again
      waiting_.push_back(Accepted{std::move(fd), ConnectionStream::Clock::now() + kReadTime});
      changed_.notify_one();
    }
  }

  void work_loop() {
    for (;;) {
      Accepted taken;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        if (stopping_) return;
        taken = std::move(waiting_.front());
        waiting_.pop_front();
        served_.insert(taken.fd.get());
      }
      {
        ConnectionStream stream(taken.fd.get(), kConnectionBytesMax, taken.read_by, kWriteTime);
        http_.serve(stream);
        linger(taken.fd.get());
      }
      const std::lock_guard lock(mutex_);
      served_.erase(taken.fd.get());
      taken.fd.reset();  // under the lock: stop() must not shut down a number that was given again
    }
  }

  HttpServer http_;
  ListeningSocket socket_;
  Fd wake_;
  std::thread acceptor_;
  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;         // the four below: under mutex_
  std::deque<Accepted> waiting_;  // accepted, oldest first
  std::set<int> served_;
};

ApiServer::ApiServer(Control& control) : implementation_(std::make_unique<Implementation>(control)) {}
ApiServer::~ApiServer() { stop(); }

std::expected<void, Error> ApiServer::start(const SocketSpec& socket) {
  return implementation_->start(socket);
}
void ApiServer::stop() { implementation_->stop(); }

}  // namespace xk::api
