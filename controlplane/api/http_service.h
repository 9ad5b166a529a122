// HTTP/1.1 on a listening socket: bounded connections, bounded workers, bounded requests; one request a
// connection.
#pragma once

#include <expected>
#include <functional>
#include <memory>

#include "controlplane/api/routes.h"
#include "dataplane/base/error.h"

namespace xk::api {

class HttpService {
 public:
  using Answer = std::function<ApiReply(const ApiRequest&)>;

  // answer is called from the service's own threads, as many at a time as there are workers.
  HttpService(Answer answer, unsigned workers);
  ~HttpService();
  HttpService(const HttpService&) = delete;
  HttpService& operator=(const HttpService&) = delete;

  // Serves a listening, non-blocking socket, which is borrowed until stop().
  [[nodiscard]] std::expected<void, Error> start(int listener);
  // Ends the connections and waits for the calls of answer that are under way.
  void stop();
  [[nodiscard]] bool serving() const;

  // Connections that have said nothing yet (then the oldest is closed), and that wait for a worker
  // (then the newest is).
  static constexpr unsigned kWaitingMax = 64;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace xk::api
