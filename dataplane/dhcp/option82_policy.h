// What becomes of option 82 in a request (RFC 3046 2.1). The four policies are those that users of
// ISC's dhcrelay know (-m append, replace, forward, discard; here append, replace, keep, drop):
//
//   request                      append        replace          keep        drop
//   giaddr 0, no option 82       add ours      add ours         add ours    add ours
//   giaddr 0, option 82 (*)      add ours too  ours instead     as it is    drop
//   giaddr set, no option 82     add ours      add ours         as it is    as it is
//   giaddr set, option 82        add ours too  ours instead     as it is    drop
//
// (*) on a trusted attachment; elsewhere it is dropped whatever the policy (RFC 3046 2.1).
//
// RFC 3046 2.1.1 has a relay forward a request with a giaddr without adding options of its own: so
// do keep, the default, and drop. Whoever sets append or replace asks for more. "Too" is a second
// option 82 behind the first, which a server joins with it (RFC 3396): our sub-options are the last,
// and they alone are cut out of the reply.
#pragma once

#include <cstdint>
#include <expected>

#include "dataplane/base/outcome.h"
#include "dataplane/base/snapshot.h"

namespace xk {

enum class Option82Action : std::uint8_t {
  pass,     // what is there, if anything, goes on as it is
  add,      // ours goes last before END; what is there stays
  replace,  // what is there goes, ours goes last before END
};

// present: the request carries option 82. Errors: OPTION82_UNTRUSTED, OPTION82_POLICY.
[[nodiscard]] std::expected<Option82Action, Outcome> decide_option82(const AttachmentEntry& attachment,
                                                                     Ip4 giaddr, bool present);

}  // namespace xk
