/*
 * The one list of what can become of a packet. XDP's per-CPU counters, the dataplane's per-VRF
 * counters, the API and the documentation all read it. A name, once released, keeps its meaning.
 *
 * X(kind, NAME, "name", "explanation")
 *   PASS      given to the kernel untouched                 (XDP only)
 *   REDIRECT  handed to the dataplane                       (XDP only)
 *   DROP      ends here, for this reason and no other
 *   NOTE      goes on, and something about it is worth counting
 *
 * The dataplane's law, per VRF and in total:  rx + copies = tx + the sum of its DROPs.
 */
#ifndef XDPKEA_SHARED_OUTCOMES_H
#define XDPKEA_SHARED_OUTCOMES_H

#define XK_OUTCOMES(X)                                                                                       \
  X(PASS, PASS_NOT_DHCP, "pass_not_dhcp", "neither DHCP nor ARP")                                            \
  X(PASS, PASS_MALFORMED, "pass_malformed", "headers truncated, or more tags or extensions than the bound")  \
  X(PASS, PASS_LATER_FRAGMENT, "pass_later_fragment", "IP fragment with an offset: no ports to look at")     \
  X(PASS, PASS_UNMAPPED, "pass_unmapped", "DHCP or ARP on an interface and VLAN that no attachment has")     \
  X(PASS, PASS_NOT_OURS, "pass_not_ours", "unicast DHCP to, or ARP for, an address that is not ours there")  \
  X(PASS, PASS_NO_SOCKET, "pass_no_socket", "ours, but no dataplane is listening on this queue")             \
  X(REDIRECT, REDIRECT_DHCP4, "redirect_dhcp4", "DHCPv4 from clients, relays or servers")                    \
  X(REDIRECT, REDIRECT_DHCP6, "redirect_dhcp6", "DHCPv6 from clients, relays or servers")                    \
  X(REDIRECT, REDIRECT_ARP, "redirect_arp",                                                                  \
    "ARP request for our address that no kernel interface holds, or reply to a probe")                       \
  X(REDIRECT, REDIRECT_HANDOFF, "redirect_handoff", "sent by a VRF's Kea")                                   \
  X(DROP, FIRST_FRAGMENT, "first_fragment", "first fragment of a DHCP message on an attachment")             \
  X(DROP, FRAME_TRUNCATED, "frame_truncated", "frame ends inside its headers")                               \
  X(DROP, UNMAPPED, "unmapped", "port and VLANs that no attachment has")                                     \
  X(DROP, NOT_DHCP, "not_dhcp", "other traffic on a port without an exception port")                         \
  X(DROP, NOT_OURS, "not_ours", "addressed to a host that is not this appliance")                            \
  X(DROP, IP_HEADER_BAD, "ip_header_bad", "IPv4 version, header length or total length out of bounds")       \
  X(DROP, IP_CHECKSUM_BAD, "ip_checksum_bad", "IPv4 header checksum does not match")                         \
  X(DROP, UDP_LENGTH_BAD, "udp_length_bad", "UDP length below 8 or past the IP payload")                     \
  X(DROP, UDP_CHECKSUM_BAD, "udp_checksum_bad", "UDP checksum does not match")                               \
  X(DROP, ARP_BAD, "arp_bad", "ARP that is no well-formed Ethernet/IPv4 request")                            \
  X(DROP, ARP_NOT_OURS, "arp_not_ours", "ARP for an address the dataplane does not answer for")              \
  X(DROP, DHCP6_NOT_SERVED, "dhcp6_not_served", "DHCPv6, which no engine of this VRF serves")                \
  X(DROP, DHCP_TRUNCATED, "dhcp_truncated", "shorter than the fixed BOOTP header and the magic cookie")      \
  X(DROP, DHCP_OP_BAD, "dhcp_op_bad", "op does not fit the direction")                                       \
  X(DROP, DHCP_HTYPE_BAD, "dhcp_htype_bad", "htype is not Ethernet")                                         \
  X(DROP, DHCP_HLEN_BAD, "dhcp_hlen_bad", "hlen is not 6")                                                   \
  X(DROP, DHCP_COOKIE_BAD, "dhcp_cookie_bad", "magic cookie missing")                                        \
  X(DROP, OPTION_TRUNCATED, "option_truncated", "an option's length runs past its field")                    \
  X(DROP, OPTION_END_MISSING, "option_end_missing", "options field without END")                             \
  X(DROP, OPTION_OVERLOAD_BAD, "option_overload_bad", "option 52 is not one byte of 1, 2 or 3")              \
  X(DROP, OPTION_MESSAGE_TYPE_BAD, "option_message_type_bad",                                                \
    "option 53 missing, not one byte, or unfit here")                                                        \
  X(DROP, OPTION82_BAD, "option82_bad", "option 82 whose sub-options do not fit it")                         \
  X(DROP, HOPS_EXCEEDED, "hops_exceeded", "hops at or over the VRF's limit")                                 \
  X(DROP, GIADDR_SPOOFED, "giaddr_spoofed", "a request that carries one of our own addresses as giaddr")     \
  X(DROP, GIADDR_BAD, "giaddr_bad", "a request whose giaddr is no unicast address")                          \
  X(DROP, OPTION82_UNTRUSTED, "option82_untrusted", "option 82 with giaddr zero on an untrusted attachment") \
  X(DROP, OPTION82_SPOOFED, "option82_spoofed", "a request whose option 82 carries an own circuit-id")       \
  X(DROP, OPTION82_POLICY, "option82_policy", "the attachment's policy drops requests with option 82")       \
  X(DROP, PACKET_TOO_BIG, "packet_too_big", "would exceed the MTU of the way out")                           \
  X(DROP, SERVER_NONE, "server_none", "the VRF has no server to send to")                                    \
  X(DROP, SERVER_UNRESOLVED, "server_unresolved", "no route or neighbour towards the server")                \
  X(DROP, SERVER_UNKNOWN, "server_unknown", "a reply from an address that is no configured server")          \
  X(DROP, REPLY_OPTION82_FOREIGN, "reply_option82_foreign", "a reply whose option 82 is not one of ours")    \
  X(DROP, REPLY_VSS_IGNORED, "reply_vss_ignored", "VSS-Control (152) came back: the server ignored VSS")     \
  X(DROP, REPLY_AMBIGUOUS, "reply_ambiguous", "no option 82 and no recent request says where the client is") \
  X(DROP, REPLY_NO_TARGET, "reply_no_target", "no address to send the reply to")                             \
  X(DROP, VRF_NOT_SERVED, "vrf_not_served", "the VRF's engine is not ready")                                 \
  X(DROP, VRF_QUEUE_FULL, "vrf_queue_full", "the VRF's queue is full")                                       \
  X(DROP, BUFFER_NONE, "buffer_none", "no packet buffer is free")                                            \
  X(DROP, TX_QUEUE_FULL, "tx_queue_full", "the port takes no more packets")                                  \
  X(DROP, TX_PORT_GONE, "tx_port_gone", "the port to send on is gone")                                       \
  X(DROP, EXCEPTION_FULL, "exception_full", "the exception port takes no more packets")                      \
  X(NOTE, NOTE_OPTION82_NO_ROOM, "option82_no_room", "forwarded without option 82: no room for it")          \
  X(NOTE, NOTE_REPLY_FALLBACK, "reply_fallback", "reply without option 82, placed by its recent request")    \
  X(NOTE, NOTE_UDP_CHECKSUM_PARTIAL, "udp_checksum_partial",                                                 \
    "UDP checksum left to an offload by a neighbour")                                                        \
  X(DROP, PORT_OVERRUN, "port_overrun",                                                                      \
    "the port's receive ring was full before the dataplane saw the packet")                                  \
  X(DROP, VRF_DRAINING, "vrf_draining", "a DISCOVER in a VRF that takes no new clients")                     \
  X(DROP, DATAPLANE_ENDED, "dataplane_ended", "in the hands of a dataplane process when it ended")           \
  X(DROP, STATIC_RELEASED, "static_released", "RELEASE of a static lease: taken, the lease stays")           \
  X(DROP, STATIC_DECLINED, "static_declined", "DECLINE of a static lease: another host uses its address")    \
  X(DROP, STATIC_SILENT, "static_silent",                                                                    \
    "REQUEST of a client with a static lease for another server, or for no address")                         \
  X(NOTE, NOTE_STATIC_OFFER, "static_offer", "OFFER of a static lease, made by the dataplane")               \
  X(NOTE, NOTE_STATIC_ACK, "static_ack", "ACK of a static lease, made by the dataplane")                     \
  X(NOTE, NOTE_STATIC_NAK, "static_nak", "NAK for the sake of a static lease, made by the dataplane")        \
  X(NOTE, NOTE_STATIC_OPTIONS_NO_ROOM, "static_options_no_room",                                             \
    "some option was left out of the dataplane's own reply: the client takes no longer message")             \
  X(DROP, NOT_ACTIVE, "not_active", "the VRF is not active on this appliance: the other one answers")        \
  X(NOTE, NOTE_SERVE_OFFER, "serve_offer", "OFFER of the native engine")                                     \
  X(NOTE, NOTE_SERVE_ACK, "serve_ack",                                                                       \
    "ACK of the native engine, to a REQUEST, an INFORM or a rapid commit")                                   \
  X(NOTE, NOTE_SERVE_NAK, "serve_nak", "NAK of the native engine")                                           \
  X(NOTE, NOTE_SERVE_QUERY, "serve_query", "answer of the native engine to a DHCPLEASEQUERY")                \
  X(DROP, SERVE_RELEASED, "serve_released",                                                                  \
    "RELEASE: the native engine took the lease back, or there was none")                                     \
  X(DROP, SERVE_DECLINED, "serve_declined",                                                                  \
    "DECLINE: the native engine gives the address to nobody for a while")                                    \
  X(DROP, SERVE_SILENT, "serve_silent",                                                                      \
    "for another server, or of a client of which the native engine knows nothing")                           \
  X(DROP, SERVE_NO_SUBNET, "serve_no_subnet",                                                                \
    "the client is in none of the subnets of the native engine's VRF")                                       \
  X(DROP, SERVE_EXHAUSTED, "serve_exhausted", "no address of the pools is free for the client")              \
  X(DROP, SERVE_LIMIT, "serve_limit",                                                                        \
    "the circuit-id or the attachment has, or has declined, as many leases as it may have")                  \
  X(DROP, SERVE_PAUSED, "serve_paused", "the pools or the client are paused")                                \
  X(DROP, SERVE_BOOTP, "serve_bootp", "a BOOTP request, which the VRF does not serve or has no address for") \
  X(DROP, SERVE_QUERY_REFUSED, "serve_query_refused",                                                        \
    "a DHCPLEASEQUERY of a host that may not ask, or for nothing")                                           \
  X(DROP, SERVE_RECOVERING, "serve_recovering", "the native engine still reads its journal")                 \
  X(DROP, SERVE_NOT_DURABLE, "serve_not_durable",                                                            \
    "the journal cannot be written, and nothing is promised without it")                                     \
  X(DROP, SERVE_JOURNAL_FULL, "serve_journal_full",                                                          \
    "more answers wait for the journal than there is room for")                                              \
  X(DROP, SERVE_PROBES_FULL, "serve_probes_full", "more addresses are being probed than there is room for")  \
  X(DROP, PROBE_HEARD, "probe_heard", "ARP of a host that the native engine asked for, or of none")          \
  X(DROP, SERVE_PROBING, "serve_probing", "a further DISCOVER while other hosts are asked for the address")  \
  X(NOTE, NOTE_SERVE_CONFLICT, "serve_conflict", "an address was not offered: another host answers for it")

enum xk_outcome {
#define XK_OUTCOME_ENUM(kind, name, text, explanation) XK_##name,
  XK_OUTCOMES(XK_OUTCOME_ENUM)
#undef XK_OUTCOME_ENUM
      XK_OUTCOME_COUNT
};

#endif
