// xdp-kead's end of the socket between the daemons.
#pragma once

#include <memory>

#include "controlplane/reconcile/ports.h"

namespace xk {

// One dataplane at a time: a second one is refused while the first is connected. Who connects must
// be root or the user given to listen(). The dataplane is untrusted: what it sends is bounded, and a
// message out of turn ends the connection.
//
// counters() never goes back when a dataplane is replaced by a new process: what earlier ones had
// counted is kept and added. It starts from zero with xdp-kead, plus what the running dataplane has
// counted so far.
[[nodiscard]] std::unique_ptr<DataplaneLink> make_dataplane_link();

}  // namespace xk
