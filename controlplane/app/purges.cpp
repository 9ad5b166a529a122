#include "controlplane/app/purges.h"

#include <algorithm>
#include <filesystem>

namespace xk::kead {

std::vector<Purges::Outcome> Purges::look(const std::vector<KeaStatus>& keas,
                                          const std::map<VrfId, DesiredKea>& desired,
                                          const AdminTable& admin) {
  std::vector<Outcome> outcomes;
  std::erase_if(wanted_, [&](const auto& entry) {
    const auto& [directory, vrf] = entry;
    const auto served = std::ranges::find_if(
        desired, [&directory](const auto& kea) { return kea.second.spec.directory == directory; });
    if (served != desired.end()) {
      // A deleted one is desired as long as it could not be looked at since.
      if (admin.find(served->second.spec.vrf_name) == AdminState::deleted) return false;
      outcomes.push_back({.vrf = vrf, .directory = directory, .kept = true, .error = {}});
      return true;
    }
    if (std::ranges::find(keas, directory, &KeaStatus::directory) != keas.end()) return false;
    std::error_code error;
    std::filesystem::remove_all(directory, error);
    outcomes.push_back(
        {.vrf = vrf, .directory = directory, .kept = false, .error = error ? error.message() : ""});
    return true;
  });
  return outcomes;
}

}  // namespace xk::kead
