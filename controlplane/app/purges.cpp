#include "controlplane/app/purges.h"

#include <algorithm>
#include <filesystem>

namespace xk::kead {

namespace {

// The VRF that has the directory; empty: none.
std::string served_in(const Desired& desired, const std::string& directory) {
  for (const auto& [vrf, kea] : desired.keas)
    if (kea.spec.directory == directory) return kea.spec.vrf_name;
  for (const auto& [vrf, spec] : desired.natives)
    if (spec.directory == directory) return spec.vrf_name;
  return {};
}

}  // namespace

std::vector<Purges::Outcome> Purges::look(const std::vector<KeaStatus>& keas,
                                          const std::set<std::string>& journals, const Desired& desired,
                                          const AdminTable& admin) {
  std::vector<Outcome> outcomes;
  std::erase_if(wanted_, [&](const auto& entry) {
    const auto& [directory, vrf] = entry;
    if (const std::string served = served_in(desired, directory); !served.empty()) {
      // A deleted one is desired as long as it could not be looked at since.
      if (admin.find(served) == AdminState::deleted) return false;
      outcomes.push_back({.vrf = vrf, .directory = directory, .kept = true, .error = {}});
      return true;
    }
    if (journals.contains(directory)) return false;
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
