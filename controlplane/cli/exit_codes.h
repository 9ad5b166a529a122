// What xdp-keactl's exit status says; --help lists the same table.
#pragma once

namespace xk::cli {

enum class ExitCode : int {
  ok = 0,
  refused = 1,        // refused or failed: bad configuration, Kea said no, the daemon could not
  usage = 2,          // the command line is wrong
  no_daemon = 3,      // nothing answers on the API socket
  not_found = 4,      // no such VRF, or Kea has no such thing
  no_permission = 5,  // the API socket is not for this user
  bad_answer = 6,     // what answered is no xdp-kead of this version, or stopped in the middle
  differs = 7,        // "config diff": there is something that would change
};

}  // namespace xk::cli
