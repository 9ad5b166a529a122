/* Look-ups: what stands at an attachment, and which addresses are ours there. */
#ifndef XDPKEA_LIB_LOOKUP_H
#define XDPKEA_LIB_LOOKUP_H

#include "../shared/walk.h"
#include "maps.h"

/* The attachment the frame came in on, or NULL. VID 4095 matches nothing, whatever the map holds. */
static __always_inline const struct xk_attachment_value* xk_attachment_of(const struct xdp_md* ctx,
                                                                          const struct xk_headers* headers) {
  struct xk_attachment_key key = {
      .ifindex = ctx->ingress_ifindex,
      .outer_vid = headers->outer_vid,
      .inner_vid = headers->inner_vid,
  };
  if (key.outer_vid == XK_VID_RESERVED || key.inner_vid == XK_VID_RESERVED) return 0;
  return bpf_map_lookup_elem(&xk_attachments, &key);
}

/* Flags (enum xk_address_flag) of the IPv4 address on the attachment, 0 if it is not ours. */
static __always_inline __u32 xk_address_flags4(__u32 attachment_id, const __u8* address) {
  struct xk_address_key key = {.attachment_id = attachment_id, .family = 4};
  const __u32* flags;
  __builtin_memcpy(key.address, address, 4);
  flags = bpf_map_lookup_elem(&xk_addresses, &key);
  return flags ? *flags : 0;
}

static __always_inline __u32 xk_address_flags6(__u32 attachment_id, const __u8* address) {
  struct xk_address_key key = {.attachment_id = attachment_id, .family = 6};
  const __u32* flags;
  __builtin_memcpy(key.address, address, 16);
  flags = bpf_map_lookup_elem(&xk_addresses, &key);
  return flags ? *flags : 0;
}

#endif
