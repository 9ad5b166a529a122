// What we changed on a port, on disk: it must be undone even by a daemon that did not do it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/reconcile/ports.h"

namespace xk::bpfmaps {

struct PortRecord {
  IfIndex ifindex{};
  std::string name;                   // when attached; for a person
  std::vector<std::string> offloads;  // taken off by us
  std::string warning;                // AttachedPort::warning
  bool forced_generic = false;        // generic because the configuration said so
  friend bool operator==(const PortRecord&, const PortRecord&) = default;
};

// The interfaces for which directory has a file named <ifindex><suffix>; none if it cannot be read.
[[nodiscard]] std::vector<IfIndex> numbered_files(const std::string& directory, std::string_view suffix);

// One file a port. Records of an earlier boot count as absent: their changes ended with it.
class PortRecords {
 public:
  explicit PortRecords(std::string directory) : directory_(std::move(directory)) {}
  // Whole or not at all; makes the directory.
  [[nodiscard]] Result<> put(const PortRecord& record) const;
  // nullopt: none, unreadable, or of an earlier boot.
  [[nodiscard]] std::optional<PortRecord> get(IfIndex ifindex) const;
  // Of whatever boot.
  [[nodiscard]] std::vector<IfIndex> list() const;
  // Gone already is no error.
  void remove(IfIndex ifindex) const;

 private:
  [[nodiscard]] std::string path(IfIndex ifindex) const;
  std::string directory_;
};

}  // namespace xk::bpfmaps
