#include "dataplane/serve/reply_parts.h"

#include <algorithm>
#include <bit>

#include "dataplane/base/text_bytes.h"

namespace xk {
namespace {

// Flags of option 81 (RFC 4702 2.1).
constexpr std::uint8_t kFqdnServer = 1;    // S
constexpr std::uint8_t kFqdnOverride = 2;  // O
constexpr std::uint8_t kFqdnNone = 8;      // N

// We update no DNS: S is clear, which O says if the client wanted it, and N is set (RFC 4702 4).
void write_fqdn(Bytes asked, ByteWriter& more) {
  if (asked.size() < kFqdnHead) return;
  const std::uint8_t flags = asked[0];
  const bool wanted = (flags & kFqdnServer) != 0;
  more.u8(option4::kClientFqdn);
  more.u8(static_cast<std::uint8_t>(asked.size()));
  more.u8(static_cast<std::uint8_t>((flags & kFqdnWire) | kFqdnNone | (wanted ? kFqdnOverride : 0)));
  more.u8(255);  // RFC 4702 2.2: both result codes are 255
  more.u8(255);
  more.bytes(asked.subspan(kFqdnHead));
}

}  // namespace

void write_echoed(const ServerRequest& request, ByteWriter& more) {
  write_fqdn(request.fqdn, more);
  if (request.subnet_selection.is_zero()) return;
  more.u8(option4::kSubnetSelection);
  more.u8(4);
  more.ip4(request.subnet_selection);
}

std::size_t reply_max(const ServerRequest& request) {
  if (request.type == MessageType::none) return std::max(dhcp4::kMessageMin, request.message.size());
  return client_message_max(request.message_size);
}

ReplyLayers::ReplyLayers(const NativePlan& plan, const SubnetEntry& subnet, const NativePool* pool,
                         std::uint32_t classes) {
  const NativeSubnet& native = plan.native().subnets[plan.index_of(subnet)];
  next_server = native.next_server;
  boot_file = native.boot_file;
  add(bytes_of(subnet.options));
  if (pool != nullptr) add(bytes_of(pool->options));
  while (classes != 0) {
    const int last = 31 - std::countl_zero(classes);
    classes &= ~(1u << last);
    const NativeClass& one = plan.native().classes[static_cast<std::size_t>(last)];
    add(bytes_of(one.options));
    if (!one.next_server.is_zero()) next_server = one.next_server;
    if (!one.boot_file.empty()) boot_file = one.boot_file;
  }
}

}  // namespace xk
