// Tells a VRF's segments that the server identifiers which the dataplane answers ARP for are here now (RFC
// 5227 3: an ARP announcement), so that clients which remember another appliance's MAC address reach this
// one.
#pragma once

#include "dataplane/base/snapshot.h"

namespace xk::kead {

// Of the client attachments of the VRF on kernel interfaces. One that cannot be told is left out: its clients
// ask ARP when they notice.
void announce_identifiers(const Snapshot& snapshot, VrfId vrf);

}  // namespace xk::kead
