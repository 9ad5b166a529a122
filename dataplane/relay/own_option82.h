// The option 82 we add to requests, and how we know it again in a reply.
#pragma once

#include <cstddef>
#include <optional>

#include "dataplane/base/bytes.h"
#include "dataplane/base/forwarding.h"
#include "dataplane/dhcp/relay_agent_information.h"

namespace xk {

// What the option says of one request.
struct OwnOption82Facts {
  Mac chaddr{};
  Ip4 link{};            // link selection (RFC 3527); zero: left out
  bool chained = false;  // a downstream relay's giaddr is kept: it chose link and server id itself
  bool unicast = false;  // the request came by unicast (RFC 5010)
};

// Writes the option: circuit-id, remote-id, link selection, flags, server id override, VSS and VSS
// control, in the order of their codes. Bytes written, at most 257: 0 if there is nothing to say; nullopt if
// it does not fit.
[[nodiscard]] std::optional<std::size_t> write_own_option82(const AttachmentEntry& attachment,
                                                            const VrfEntry& vrf,
                                                            const OwnOption82Facts& facts, MutableBytes out);

struct OwnOption82 {
  const AttachmentEntry* attachment = nullptr;
  std::size_t from = 0;  // where ours begins in the content
};

// Ours in well-formed content: the last circuit-id that is one of ours in server_vrf and that the
// attachment's remote-id follows, as rendered for chaddr.
[[nodiscard]] std::optional<OwnOption82> find_own_option82(const Forwarding& forwarding, VrfId server_vrf,
                                                           Bytes content, const Mac& chaddr);

// Whether the content from an offset on has the attachment's remote-id, if it has one.
[[nodiscard]] bool has_remote_id(const AttachmentEntry& attachment, Bytes content, std::size_t from,
                                 const Mac& chaddr);

}  // namespace xk
