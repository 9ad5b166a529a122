#include "tests/bpf/program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/if_xdp.h>
#include <sys/socket.h>

#include <cstdlib>
#include <cstring>
#include <iostream>

#include "xdp_classify.skel.h"

namespace xk::test {
namespace {

void must(bool done, const char* what) {
  if (done) return;
  std::cerr << what << ": " << std::strerror(errno) << " (these tests need root)\n";
  std::abort();
}

}  // namespace

void PrintTo(const Verdict& verdict, std::ostream* out) {
  *out << "action " << verdict.action << ", ";
  if (verdict.outcome < XK_OUTCOME_COUNT)
    *out << kOutcomes[verdict.outcome].name;
  else
    *out << "not one outcome";
}

Verdict passed(Outcome outcome) { return {XDP_PASS, outcome}; }
Verdict dropped(Outcome outcome) { return {XDP_DROP, outcome}; }
Verdict redirected(Outcome outcome) { return {XDP_REDIRECT, outcome}; }

Program::Program() : skeleton_(xdp_classify__open_and_load()) { must(skeleton_ != nullptr, "loading"); }

Program::~Program() { xdp_classify__destroy(skeleton_); }

void Program::map(const xk_attachment_key& key, const xk_attachment_value& value) {
  must(bpf_map__update_elem(skeleton_->maps.xk_attachments, &key, sizeof key, &value, sizeof value,
                            BPF_ANY) == 0,
       XK_MAP_ATTACHMENTS);
}

void Program::address(const xk_address_key& key, std::uint32_t flags) {
  must(bpf_map__update_elem(skeleton_->maps.xk_addresses, &key, sizeof key, &flags, sizeof flags, BPF_ANY) ==
           0,
       XK_MAP_ADDRESSES);
}

void Program::socket(std::uint32_t index) {
  Fd socket{::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0)};
  const int entries = 64;
  must(socket && ::setsockopt(socket.get(), SOL_XDP, XDP_RX_RING, &entries, sizeof entries) == 0, "AF_XDP");
  const int fd = socket.get();
  must(bpf_map__update_elem(skeleton_->maps.xk_xsks, &index, sizeof index, &fd, sizeof fd, BPF_ANY) == 0,
       XK_MAP_XSKS);
  sockets_.push_back(std::move(socket));
}

std::vector<std::uint64_t> Program::counters() const {
  const auto cpus = static_cast<std::size_t>(libbpf_num_possible_cpus());
  std::vector<std::uint64_t> per_cpu(XK_OUTCOMES_MAX * cpus);
  std::vector<std::uint32_t> keys(XK_OUTCOMES_MAX);
  __u32 position = 0;
  __u32 count = XK_OUTCOMES_MAX;
  const int result = bpf_map_lookup_batch(bpf_map__fd(skeleton_->maps.xk_counters), nullptr, &position,
                                          keys.data(), per_cpu.data(), &count, nullptr);
  must((result == 0 || result == -ENOENT) && count == XK_OUTCOMES_MAX, XK_MAP_COUNTERS);
  std::vector<std::uint64_t> sums(XK_OUTCOMES_MAX);
  for (std::size_t outcome = 0; outcome < sums.size(); ++outcome)
    for (std::size_t cpu = 0; cpu < cpus; ++cpu) sums[outcome] += per_cpu[outcome * cpus + cpu];
  return sums;
}

Verdict Program::run(const Frame& frame, std::uint32_t ifindex, std::uint32_t queue) {
  Frame out(frame.size() + 256, 0xee);
  xdp_md context{};
  context.data_end = static_cast<__u32>(frame.size());
  context.ingress_ifindex = ifindex;
  context.rx_queue_index = queue;
  bpf_test_run_opts options{};
  options.sz = sizeof options;
  options.data_in = frame.data();
  options.data_size_in = static_cast<__u32>(frame.size());
  options.data_out = out.data();
  options.data_size_out = static_cast<__u32>(out.size());
  options.ctx_in = &context;
  options.ctx_size_in = sizeof context;
  options.repeat = 1;
  const auto before = counters();
  must(bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.xk_classify), &options) == 0,
       "BPF_PROG_TEST_RUN");
  const auto after = counters();

  out.resize(options.data_size_out);
  EXPECT_EQ(out, frame) << "the frame was changed";
  Verdict verdict{options.retval, XK_OUTCOME_COUNT};
  std::uint64_t counted = 0;
  for (std::size_t outcome = 0; outcome < after.size(); ++outcome) {
    counted += after[outcome] - before[outcome];
    if (after[outcome] != before[outcome]) verdict.outcome = static_cast<Outcome>(outcome);
  }
  EXPECT_EQ(counted, 1u) << "a frame has one outcome";
  return verdict;
}

}  // namespace xk::test
