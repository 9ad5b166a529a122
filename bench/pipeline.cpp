// What a packet costs on its way through the dataplane: received from a simulated port (copied into
// an mbuf, as from an AF_XDP socket), classified, queued for its VRF, relayed, sent. 300-byte
// DISCOVERs, each with a MAC and an xid of its own. One thread. The last line is one JSON object.
#include "dataplane/pipeline/pipeline.h"

#include <benchmark/benchmark.h>
#include <rte_lcore.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "dataplane/base/forwarding.h"
#include "dataplane/dhcp/frame.h"
#include "dataplane/dhcp/message4.h"
#include "dataplane/port/eal.h"
#include "dataplane/port/mbuf.h"
#include "dataplane/port/sim.h"

namespace {

std::atomic<std::uint64_t> allocations{0};

}  // namespace

// Every way to memory in this program, libraries included, goes through malloc: counted there.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* at, std::size_t size);
void* malloc(std::size_t size) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, size);
}
void* realloc(void* at, std::size_t size) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(at, size);
}
}

namespace {

using namespace xk;

constexpr std::uint32_t kClients = 10'000;
constexpr std::uint32_t kPacketsAnIteration = 4096;
constexpr Ip4 kHandoff{0xa9fe0000};
constexpr Mac kPortMac{{0x02, 0xaa, 0, 0, 0, 1}};
constexpr Mac kServerMac{{0x02, 0xbb, 0, 0, 0, 1}};

template <typename Value>
Value need(std::expected<Value, Error> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().message.c_str());
  std::exit(EXIT_FAILURE);
}

// VRF id: its clients in VLAN 100 + id, its server in the same VLAN of the other port.
Snapshot snapshot_of(std::uint32_t vrfs) {
  Snapshot snapshot;
  snapshot.generation = 1;
  for (const auto& [id, name] : {std::pair{1, "clients"}, std::pair{2, "servers"}}) {
    PortEntry port;
    port.id = PortId{static_cast<std::uint16_t>(id)};
    port.kind = PortKind::sim;
    port.name = name;
    port.mac = kPortMac;
    snapshot.ports.push_back(port);
  }
  for (std::uint32_t id = 1; id <= vrfs; ++id) {
    AttachmentEntry client;
    client.id = AttachmentId{2 * id - 1};
    client.port = PortId{1};
    client.outer.vid = Vid{static_cast<std::uint16_t>(100 + id)};
    client.vrf = VrfId{id};
    client.subnet = Prefix4{Ip4{0x0a000000}, 16};
    client.link_address = client.subnet.network;
    client.server_identifier = Ip4{0x0a000001};
    client.circuit_id = "eth1:" + std::to_string(100 + id) + ".0";
    client.remote_id = "router:vrf" + std::to_string(id);
    AttachmentEntry handoff;
    handoff.id = AttachmentId{2 * id};
    handoff.port = PortId{2};
    handoff.outer = client.outer;
    handoff.vrf = VrfId{id};
    handoff.role = AttachmentRole::handoff;
    VrfEntry vrf;
    vrf.id = VrfId{id};
    vrf.name = "vrf" + std::to_string(id);
    vrf.server_vrf = vrf.id;
    vrf.giaddr = Ip4{kHandoff.value + 2 * id};
    vrf.link_selection = true;
    vrf.servers.push_back({Ip4{vrf.giaddr.value + 1}, handoff.id, kServerMac, vrf.giaddr});
    snapshot.attachments.push_back(client);
    snapshot.attachments.push_back(handoff);
    snapshot.vrfs.push_back(vrf);
  }
  return snapshot;
}

// As received: 300 bytes of DHCP, broadcast, with the options that clients send.
std::vector<std::uint8_t> discover(std::uint32_t vrf, std::uint32_t client) {
  FrameHeaders4 headers;
  headers.destination_mac = Mac::broadcast();
  headers.source_mac =
      Mac{{0x02, 0, static_cast<std::uint8_t>(client >> 24), static_cast<std::uint8_t>(client >> 16),
           static_cast<std::uint8_t>(client >> 8), static_cast<std::uint8_t>(client)}};
  headers.outer.vid = Vid{static_cast<std::uint16_t>(100 + vrf)};
  headers.destination = Ip4::limited_broadcast();
  headers.source_port = 68;
  headers.destination_port = 67;
  const std::size_t offset = headers_size(headers.outer, headers.inner);
  std::vector<std::uint8_t> frame(offset + dhcp4::kMessageMin, 0);
  ByteWriter message(MutableBytes(frame).subspan(offset));
  message.u8(dhcp4::kBootRequest);
  message.u8(dhcp4::kEthernet);
  message.u8(6);
  message.u8(0);
  message.u32(client * 2654435761u);
  message.zeros(dhcp4::kChaddr - dhcp4::kSecs);
  message.mac(headers.source_mac);
  message.zeros(dhcp4::kCookie - dhcp4::kChaddr - 6);
  message.u32(dhcp4::kMagicCookie);
  constexpr std::uint8_t kOptions[] = {53, 1,  1,  57, 2,  5, 220, 55,  7,   1,   3,  6,
                                       12, 15, 28, 42, 12, 4, 'h', 'o', 's', 't', 255};
  message.bytes(kOptions);
  write_headers4(frame, headers);
  return frame;
}

