// The benchmark's server end: counts relayed requests where they arrive and ends them there, at the
// same small price for every relay under test. A sample of them goes to user space to be decoded.
// clang-format off: the helpers need the types first
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
// clang-format on

#define SAMPLE_BYTES 512
#define BOOTP_HOPS 3
#define BOOTP_GIADDR 24

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u64);
} sink_counts SEC(".maps"); /* 0: relayed requests, 1: anything else */

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 20);
} sink_samples SEC(".maps");

const volatile __u32 sample_every = 4096;

static __always_inline void count(__u32 slot, __u64* value) {
  __u64* counter = bpf_map_lookup_elem(&sink_counts, &slot);
  if (!counter) return;
  *counter += 1;
  *value = *counter;
}

static __always_inline void sample(struct __sk_buff* skb) {
  __u32 length = skb->len;
  __u8* room;
  if (length < 64 || length > SAMPLE_BYTES) return;
  room = bpf_ringbuf_reserve(&sink_samples, SAMPLE_BYTES + 4, 0);
  if (!room) return;
  *(__u32*)room = length;
  if (bpf_skb_load_bytes(skb, 0, room + 4, length) < 0) {
    bpf_ringbuf_discard(room, 0);
    return;
  }
  bpf_ringbuf_submit(room, 0);
}

/* Untagged IPv4 without options, UDP to port 67, BOOTREQUEST that a relay has counted and marked. */
static __always_inline int relayed_request(struct __sk_buff* skb) {
  __u8 ip[20], head[8 + 28];
  __u16 type;
  if (bpf_skb_load_bytes(skb, 12, &type, 2) < 0 || type != __builtin_bswap16(0x0800)) return 0;
  if (bpf_skb_load_bytes(skb, 14, ip, sizeof(ip)) < 0 || ip[0] != 0x45 || ip[9] != 17) return 0;
  if (bpf_skb_load_bytes(skb, 34, head, sizeof(head)) < 0) return 0;
  if (head[2] != 0 || head[3] != 67 || head[8] != 1 || head[8 + BOOTP_HOPS] == 0) return 0;
  return (head[8 + BOOTP_GIADDR] | head[8 + BOOTP_GIADDR + 1] | head[8 + BOOTP_GIADDR + 2] |
          head[8 + BOOTP_GIADDR + 3]) != 0;
}

SEC("tc")
int sink(struct __sk_buff* skb) {
  __u64 seen = 0;
  if (!relayed_request(skb)) {
    count(1, &seen);
    return TC_ACT_OK;
  }
  count(0, &seen);
  if (sample_every != 0 && seen % sample_every == 1) sample(skb);
  return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "GPL";
