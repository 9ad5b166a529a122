// The kernel's side of classification behind reconcile/ports.h: loads bpf/xdp_classify, pins its maps
// under bpf_dir/<map> and its links under bpf_dir/links/<ifindex>, so that both survive this daemon.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "controlplane/reconcile/ports.h"

namespace xk {

// state_dir: an existing directory; what was changed on each port (VLAN offloads) is remembered in
// state_dir/xdp-ports, since bpffs holds no plain files. Works on this process's network namespace.
// Needs CAP_BPF, CAP_NET_ADMIN and, to mount bpffs, CAP_SYS_ADMIN.
[[nodiscard]] std::unique_ptr<Classifier> make_classifier(const std::string& state_dir);

// The end of it all: removes the maps' pins, the directory of links if no port is attached any more,
// bpf_dir if nothing else is in it, and the bpffs if it was mounted there by Classifier::open().
// Returns what was removed; an Error leaves the rest.
[[nodiscard]] Result<std::vector<std::string>> remove_pins(const std::string& bpf_dir);

}  // namespace xk
