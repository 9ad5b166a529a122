// What of a VRF is paused, as its Kea knows it: read from the file that xdp-kead keeps for it
// (leases/pauses.h), and followed there. Knows nothing of Kea.
//
// The file is text: "xdp-kea-paused 1 allow" (or deny: whether leases that are there are renewed), then a
// line each of "pool FIRST-LAST", "mac HEX", "client-id HEX", and "end". It is replaced as a whole.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/kea/static_hook/file_watch.h"
#include "dataplane/base/error.h"
#include "dataplane/base/types.h"

namespace xk::hook {

struct Paused {
  bool renewals = true;
  std::vector<Range4> pools;
  std::set<std::string> macs;
  std::set<std::string> client_ids;

  [[nodiscard]] bool holds(Ip4 address) const;
  [[nodiscard]] bool holds_client(const std::string& mac, const std::string& client_id) const {
    return macs.contains(mac) || client_ids.contains(client_id);
  }
  // Whether all of the range is.
  [[nodiscard]] bool holds_all(const Range4& range) const;
  [[nodiscard]] bool nothing() const { return pools.empty() && macs.empty() && client_ids.empty(); }
};
// Errors: it is no such file, or not a whole one.
[[nodiscard]] std::expected<Paused, Error> parse_paused(std::string_view text);

// Keeps it in step with a file, from a thread of its own. Thread-safe.
class PausedFollower {
 public:
  // What the file says is known on return; without one nothing is paused. Errors: its directory cannot be
  // watched.
  [[nodiscard]] static std::expected<std::unique_ptr<PausedFollower>, Error> start(std::string path);
  [[nodiscard]] std::shared_ptr<const Paused> get() const;

 private:
  explicit PausedFollower(std::string path) : path_(std::move(path)) {}
  void read();

  std::string path_;
  mutable std::shared_mutex mutex_;  // of what follows
  std::shared_ptr<const Paused> paused_ = std::make_shared<const Paused>();
  std::unique_ptr<FileWatch> watch_;  // ends before what it calls on
};

}  // namespace xk::hook
