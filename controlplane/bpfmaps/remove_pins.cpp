#include <sys/mount.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "controlplane/bpfmaps/bpffs.h"
#include "controlplane/bpfmaps/classifier.h"

namespace xk {
namespace {

// Whether the topmost mount at that path was made by ensure_bpffs() for it alone
// (/proc/self/mountinfo: the mount point is the fifth field, the source the second after " - ").
bool is_own_mount(const std::string& path) {
  std::ifstream table("/proc/self/mountinfo");
  bool own = false;
  for (std::string line; std::getline(table, line);) {
    std::istringstream before(line);
    std::string field;
    for (int i = 0; i < 5; ++i) before >> field;
    const std::size_t dash = line.find(" - ");
    if (field != path || dash == std::string::npos) continue;
    std::istringstream after(line.substr(dash + 3));
    std::string type;
    std::string source;
    after >> type >> source;
    own = type == "bpf" && source == bpfmaps::kOwnMountSource;
  }
  return own;
}

}  // namespace

Result<std::vector<std::string>> remove_pins(const std::string& bpf_dir) {
  std::vector<std::string> removed;
  for (const char* map : {XK_MAP_ATTACHMENTS, XK_MAP_ADDRESSES, XK_MAP_XSKS, XK_MAP_COUNTERS}) {
    const std::string path = bpf_dir + "/" + map;
    if (::unlink(path.c_str()) == 0) {
      removed.push_back("map " + path);
    } else if (errno != ENOENT) {
      return std::unexpected(errno_error("unpinning " + path));
    }
  }
  // Whatever else is in them stays, and they stay with it.
  if (::rmdir((bpf_dir + "/links").c_str()) != 0) return removed;
  if (is_own_mount(bpf_dir)) {
    if (::umount2(bpf_dir.c_str(), UMOUNT_NOFOLLOW) != 0) {
      return std::unexpected(errno_error("unmounting the bpffs at " + bpf_dir));
    }
    removed.push_back("bpffs at " + bpf_dir);
  }
  if (::rmdir(bpf_dir.c_str()) == 0) removed.push_back("directory " + bpf_dir);
  return removed;
}

}  // namespace xk
