// The static leases of one VRF as its Kea knows them: read from the file that xdp-kead keeps for it
// (statics/kea_file.h), and followed there. Knows nothing of Kea.
//
// The file is text: a first line "xdp-kea-static 1", then changes in their order, a line each:
//   + KIND IDENTITY ADDRESS OPTIONS     KIND is mac, client-id or circuit; the others are hex, "-" for
//   nothing;
//   - KIND IDENTITY                     options are whole options of code, length and value
// Lines are only added; another file in its place is the whole table anew. A last line without its line feed
// is not all there yet.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "controlplane/kea/static_hook/file_watch.h"
#include "dataplane/base/error.h"
#include "dataplane/base/fd.h"
#include "dataplane/base/static_lease.h"

namespace xk::hook {

inline constexpr std::string_view kStaticFileHead = "xdp-kea-static 1";

class StaticLeases {
 public:
  // One line of the file. Errors: it is none.
  [[nodiscard]] std::expected<void, Error> apply(std::string_view line);

  // vrf is none of the file's.
  [[nodiscard]] std::optional<StaticLease> find(StaticKind kind, const std::string& identity) const;
  [[nodiscard]] std::optional<StaticLease> find(Ip4 address) const;
  [[nodiscard]] std::size_t size() const { return leases_.size(); }

 private:
  using Leases = std::map<std::pair<StaticKind, std::string>, StaticLease>;
  void erase(const std::pair<StaticKind, std::string>& who);
  Leases leases_;
  std::unordered_map<std::uint32_t, Leases::const_iterator> holders_;
};

// Keeps a table in step with a file, from a thread of its own. Thread-safe.
class StaticFollower {
 public:
  // What the file has is known on return; one that is not there yet is an empty table. Errors: its directory
  // cannot be watched.
  [[nodiscard]] static std::expected<std::unique_ptr<StaticFollower>, Error> start(std::string path);

  [[nodiscard]] std::optional<StaticLease> find(StaticKind kind, const std::string& identity) const;
  [[nodiscard]] std::optional<StaticLease> find(Ip4 address) const;
  // Lines that were none, since the start.
  [[nodiscard]] std::uint64_t bad_lines() const { return bad_lines_.load(); }

 private:
  explicit StaticFollower(std::string path) : path_(std::move(path)) {}
  void read();
  [[nodiscard]] bool read_some();

  std::string path_;
  Fd file_;
  std::uint64_t inode_ = 0;
  std::string partial_;                    // of the last line
  std::unique_ptr<StaticLeases> loading_;  // a whole table that is being read
  std::atomic<std::uint64_t> bad_lines_{0};
  mutable std::shared_mutex mutex_;  // of the table
  std::unique_ptr<StaticLeases> leases_ = std::make_unique<StaticLeases>();
  std::unique_ptr<FileWatch> watch_;  // ends before what it calls on
};

}  // namespace xk::hook
