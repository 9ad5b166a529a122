// The header walk on arbitrary frames: never past the end, and what it says of a frame is so.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "bpf/shared/walk.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // libFuzzer's buffer ends where the data ends: reading on is a sanitizer's finding. Offsets are 16
  // bits, as frames are.
  if (size > 0xffff) return 0;
  xk_headers headers;
  const int result = xk_walk(data, data + size, &headers);
  require(result >= XK_WALK_UDP && result <= XK_WALK_MALFORMED);
  require(headers.tags <= XK_VLAN_TAGS_MAX);
  require(headers.outer_vid <= 4095 && headers.inner_vid <= 4095);
  require(headers.outer_vid != XK_VID_NONE || headers.inner_vid == XK_VID_NONE);
  require((headers.outer_vid == XK_VID_NONE) == (headers.outer_tpid == 0));
  require((headers.inner_vid == XK_VID_NONE) == (headers.inner_tpid == 0));
  if (result == XK_WALK_MALFORMED) return 0;
  require(headers.l3_offset == 14 + 4 * headers.tags && headers.l3_offset <= size);
  require((result == XK_WALK_ARP) == (headers.ether_type == XK_ETHERTYPE_ARP));
  if (result == XK_WALK_UDP || result == XK_WALK_FIRST_FRAGMENT) {
    const std::size_t least = headers.ip_version == 4 ? 20 : 40;
    require(headers.ip_version == data[headers.l3_offset] >> 4);
    require(headers.udp_offset >= headers.l3_offset + least && headers.udp_offset + 8u <= size);
    require(headers.source_port == xk_load_be16(data + headers.udp_offset));
    require(headers.destination_port == xk_load_be16(data + headers.udp_offset + 2));
  }
  return 0;
}
