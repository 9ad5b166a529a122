#include "controlplane/bpfmaps/loaded_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <vector>

#include "xdp_classify.skel.h"

namespace xk::bpfmaps {
namespace {

// libbpf explains failures by printing only: the first warning is kept for our Error.
std::string first_warning;

int keep_warning(enum libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN || !first_warning.empty()) return 0;
  char line[512];
  std::vsnprintf(line, sizeof line, format, arguments);
  first_warning = line;
  while (first_warning.ends_with('\n')) first_warning.pop_back();
  return 0;
}

class WarningsKept {
 public:
  WarningsKept() : before_(libbpf_set_print(keep_warning)) { first_warning.clear(); }
  WarningsKept(const WarningsKept&) = delete;
  WarningsKept& operator=(const WarningsKept&) = delete;
  ~WarningsKept() { libbpf_set_print(before_); }

 private:
  libbpf_print_fn_t before_;
};

Error with_warning(Error error) {
  if (!first_warning.empty()) error.message += " (" + first_warning + ")";
  if (error.system_errno == EPERM || error.system_errno == EACCES)
    error.message += "; CAP_BPF and CAP_NET_ADMIN are needed";
  return error;
}

// Name and layout of a pinned map against what the program needs; nothing there is fine.
Result<> check_pinned(const bpf_map* map, const std::string& path) {
  const Fd pinned{bpf_obj_get(path.c_str())};
  if (!pinned) {
    if (errno == ENOENT) return {};
    return std::unexpected(errno_error("opening the pinned map " + path));
  }
  bpf_map_info info{};
  __u32 size = sizeof info;
  if (bpf_obj_get_info_by_fd(pinned.get(), &info, &size) != 0)
    return std::unexpected(errno_error("asking about the pinned map " + path));
  std::string different;
  const auto compare = [&](const char* what, std::uint32_t found, std::uint32_t needed) {
    if (found != needed)
      different += std::string(different.empty() ? "" : ", ") + what + " " + std::to_string(found) +
                   " instead of " + std::to_string(needed);
  };
  compare("type", info.type, bpf_map__type(map));
  compare("key size", info.key_size, bpf_map__key_size(map));
  compare("value size", info.value_size, bpf_map__value_size(map));
  compare("size", info.max_entries, bpf_map__max_entries(map));
  compare("flags", info.map_flags, bpf_map__map_flags(map));
  if (different.empty()) return {};
  return std::unexpected(Error{"the pinned map " + path + " is of another layout: " + different +
                               "; stop both daemons and remove the directory to start afresh"});
}

}  // namespace

void LoadedProgram::Destroy::operator()(xdp_classify* skeleton) const { xdp_classify__destroy(skeleton); }

Result<LoadedProgram> LoadedProgram::load(const std::string& directory) {
  const WarningsKept warnings;
  LoadedProgram loaded(xdp_classify__open());
  if (!loaded.skeleton_) return std::unexpected(with_warning(errno_error("opening the XDP program")));
  std::vector<std::string> fresh;
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, loaded.skeleton_->obj) {
    const std::string path = directory + "/" + bpf_map__name(map);
    if (auto checked = check_pinned(map, path); !checked) return std::unexpected(std::move(checked.error()));
    if (::access(path.c_str(), F_OK) != 0) fresh.push_back(path);
    if (const int result = bpf_map__set_pin_path(map, path.c_str()); result != 0)
      return std::unexpected(with_warning(errno_error("pin path " + path, -result)));
  }
  if (const int result = xdp_classify__load(loaded.skeleton_.get()); result != 0) {
    for (const std::string& path : fresh) ::unlink(path.c_str());
    return std::unexpected(with_warning(errno_error("loading the XDP program", -result)));
  }
  return loaded;
}

int LoadedProgram::program() const { return bpf_program__fd(skeleton_->progs.xk_classify); }
int LoadedProgram::attachments() const { return bpf_map__fd(skeleton_->maps.xk_attachments); }
int LoadedProgram::addresses() const { return bpf_map__fd(skeleton_->maps.xk_addresses); }
int LoadedProgram::sockets() const { return bpf_map__fd(skeleton_->maps.xk_xsks); }
int LoadedProgram::counters() const { return bpf_map__fd(skeleton_->maps.xk_counters); }

}  // namespace xk::bpfmaps
