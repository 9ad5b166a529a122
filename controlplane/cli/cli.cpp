#include "controlplane/cli/cli.h"

#include <map>

#include <CLI/CLI.hpp>

#include "controlplane/cli/commands.h"
#include "controlplane/cli/text.h"

namespace xk::cli {
namespace {

constexpr const char* kExitCodes =
    "Exit codes:\n"
    "  0  done\n"
    "  1  refused or failed: a bad configuration, Kea said no, the daemon could not\n"
    "  2  wrong usage\n"
    "  3  the daemon is not there\n"
    "  4  not found\n"
    "  5  no permission to use the daemon's socket\n"
    "  6  what answers there is no xdp-kead of this version, or it stopped in the middle\n"
    "  7  config diff: something would change\n";

const std::map<std::string, Format, std::less<>> kFormats = {
    {"table", Format::table}, {"json", Format::json}, {"yaml", Format::yaml}};

void add_globals(CLI::App& app, Context& context, std::string& format) {
  app.add_option("-s,--socket", context.socket, "The daemon's API socket")
      ->envname("XDP_KEA_API_SOCKET")
      ->type_name("SOCKET")
      ->capture_default_str();
  app.add_option("-o,--output", format, "How to print")
      ->type_name("table|json|yaml")
      ->capture_default_str()
      ->check([](const std::string& given) {
        return kFormats.contains(given) ? std::string() : "'" + given + "' is none of table, json, yaml";
      });
  app.set_version_flag("--version", "xdp-keactl " XK_VERSION);
}

// What is wrong, and the help of the command that was meant.
ExitCode usage_error(const CLI::App& app, const CLI::ParseError& error, const Console& console) {
  std::string command = app.get_name();
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    command += " " + at->get_name();
  }
  const auto rest = app.remaining(true);
  const bool unknown = error.get_name() == "RequiredError" && at->get_subcommands(nullptr).size() > 0;
  std::string what = error.what();
  if (unknown) what = rest.empty() ? "a command is missing" : "unknown command '" + rest.front() + "'";
  console.err << "xdp-keactl: " << safe_text(what) << "\n            see: " << command << " --help\n";
  return ExitCode::usage;
}

}  // namespace

CLI::App& add_command(CLI::App& parent, const std::string& name, const std::string& what,
                      const std::string& examples) {
  CLI::App* command = parent.add_subcommand(name, what);
  command->fallthrough();
  command->footer("Examples:\n" + examples);
  return *command;
}

CLI::App& add_group(CLI::App& parent, const std::string& name, const std::string& what) {
  CLI::App* group = parent.add_subcommand(name, what);
  group->fallthrough();
  group->require_subcommand(1);
  group->footer("Help with examples: xdp-keactl " + name + " COMMAND --help\n");
  return *group;
}

ExitCode run(std::vector<std::string> args, const Console& console) {
  Context context(console);
  CLI::App app("Drives the DHCP appliance xdp-kea through its daemon, xdp-kead.", "xdp-keactl");
  app.require_subcommand(1);
  app.footer(std::string("Examples:\n"
                         "  xdp-keactl status\n"
                         "  xdp-keactl lease list --vrf red\n"
                         "  xdp-keactl -o json counters\n"
                         "  xdp-keactl COMMAND --help       help with examples of every command\n\n") +
             kExitCodes);
  std::string format = "table";
  add_globals(app, context, format);
  add_status(app, context);
  add_vrf(app, context);
  add_attachment(app, context);
  add_counters(app, context);
  add_lease(app, context);
  add_pool(app, context);
  add_client(app, context);
  add_static(app, context);
  add_kea(app, context);
  add_config(app, context);
  add_events(app, context);
  add_explain(app, context);
  add_ha(app, context);
  add_reload(app, context);
  add_teardown(app, context);

  std::reverse(args.begin(), args.end());  // the library takes them from the back
  try {
    app.parse(args);
  } catch (const CLI::Success& asked) {  // --help, --version
    app.exit(asked, console.out, console.err);
    return ExitCode::ok;
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error, console);
  }
  context.format = kFormats.find(format)->second;
  const ExitCode code = context.action();
  console.out.flush();
  return code;
}

}  // namespace xk::cli
