// The command line of xdp-kead.
#pragma once

#include <string>
#include <variant>

namespace xk::kead {

// What the process ends with. --help lists the same table.
enum class ExitCode : int {
  ok = 0,
  failed = 1,            // could not start or go on; the log says why
  usage = 2,             // the command line is wrong
  running_already = 75,  // another xdp-kead serves this run_dir (EX_TEMPFAIL)
  not_permitted = 77,    // a capability is missing (EX_NOPERM)
  bad_config = 78,       // the configuration has mistakes (EX_CONFIG)
};

struct Options {
  std::string config;
  std::string log_level;  // empty: as configured
  bool teardown = false;
  friend bool operator==(const Options&, const Options&) = default;
};

// What to do, or what to end with: --help, --version and mistakes are told at once.
[[nodiscard]] std::variant<Options, ExitCode> parse_options(int argc, char** argv);

}  // namespace xk::kead
