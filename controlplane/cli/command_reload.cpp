#include "controlplane/cli/commands.h"
#include "controlplane/cli/text.h"

namespace xk::cli {
namespace {

void print_reload(const api::ReloadView& done, std::ostream& out) {
  for (const std::string& step : done.steps) out << safe_text(step) << '\n';
  out << "generation " << done.generation << " is in force, "
      << count_text(done.steps.size(), "step", "steps") << '\n';
}

}  // namespace

void add_reload(CLI::App& app, Context& context) {
  add_command(app, "reload", "Read the configuration file again and put it in force, or refuse it whole",
              "  xdp-keactl config check /etc/xdp-kea/xdp-kea.toml && xdp-keactl reload\n")
      .callback([&context] {
        context.action = [&context] {
          return context.show<api::ReloadView>(context.client().post("/v1/reload", ""), print_reload);
        };
      });
}

}  // namespace xk::cli
