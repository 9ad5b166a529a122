// What a peer sends to the HTTP listeners, byte for byte, over a real socket: the library's parser, our
// limits around it, and the routes. Whatever comes, an answer is HTTP or none, and the next peer is served.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "controlplane/api/http_service.h"
#include "controlplane/api/routes.h"
#include "dataplane/base/fd.h"
#include "tests/unit/api_fake.h"

namespace {

using namespace xk::api;

// A listener with a name that the kernel chooses and that is in no file system.
class Served {
 public:
  Served() {
    const sockaddr_un any{.sun_family = AF_UNIX, .sun_path = {}};
    size_ = sizeof address_;
    if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&any), sizeof(sa_family_t)) != 0 ||
        ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address_), &size_) != 0 ||
        ::listen(listener_.get(), 16) != 0 || !service_.start(listener_.get()))
      std::abort();
  }

  [[nodiscard]] std::string ask(std::string_view bytes) const {
    const xk::Fd peer(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(peer.get(), reinterpret_cast<const sockaddr*>(&address_), size_) != 0) std::abort();
    while (!bytes.empty()) {
      const ssize_t sent = ::send(peer.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) break;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    ::shutdown(peer.get(), SHUT_WR);
    std::string reply;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::recv(peer.get(), buffer, sizeof buffer, 0)) > 0;)
      reply.append(buffer, static_cast<std::size_t>(got));
    return reply;
  }

 private:
  FakeControl control_;
  HttpService service_{[this](const ApiRequest& request) { return answer(control_, request); }, 1};
  xk::Fd listener_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  sockaddr_un address_{};
  socklen_t size_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Served served;
  const std::string reply = served.ask({reinterpret_cast<const char*>(data), size});
  if (!reply.empty() && !reply.starts_with("HTTP/1.1 ")) std::abort();
  return 0;
}
