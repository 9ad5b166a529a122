// xdp-keactl as a function, so that tests run it without a process.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "controlplane/cli/exit_codes.h"

namespace xk::cli {

struct Console {
  std::ostream& out;
  std::ostream& err;
};

// args: without the program's name. Reads the environment variable XDP_KEA_API_SOCKET.
[[nodiscard]] ExitCode run(std::vector<std::string> args, const Console& console);

}  // namespace xk::cli
