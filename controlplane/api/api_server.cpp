#include "controlplane/api/api_server.h"

#include <utility>

#include "controlplane/api/routes.h"

namespace xk::api {

class ApiServer::Implementation {
 public:
  explicit Implementation(Control& control)
      : http_([&control](const ApiRequest& request) { return answer(control, request); }, kWorkers) {}

  std::expected<void, Error> start(const SocketSpec& spec) {
    if (http_.serving()) return std::unexpected(Error{"the API serves already", 0});
    auto taken = ListeningSocket::take(spec);
    if (!taken) return std::unexpected(taken.error());
    socket_ = std::move(*taken);
    return http_.start(socket_.fd());
  }

  void stop() {
    http_.stop();
    socket_.close();
  }

 private:
  ListeningSocket socket_;
  HttpService http_;
};

ApiServer::ApiServer(Control& control) : implementation_(std::make_unique<Implementation>(control)) {}
ApiServer::~ApiServer() { stop(); }

std::expected<void, Error> ApiServer::start(const SocketSpec& socket) {
  return implementation_->start(socket);
}
void ApiServer::stop() { implementation_->stop(); }

}  // namespace xk::api
