// Which attachment a circuit-id names, for a lease's record.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace xk::leases {

class AttachmentNames {
 public:
  // The rendered circuit-id, kMacPlaceholder where the client's MAC goes, and what to call the attachment.
  void add(const std::string& circuit_id, std::string name);
  // Empty: none of them. mac as in the circuit-id ("02:00:00:00:00:01").
  [[nodiscard]] std::string find(const std::string& circuit_id, std::string_view mac) const;

 private:
  std::map<std::string, std::string> fixed_;
  std::vector<std::pair<std::string, std::string>> with_mac_;
};

}  // namespace xk::leases
