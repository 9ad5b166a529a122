// The generator's end of a wire: DHCPv4 for clients goes to its AF_XDP socket, the rest to the kernel.
// clang-format off: the helpers need the types first
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
// clang-format on

#include "bpf/shared/walk.h"

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} mailbox_socket SEC(".maps");

SEC("xdp")
int mailbox(struct xdp_md* ctx) {
  struct xk_headers headers;
  if (xk_walk((void*)(long)ctx->data, (void*)(long)ctx->data_end, &headers) != XK_WALK_UDP) return XDP_PASS;
  if (headers.ip_version != 4 || headers.destination_port != XK_DHCP4_CLIENT_PORT) return XDP_PASS;
  return (int)bpf_redirect_map(&mailbox_socket, 0, XDP_PASS);
}

char LICENSE[] SEC("license") = "GPL";