// The pipeline between a port that replays DISCOVERs and one that swallows what is sent.
struct Bench {
  explicit Bench(std::uint32_t vrfs)
      : pool(need(make_mempool("bench_" + std::to_string(vrfs), 16383, kPacketPrivateBytes))),
        counters(need(CountersRegion::make())) {
    for (std::uint32_t i = 0; i < kClients; ++i) frames.push_back(discover(1 + i % vrfs, i));
    PipelineOptions options;
    options.pool = pool.get();
    options.counters = &counters;
    pipeline = need(Pipeline::make(std::move(options)));
    clients = add("clients");
    servers = add("servers");
    if (auto published = pipeline->publish(need(Forwarding::make(snapshot_of(vrfs)))); !published)
      std::exit(EXIT_FAILURE);
  }
  ReplayQueue* add(const char* name) {
    PortQueues queues;
    auto queue = std::make_unique<ReplayQueue>(frames, pool.get());
    ReplayQueue* borrowed = queue.get();
    queues.queues.push_back(std::move(queue));
    if (!pipeline->add_port(PortKey{PortKind::sim, {}, name}, std::move(queues))) std::exit(EXIT_FAILURE);
    return borrowed;
  }
  void run(std::uint64_t packets) {
    clients->feed(packets);
    while (pipeline->iterate()) {
    }
  }

  std::vector<std::vector<std::uint8_t>> frames;
  Mempool pool;
  CountersRegion counters;
  std::unique_ptr<Pipeline> pipeline;
  ReplayQueue* clients = nullptr;
  ReplayQueue* servers = nullptr;
};

struct Result {
  double ns_per_packet = 0;
  double allocs_per_packet = 0;
};
Result result;

// The number is of VRFs among which the clients are spread.
void relay_discovers(benchmark::State& state) {
  Bench bench(static_cast<std::uint32_t>(state.range(0)));
  bench.run(2 * kClients);
  const std::uint64_t sent_before = bench.servers->sent();
  const std::uint64_t allocations_before = allocations.load();
  std::uint64_t packets = 0;
  for (auto _ : state) {
    bench.run(kPacketsAnIteration);
    packets += kPacketsAnIteration;
  }
  const std::uint64_t allocated = allocations.load() - allocations_before;
  // Every packet of the run was relayed, or the figure is of something else.
  if (bench.servers->sent() - sent_before != packets) state.SkipWithError("packets were lost");
  state.SetItemsProcessed(static_cast<std::int64_t>(packets));
  const auto count = static_cast<double>(packets);
  state.counters["ns_per_packet"] =
      benchmark::Counter(count / 1e9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["allocs_per_packet"] = static_cast<double>(allocated) / count;
}
BENCHMARK(relay_discovers)->Arg(1)->Arg(16)->Arg(1000);

// Keeps the figures of the case with one VRF beside printing all.
class Reporter : public benchmark::ConsoleReporter {
 public:
  // No colours: the codes would stand in the JSON line.
  Reporter() : ConsoleReporter(OO_Tabular) {}
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.error_occurred) failed = true;
      if (run.benchmark_name() != "relay_discovers/1") continue;
      result.ns_per_packet = run.counters.at("ns_per_packet");
      result.allocs_per_packet = run.counters.at("allocs_per_packet");
    }
    ConsoleReporter::ReportRuns(runs);
  }
  bool failed = false;
};

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  if (auto eal = init_eal({.memory_mib = 512, .devices = {}}); !eal) {
    std::fprintf(stderr, "%s\n", eal.error().message.c_str());
    return EXIT_FAILURE;
  }
  Reporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  std::printf("{\"ns_per_packet\": %.1f, \"allocs_per_packet\": %g}\n", result.ns_per_packet,
              result.allocs_per_packet);
  return reporter.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
