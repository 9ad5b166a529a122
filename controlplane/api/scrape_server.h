// /metrics, /healthz and /readyz for monitoring, on a TCP address: nothing else, and nothing that changes
// anything.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/api/control.h"
#include "dataplane/base/error.h"

namespace xk::api {

struct NotReadyView {
  std::string vrf;
  std::string state;
  std::string reason;
};

// GET /readyz; 200 if ready, else 503.
struct ReadyView {
  bool ready = false;
  std::vector<NotReadyView> not_ready;
};

class ScrapeSource {
 public:
  virtual ~ScrapeSource() = default;
  [[nodiscard]] virtual Answer<std::string> metrics() = 0;  // Prometheus text
  // Fails if the daemon's loop does not move. Waits for nothing.
  [[nodiscard]] virtual Answer<bool> alive() = 0;
  [[nodiscard]] virtual Answer<ReadyView> ready() = 0;
};

class ScrapeServer {
 public:
  // The source is borrowed. It is called from the server's own threads, up to kWorkers at a time; metrics()
  // and ready(), which may take their time, up to kWaitingMax: the others answer for alive() meanwhile.
  explicit ScrapeServer(ScrapeSource& source);
  ~ScrapeServer();
  ScrapeServer(const ScrapeServer&) = delete;
  ScrapeServer& operator=(const ScrapeServer&) = delete;

  // address: "127.0.0.1:9547", "[::1]:9547". Errors: it is none, or cannot be listened at.
  [[nodiscard]] std::expected<void, Error> start(const std::string& address);
  void stop();

  static constexpr unsigned kWorkers = 8;
  static constexpr unsigned kWaitingMax = 6;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace xk::api
