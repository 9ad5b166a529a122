// The API: HTTP/1.1 and JSON on a unix socket. Who may connect is decided by the socket's mode and
// group; whoever can, may do everything.
#pragma once

#include <expected>
#include <memory>

#include "controlplane/api/control.h"
#include "controlplane/api/http_service.h"
#include "controlplane/api/socket.h"
#include "dataplane/base/error.h"

namespace xk::api {

class ApiServer {
 public:
  // Control is borrowed until the server is destroyed. It is called from the server's own threads,
  // up to kWorkers at a time.
  explicit ApiServer(Control& control);
  ~ApiServer();
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  // Takes the socket and serves. Calling it again while it serves is an error.
  [[nodiscard]] std::expected<void, Error> start(const SocketSpec& socket);
  // Removes the socket, ends the connections and waits for calls into Control that are under way:
  // if a loop thread serves these and itself calls stop(), it must first make them fail (503).
  void stop();

  static constexpr unsigned kWorkers = 16;
  static constexpr unsigned kWaitingMax = HttpService::kWaitingMax;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace xk::api
