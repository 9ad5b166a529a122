/* What becomes of DHCP and ARP once the header walk is done. */
#ifndef XDPKEA_LIB_VERDICT_H
#define XDPKEA_LIB_VERDICT_H

#include "count.h"
#include "lookup.h"

/*
 * To the AF_XDP socket of this receive queue. bpf_redirect_map() looks the socket up at once and
 * returns the flags' action where there is none, so the count is of what really happens.
 */
static __always_inline int xk_redirect(const struct xdp_md* ctx, const struct xk_attachment_value* attachment,
                                       enum xk_outcome outcome) {
  __u32 queue = ctx->rx_queue_index;
  long action;
  if (queue >= attachment->xsk_count) return xk_pass(XK_PASS_NO_SOCKET);
  action = bpf_redirect_map(&xk_xsks, attachment->xsk_base + queue, XDP_PASS);
  if (action != XDP_REDIRECT) return xk_pass(XK_PASS_NO_SOCKET);
  xk_count(outcome);
  return XDP_REDIRECT;
}

/*
 * On a router other people's DHCP passes through: ours is only what is addressed to everybody on a
 * client's link, or to one of our addresses on this attachment. Towards servers (role SERVER, and
 * whatever a HANDOFF sends from another port) there is nothing to hear by broadcast.
 */
static __always_inline int xk_is_ours4(const struct xk_attachment_value* attachment,
                                       const __u8* destination) {
  __u32 wanted = XK_ADDRESS_LOCAL;
  if (attachment->role == XK_ROLE_CLIENT) {
    if ((destination[0] & destination[1] & destination[2] & destination[3]) == 0xff) return 1;
    wanted |= XK_ADDRESS_BROADCAST;
  }
  return (xk_address_flags4(attachment->attachment_id, destination) & wanted) != 0;
}

/* RFC 9915 7.1: All_DHCP_Relay_Agents_and_Servers ff02::1:2, All_DHCP_Servers ff05::1:3. */
static __always_inline int xk_is_dhcp6_multicast(const __u8* destination) {
  __u8 middle = 0;
  __u32 i;
  for (i = 2; i < 13; i++) middle |= destination[i];
  if (destination[0] != 0xff || middle != 0 || destination[13] != 1 || destination[14] != 0) return 0;
  return (destination[1] == 0x02 && destination[15] == 2) || (destination[1] == 0x05 && destination[15] == 3);
}

static __always_inline int xk_is_ours6(const struct xk_attachment_value* attachment,
                                       const __u8* destination) {
  if (attachment->role == XK_ROLE_CLIENT && xk_is_dhcp6_multicast(destination)) return 1;
  return (xk_address_flags6(attachment->attachment_id, destination) & XK_ADDRESS_LOCAL) != 0;
}

/* UDP whose source or destination is a DHCP server port; walked is XK_WALK_UDP or _FIRST_FRAGMENT. */
static __always_inline int xk_dhcp_verdict(const struct xdp_md* ctx, const struct xk_headers* headers,
                                           int walked) {
  const __u8* data = (const __u8*)(long)ctx->data;
  const __u8* data_end = (const __u8*)(long)ctx->data_end;
  const __u16 server_port = headers->ip_version == 4 ? XK_DHCP4_SERVER_PORT : XK_DHCP6_SERVER_PORT;
  const struct xk_attachment_value* attachment = xk_attachment_of(ctx, headers);
  const int to_server = headers->destination_port == server_port;
  enum xk_outcome outcome;

  if (attachment && attachment->role == XK_ROLE_HANDOFF && headers->source_port == server_port) {
    outcome = XK_REDIRECT_HANDOFF;
  } else if (!to_server) {
    return xk_pass(XK_PASS_NOT_DHCP);
  } else if (!attachment) {
    return xk_pass(XK_PASS_UNMAPPED);
  } else if (headers->ip_version == 4) {
    const __u8* ip = data + headers->l3_offset;
    if (ip + 20 > data_end) return xk_pass(XK_PASS_MALFORMED);
    if (!xk_is_ours4(attachment, ip + 16)) return xk_pass(XK_PASS_NOT_OURS);
    outcome = XK_REDIRECT_DHCP4;
  } else {
    const __u8* ip = data + headers->l3_offset;
    if (ip + 40 > data_end) return xk_pass(XK_PASS_MALFORMED);
    if (!xk_is_ours6(attachment, ip + 24)) return xk_pass(XK_PASS_NOT_OURS);
    outcome = XK_REDIRECT_DHCP6;
  }
  if (walked == XK_WALK_FIRST_FRAGMENT) return xk_drop(XK_FIRST_FRAGMENT);
  return xk_redirect(ctx, attachment, outcome);
}

/*
 * RFC 826: an Ethernet/IPv4 request for an address that only we answer for, or a reply to 0.0.0.0, which is
 * what an ARP probe was sent from (RFC 5227 2.1.1): the kernel has sent none here.
 */
static __always_inline int xk_arp_verdict(const struct xdp_md* ctx, const struct xk_headers* headers) {
  const __u8* arp = (const __u8*)(long)ctx->data + headers->l3_offset;
  const __u8* data_end = (const __u8*)(long)ctx->data_end;
  const struct xk_attachment_value* attachment;
  __u32 wanted = XK_ADDRESS_ARP;
  if (arp + 28 > data_end) return xk_pass(XK_PASS_MALFORMED);
  attachment = xk_attachment_of(ctx, headers);
  if (!attachment) return xk_pass(XK_PASS_UNMAPPED);
  if (xk_load_be16(arp) != 1 || xk_load_be16(arp + 2) != XK_ETHERTYPE_IP4 || arp[4] != 6 || arp[5] != 4)
    return xk_pass(XK_PASS_NOT_OURS);
  if (xk_load_be16(arp + 6) == 2)
    wanted = XK_ADDRESS_PROBE;
  else if (xk_load_be16(arp + 6) != 1)
    return xk_pass(XK_PASS_NOT_OURS);
  if (!(xk_address_flags4(attachment->attachment_id, arp + 24) & wanted)) return xk_pass(XK_PASS_NOT_OURS);
  return xk_redirect(ctx, attachment, XK_REDIRECT_ARP);
}

#endif
