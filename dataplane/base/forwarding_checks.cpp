#include <algorithm>
#include <bit>

#include "bpf/shared/limits.h"
#include "bpf/shared/walk.h"
#include "dataplane/base/forwarding.h"
#include "dataplane/base/static_lease.h"

namespace xk {
namespace {

constexpr std::uint16_t kMtuMin = 68;  // RFC 791: every link carries that
constexpr std::size_t kSubOptionMax = 255;
constexpr std::size_t kServersMax = 64;

std::unexpected<Error> wrong(std::string message) { return std::unexpected(Error{std::move(message)}); }

std::expected<void, Error> check_subnets(const VrfEntry& vrf) {
  if (vrf.subnets.size() > XK_SUBNETS_MAX)
    return wrong("it has more than " + std::to_string(XK_SUBNETS_MAX) + " subnets");
  if (vrf.static_leases && vrf.engine == Engine::relay)
    return wrong("its servers are elsewhere, so it has no static leases");
  const SubnetEntry* before = nullptr;
  for (const SubnetEntry& subnet : vrf.subnets) {
    if (subnet.prefix.length > 32 || !subnet.prefix.contains(subnet.prefix.network))
      return wrong("a subnet's prefix is none");
    if (before != nullptr && before->prefix.broadcast() >= subnet.prefix.network)
      return wrong("its subnets are out of order or overlap at " + to_string(subnet.prefix));
    if (subnet.options.size() > kSubnetOptionsMax || !well_formed_options(subnet.options))
      return wrong("the options of subnet " + to_string(subnet.prefix) + " are malformed or too long");
    before = &subnet;
  }
  return {};
}

bool is_tag(const VlanTag& tag) {
  return tag.vid.value < XK_VID_RESERVED && (tag.tpid == XK_TPID_C || tag.tpid == XK_TPID_S);
}

}  // namespace

std::size_t rendered_length(std::string_view text) {
  const auto macs = static_cast<std::size_t>(std::count(text.begin(), text.end(), kMacPlaceholder));
  return text.size() + macs * (kMacTextLength - 1);
}

std::expected<void, Error> check_port(const PortEntry& port) {
  if (port.mtu < kMtuMin) return wrong("MTU " + std::to_string(port.mtu) + " is below 68");
  if (port.queues == 0) return wrong("it has no queue");
  return {};
}

std::expected<void, Error> check_attachment(const AttachmentEntry& attachment) {
  if (attachment.id.value == 0 || attachment.id.value > XK_ATTACHMENTS_MAX)
    return wrong("its id is not in 1.." + std::to_string(XK_ATTACHMENTS_MAX));
  if (!is_tag(attachment.outer) || !is_tag(attachment.inner))
    return wrong("a VLAN tag is not in 0..4094 with TPID 0x8100 or 0x88a8");
  if (attachment.outer.vid.value == 0 && attachment.inner.vid.value != 0)
    return wrong("it has an inner VLAN but no outer one");
  if (attachment.subnet.length > 32) return wrong("its subnet's length is over 32");
  if (attachment.role > AttachmentRole::handoff) return wrong("its role is none of ours");
  if (attachment.policy > Option82Policy::drop) return wrong("its option 82 policy is none of ours");
  if (rendered_length(attachment.circuit_id) > kSubOptionMax)
    return wrong("its circuit-id is over 255 bytes");
  if (rendered_length(attachment.remote_id) > kSubOptionMax) return wrong("its remote-id is over 255 bytes");
  return {};
}

std::expected<void, Error> check_vrf(const VrfEntry& vrf) {
  if (vrf.id.value == 0 || vrf.id.value > XK_VRFS_MAX)
    return wrong("its id is not in 1.." + std::to_string(XK_VRFS_MAX));
  if (vrf.engine > Engine::native) return wrong("its engine is none of ours");
  if (vrf.servers.size() > kServersMax)
    return wrong("it has more than " + std::to_string(kServersMax) + " servers");
  if (vrf.vss.value.size() + 1 > kSubOptionMax) return wrong("its VSS value is over 254 bytes");
  if (!std::has_single_bit(vrf.queue_depth)) return wrong("its queue depth is no power of two");
  if (vrf.quantum_bytes == 0) return wrong("its quantum is 0");
  return check_subnets(vrf);
}

}  // namespace xk
