// What a snapshot must be to be taken, and what is found in it.
#include "dataplane/base/forwarding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bpf/shared/limits.h"

namespace xk {
namespace {

using testing::HasSubstr;

constexpr Mac kClient{{0x02, 0, 0, 0, 0, 0x0a}};

AttachmentEntry attachment(std::uint32_t id, std::uint16_t outer, std::uint32_t vrf, std::string circuit_id) {
  AttachmentEntry entry;
  entry.id = AttachmentId{id};
  entry.port = PortId{1};
  entry.outer.vid = Vid{outer};
  entry.vrf = VrfId{vrf};
  entry.circuit_id = std::move(circuit_id);
  return entry;
}

VrfEntry vrf(std::uint32_t id, std::uint32_t server_vrf) {
  VrfEntry entry;
  entry.id = VrfId{id};
  entry.name = "v" + std::to_string(id);
  entry.server_vrf = VrfId{server_vrf};
  return entry;
}

// VRF 1 serves itself, VRF 2 has its servers in VRF 3.
Snapshot snapshot() {
  Snapshot made;
  PortEntry port;
  port.id = PortId{1};
  port.name = "lan";
  made.ports.push_back(port);
  made.vrfs = {vrf(1, 1), vrf(2, 3), vrf(3, 3)};
  made.attachments = {attachment(1, 0, 1, "lan:0.0"), attachment(2, 100, 2, "lan:100.0"),
                      attachment(3, 200, 3, "")};
  made.attachments[2].role = AttachmentRole::server;
  ServerEntry server;
  server.address = Ip4{0x0a0a0a0a};
  server.via = AttachmentId{3};
  server.source = Ip4{0x0a0a0a01};
  made.vrfs[1].servers.push_back(server);
  return made;
}

std::unique_ptr<const Forwarding> made(Snapshot from) {
  auto forwarding = Forwarding::make(std::move(from));
  EXPECT_TRUE(forwarding.has_value()) << forwarding.error().message;
  return forwarding ? std::move(*forwarding) : nullptr;
}

std::string refusal(Snapshot from) {
  const auto forwarding = Forwarding::make(std::move(from));
  return forwarding ? "taken" : forwarding.error().message;
}

Bytes bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

TEST(Forwarding, EmptyIsFine) {
  const auto forwarding = made({});
  EXPECT_EQ(forwarding->attachment(PortId{0}, 0, 0), nullptr);
  EXPECT_EQ(forwarding->attachment(AttachmentId{1}), nullptr);
  EXPECT_EQ(forwarding->by_circuit_id(VrfId{1}, bytes("x"), kClient), nullptr);
  EXPECT_FALSE(forwarding->is_own_address(VrfId{1}, Ip4{1}));
}

TEST(Forwarding, FindsByPlaceAndId) {
  const auto forwarding = made(snapshot());
  EXPECT_EQ(forwarding->attachment(PortId{1}, 0, 0)->id.value, 1u);
  EXPECT_EQ(forwarding->attachment(PortId{1}, 100, 0)->id.value, 2u);
  EXPECT_EQ(forwarding->attachment(PortId{1}, 100, 1), nullptr);
  EXPECT_EQ(forwarding->attachment(PortId{0}, 0, 0), nullptr);
  EXPECT_EQ(forwarding->attachment(AttachmentId{3})->vrf.value, 3u);
  EXPECT_EQ(forwarding->attachment(AttachmentId{0}), nullptr);
  EXPECT_EQ(forwarding->attachment(AttachmentId{4}), nullptr);
  EXPECT_EQ(forwarding->vrf(VrfId{2})->name, "v2");
  EXPECT_EQ(forwarding->vrf(VrfId{4}), nullptr);
  EXPECT_EQ(forwarding->port(PortId{2}), nullptr);
}

TEST(Forwarding, CircuitIdOfTheServerVrf) {
  const auto forwarding = made(snapshot());
  EXPECT_EQ(forwarding->by_circuit_id(VrfId{1}, bytes("lan:0.0"), kClient)->id.value, 1u);
  EXPECT_EQ(forwarding->by_circuit_id(VrfId{3}, bytes("lan:100.0"), kClient)->id.value, 2u);
  EXPECT_EQ(forwarding->by_circuit_id(VrfId{2}, bytes("lan:100.0"), kClient), nullptr);
  EXPECT_EQ(forwarding->by_circuit_id(VrfId{3}, bytes("lan:0.0"), kClient), nullptr);
  EXPECT_EQ(forwarding->by_circuit_id(VrfId{1}, {}, kClient), nullptr);
  EXPECT_EQ(forwarding->by_circuit_id(VrfId{99}, bytes("lan:0.0"), kClient), nullptr);
}

TEST(Forwarding, CircuitIdWithTheClientsMac) {
  Snapshot from = snapshot();
  from.attachments[0].circuit_id = std::string("lan-") + kMacPlaceholder + "-" + kMacPlaceholder;
  const auto forwarding = made(from);
  EXPECT_EQ(forwarding->by_circuit_id(VrfId{1}, bytes("lan-02:00:00:00:00:0a-02:00:00:00:00:0a"), kClient)
                ->id.value,
            1u);
  EXPECT_EQ(forwarding->by_circuit_id(VrfId{1}, bytes("lan-02:00:00:00:00:0a-02:00:00:00:00:0b"), kClient),
            nullptr);
  EXPECT_EQ(forwarding->by_circuit_id(VrfId{1}, bytes("lan-02:00:00:00:00:0b-02:00:00:00:00:0b"), kClient),
            nullptr);
  // The placeholder itself is never on the wire.
  EXPECT_EQ(forwarding->by_circuit_id(VrfId{1}, bytes(from.attachments[0].circuit_id), kClient), nullptr);
}

TEST(Forwarding, CircuitIdsMustTellApart) {
  Snapshot from = snapshot();
  from.attachments[1].circuit_id = "lan:0.0";
  EXPECT_NE(made(from), nullptr) << "another server VRF: no clash";
  from.vrfs[1].server_vrf = VrfId{1};
  EXPECT_THAT(refusal(from), HasSubstr("attachment 1 and attachment 2"));
  from.attachments[1].circuit_id = std::string("lan:") + kMacPlaceholder;
  from.attachments[0].circuit_id = "lan:02:00:00:00:00:0a";
  EXPECT_THAT(refusal(from), HasSubstr("do not tell them apart"));
  from.attachments[0].circuit_id = "lan:02:00:00:00:00:0a.";
  EXPECT_NE(made(from), nullptr);
}

TEST(Forwarding, OwnAddressesAreOfTheVrfAndItsServerVrf) {
  Snapshot from = snapshot();
  from.attachments[1].relay_address = Ip4{10};
  from.attachments[1].server_identifier = Ip4{11};
  from.attachments[2].local_addresses = {Ip4{12}, Ip4{13}};
  from.vrfs[1].giaddr = Ip4{14};
  const auto forwarding = made(from);
  for (const std::uint32_t address : {10u, 11u, 14u, 0x0a0a0a01u}) {
    EXPECT_TRUE(forwarding->is_own_address(VrfId{2}, Ip4{address})) << address;
    EXPECT_TRUE(forwarding->is_own_address(VrfId{3}, Ip4{address})) << address;
    EXPECT_FALSE(forwarding->is_own_address(VrfId{1}, Ip4{address})) << address;
  }
  EXPECT_TRUE(forwarding->is_own_address(VrfId{3}, Ip4{13}));
  EXPECT_FALSE(forwarding->is_own_address(VrfId{2}, Ip4{13}));
  EXPECT_FALSE(forwarding->is_own_address(VrfId{2}, Ip4{0}));
  EXPECT_FALSE(forwarding->is_own_address(VrfId{2}, Ip4{0x0a0a0a0a})) << "the server is not us";
}

TEST(Forwarding, LocalAddressesAndTheSubnetsBroadcast) {
  Snapshot from = snapshot();
  from.attachments[0].server_identifier = Ip4{0x0a000001};
  from.attachments[0].relay_address = Ip4{0x0a000004};
  from.attachments[0].subnet = Prefix4{Ip4{0x0a000000}, 24};
  from.attachments[0].local_addresses = {Ip4{0x0a000002}};
  const auto forwarding = made(from);
  const AttachmentEntry& client = *forwarding->attachment(AttachmentId{1});
  for (const std::uint32_t address : {0x0a000001u, 0x0a000002u, 0x0a000004u})
    EXPECT_TRUE(forwarding->is_local(client, Ip4{address})) << address;
  EXPECT_FALSE(forwarding->is_local(client, Ip4{0x0a000003}));
  EXPECT_FALSE(forwarding->is_local(client, Ip4{0x0a0000ff}));
  EXPECT_FALSE(forwarding->is_local(*forwarding->attachment(AttachmentId{2}), Ip4{0x0a000001}));
  EXPECT_TRUE(Forwarding::is_subnet_broadcast(client, Ip4{0x0a0000ff}));
  EXPECT_FALSE(Forwarding::is_subnet_broadcast(client, Ip4{0x0a0000fe}));
  AttachmentEntry other = client;
  other.subnet = Prefix4{Ip4{0x0a000000}, 30};
  EXPECT_TRUE(Forwarding::is_subnet_broadcast(other, Ip4{0x0a000003}));
  other.subnet.length = 31;
  EXPECT_FALSE(Forwarding::is_subnet_broadcast(other, Ip4{0x0a000001}));
  other.subnet = Prefix4{};
  EXPECT_FALSE(Forwarding::is_subnet_broadcast(other, Ip4::limited_broadcast()));
}

TEST(Forwarding, Servers) {
  const auto forwarding = made(snapshot());
  const Ip4 server{0x0a0a0a0a};
  EXPECT_TRUE(forwarding->is_server_of(*forwarding->vrf(VrfId{2}), server));
  EXPECT_FALSE(forwarding->is_server_of(*forwarding->vrf(VrfId{1}), server));
  EXPECT_TRUE(forwarding->is_server_in(VrfId{3}, server));
  EXPECT_FALSE(forwarding->is_server_in(VrfId{2}, server));
}

TEST(Forwarding, RefusesWhatDoesNotFit) {
  const auto changed = [](auto change) {
    Snapshot from = snapshot();
    change(from);
    return refusal(std::move(from));
  };
  using S = Snapshot&;
  EXPECT_THAT(changed([](S s) { s.ports.push_back(s.ports[0]); }), HasSubstr("port lan: its id is taken"));
  EXPECT_THAT(changed([](S s) { s.ports[0].mtu = 67; }), HasSubstr("MTU 67"));
  EXPECT_THAT(changed([](S s) { s.ports[0].mtu = 68; }), "taken");
  EXPECT_THAT(changed([](S s) { s.ports[0].queues = 0; }), HasSubstr("no queue"));
  EXPECT_THAT(changed([](S s) { s.vrfs[0].id = VrfId{0}; }), HasSubstr("1..4096"));
  EXPECT_THAT(changed([](S s) { s.vrfs.push_back(vrf(XK_VRFS_MAX, 1)); }), "taken");
  EXPECT_THAT(changed([](S s) { s.vrfs.push_back(vrf(XK_VRFS_MAX + 1, 1)); }), HasSubstr("1..4096"));
  EXPECT_THAT(changed([](S s) { s.vrfs.push_back(vrf(1, 1)); }), HasSubstr("id is taken"));
  EXPECT_THAT(changed([](S s) { s.vrfs[0].server_vrf = VrfId{9}; }), HasSubstr("server VRF does not exist"));
  EXPECT_THAT(changed([](S s) { s.vrfs[0].queue_depth = 500; }), HasSubstr("power of two"));
  EXPECT_THAT(changed([](S s) { s.vrfs[0].queue_depth = 0; }), HasSubstr("power of two"));
  EXPECT_THAT(changed([](S s) { s.vrfs[0].quantum_bytes = 0; }), HasSubstr("quantum"));
  EXPECT_THAT(changed([](S s) { s.vrfs[0].engine = static_cast<Engine>(9); }), HasSubstr("engine"));
  EXPECT_THAT(changed([](S s) { s.vrfs[0].vss.value = std::string(255, 'v'); }), HasSubstr("VSS"));
  EXPECT_THAT(changed([](S s) { s.vrfs[0].vss.value = std::string(254, 'v'); }), "taken");
  EXPECT_THAT(changed([](S s) { s.vrfs[0].servers.resize(65); }), HasSubstr("64 servers"));
  EXPECT_THAT(changed([](S s) { s.vrfs[0].servers.resize(64); }), "taken");
  EXPECT_THAT(changed([](S s) { s.vrfs[1].servers[0].via = AttachmentId{9}; }),
              HasSubstr("10.10.10.10 is behind no"));
  EXPECT_THAT(changed([](S s) { s.vrfs[1].servers[0].via = AttachmentId{1}; }), HasSubstr("is behind no"));
  EXPECT_THAT(changed([](S s) { s.vrfs[1].servers[0].via = AttachmentId{0}; }), "taken");
  EXPECT_THAT(changed([](S s) { s.attachments[0].id = AttachmentId{0}; }), HasSubstr("1..65536"));
  EXPECT_THAT(changed([](S s) { s.attachments[0].id = AttachmentId{XK_ATTACHMENTS_MAX}; }), "taken");
  EXPECT_THAT(changed([](S s) { s.attachments[0].id = AttachmentId{XK_ATTACHMENTS_MAX + 1}; }),
              HasSubstr("65536"));
  EXPECT_THAT(changed([](S s) { s.attachments[1].id = AttachmentId{1}; }), HasSubstr("id is taken"));
  EXPECT_THAT(changed([](S s) { s.attachments[1].outer.vid = Vid{0}; }), HasSubstr("port and VLANs"));
  EXPECT_THAT(changed([](S s) { s.attachments[0].port = PortId{2}; }), HasSubstr("port does not exist"));
  EXPECT_THAT(changed([](S s) { s.attachments[0].vrf = VrfId{9}; }), HasSubstr("VRF does not exist"));
  EXPECT_THAT(changed([](S s) { s.attachments[0].outer.vid = Vid{4094}; }), "taken");
  EXPECT_THAT(changed([](S s) { s.attachments[0].outer.vid = Vid{4095}; }), HasSubstr("VLAN tag"));
  EXPECT_THAT(changed([](S s) { s.attachments[0].outer.tpid = 0x9100; }), HasSubstr("TPID"));
  EXPECT_THAT(changed([](S s) { s.attachments[0].inner.vid = Vid{5}; }), HasSubstr("no outer one"));
  EXPECT_THAT(changed([](S s) { s.attachments[0].subnet.length = 33; }), HasSubstr("32"));
  EXPECT_THAT(changed([](S s) { s.attachments[0].role = static_cast<AttachmentRole>(3); }),
              HasSubstr("role"));
  EXPECT_THAT(changed([](S s) { s.attachments[0].policy = static_cast<Option82Policy>(4); }),
              HasSubstr("policy"));
  EXPECT_THAT(changed([](S s) { s.attachments[0].circuit_id = std::string(255, 'c'); }), "taken");
  EXPECT_THAT(changed([](S s) { s.attachments[0].circuit_id = std::string(256, 'c'); }),
              HasSubstr("circuit-id"));
  EXPECT_THAT(changed([](S s) { s.attachments[0].remote_id = std::string(239, 'c') + kMacPlaceholder; }),
              HasSubstr("remote-id"));
  EXPECT_THAT(changed([](S s) { s.attachments[0].remote_id = std::string(238, 'c') + kMacPlaceholder; }),
              "taken");
}

// As many as one appliance may have: everything is found, and nothing that is not there.
TEST(Forwarding, FullSize) {
  Snapshot from;
  PortEntry port;
  port.id = PortId{1};
  from.ports.push_back(port);
  for (std::uint32_t id = 1; id <= XK_VRFS_MAX; ++id) from.vrfs.push_back(vrf(id, id));
  for (std::uint32_t id = 1; id <= XK_ATTACHMENTS_MAX; ++id) {
    AttachmentEntry entry = attachment(id, static_cast<std::uint16_t>(1 + id % 4094), 1 + id % XK_VRFS_MAX,
                                       "c" + std::to_string(id));
    entry.inner.vid = Vid{static_cast<std::uint16_t>(1 + id / 4094)};
    entry.server_identifier = Ip4{id};
    from.attachments.push_back(std::move(entry));
  }
  const auto forwarding = made(std::move(from));
  for (const AttachmentEntry& entry : forwarding->snapshot().attachments) {
    ASSERT_EQ(forwarding->attachment(PortId{1}, entry.outer.vid.value, entry.inner.vid.value), &entry);
    ASSERT_EQ(forwarding->by_circuit_id(entry.vrf, bytes(entry.circuit_id), kClient), &entry);
    ASSERT_TRUE(forwarding->is_own_address(entry.vrf, entry.server_identifier));
  }
  EXPECT_EQ(forwarding->attachment(PortId{1}, 1, 4094), nullptr);
}

}  // namespace
}  // namespace xk
