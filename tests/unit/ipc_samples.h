// Messages and snapshots with something in every field, for the tests of ipc/ and its users.
#pragma once

#include <vector>

#include "dataplane/ipc/messages.h"

namespace xk::ipc {

inline std::vector<Message> sample_messages() {
  return {
      Hello{},
      Hello{.pid = 4711, .generation = 0x0102030405060708, .held_ports = {IfIndex{2}, IfIndex{77}}},
      Settings{},
      Settings{
          .user = "xdp-kea",
          .lcores = {{.cpu = 0, .loops = kLoopRx | kLoopTx}, {.cpu = 1, .loops = kLoopVrf}},
          .buffers = 8192,
          .idle_spin_us = 10,
          .memory_mib = 64,
          .ethdevs = {{.name = "wan", .device = "net_tap0,iface=t0", .exception_device = "net_null0"}, {}}},
      PortSockets{.ifindex = IfIndex{5},
                  .name = "eth1",
                  .queues = 2,
                  .zero_copy = true,
                  .geometry = {.frame_size = 4096,
                               .frame_count = 1024,
                               .rx_frames = 512,
                               .fill_size = 512,
                               .completion_size = 256,
                               .rx_size = 128,
                               .tx_size = 64}},
      ReleasePorts{},
      ReleasePorts{{IfIndex{9}, IfIndex{0xffffffff}}},
      Publish{.generation = 12, .bytes = 3456},
      Applied{.generation = 12, .error = ""},
      Applied{.generation = 13, .error = "attachment 3: unknown port"},
      Ping{.token = 0xfeedfacecafebeef},
      Pong{.token = 1},
      StaticUpdate{.serial = 5, .kind = StaticUpdateKind::finish, .bytes = 77},
      StaticApplied{.serial = 5, .error = ""},
      StaticApplied{.serial = 6, .error = "10.0.0.1 of VRF 1 is another's static lease"},
      FenceMade{},
      NativeReport{.vrf = VrfId{3},
                   .state = NativeState::failing,
                   .revision = 1'000'000'007,
                   .journal = 12,
                   .clock_ms = ~std::uint64_t{0},
                   .leases = 17,
                   .declined = 2,
                   .bytes = 4096,
                   .error = "no space left on device"},
      NativeStored{.vrf = VrfId{3}, .revision = 1'000'000'006},
      NativeForget{.vrf = VrfId{3}, .address = Ip4{0x0a000017}},
  };
}

inline NativeVrf sample_native() {
  NativeVrf native;
  native.vrf = VrfId{3};
  native.directory = "/var/lib/xdp-kea/native/green";
  native.reply_after = ReplyAfter::store;
  native.available = native.probe = native.rapid_commit = native.bootp = true;
  native.authoritative = native.renew_paused = false;
  native.allocate = Allocate::hashed;
  native.offer_hold_s = 7;
  native.grace_s = 8;
  native.decline_s = 9;
  native.circuit_leases_max = 10;
  native.attachment_leases_max = 11;
  native.query_requestors = {Ip4{0x0a000002}};
  native.subnets = {
      {.network = 4, .lease_time_max_s = 7200, .next_server = Ip4{0x0a000003}, .boot_file = "pxelinux.0"}};
  native.pools = {{.subnet = 0,
                   .ranges = {{Ip4{0x0a000010}, Ip4{0x0a00001f}}, {Ip4{0x0a000030}, Ip4{0x0a000030}}},
                   .classes = 1,
                   .paused = true,
                   .options = std::string("\x0c\x01x", 3)}};
  native.classes = {{.conditions = {{.kind = ConditionKind::option,
                                     .match = ConditionMatch::begins,
                                     .code = 93,
                                     .value = std::string(1, '\0')}},
                     .lease_time_s = 600,
                     .next_server = Ip4{0x0a000004},
                     .boot_file = "bootx64.efi",
                     .options = std::string("\x0f\x01y", 3)}};
  native.paused_clients = {{.kind = StaticKind::client_id, .identity = "a client"}};
  return native;
}

// One of each, all of it default: the shortest encoding of every element.
inline Snapshot minimal_snapshot() {
  Snapshot snapshot;
  snapshot.ports.resize(1);
  snapshot.attachments.resize(1);
  snapshot.vrfs.resize(1);
  NativeVrf& native = snapshot.natives.emplace_back();
  native.subnets.resize(1);
  native.pools.resize(1);
  native.classes.resize(1);
  native.classes[0].conditions.resize(1);
  native.paused_clients.resize(1);
  return snapshot;
}

inline Snapshot sample_snapshot() {
  Snapshot snapshot = minimal_snapshot();
  snapshot.generation = 99;

  PortEntry& nic = snapshot.ports[0];
  nic.name = "eth1";
  nic.ifindex = IfIndex{3};
  nic.mac = Mac{{2, 0, 0, 0, 0, 1}};
  nic.queues = 4;
  PortEntry& wan = snapshot.ports.emplace_back();
  wan.id = PortId{7};
  wan.kind = PortKind::ethdev;
  wan.name = "wan";
  wan.mtu = 9000;
  wan.device = "net_tap0,iface=t0";
  wan.exception = ExceptionPolicy::exception_port;
  wan.exception_device = "net_null0";

  AttachmentEntry& clients = snapshot.attachments[0];
  clients.id = AttachmentId{1};
  clients.outer = {Vid{200}, 0x88a8};
  clients.inner = {Vid{300}, 0x8100};
  clients.vrf = VrfId{1};
  clients.trusted = true;
  clients.answer_arp = true;
  clients.server_identifier = Ip4{0x0a000001};
  clients.relay_address = Ip4{0x0a000002};
  clients.link_address = Ip4{0x0a000000};
  clients.subnet = {Ip4{0x0a000000}, 24};
  clients.local_addresses = {Ip4{0xc0a80101}, Ip4{0xc0a80102}};
  clients.circuit_id = std::string("eth1:200.300\0x", 14);
  clients.remote_id = std::string(1, kMacPlaceholder);
  clients.policy = Option82Policy::append;
  AttachmentEntry& handoff = snapshot.attachments.emplace_back();
  handoff.id = AttachmentId{2};
  handoff.port = PortId{7};
  handoff.vrf = VrfId{1};
  handoff.role = AttachmentRole::handoff;

  VrfEntry& red = snapshot.vrfs[0];
  red.id = VrfId{1};
  red.name = "red";
  red.engine = Engine::relay;
  red.server_vrf = VrfId{2};
  red.giaddr = Ip4{0xa9fe0002};
  red.servers = {{.address = Ip4{0xa9fe0003},
                  .via = AttachmentId{2},
                  .next_hop = Mac{{2, 0, 0, 0, 0, 9}},
                  .source = Ip4{0xa9fe0002}}};
  red.server_mode = ServerMode::hash;
  red.dead_after_s = 600;
  red.probe_interval_s = 300;
  red.hops_max = 4;
  red.link_selection = red.server_id_override = red.relay_flags = true;
  red.vss.enabled = true;
  red.vss.type = 1;
  red.vss.value = std::string(7, '\x05');
  red.queue_depth = 1024;
  red.quantum_bytes = 4096;
  red.draining = true;
  red.fenced = true;
  VrfEntry& blue = snapshot.vrfs.emplace_back();
  blue.id = blue.server_vrf = VrfId{2};
  blue.name = "blue";
  blue.static_leases = true;
  SubnetEntry& subnet = blue.subnets.emplace_back();
  subnet.prefix = {Ip4{0x0a000000}, 24};
  subnet.server_identifier = Ip4{0x0a000001};
  subnet.lease_time_s = 3600;
  subnet.renew_s = 1800;
  subnet.rebind_s = 3150;
  subnet.options = std::string("\x01\x04\xff\xff\xff\x00", 6);
  VrfEntry green = blue;
  green.id = green.server_vrf = VrfId{3};
  green.name = "green";
  green.engine = Engine::native;
  snapshot.vrfs.push_back(green);
  snapshot.natives.push_back(sample_native());
  return snapshot;
}

}  // namespace xk::ipc
