// Changes of leases that could not be sent: frames one after the other in a file, synced when they are
// added. A torn end, as a crash leaves it, is cut off.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/leases/gate_wire.h"
#include "dataplane/base/error.h"
#include "dataplane/base/fd.h"

namespace xk::hook {

class QueueFile {
 public:
  // Opens or makes it (0600).
  [[nodiscard]] static std::expected<QueueFile, Error> open(std::string path);

  // Returns once it is on stable storage; on failure nothing of it stays.
  [[nodiscard]] std::expected<void, Error> add(std::string_view frames);
  // All that is in it, oldest first. What is no change set ends it.
  [[nodiscard]] std::expected<std::vector<leases::Changes>, Error> read() const;
  [[nodiscard]] std::expected<void, Error> clear();
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  QueueFile(Fd fd, std::string path, std::uint64_t bytes)
      : fd_(std::move(fd)), path_(std::move(path)), bytes_(bytes) {}
  Fd fd_;
  std::string path_;
  std::uint64_t bytes_ = 0;
};

}  // namespace xk::hook
