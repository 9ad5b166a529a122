#include "controlplane/leases/attachments.h"

#include "controlplane/model/template.h"

namespace xk::leases {

void AttachmentNames::add(const std::string& circuit_id, std::string name) {
  if (circuit_id.empty()) return;
  if (circuit_id.find(kMacPlaceholder) == circuit_id.npos)
    fixed_[circuit_id] = std::move(name);
  else
    with_mac_.emplace_back(circuit_id, std::move(name));
}

std::string AttachmentNames::find(const std::string& circuit_id, std::string_view mac) const {
  if (circuit_id.empty()) return {};
  if (const auto found = fixed_.find(circuit_id); found != fixed_.end()) return found->second;
  for (const auto& [pattern, name] : with_mac_)
    if (with_mac(pattern, mac) == circuit_id) return name;
  return {};
}

}  // namespace xk::leases
