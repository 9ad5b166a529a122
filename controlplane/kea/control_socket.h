// Kea's control socket: one JSON request and its answer a connection. The answer is a stranger's:
// bounded in size, depth and time.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "controlplane/kea/json.h"
#include "controlplane/reconcile/ports.h"
#include "dataplane/base/fd.h"

namespace xk::kea {

inline constexpr std::size_t kAnswerBytesMax = 64 << 20;
inline constexpr std::size_t kRequestBytesMax = 16 << 20;

// A request under way, on a non-blocking socket.
class Exchange {
 public:
  // Connects; the socket must be the one that process peer listens on (0: anyone).
  [[nodiscard]] static Result<Exchange> start(const std::string& path, std::string request, pid_t peer);

  // Goes as far as it goes without waiting; true once the answer is complete.
  [[nodiscard]] Result<bool> step();
  // Waits in poll(2) at most this long for step() to have something to do.
  void wait(std::chrono::milliseconds timeout) const;
  [[nodiscard]] std::string take_answer() { return std::move(answer_); }

 private:
  Exchange(Fd socket, std::string request) : socket_(std::move(socket)), request_(std::move(request)) {}
  [[nodiscard]] Result<> send_some();

  Fd socket_;
  std::string request_;
  std::size_t sent_ = 0;
  std::string answer_;
  JsonScanner scanner_;
};

// The whole exchange, or an Error after the timeout.
[[nodiscard]] Result<std::string> exchange(const std::string& path, std::string request, pid_t peer,
                                           std::chrono::milliseconds timeout);

}  // namespace xk::kea
