// Changes of leases that could not be sent: entries one after the other in a file (leases/queue_entries.h),
// synced when they are added. A torn end, as a crash leaves it, is cut off. A file that is damaged is kept
// under another name, and the entries of it that are whole stay.
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
  // Opens or makes it (0600). trouble: for the operator; empty if every byte of it is good.
  [[nodiscard]] static std::expected<QueueFile, Error> open(std::string path, std::string& trouble);

  // Returns once it is on stable storage; on failure nothing of it stays.
  [[nodiscard]] std::expected<void, Error> add(std::string_view entries);
  // All that is in it, oldest first.
  [[nodiscard]] std::expected<std::vector<leases::Changes>, Error> read(std::string& trouble);
  [[nodiscard]] std::expected<void, Error> clear();
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  QueueFile(Fd fd, std::string path, std::uint64_t bytes)
      : fd_(std::move(fd)), path_(std::move(path)), bytes_(bytes) {}
  // Puts a file with nothing but these in its place; returns under which name the old one is kept.
  [[nodiscard]] std::expected<std::string, Error> replace(const std::vector<leases::Changes>& sets);
  Fd fd_;
  std::string path_;
  std::uint64_t bytes_ = 0;
};

}  // namespace xk::hook
