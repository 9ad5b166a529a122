// The rules of the native engine as pure functions: (request, plan, leases, now) -> what is to be done. They
// change nothing; native_engine.h does what they say. RFC 2131 4.3, 1534, 3011, 3046, 3527, 4039.
#pragma once

#include <cstdint>
#include <string_view>

#include "dataplane/base/forwarding.h"
#include "dataplane/serve/lease_table.h"
#include "dataplane/serve/native_plan.h"
#include "dataplane/serve/server_request.h"
#include "dataplane/serve/static_table.h"

namespace xk {

// A request and all that bears on it. Borrowed.
struct NativeQuestion {
  const ServerRequest& request;
  const Forwarding& forwarding;
  const NativePlan& plan;
  const StaticTable* statics;  // null: there are none
  LeaseTable& leases;          // looked up, not changed
  EngineSeconds now_s = 0;
  ClientKey client{};
  const SubnetEntry* subnet = nullptr;  // the client's
  Ip4 server_identifier{};              // ours, towards it
  std::uint32_t classes = 0;            // bits of the classes it is in
  std::uint32_t circuit = 0;            // group keys
  std::uint32_t attachment = 0;
};

enum class Act : std::uint8_t {
  drop,     // for the reason
  nak,      // why says it
  offer,    // the lease is held for the client
  commit,   // the lease is the client's: ACK
  inform,   // ACK without an address
  release,  // the lease is over
  decline,  // the lease is given to nobody for a while
};

struct Decision {
  Act act = Act::drop;
  Outcome reason = XK_SERVE_SILENT;     // of a drop
  std::string_view why;                 // of a NAK (option 56)
  Lease* lease = nullptr;               // offer, commit, release, decline
  const SubnetEntry* subnet = nullptr;  // of the lease
  std::uint32_t lease_s = 0;            // to be said
  bool only_the_rest = false;           // it gets no longer than it has
  bool first_offer = false;             // nobody had said that the address is this client's
  bool withdraw = false;  // of a drop: lease was held for this client, which took another server's

  [[nodiscard]] static Decision drop(Outcome reason) {
    Decision decision;
    decision.reason = reason;
    return decision;
  }
  [[nodiscard]] static Decision nak(std::string_view why) {
    Decision decision;
    decision.act = Act::nak;
    decision.why = why;
    return decision;
  }
};

// Which classes the client is in: bits.
[[nodiscard]] std::uint32_t classes_of(const ServerRequest& request, const NativePlan& plan);

// question.subnet is not null, or the request is an INFORM.
[[nodiscard]] Decision decide(const NativeQuestion& question);

}  // namespace xk
