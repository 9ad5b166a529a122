// The kernel's side of classification behind reconcile/ports.h: loads bpf/xdp_classify, pins its maps
// under bpf_dir/<map> and its links under bpf_dir/links/<ifindex>, so that both survive this daemon.
#pragma once

#include <memory>
#include <string>

#include "controlplane/reconcile/ports.h"

namespace xk {

// state_dir: an existing directory; what was changed on each port (VLAN offloads) is remembered in
// state_dir/xdp-ports, since bpffs holds no plain files. Works on this process's network namespace.
// Needs CAP_BPF, CAP_NET_ADMIN and, to mount bpffs, CAP_SYS_ADMIN.
[[nodiscard]] std::unique_ptr<Classifier> make_classifier(std::string state_dir);

}  // namespace xk
