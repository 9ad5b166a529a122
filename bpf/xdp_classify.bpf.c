/*
 * The classifier: takes DHCP (and a little ARP) out of the traffic and hands it to the dataplane's
 * AF_XDP sockets. It never changes a byte, and whatever it does not take goes to the kernel as if it
 * were not there. Ordered by what there is most of: everything that is not DHCP leaves first.
 */
#include "lib/verdict.h"

/* frags: it looks at headers only, so jumbo frames in several buffers are no obstacle. */
SEC("xdp.frags")
int xk_classify(struct xdp_md* ctx) {
  struct xk_headers headers;
  const int walked = xk_walk((void*)(long)ctx->data, (void*)(long)ctx->data_end, &headers);

  if (walked == XK_WALK_OTHER) return xk_pass(XK_PASS_NOT_DHCP);
  if (walked == XK_WALK_UDP || walked == XK_WALK_FIRST_FRAGMENT) {
    const __u16 server_port = headers.ip_version == 4 ? XK_DHCP4_SERVER_PORT : XK_DHCP6_SERVER_PORT;
    if (headers.destination_port != server_port && headers.source_port != server_port)
      return xk_pass(XK_PASS_NOT_DHCP);
    return xk_dhcp_verdict(ctx, &headers, walked);
  }
  if (walked == XK_WALK_ARP) return xk_arp_verdict(ctx, &headers);
  if (walked == XK_WALK_LATER_FRAGMENT) return xk_pass(XK_PASS_LATER_FRAGMENT);
  return xk_pass(XK_PASS_MALFORMED);
}

char xk_license[] SEC("license") = "Dual BSD/GPL";
