#include "dataplane/base/static_lease.h"

#include "bpf/shared/limits.h"

namespace xk {
namespace {

// PAD, overload, message type, server identifier, client identifier, option 82, END: not for anyone to set.
bool is_the_servers_own(std::uint8_t code) {
  return code == 0 || code == 52 || code == 53 || code == 54 || code == 61 || code == 82 || code == 255;
}

bool is_line(std::string_view identity) {
  const auto take = [&identity] {
    if (identity.empty()) return false;
    const std::size_t length = static_cast<std::uint8_t>(identity.front());
    if (identity.size() < 1 + length) return false;
    identity.remove_prefix(1 + length);
    return true;
  };
  return take() && (identity.empty() || (take() && identity.empty()));
}

}  // namespace

bool well_formed_options(std::string_view options) {
  while (!options.empty()) {
    if (is_the_servers_own(static_cast<std::uint8_t>(options[0])) || options.size() < 2) return false;
    const std::size_t size = std::size_t{2} + static_cast<std::uint8_t>(options[1]);
    if (size > options.size()) return false;
    options.remove_prefix(size);
  }
  return true;
}

std::string_view wrong_with_static_lease(const StaticLease& lease) {
  if (lease.vrf.value == 0 || lease.vrf.value > XK_VRFS_MAX) return "its VRF's id is out of bounds";
  if (lease.identity.empty() || lease.identity.size() > kStaticIdentityMax)
    return "its identity is empty or over 512 bytes";
  if (lease.kind > StaticKind::circuit) return "it is identified by nothing we know";
  if (lease.kind == StaticKind::mac && lease.identity.size() != Mac{}.bytes.size())
    return "its MAC address has not six bytes";
  if (lease.kind == StaticKind::client_id && lease.identity.size() > 255)
    return "its client id is over 255 bytes";
  if (lease.kind == StaticKind::circuit && !is_line(lease.identity))
    return "its circuit-id and remote-id do not fit their lengths";
  if (!lease.address.is_zero() && !lease.address.is_unicast()) return "its address is no unicast address";
  if (lease.options.size() > kStaticOptionsMax) return "its options are over 1024 bytes";
  if (!well_formed_options(lease.options)) return "its options are malformed or the server's own";
  return {};
}

}  // namespace xk
