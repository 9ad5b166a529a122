// Leases of deleted VRFs that are to be deleted too, each when its Kea has ended or its journal is at its
// end: they are written until then.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controlplane/reconcile/reconciler.h"

namespace xk::kead {

class Purges {
 public:
  struct Outcome {
    std::string vrf;
    std::string directory;
    bool kept = false;  // the VRF is served again
    std::string error;  // not empty: it cannot be deleted
    friend bool operator==(const Outcome&, const Outcome&) = default;
  };

  void ask(const std::string& directory, const std::string& vrf) { wanted_[directory] = vrf; }
  // The VRF that has this directory is not deleted any more. True if its leases were to be.
  [[nodiscard]] bool take_back(const std::string& directory) { return wanted_.erase(directory) > 0; }
  // Deletes what can be deleted now; what that came to. A directory that is served again in some other
  // way, by a reload or a device made anew, is let alone for good.
  // journals: folders of native engines that the store has not got to the end of.
  [[nodiscard]] std::vector<Outcome> look(const std::vector<KeaStatus>& keas,
                                          const std::set<std::string>& journals, const Desired& desired,
                                          const AdminTable& admin);

 private:
  std::map<std::string, std::string> wanted_;  // directory -> VRF
};

}  // namespace xk::kead
