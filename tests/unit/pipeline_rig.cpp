#include "pipeline_rig.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "dataplane/dhcp/frame.h"
#include "dataplane/dhcp/message4.h"
#include "dataplane/port/eal.h"

namespace xk::test {
namespace {

constexpr Mac kPortMac{{0x02, 0xaa, 0, 0, 0, 1}};
constexpr Mac kKeaMac{{0x02, 0xbb, 0, 0, 0, 1}};
constexpr std::uint32_t kWireBuffers = 32768;

Ip4 host_of(std::uint32_t vrf) { return Ip4{0xa9fe0000u + 2 * vrf}; }
Ip4 kea_of(std::uint32_t vrf) { return Ip4{host_of(vrf).value + 1}; }
VlanTag tag_of(VrfId vrf) { return VlanTag{Vid{static_cast<std::uint16_t>(100 + vrf.value)}, 0x8100}; }

template <typename Value>
Value expect(std::expected<Value, Error> result) {
  if (!result) {
    ADD_FAILURE() << result.error().message;
    std::abort();
  }
  return std::move(*result);
}

std::vector<std::uint8_t> frame_of(const FrameHeaders4& headers, const std::vector<std::uint8_t>& payload) {
  const std::size_t size = headers_size(headers.outer, headers.inner);
  std::vector<std::uint8_t> frame(size + payload.size());
  std::copy(payload.begin(), payload.end(), frame.begin() + static_cast<std::ptrdiff_t>(size));
  write_headers4(frame, headers);
  return frame;
}

}  // namespace

void need_eal() {
  static const bool done = [] {
    if (auto initialized = init_eal({.memory_mib = 512, .devices = {}}); !initialized) {
      ADD_FAILURE() << initialized.error().message;
      std::abort();
    }
    return true;
  }();
  (void)done;
}

Mempool pool_of(std::uint32_t count) {
  need_eal();
  static int made = 0;
  return expect(make_mempool("test_" + std::to_string(made++), count, kPacketPrivateBytes));
}

Snapshot snapshot_of(std::uint32_t count, std::uint64_t generation) {
  Snapshot snapshot;
  snapshot.generation = generation;
  for (const auto& [id, name] : {std::pair{kClientPort, "clients"}, std::pair{kServerPort, "servers"}}) {
    PortEntry port;
    port.id = id;
    port.kind = PortKind::sim;
    port.name = name;
    port.mac = kPortMac;
    snapshot.ports.push_back(port);
  }
  for (std::uint32_t id = 1; id <= count; ++id) {
    AttachmentEntry client;
    client.id = AttachmentId{2 * id - 1};
    client.port = kClientPort;
    client.outer = tag_of(VrfId{id});
    client.vrf = VrfId{id};
    client.subnet = Prefix4{Ip4{0x0a000000}, 24};
    client.link_address = client.subnet.network;
    client.server_identifier = Ip4{0x0a000001};
    client.answer_arp = true;
    client.circuit_id = "clients:" + std::to_string(100 + id);
    client.remote_id = "test";
    AttachmentEntry handoff;
    handoff.id = AttachmentId{2 * id};
    handoff.port = kServerPort;
    handoff.outer = tag_of(VrfId{id});
    handoff.vrf = VrfId{id};
    handoff.role = AttachmentRole::handoff;
    VrfEntry vrf;
    vrf.id = VrfId{id};
    vrf.name = "v" + std::to_string(id);
    vrf.server_vrf = VrfId{id};
    vrf.giaddr = host_of(id);
    vrf.link_selection = true;
    vrf.servers.push_back({kea_of(id), handoff.id, kKeaMac, host_of(id)});
    snapshot.attachments.push_back(client);
    snapshot.attachments.push_back(handoff);
    snapshot.vrfs.push_back(vrf);
  }
  return snapshot;
}

std::unique_ptr<const Forwarding> forwarding_of(Snapshot snapshot) {
  return expect(Forwarding::make(std::move(snapshot)));
}

PortKey sim_key(const std::string& name) { return PortKey{PortKind::sim, {}, name}; }

std::vector<std::uint8_t> udp_frame(VrfId vrf, Ip4 destination, std::uint16_t port,
                                    std::vector<std::uint8_t> payload) {
  FrameHeaders4 headers;
  headers.destination_mac = Mac::broadcast();
  headers.source_mac = Mac{{0x02, 0, 0, 0, 0, 1}};
  headers.outer = tag_of(vrf);
  headers.destination = destination;
  headers.source_port = 68;
  headers.destination_port = port;
  return frame_of(headers, payload);
}

std::vector<std::uint8_t> discover(VrfId vrf, std::uint32_t client) {
  std::vector<std::uint8_t> message(300, 0);
  message[dhcp4::kOp] = 1;
  message[dhcp4::kHtype] = 1;
  message[dhcp4::kHlen] = 6;
  for (std::size_t i = 0; i < 4; ++i) {
    message[dhcp4::kXid + i] = static_cast<std::uint8_t>(client >> (24 - 8 * i));
    message[dhcp4::kChaddr + 2 + i] = message[dhcp4::kXid + i];
  }
  message[dhcp4::kChaddr] = 0x02;
  const std::uint8_t options[] = {0x63, 0x82, 0x53, 0x63, 53, 1, 1, 55, 4, 1, 3, 6, 15, 255};
  std::memcpy(message.data() + dhcp4::kCookie, options, sizeof options);
  return udp_frame(vrf, Ip4::limited_broadcast(), 67, message);
}

std::vector<std::uint8_t> arp_request(VrfId vrf, Ip4 target) {
  std::vector<std::uint8_t> frame(18 + 28, 0);
  write_ethernet(frame, Mac::broadcast(), Mac{{0x02, 0, 0, 0, 0, 1}}, tag_of(vrf), {}, XK_ETHERTYPE_ARP);
  ByteWriter arp(MutableBytes(frame).subspan(18));
  arp.u16(1);
  arp.u16(XK_ETHERTYPE_IP4);
  arp.u8(6);
  arp.u8(4);
  arp.u16(1);
  arp.mac(Mac{{0x02, 0, 0, 0, 0, 1}});
  arp.ip4(Ip4{0x0a000064});
  arp.zeros(6);
  arp.ip4(target);
  return frame;
}

std::vector<std::uint8_t> offer_for(const std::vector<std::uint8_t>& relayed, Ip4 yiaddr) {
  xk_headers walked{};
  const auto result = xk_walk(relayed.data(), relayed.data() + relayed.size(), &walked);
  EXPECT_EQ(result, XK_WALK_UDP);
  const auto datagram = check_datagram4(relayed, walked);
  EXPECT_TRUE(datagram.has_value());
  std::vector<std::uint8_t> message(datagram->payload.begin(), datagram->payload.end());
  message[dhcp4::kOp] = 2;
  for (std::size_t i = 0; i < 4; ++i)
    message[dhcp4::kYiaddr + i] = static_cast<std::uint8_t>(yiaddr.value >> (24 - 8 * i));
  message[dhcp4::kOptions + 2] = 2;
  FrameHeaders4 headers;
  headers.destination_mac = kPortMac;
  headers.source_mac = kKeaMac;
  headers.outer = VlanTag{Vid{walked.outer_vid}, 0x8100};
  headers.source = datagram->destination;
  headers.destination = datagram->source;
  headers.source_port = 67;
  headers.destination_port = 67;
  return frame_of(headers, message);
}

Rig::Rig(std::vector<LoopPlacement> loops, std::uint32_t buffers, std::uint32_t rx_depth,
         std::uint32_t tx_depth, std::uint64_t (*now_ms)(), NativeKeeper::Options keeper)
    : pool(pool_of(buffers)),
      wire_pool(pool_of(kWireBuffers)),
      counters(expect(CountersRegion::make())),
      clients(expect(SimWire::make(rx_depth, tx_depth, wire_pool.get()))),
      servers(expect(SimWire::make(rx_depth, tx_depth, wire_pool.get()))) {
  PipelineOptions options;
  options.loops = std::move(loops);
  options.pool = pool.get();
  options.counters = &counters;
  options.fence = &fence;
  options.now_ms = now_ms;
  options.keeper = std::move(keeper);
  pipeline = expect(Pipeline::make(std::move(options)));
  for (const auto& [name, wire] :
       {std::pair{"clients", clients.get()}, std::pair{"servers", servers.get()}}) {
    PortQueues queues;
    queues.queues.push_back(wire->queue());
    EXPECT_TRUE(pipeline->add_port(sim_key(name), std::move(queues)));
  }
}

Rig::~Rig() = default;

void Rig::publish(Snapshot snapshot) {
  const auto published = pipeline->publish(forwarding_of(std::move(snapshot)));
  ASSERT_TRUE(published) << published.error().message;
}

void Rig::settle() {
  while (pipeline->iterate()) {
  }
}

bool Rig::await(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

std::uint32_t Rig::gauge(VrfId vrf, Gauge VrfCounters::* gauge) {
  std::uint32_t sum = 0;
  for (std::uint32_t slot = 0; slot < kLoopsMax; ++slot)
    sum += (counters.block(slot).counters[vrf.value].*gauge).get();
  return sum;
}

std::string Rig::imbalance(std::uint32_t vrfs) {
  std::string text;
  for (std::uint32_t id = 0; id <= vrfs; ++id)
    if (const std::int64_t difference = counters.imbalance(VrfId{id}); difference != 0)
      text += "slot " + std::to_string(id) + ": " + std::to_string(difference) + " ";
  return text;
}

}  // namespace xk::test
