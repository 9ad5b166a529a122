/* Counting: one packet, one outcome, on this CPU only. */
#ifndef XDPKEA_LIB_COUNT_H
#define XDPKEA_LIB_COUNT_H

#include "maps.h"

static __always_inline void xk_count(__u32 outcome) {
  __u64* packets = bpf_map_lookup_elem(&xk_counters, &outcome);
  if (packets) ++*packets;
}

/* To the kernel, untouched. */
static __always_inline int xk_pass(enum xk_outcome reason) {
  xk_count(reason);
  return XDP_PASS;
}

static __always_inline int xk_drop(enum xk_outcome reason) {
  xk_count(reason);
  return XDP_DROP;
}

#endif
