// The files from which each VRF's Kea knows its static leases (kea/static_hook/table.h says what is in one).
// A change is added at the end; now and then, and when all may have changed, a new file takes the old one's
// place.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "controlplane/reconcile/ports.h"
#include "controlplane/statics/static_leases.h"
#include "dataplane/base/fd.h"

namespace xk::statics {

class KeaFiles {
 public:
  // directory: ours alone, made if it is missing. group_of: of the user that a VRF's Kea runs as, who may
  // read.
  KeaFiles(const StaticLeases& leases, std::string directory,
           std::function<unsigned(const std::string& vrf)> group_of)
      : leases_(leases), directory_(std::move(directory)), group_of_(std::move(group_of)) {}

  // Of all VRFs that have static leases, as they are known now; other files go.
  [[nodiscard]] Result<> write_all();
  // These are known already.
  [[nodiscard]] Result<> changed(const std::vector<Change>& changes);

  // Where the file of a VRF is, whether it has one or not.
  [[nodiscard]] static std::string path_of(const std::string& directory, const std::string& vrf);

 private:
  struct File {
    Fd fd;
    std::size_t lines = 0;
  };
  [[nodiscard]] Result<> write_vrf(const std::string& vrf);
  [[nodiscard]] Result<> make_directory() const;

  const StaticLeases& leases_;
  std::string directory_;
  std::function<unsigned(const std::string&)> group_of_;
  std::map<std::string, File> files_;
};

}  // namespace xk::statics
