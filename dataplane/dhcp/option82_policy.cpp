#include "dataplane/dhcp/option82_policy.h"

namespace xk {

std::expected<Option82Action, Outcome> decide_option82(const AttachmentEntry& attachment, Ip4 giaddr,
                                                       bool present) {
  const bool takes_part =
      attachment.policy == Option82Policy::append || attachment.policy == Option82Policy::replace;
  if (!present) return giaddr.is_zero() || takes_part ? Option82Action::add : Option82Action::pass;
  if (giaddr.is_zero() && !attachment.trusted) return std::unexpected(XK_OPTION82_UNTRUSTED);
  switch (attachment.policy) {
    case Option82Policy::append:
      return Option82Action::add;
    case Option82Policy::replace:
      return Option82Action::replace;
    case Option82Policy::keep:
      return Option82Action::pass;
    case Option82Policy::drop:
      break;
  }
  return std::unexpected(XK_OPTION82_POLICY);
}

}  // namespace xk
