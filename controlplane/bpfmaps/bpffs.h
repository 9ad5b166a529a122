// The file system that pins live in.
#pragma once

#include <string>

#include "controlplane/reconcile/ports.h"

namespace xk::bpfmaps {

// The source, in the mount table, of a bpffs that was mounted for one appliance's directory alone.
inline constexpr const char* kOwnMountSource = "xdp-kea";

// Makes sure that dir is a directory on a bpffs, mode 0700. Mounts one if none is there: at
// /sys/fs/bpf for directories below it, else at dir itself.
[[nodiscard]] Result<> ensure_bpffs(const std::string& dir);

}  // namespace xk::bpfmaps
