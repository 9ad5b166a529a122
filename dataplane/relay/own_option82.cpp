#include "dataplane/relay/own_option82.h"

#include <array>

namespace xk {

std::optional<std::size_t> write_own_option82(const AttachmentEntry& attachment, const VrfEntry& vrf,
                                              const OwnOption82Facts& facts, MutableBytes out) {
  AgentWriter writer(out);
  if (!attachment.circuit_id.empty())
    writer.add_rendered(AgentSubOption::circuit_id, attachment.circuit_id, facts.chaddr);
  if (!attachment.remote_id.empty())
    writer.add_rendered(AgentSubOption::remote_id, attachment.remote_id, facts.chaddr);
  if (!facts.link.is_zero()) writer.add(AgentSubOption::link_selection, facts.link);
  if (vrf.relay_flags) {
    const std::array<std::uint8_t, 1> flags{facts.unicast ? kAgentFlagUnicast : std::uint8_t{0}};
    writer.add(AgentSubOption::flags, flags);
  }
  if (vrf.server_id_override && !facts.chained && !attachment.server_identifier.is_zero())
    writer.add(AgentSubOption::server_id_override, attachment.server_identifier);
  if (vrf.vss.enabled) {
    writer.add_vss(vrf.vss.type, vrf.vss.value);
    writer.add(AgentSubOption::vss_control, Bytes{});
  }
  return writer.finish();
}

bool has_remote_id(const AttachmentEntry& attachment, Bytes content, std::size_t from, const Mac& chaddr) {
  if (attachment.remote_id.empty()) return true;
  const auto remote_id = find_agent_sub_option(content, AgentSubOption::remote_id, from);
  return remote_id && is_rendered(*remote_id, attachment.remote_id, chaddr);
}

std::optional<OwnOption82> find_own_option82(const Forwarding& forwarding, VrfId server_vrf, Bytes content,
                                             const Mac& chaddr) {
  std::optional<OwnOption82> found;
  for (AgentCursor at(content); at.valid(); at.next()) {
    if (at.code() != AgentSubOption::circuit_id) continue;
    const AttachmentEntry* attachment = forwarding.by_circuit_id(server_vrf, at.value(), chaddr);
    if (attachment != nullptr && has_remote_id(*attachment, content, at.offset(), chaddr))
      found = OwnOption82{attachment, at.offset()};
  }
  return found;
}

}  // namespace xk
