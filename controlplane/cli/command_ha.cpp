#include <memory>

#include "controlplane/cli/commands.h"
#include "controlplane/cli/text.h"

namespace xk::cli {
namespace {

void add_handover(CLI::App& group, Context& context, const std::string& action, const std::string& what,
                  const std::string& examples) {
  const auto name = std::make_shared<std::string>();
  CLI::App& command = add_command(group, action, what, examples);
  command.add_option("VRF", *name, "Of this VRF only; default: of all");
  command.callback([&context, name, action] {
    context.action = [&context, name, action] {
      return context.show<api::HaDoneView>(
          context.client().post("/v1/ha/" + action, api::dump_json(api::to_json(api::HaRequest{*name}))),
          [&action](const api::HaDoneView& done, std::ostream& out) {
            for (const std::string& vrf : done.vrfs)
              out << "VRF " << safe_text(vrf)
                  << (action == "takeover" ? ": this appliance is active\n"
                                           : ": this appliance is standby\n");
            if (done.vrfs.empty()) out << "nothing to do\n";
          });
    };
  });
}

}  // namespace

void add_ha(CLI::App& app, Context& context) {
  CLI::App& group = add_group(app, "ha", "takeover, release: which of two appliances is active");
  add_handover(group, context, "takeover", "Have this appliance be active: the other one lets go at once",
               "  xdp-keactl ha takeover red\n"
               "  xdp-keactl ha takeover          every VRF, as before maintenance of the other one\n");
  add_handover(
      group, context, "release", "Have this appliance let go of what it is active in",
      "  xdp-keactl ha release           before maintenance of this one\n"
      "It does not take it again for 10 s, or while it is drained there, unless nobody else does.\n");
}

}  // namespace xk::cli
