#include <memory>

#include "controlplane/cli/commands.h"
#include "controlplane/cli/tables.h"
#include "controlplane/cli/text.h"

namespace xk::cli {
namespace {

std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + item;
  return safe_text(or_dash(text));
}

void print_vrf(const api::VrfBody& body, std::ostream& out) {
  const api::VrfView& vrf = body.vrf;
  out << "VRF " << safe_text(vrf.name) << ", id " << vrf.id << ", engine " << safe_text(vrf.engine) << '\n';
  out << "state:    " << safe_text(vrf.state);
  if (!vrf.reason.empty()) out << " (" << safe_text(vrf.reason) << ")";
  out << '\n';
  out << "subnets:  " << joined(vrf.subnets) << '\n';
  out << "servers:  " << joined(vrf.servers) << '\n';
  out << "netns:    " << safe_text(or_dash(vrf.netns)) << '\n';
  out << "handoff:  " << safe_text(or_dash(vrf.handoff)) << '\n';
  out << "giaddr:   " << safe_text(or_dash(vrf.giaddr)) << "\n\n";
  print_attachments(body.attachments, out);
  if (!body.servers.empty()) {
    out << '\n';
    print_servers(body.servers, out);
  }
  if (body.kea) {
    out << '\n';
    print_keas({*body.kea}, out);
    out << "directory: " << safe_text(or_dash(body.kea->directory)) << '\n';
  }
}

}  // namespace

void add_vrf(CLI::App& app, Context& context) {
  CLI::App& group = add_group(app, "vrf", "list, show: the VRFs that are served");
  add_command(group, "list", "All VRFs with their engine and state",
              "  xdp-keactl vrf list\n"
              "  xdp-keactl -o json vrf list | jq -r '.vrfs[] | select(.state != \"serving\") | .name'\n")
      .callback([&context] {
        context.action = [&context] {
          return context.show<api::VrfsBody>(
              context.client().get("/v1/vrfs"),
              [](const api::VrfsBody& body, std::ostream& out) { print_vrfs(body.vrfs, out); });
        };
      });

  const auto name = std::make_shared<std::string>();
  CLI::App& show = add_command(group, "show", "One VRF with its attachments and its Kea or servers",
                               "  xdp-keactl vrf show red\n"
                               "  xdp-keactl -o yaml vrf show red\n");
  show.add_option("NAME", *name, "The VRF's name")->required();
  show.callback([&context, name] {
    context.action = [&context, name] {
      return context.show<api::VrfBody>(context.client().get("/v1/vrfs/" + percent_encoded(*name)),
                                        print_vrf);
    };
  });
}

}  // namespace xk::cli
