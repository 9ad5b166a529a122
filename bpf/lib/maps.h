/* The maps of the classifier, as shared/layout.h lays them out. User space pins and fills them. */
#ifndef XDPKEA_LIB_MAPS_H
#define XDPKEA_LIB_MAPS_H

#include "../shared/layout.h"
#include "../shared/outcomes.h"
#include "bpf.h"

/* Not preallocated: the bounds are for the largest appliance, the memory is for this one. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, XK_ATTACHMENTS_MAX);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct xk_attachment_key);
  __type(value, struct xk_attachment_value);
} xk_attachments SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, XK_ADDRESSES_MAX);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct xk_address_key);
  __type(value, __u32);
} xk_addresses SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, XK_XSKS_MAX);
  __type(key, __u32);
  __type(value, __u32);
} xk_xsks SEC(".maps");

/* Has room for outcomes to come, so that a newer program still fits the pinned map. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, XK_OUTCOMES_MAX);
  __type(key, __u32);
  __type(value, __u64);
} xk_counters SEC(".maps");

#endif
