/* What every program needs, in the order it needs it: libbpf's helpers use the kernel's types. */
#ifndef XDPKEA_LIB_BPF_H
#define XDPKEA_LIB_BPF_H

/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

#endif
