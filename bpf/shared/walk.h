/*
 * One bounded walk from the Ethernet header to the UDP payload, compiled into the XDP program and
 * into the dataplane: both classify by the same code. It reads only between data and data_end and
 * changes nothing. Offsets are bytes from the start of the frame.
 */
#ifndef XDPKEA_SHARED_WALK_H
#define XDPKEA_SHARED_WALK_H

#include <linux/types.h>

#include "limits.h"

#ifdef __cplusplus
#define XK_INLINE static inline
#else
#define XK_INLINE static inline __attribute__((always_inline))
#endif

enum xk_walk_result {
  XK_WALK_UDP = 0,        /* all fields are valid */
  XK_WALK_ARP,            /* tags and l3_offset are valid */
  XK_WALK_OTHER,          /* neither UDP nor ARP; tags are valid */
  XK_WALK_FIRST_FRAGMENT, /* first fragment with a whole UDP header: all fields are valid */
  XK_WALK_LATER_FRAGMENT, /* fragment with an offset; tags and l3_offset are valid */
  XK_WALK_MALFORMED,      /* ends inside a header, or a bound was reached */
};

struct xk_headers {
  __u16 outer_vid, inner_vid;   /* host order; XK_VID_NONE without tag; priority tags count as none */
  __u16 outer_tpid, inner_tpid; /* host order; 0 without tag */
  __u16 ether_type;             /* host order, after the tags */
  __u16 l3_offset;              /* IPv4, IPv6 or ARP header */
  __u16 udp_offset;
  __u16 source_port, destination_port; /* host order */
  __u8 ip_version;                     /* 4 or 6 */
  __u8 tags;                           /* tags seen, priority tags included: l3_offset = 14 + 4 * tags */
};

#define XK_ETHERTYPE_IP4 0x0800u
#define XK_ETHERTYPE_ARP 0x0806u
#define XK_ETHERTYPE_IP6 0x86ddu
#define XK_TPID_C 0x8100u /* 802.1Q C-VLAN */
#define XK_TPID_S 0x88a8u /* 802.1ad S-VLAN */

XK_INLINE __u16 xk_load_be16(const __u8* at) { return (__u16)((__u16)at[0] << 8 | at[1]); }

/* UDP header at offset; sets udp_offset and the ports. */
XK_INLINE int xk_walk_udp(const __u8* data, const __u8* data_end, __u32 offset, int first_fragment,
                          struct xk_headers* headers) {
  const __u8* udp = data + offset;
  if (udp + 8 > data_end) return XK_WALK_MALFORMED;
  headers->udp_offset = (__u16)offset;
  headers->source_port = xk_load_be16(udp);
  headers->destination_port = xk_load_be16(udp + 2);
  return first_fragment ? XK_WALK_FIRST_FRAGMENT : XK_WALK_UDP;
}

/* RFC 791: header length 20..60, fragment offset in units of 8. */
XK_INLINE int xk_walk_ip4(const __u8* data, const __u8* data_end, __u32 offset, struct xk_headers* headers) {
  const __u8* ip = data + offset;
  __u32 header_length;
  __u16 fragment;
  if (ip + 20 > data_end) return XK_WALK_MALFORMED;
  header_length = (ip[0] & 0x0fu) * 4u;
  if (ip[0] >> 4 != 4 || header_length < 20) return XK_WALK_MALFORMED;
  headers->ip_version = 4;
  if (ip[9] != 17) return XK_WALK_OTHER;
  fragment = xk_load_be16(ip + 6);
  if (fragment & 0x1fffu) return XK_WALK_LATER_FRAGMENT;
  return xk_walk_udp(data, data_end, offset + header_length, (fragment & 0x2000u) != 0, headers);
}

/* RFC 8200 4: steps over hop-by-hop, routing, fragment and destination headers. */
XK_INLINE int xk_walk_ip6(const __u8* data, const __u8* data_end, __u32 offset, struct xk_headers* headers) {
  const __u8* ip = data + offset;
  __u8 next;
  int first_fragment = 0;
  __u32 at = offset + 40;
  __u32 i;
  if (ip + 40 > data_end) return XK_WALK_MALFORMED;
  if (ip[0] >> 4 != 6) return XK_WALK_MALFORMED;
  headers->ip_version = 6;
  next = ip[6];
  for (i = 0; i <= XK_IP6_EXTENSIONS_MAX; i++) {
    const __u8* extension = data + at;
    if (next == 17) return xk_walk_udp(data, data_end, at, first_fragment, headers);
    if (next != 0 && next != 43 && next != 44 && next != 60) return XK_WALK_OTHER;
    if (extension + 8 > data_end) return XK_WALK_MALFORMED;
    if (next == 44) {
      __u16 fragment = xk_load_be16(extension + 2);
      if (fragment & 0xfff8u) return XK_WALK_LATER_FRAGMENT;
      first_fragment = (fragment & 1u) != 0;
      at += 8;
    } else {
      at += (extension[1] + 1u) * 8u;
    }
    next = extension[0];
  }
  return XK_WALK_MALFORMED;
}

/* Walks the frame [frame, frame_end). Every field of *headers is written. */
XK_INLINE int xk_walk(const void* frame, const void* frame_end, struct xk_headers* headers) {
  const __u8* data = (const __u8*)frame;
  const __u8* data_end = (const __u8*)frame_end;
  __u32 offset = 14;
  __u16 type;
  __u32 i;
  __builtin_memset(headers, 0, sizeof(*headers));
  if (data + 14 > data_end) return XK_WALK_MALFORMED;
  type = xk_load_be16(data + 12);
  for (i = 0; i < XK_VLAN_TAGS_MAX; i++) {
    __u16 vid;
    if (type != XK_TPID_C && type != XK_TPID_S) break;
    if (data + offset + 4 > data_end) return XK_WALK_MALFORMED;
    vid = xk_load_be16(data + offset) & 0x0fffu;
    if (vid == XK_VID_NONE) {
      /* Priority tag: carries no VLAN (802.1Q 9.6). */
    } else if (headers->outer_vid == XK_VID_NONE) {
      headers->outer_vid = vid;
      headers->outer_tpid = type;
    } else {
      headers->inner_vid = vid;
      headers->inner_tpid = type;
    }
    headers->tags++;
    type = xk_load_be16(data + offset + 2);
    offset += 4;
  }
  headers->ether_type = type;
  headers->l3_offset = (__u16)offset;
  if (type == XK_ETHERTYPE_IP4) return xk_walk_ip4(data, data_end, offset, headers);
  if (type == XK_ETHERTYPE_IP6) return xk_walk_ip6(data, data_end, offset, headers);
  if (type == XK_ETHERTYPE_ARP) return XK_WALK_ARP;
  if (type == XK_TPID_C || type == XK_TPID_S) return XK_WALK_MALFORMED;
  return XK_WALK_OTHER;
}

#endif
