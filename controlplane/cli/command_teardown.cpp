#include <memory>

#include "controlplane/cli/commands.h"
#include "controlplane/cli/text.h"

namespace xk::cli {
namespace {

void print_teardown(const api::TeardownView& view, std::ostream& out) {
  for (const std::string& line : view.removed) out << safe_text(line) << '\n';
  for (const std::string& line : view.failures) out << "still there: " << safe_text(line) << '\n';
  out << (view.failures.empty() ? "everything is removed" : "not everything is removed")
      << "; xdp-kead ends, ids and leases stay in its state_dir\n";
}

ExitCode tear_down(const Context& context) {
  auto answer = context.client().post("/v1/teardown", "");
  if (!answer && answer.error().code == ExitCode::no_daemon) {
    answer.error().messages.emplace_back(
        "to remove what it left behind without it: xdp-kead --config FILE --teardown");
  }
  const ExitCode shown = context.show<api::TeardownView>(answer, print_teardown);
  if (shown != ExitCode::ok) return shown;
  return (*answer)["failures"].empty() ? ExitCode::ok : ExitCode::refused;
}

}  // namespace

void add_teardown(CLI::App& app, Context& context) {
  const auto yes = std::make_shared<bool>(false);
  CLI::App& command = add_command(
      app, "teardown", "Remove everything of the appliance from the machine, and end xdp-kead",
      "  xdp-keactl teardown\n"
      "  xdp-keactl teardown --yes       without asking\n"
      "Clients are not served from then on. Ids and leases stay in state_dir; the dataplane is left\n"
      "without ports: end it by systemctl stop xdp-kea-dataplane.\n");
  command.add_flag("-y,--yes", *yes, "Do not ask; needed when standard input is no terminal");
  command.callback([&context, yes] {
    context.action = [&context, yes] {
      if (!*yes && !context.confirm("Stop serving all clients and remove the appliance from this machine?"))
        return ExitCode::refused;
      return tear_down(context);
    };
  });
}

}  // namespace xk::cli
