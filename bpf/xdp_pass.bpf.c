/* The smallest XDP program: what benchmarks subtract, and what a veth's far end needs to be redirected to. */
#include "lib/bpf.h"

SEC("xdp.frags")
int xk_pass_all(struct xdp_md* ctx) {
  (void)ctx;
  return XDP_PASS;
}

char xk_license[] SEC("license") = "Dual BSD/GPL";
