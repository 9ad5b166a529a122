#include "bpf/shared/limits.h"
#include "dataplane/ipc/messages.h"
#include "dataplane/ipc/wire.h"

namespace xk::ipc {
namespace {

constexpr std::uint32_t kSnapshotMagic = 0x786b7336;  // "xks6": changes with the format

constexpr std::uint16_t kSuboptionMax = 255;  // bytes of a sub-option's value (RFC 3046 2.0)

// Bytes of the shortest encoding of each, so that a count can be refused before memory is taken.
constexpr std::size_t kPortMin = 24;
constexpr std::size_t kAttachmentMin = 47;
constexpr std::size_t kVrfMin = 48;
constexpr std::size_t kServerMin = 18;
constexpr std::size_t kSubnetMin = 23;
constexpr std::size_t kNativeMin = 57;
constexpr std::size_t kNativeSubnetMin = 14;
constexpr std::size_t kNativePoolMin = 15;
constexpr std::size_t kNativeClassMin = 16;
constexpr std::size_t kConditionMin = 5;
constexpr std::size_t kPausedMin = 3;

void vlan_tag(auto& wire, auto& tag) {
  wire.number(tag.vid);
  wire.number(tag.tpid);
  wire.check(tag.vid.value < XK_VID_RESERVED, "reserved VLAN id");
  wire.check(tag.vid.value == XK_VID_NONE || tag.tpid == 0x8100 || tag.tpid == 0x88a8, "tag protocol");
}

void attachment_id(auto& wire, auto& id) {
  wire.number(id);
  wire.check(id.value <= XK_ATTACHMENTS_MAX, "attachment id");
}

void vrf_id(auto& wire, auto& id) {
  wire.number(id);
  wire.check(id.value <= XK_VRFS_MAX, "VRF id");
}

void port_entry(auto& wire, auto& port) {
  wire.number(port.id);
  wire.choice(port.kind, PortKind::sim);
  wire.text(port.name, kNameMax);
  wire.number(port.ifindex);
  wire.address(port.mac);
  wire.number(port.queues);
  wire.number(port.mtu);
  wire.text(port.device, kDeviceMax);
  wire.choice(port.exception, ExceptionPolicy::exception_port);
  wire.text(port.exception_device, kDeviceMax);
}

void attachment_entry(auto& wire, auto& attachment) {
  attachment_id(wire, attachment.id);
  wire.number(attachment.port);
  vlan_tag(wire, attachment.outer);
  vlan_tag(wire, attachment.inner);
  vrf_id(wire, attachment.vrf);
  wire.choice(attachment.role, AttachmentRole::handoff);
  wire.flag(attachment.trusted);
  wire.flag(attachment.answer_arp);
  wire.address(attachment.server_identifier);
  wire.address(attachment.relay_address);
  wire.address(attachment.link_address);
  wire.address(attachment.subnet.network);
  wire.number(attachment.subnet.length);
  wire.check(attachment.subnet.length <= 32, "prefix length");
  wire.list(attachment.local_addresses, XK_ADDRESSES_MAX, 4, [](auto& w, auto& a) { w.address(a); });
  wire.text(attachment.circuit_id, kSuboptionMax);
  wire.text(attachment.remote_id, kSuboptionMax);
  wire.choice(attachment.policy, Option82Policy::drop);
}

void server_entry(auto& wire, auto& server) {
  wire.address(server.address);
  attachment_id(wire, server.via);
  wire.address(server.next_hop);
  wire.address(server.source);
}

void subnet_entry(auto& wire, auto& subnet) {
  wire.address(subnet.prefix.network);
  wire.number(subnet.prefix.length);
  wire.check(subnet.prefix.length <= 32, "prefix length");
  wire.address(subnet.server_identifier);
  wire.number(subnet.lease_time_s);
  wire.number(subnet.renew_s);
  wire.number(subnet.rebind_s);
  wire.text(subnet.options, static_cast<std::uint16_t>(kSubnetOptionsMax));
}

void vrf_entry(auto& wire, auto& vrf) {
  vrf_id(wire, vrf.id);
  wire.text(vrf.name, kNameMax);
  wire.choice(vrf.engine, Engine::native);
  vrf_id(wire, vrf.server_vrf);
  wire.address(vrf.giaddr);
  wire.list(vrf.servers, kServersMax, kServerMin, [](auto& w, auto& server) { server_entry(w, server); });
  wire.list(vrf.late_servers, kServersMax, 4, [](auto& w, auto& a) { w.address(a); });
  wire.choice(vrf.server_mode, ServerMode::hash);
  wire.number(vrf.dead_after_s);
  wire.number(vrf.probe_interval_s);
  wire.number(vrf.hops_max);
  wire.flag(vrf.link_selection);
  wire.flag(vrf.server_id_override);
  wire.flag(vrf.relay_flags);
  wire.flag(vrf.vss.enabled);
  wire.number(vrf.vss.type);
  wire.text(vrf.vss.value, kSuboptionMax);
  wire.number(vrf.queue_depth);
  wire.number(vrf.quantum_bytes);
  wire.flag(vrf.draining);
  wire.flag(vrf.static_leases);
  wire.flag(vrf.fenced);
  wire.list(vrf.subnets, XK_SUBNETS_MAX, kSubnetMin, [](auto& w, auto& subnet) { subnet_entry(w, subnet); });
}

void native_pool(auto& wire, auto& pool) {
  wire.number(pool.subnet);
  wire.list(pool.ranges, kNativeRangesMax, 8, [](auto& w, auto& range) {
    w.address(range.first);
    w.address(range.last);
  });
  wire.number(pool.classes);
  wire.flag(pool.paused);
  wire.text(pool.options, static_cast<std::uint16_t>(kSubnetOptionsMax));
}

void native_subnet(auto& wire, auto& subnet) {
  wire.number(subnet.network);
  wire.number(subnet.lease_time_max_s);
  wire.address(subnet.next_server);
  wire.text(subnet.boot_file, kNativeBootFileMax);
}

void native_class(auto& wire, auto& one) {
  wire.list(one.conditions, kNativeConditionsMax, kConditionMin, [](auto& w, auto& condition) {
    w.choice(condition.kind, ConditionKind::option);
    w.choice(condition.match, ConditionMatch::present);
    w.number(condition.code);
    w.text(condition.value, kSuboptionMax);
  });
  wire.number(one.lease_time_s);
  wire.address(one.next_server);
  wire.text(one.boot_file, kNativeBootFileMax);
  wire.text(one.options, static_cast<std::uint16_t>(kSubnetOptionsMax));
}

void native_vrf(auto& wire, auto& native) {
  vrf_id(wire, native.vrf);
  wire.text(native.directory, kNativeDirectoryMax);
  wire.choice(native.reply_after, ReplyAfter::store);
  wire.flag(native.available);
  wire.choice(native.allocate, Allocate::hashed);
  wire.flag(native.probe);
  wire.flag(native.rapid_commit);
  wire.flag(native.bootp);
  wire.flag(native.authoritative);
  wire.flag(native.renew_paused);
  wire.number(native.offer_hold_s);
  wire.number(native.grace_s);
  wire.number(native.decline_s);
  wire.number(native.circuit_leases_max);
  wire.number(native.attachment_leases_max);
  wire.list(native.query_requestors, kNativeRequestorsMax, 4, [](auto& w, auto& a) { w.address(a); });
  wire.list(native.subnets, XK_SUBNETS_MAX, kNativeSubnetMin, [](auto& w, auto& s) { native_subnet(w, s); });
  wire.list(native.pools, kNativePoolsMax, kNativePoolMin, [](auto& w, auto& pool) { native_pool(w, pool); });
  wire.list(native.classes, kNativeClassesMax, kNativeClassMin, [](auto& w, auto& c) { native_class(w, c); });
  wire.list(native.paused_clients, kNativePausedMax, kPausedMin, [](auto& w, auto& client) {
    w.choice(client.kind, StaticKind::mac);
    w.text(client.identity, kSuboptionMax);
  });
}

void describe(auto& wire, auto& snapshot) {
  wire.number(snapshot.generation);
  wire.list(snapshot.ports, kPortsMax, kPortMin, [](auto& w, auto& port) { port_entry(w, port); });
  wire.list(snapshot.attachments, XK_ATTACHMENTS_MAX, kAttachmentMin,
            [](auto& w, auto& attachment) { attachment_entry(w, attachment); });
  wire.list(snapshot.vrfs, XK_VRFS_MAX, kVrfMin, [](auto& w, auto& vrf) { vrf_entry(w, vrf); });
  wire.list(snapshot.natives, XK_VRFS_MAX, kNativeMin, [](auto& w, auto& native) { native_vrf(w, native); });
}

}  // namespace

std::vector<std::uint8_t> encode_snapshot(const Snapshot& snapshot) {
  WireWriter wire;
  wire.number(kSnapshotMagic);
  describe(wire, snapshot);
  if (wire.why() != nullptr) return {};
  std::vector<std::uint8_t> bytes = wire.take();
  if (bytes.size() > kSnapshotMax) return {};
  return bytes;
}

std::expected<Snapshot, Error> decode_snapshot(Bytes bytes) {
  if (bytes.size() > kSnapshotMax) return std::unexpected(Error{"snapshot: too big"});
  WireReader wire(bytes);
  std::uint32_t magic = 0;
  wire.number(magic);
  if (!wire.ok()) return std::unexpected(wire.error("snapshot"));
  if (magic != kSnapshotMagic) return std::unexpected(Error{"snapshot: of another format or none"});
  Snapshot snapshot;
  describe(wire, snapshot);
  wire.check(wire.left() == 0, "bytes past the end");
  if (!wire.ok()) return std::unexpected(wire.error("snapshot"));
  return snapshot;
}

}  // namespace xk::ipc
