#include <memory>

#include "controlplane/cli/commands.h"
#include "controlplane/cli/text.h"
#include "controlplane/config/config.h"

namespace xk::cli {
namespace {

// A check is its own view: {"file", "ok", "vrfs", "attachments", "errors"}.
ExitCode check(const Context& context, const std::string& file) {
  const auto model = load_config(file);
  std::size_t vrfs = 0;
  std::size_t attachments = 0;
  std::vector<std::string> errors;
  if (model) {
    vrfs = model->vrfs.size();
    for (const Vrf& vrf : model->vrfs) attachments += vrf.attachments.size();
  } else {
    for (const ConfigError& error : model.error()) errors.push_back(error.text());
  }
  const api::Json json = {{"file", file},
                          {"ok", model.has_value()},
                          {"vrfs", vrfs},
                          {"attachments", attachments},
                          {"errors", errors}};
  if (!context.print_data(json)) {
    for (const std::string& error : errors) context.console.err << safe_text(error) << '\n';
    if (model) {
      context.out() << safe_text(file) << ": ok, " << count_text(vrfs, "VRF", "VRFs") << ", "
                    << count_text(attachments, "attachment", "attachments") << '\n';
    } else {
      context.console.err << "xdp-keactl: " << safe_text(file) << ": "
                          << count_text(errors.size(), "mistake", "mistakes") << '\n';
    }
  }
  return model ? ExitCode::ok : ExitCode::refused;
}

}  // namespace

void add_config(CLI::App& app, Context& context) {
  CLI::App& group = add_group(app, "config", "check, show: the configuration");
  const auto file = std::make_shared<std::string>();
  CLI::App& checked =
      add_command(group, "check", "Read a configuration file and report every mistake; needs no daemon",
                  "  xdp-keactl config check /etc/xdp-kea/xdp-kea.toml\n"
                  "  xdp-keactl -o json config check new.toml | jq -r '.errors[]'\n");
  checked.add_option("FILE", *file, "The TOML file")->required();
  checked.callback([&context, file] { context.action = [&context, file] { return check(context, *file); }; });

  add_command(group, "show", "The configuration in force as TOML, defaults spelled out",
              "  xdp-keactl config show\n"
              "  xdp-keactl config show | diff - <(ssh other xdp-keactl config show)\n")
      .callback([&context] {
        context.action = [&context] {
          return context.show<api::ConfigBody>(
              context.client().get("/v1/config"),
              [](const api::ConfigBody& body, std::ostream& out) { out << body.toml; });
        };
      });
}

}  // namespace xk::cli
