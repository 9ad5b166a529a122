// A forwarding state in a notation a person can read, for tests. One line an entry:
//
//   port ID name=N mac=MAC [mtu=N]
//   vrf ID name=N engine=kea|relay|native [server_vrf=ID] [giaddr=A] [hops_max=N] [link_selection=1]
//       [server_id_override=1] [relay_flags=1] [vss=TYPE:"VALUE"]
//       [static_leases=1]
//   attachment ID name=N port=ID vrf=ID [role=client|server|handoff] [outer=VID[@TPID]] [inner=VID]
//       [trusted=1] [answer_arp=1] [server_identifier=A] [relay_address=A] [link_address=A]
//       [subnet=P] [local=A,...] [circuit_id="..."] [remote_id="..."] [policy=append|replace|keep|drop]
//   server VRF-ID ADDRESS [via=ATTACHMENT-ID] [next_hop=MAC] [source=A]
//   subnet VRF-ID PREFIX [server_identifier=A] [lease=S] [renew=S] [rebind=S] [options=HEX]
//   static VRF-ID mac=MAC|client_id=HEX|circuit_id="..." [remote_id="..."] [address=A] [options=HEX]
//   set vrf|attachment|port NAME key=value ...        changes an entry from before
//
// {mac} in a circuit-id or remote-id is the client's MAC.
#pragma once

#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/base/snapshot.h"
#include "dataplane/base/static_lease.h"

namespace xk::test {

struct NamedSnapshot {
  Snapshot snapshot;
  std::map<std::string, AttachmentId, std::less<>> attachments;
  std::vector<StaticLease> static_leases;

  [[nodiscard]] std::expected<void, Error> apply(std::string_view line);
};

}  // namespace xk::test
