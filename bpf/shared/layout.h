/*
 * Layouts of the BPF maps: written once, used by the XDP program and by user space. All integers
 * are in host byte order unless a name ends in _be; all padding is explicit and zero.
 */
#ifndef XDPKEA_SHARED_LAYOUT_H
#define XDPKEA_SHARED_LAYOUT_H

#include <linux/types.h>

#include "limits.h"
#include "outcomes.h"

/* Names of the maps, also their file names in the pin directory (15 characters at most). */
#define XK_MAP_ATTACHMENTS "xk_attachments" /* hash: xk_attachment_key -> xk_attachment_value */
#define XK_MAP_ADDRESSES "xk_addresses"     /* hash: xk_address_key -> __u32, enum xk_address_flag */
#define XK_MAP_XSKS "xk_xsks"               /* XSKMAP: xsk_base + receive queue -> AF_XDP socket */
#define XK_MAP_COUNTERS "xk_counters"       /* per-CPU array: enum xk_outcome -> __u64 packets */
#define XK_PROGRAM "xk_classify"

/* Size of the counters' map: it stays as outcomes are appended, so an upgrade finds it fitting. */
#define XK_OUTCOMES_MAX 128u

/* What stands at an attachment. */
enum xk_role {
  XK_ROLE_CLIENT = 0,  /* clients and relays further down */
  XK_ROLE_SERVER = 1,  /* servers elsewhere answer here */
  XK_ROLE_HANDOFF = 2, /* the VRF's own Kea: all it sends from its DHCP server port is taken */
};

struct xk_attachment_key {
  __u32 ifindex;
  __u16 outer_vid; /* XK_VID_NONE: no tag */
  __u16 inner_vid;
};

struct xk_attachment_value {
  __u32 attachment_id;
  __u32 vrf_id;
  __u32 xsk_base;  /* first index of the port's sockets in XK_MAP_XSKS */
  __u16 xsk_count; /* the port's sockets; a receive queue at or past it has none */
  __u8 role;       /* enum xk_role */
  __u8 reserved;
};

enum xk_address_flag {
  XK_ADDRESS_LOCAL = 1u << 0,     /* unicast DHCP to it is ours */
  XK_ADDRESS_BROADCAST = 1u << 1, /* the subnet's directed broadcast */
  XK_ADDRESS_ARP = 1u << 2,       /* ARP for it is ours: no kernel interface holds it */
  XK_ADDRESS_PROBE = 1u << 3,     /* of 0.0.0.0: answers to ARP probes (RFC 5227) are ours */
};

struct xk_address_key {
  __u32 attachment_id;
  __u32 family;     /* 4 or 6 */
  __u8 address[16]; /* network order; IPv4 in the first four bytes, the rest zero */
};

#ifdef __cplusplus
#define XK_ASSERT(condition) static_assert(condition)
#else
#define XK_ASSERT(condition) _Static_assert(condition, #condition)
#endif
XK_ASSERT(XK_OUTCOME_COUNT <= XK_OUTCOMES_MAX);
XK_ASSERT(sizeof(struct xk_attachment_key) == 8);
XK_ASSERT(sizeof(struct xk_attachment_value) == 16);
XK_ASSERT(__builtin_offsetof(struct xk_attachment_value, xsk_count) == 12);
XK_ASSERT(__builtin_offsetof(struct xk_attachment_value, role) == 14);
XK_ASSERT(sizeof(struct xk_address_key) == 24);
XK_ASSERT(__builtin_offsetof(struct xk_address_key, address) == 8);

#endif
