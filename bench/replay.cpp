#include "bench/replay.h"

#include <random>
#include <string>

#include "dataplane/base/forwarding.h"
#include "dataplane/dhcp/frame.h"
#include "dataplane/dhcp/message4.h"

namespace xk::bench {
namespace {

constexpr std::uint32_t kBuffers = 16383;
constexpr std::uint32_t kVlansAnOuter = 1024;  // inner VLANs in one outer VLAN
constexpr Mac kPortMac{{0x02, 0xaa, 0, 0, 0, 1}};
constexpr Mac kServerMac{{0x02, 0xbb, 0, 0, 0, 1}};

struct Tags {
  VlanTag outer;
  VlanTag inner;
};

// A VRF's clients and its server are in the same VLAN of two ports.
Tags tags_of(const Spread& spread, std::uint32_t vrf) {
  const auto vid = [](std::uint32_t value) { return Vid{static_cast<std::uint16_t>(value)}; };
  Tags tags;
  if (!spread.qinq) {
    tags.outer.vid = vid(100 + vrf);
  } else {
    tags.outer.vid = vid(100 + (vrf - 1) / kVlansAnOuter);
    tags.inner.vid = vid(1 + (vrf - 1) % kVlansAnOuter);
  }
  return tags;
}

void add_vrf(const Spread& spread, std::uint32_t id, Snapshot& snapshot) {
  const Tags tags = tags_of(spread, id);
  AttachmentEntry client;
  client.id = AttachmentId{2 * id - 1};
  client.port = PortId{1};
  client.outer = tags.outer;
  client.inner = tags.inner;
  client.vrf = VrfId{id};
  client.subnet = Prefix4{Ip4{0x0a000000}, 16};
  client.link_address = client.subnet.network;
  client.server_identifier = Ip4{0x0a000001};
  client.relay_address = client.server_identifier;
  client.circuit_id = "eth1:" + vlan_text(tags.outer.vid, tags.inner.vid);
  client.remote_id = "router:vrf" + std::to_string(id);
  AttachmentEntry server;
  server.id = AttachmentId{2 * id};
  server.port = PortId{2};
  server.outer = tags.outer;
  server.inner = tags.inner;
  server.vrf = client.vrf;
  server.role = AttachmentRole::server;
  server.local_addresses = {client.relay_address};
  VrfEntry vrf;
  vrf.id = client.vrf;
  vrf.name = "vrf" + std::to_string(id);
  vrf.engine = Engine::relay;
  vrf.server_vrf = vrf.id;
  vrf.link_selection = true;
  vrf.servers.push_back({Ip4{0xc0000202}, server.id, kServerMac, client.relay_address});
  snapshot.attachments.push_back(std::move(client));
  snapshot.attachments.push_back(std::move(server));
  snapshot.vrfs.push_back(std::move(vrf));
}

Snapshot snapshot_of(const Spread& spread) {
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
  for (std::uint32_t id = 1; id <= spread.vrfs; ++id) add_vrf(spread, id, snapshot);
  return snapshot;
}

// As received: 300 bytes of DHCP, broadcast, with the options that clients send.
std::vector<std::uint8_t> discover(const Tags& tags, std::uint32_t client) {
  FrameHeaders4 headers;
  headers.destination_mac = Mac::broadcast();
  headers.source_mac =
      Mac{{0x02, 0, static_cast<std::uint8_t>(client >> 24), static_cast<std::uint8_t>(client >> 16),
           static_cast<std::uint8_t>(client >> 8), static_cast<std::uint8_t>(client)}};
  headers.outer = tags.outer;
  headers.inner = tags.inner;
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

// The VRF of each client, in the order in which they send.
std::vector<std::uint32_t> vrfs_of(const Spread& spread) {
  std::vector<std::uint32_t> vrfs(spread.clients);
  for (std::uint32_t i = 0; i < spread.clients; ++i) vrfs[i] = 1 + i % spread.vrfs;
  if (!spread.shuffled) return vrfs;
  std::minstd_rand random(1);
  for (std::uint32_t i = spread.clients; i > 1; --i) std::swap(vrfs[i - 1], vrfs[random() % i]);
  return vrfs;
}

}  // namespace

Replay::Replay(const Spread& spread)
    : pool_(need(make_mempool("bench_" + std::to_string(spread.vrfs), kBuffers, kPacketPrivateBytes))),
      counters_(need(CountersRegion::make())) {
  const std::vector<std::uint32_t> vrfs = vrfs_of(spread);
  for (std::uint32_t i = 0; i < spread.clients; ++i) frames_.push_back(discover(tags_of(spread, vrfs[i]), i));
  PipelineOptions options;
  options.pool = pool_.get();
  options.counters = &counters_;
  pipeline_ = need(Pipeline::make(std::move(options)));
  clients_ = add("clients");
  servers_ = add("servers");
  auto forwarding = need(Forwarding::make(snapshot_of(spread)));
  if (auto published = pipeline_->publish(std::move(forwarding)); !published) {
    std::fprintf(stderr, "%s\n", published.error().message.c_str());
    std::exit(EXIT_FAILURE);
  }
}

ReplayQueue* Replay::add(const char* name) {
  PortQueues queues;
  auto queue = std::make_unique<ReplayQueue>(frames_, pool_.get());
  ReplayQueue* borrowed = queue.get();
  queues.queues.push_back(std::move(queue));
  if (!pipeline_->add_port(PortKey{PortKind::sim, {}, name}, std::move(queues))) std::exit(EXIT_FAILURE);
  return borrowed;
}

}  // namespace xk::bench
