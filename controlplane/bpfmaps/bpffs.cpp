#include "controlplane/bpfmaps/bpffs.h"

#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <filesystem>
#include <system_error>

namespace xk::bpfmaps {
namespace {

constexpr const char* kUsualMount = "/sys/fs/bpf";

// False also if path does not exist.
bool is_on_bpffs(const std::string& path) {
  struct statfs info{};
  return ::statfs(path.c_str(), &info) == 0 && static_cast<std::uint32_t>(info.f_type) == BPF_FS_MAGIC;
}

Result<> make_directories(const std::string& dir) {
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) return std::unexpected(errno_error("making directory " + dir, error.value()));
  return {};
}

Result<> mount_bpffs(const std::string& at, const char* source) {
  if (::mount(source, at.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") == 0) return {};
  return std::unexpected(errno_error("mounting bpffs at " + at));
}

}  // namespace

Result<> ensure_bpffs(const std::string& dir) {
  const bool usual = dir.starts_with(std::string(kUsualMount) + "/");
  if (usual && !is_on_bpffs(kUsualMount))
    if (auto mounted = mount_bpffs(kUsualMount, "bpf"); !mounted) return mounted;
  if (auto made = make_directories(dir); !made) return made;
  if (!is_on_bpffs(dir))
    if (auto mounted = mount_bpffs(dir, kOwnMountSource); !mounted) return mounted;
  if (::chmod(dir.c_str(), 0700) != 0) return std::unexpected(errno_error("mode of " + dir));
  return {};
}

}  // namespace xk::bpfmaps
