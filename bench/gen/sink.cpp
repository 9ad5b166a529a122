#include "bench/gen/sink.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>

#include <cstring>
#include <stdexcept>
#include <utility>

#include "bench/gen/sink.skel.h"

namespace xk::gen {

struct Sink::State {
  sink_bpf* program = nullptr;
  bpf_tc_hook hook{};
  bool hooked = false;
  ring_buffer* ring = nullptr;
  std::vector<std::vector<std::uint8_t>> samples;

  ~State() {
    if (ring != nullptr) ring_buffer__free(ring);
    if (hooked) {
      hook.attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
      bpf_tc_hook_destroy(&hook);
    }
    sink_bpf__destroy(program);
  }
};

namespace {

int keep_sample(void* context, void* data, std::size_t size) {
  auto& samples = *static_cast<std::vector<std::vector<std::uint8_t>>*>(context);
  std::uint32_t length = 0;
  std::memcpy(&length, data, sizeof length);
  if (length > size - sizeof length) return 0;
  const auto* bytes = static_cast<const std::uint8_t*>(data) + sizeof length;
  samples.emplace_back(bytes, bytes + length);
  return 0;
}

}  // namespace

Sink::Sink(const std::string& interface, std::uint32_t sample_every) : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.program = sink_bpf__open();
  if (state.program == nullptr) throw std::runtime_error("sink: cannot open the BPF program");
  state.program->rodata->sample_every = sample_every;
  if (sink_bpf__load(state.program) != 0) throw std::runtime_error("sink: cannot load the BPF program");
  state.hook.sz = sizeof state.hook;
  state.hook.ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  state.hook.attach_point = BPF_TC_INGRESS;
  if (state.hook.ifindex == 0) throw std::runtime_error("sink: no interface " + interface);
  if (bpf_tc_hook_create(&state.hook) != 0)
    throw std::runtime_error("sink: " + interface + " has an ingress hook already, or none is possible");
  state.hooked = true;
  bpf_tc_opts options{};
  options.sz = sizeof options;
  options.prog_fd = bpf_program__fd(state.program->progs.sink);
  if (bpf_tc_attach(&state.hook, &options) != 0)
    throw std::runtime_error("sink: cannot attach to " + interface);
  state.ring =
      ring_buffer__new(bpf_map__fd(state.program->maps.sink_samples), keep_sample, &state.samples, nullptr);
  if (state.ring == nullptr) throw std::runtime_error("sink: no ring buffer");
}

Sink::~Sink() = default;

Sink::Counts Sink::counts() const {
  const int map = bpf_map__fd(state_->program->maps.sink_counts);
  std::vector<std::uint64_t> per_cpu(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  std::uint64_t sums[2] = {0, 0};
  for (std::uint32_t slot = 0; slot < 2; ++slot) {
    if (bpf_map_lookup_elem(map, &slot, per_cpu.data()) != 0)
      throw std::runtime_error("sink: cannot read counts");
    for (const std::uint64_t count : per_cpu) sums[slot] += count;
  }
  return {sums[0], sums[1]};
}

std::vector<std::vector<std::uint8_t>> Sink::take_samples() {
  ring_buffer__consume(state_->ring);
  return std::exchange(state_->samples, {});
}

}  // namespace xk::gen
