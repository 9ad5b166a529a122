// What every frame we emit must be, checked by code of its own: nothing of xk_dhcp or xk_relay.
#pragma once

#include <string>

#include "dataplane/base/bytes.h"

namespace xk::test {

// Empty, or what is wrong with a frame the relay sent: Ethernet with at most two tags, then IPv4
// without options and UDP with right lengths and checksums that end where the frame does, and a
// DHCPv4 message of at least 300 bytes whose options can be walked.
[[nodiscard]] std::string wrong_with_frame(Bytes frame);

// The same for an ARP answer.
[[nodiscard]] std::string wrong_with_arp(Bytes frame);

}  // namespace xk::test
