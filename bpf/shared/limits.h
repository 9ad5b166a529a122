/* Bounds that the BPF program and user space share. Whatever queues, loops or is looked up has one. */
#ifndef XDPKEA_SHARED_LIMITS_H
#define XDPKEA_SHARED_LIMITS_H

#define XK_VRFS_MAX 4096u             /* VRFs of one appliance; ids run from 1 */
#define XK_ATTACHMENTS_MAX 65536u     /* attachments of one appliance, handoffs included; ids run from 1 */
#define XK_ADDRESSES_MAX 262144u      /* addresses that are ours, over all attachments */
#define XK_SERVERS_MAX 65536u         /* servers elsewhere: the sum over the VRFs of the relay engine */
#define XK_XSKS_MAX 16384u            /* AF_XDP sockets: the sum of the receive queues of all ports */
#define XK_STATIC_LEASES_MAX 1000000u /* of one appliance, over all VRFs */
#define XK_SUBNETS_MAX 4096u          /* subnets of one VRF that the dataplane answers in by itself */
#define XK_VLAN_TAGS_MAX 2u           /* tags the header walk accepts in front of the network header */
#define XK_IP6_EXTENSIONS_MAX 6u      /* IPv6 extension headers the header walk steps over */

#define XK_VID_NONE 0u        /* VID 0 is a priority tag: the frame counts as untagged (802.1Q 9.6) */
#define XK_VID_RESERVED 4095u /* reserved by 802.1Q table 9-2: never configured, never matched */

#define XK_DHCP4_SERVER_PORT 67u
#define XK_DHCP4_CLIENT_PORT 68u
#define XK_DHCP6_SERVER_PORT 547u
#define XK_DHCP6_CLIENT_PORT 546u

#endif
