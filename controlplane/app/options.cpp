#include "controlplane/app/options.h"

#include <CLI/CLI.hpp>

namespace xk::kead {

std::variant<Options, ExitCode> parse_options(int argc, char** argv) {
  Options options;
  CLI::App app(
      "The control plane of the xdp-kea appliance: configuration, namespaces, a Kea per VRF, the classifier "
      "in\n"
      "the kernel, the API. Packets flow in xdp-kea-dataplane.",
      "xdp-kead");
  app.add_option("--config", options.config, "Configuration file (docs/configuration.md)")
      ->required()
      ->type_name("FILE");
  app.add_flag("--teardown", options.teardown,
               "Stop the appliance's Kea servers, remove its namespaces, interfaces, programs and maps, and\n"
               "end. Leases and ids in state_dir stay; what is not its own is not touched");
  app.add_option("--log-level", options.log_level, "Instead of appliance.log_level")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}))
      ->type_name("LEVEL");
  app.set_version_flag("--version", "xdp-kead " XK_VERSION);
  app.footer(
      "Signals: SIGHUP reads the configuration again; SIGTERM and SIGINT end it and leave everything "
      "running:\n"
      "clients are served on, and the next xdp-kead takes over. --teardown ends that too.\n\n"
      "Exit codes:\n"
      "  0   ended by a signal, or torn down\n"
      "  1   could not start, go on or tear everything down; the log says why\n"
      "  2   wrong usage\n"
      "  75  another xdp-kead is running with this run_dir\n"
      "  77  a capability is missing (not started as root)\n"
      "  78  the configuration has mistakes; all are listed");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? ExitCode::ok : ExitCode::usage;
  }
  return options;
}

}  // namespace xk::kead
