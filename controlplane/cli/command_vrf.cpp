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
  if (!vrf.standing.empty()) {
    out << "here:     " << safe_text(vrf.standing);
    if (!vrf.standby_reason.empty()) out << " (" << safe_text(vrf.standby_reason) << ")";
    out << "\nactive:   " << safe_text(or_dash(vrf.active_on));
    if (vrf.active_since_unix_s != 0) out << " since " << utc_text(vrf.active_since_unix_s);
    out << '\n';
  }
  out << "device:   " << safe_text(or_dash(vrf.device));
  if (vrf.table != 0) out << ", table " << vrf.table;
  out << '\n';
  out << "subnets:  " << joined(vrf.subnets) << '\n';
  out << "servers:  " << joined(vrf.servers) << '\n';
  out << "netns:    " << safe_text(or_dash(vrf.netns)) << '\n';
  out << "handoff:  " << safe_text(or_dash(vrf.handoff)) << '\n';
  out << "giaddr:   " << safe_text(or_dash(vrf.giaddr)) << '\n';
  out << "queue:    " << body.counters.queue_depth << " of " << vrf.queue_capacity << " packets, at most "
      << body.counters.queue_high_water << " so far\n\n";
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
  if (body.native) {
    out << '\n';
    print_natives({*body.native}, out);
    out << "directory: " << safe_text(or_dash(body.native->directory)) << '\n';
  }
}

void print_vrf_done(const api::ReloadView& done, std::ostream& out) {
  for (const std::string& step : done.steps) out << safe_text(step) << '\n';
  out << "done, generation " << done.generation << " is in force\n";
}

// A command that acts on one VRF.
CLI::App& add_action(CLI::App& group, Context& context, const std::string& action, const std::string& what,
                     const std::string& examples) {
  const auto name = std::make_shared<std::string>();
  CLI::App& command = add_command(group, action, what, examples);
  command.add_option("NAME", *name, "The VRF's name")->required();
  command.callback([&context, name, action] {
    context.action = [&context, name, action] {
      return context.show<api::ReloadView>(
          context.client().post("/v1/vrfs/" + percent_encoded(*name) + "/" + action, ""), print_vrf_done);
    };
  });
  return command;
}

void add_vrf_delete(CLI::App& group, Context& context) {
  struct Options {
    std::string name;
    bool purge = false;
    bool yes = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_command(
      group, "delete", "Take a VRF off the machine at once, whatever is configured or discovered",
      "  xdp-keactl vrf delete red\n"
      "  xdp-keactl vrf delete red --purge --yes     its leases too, and without asking\n"
      "It is listed as deleted, over reloads and restarts, until vrf resume brings it back, or until it is\n"
      "neither configured nor discovered any more. Its leases stay on disk unless --purge is given.\n");
  command.add_option("NAME", options->name, "The VRF's name")->required();
  command.add_flag("--purge", options->purge, "Delete its leases too");
  command.add_flag("-y,--yes", options->yes, "Do not ask; needed when standard input is no terminal");
  command.callback([&context, options] {
    context.action = [&context, options] {
      const std::string question = "Stop serving the clients of VRF " + options->name +
                                   (options->purge ? " and delete their leases?" : "?");
      if (!options->yes && !context.confirm(question)) return ExitCode::refused;
      return context.show<api::ReloadView>(
          context.client().post("/v1/vrfs/" + percent_encoded(options->name) + "/delete",
                                options->purge ? R"({"purge": true})" : ""),
          print_vrf_done);
    };
  });
}

}  // namespace

void add_vrf(CLI::App& app, Context& context) {
  CLI::App& group = add_group(app, "vrf", "list, show, drain, resume, delete: the VRFs that are served");
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

  add_action(group, context, "drain", "Take no new clients in a VRF; those it has are served on",
             "  xdp-keactl vrf drain red\n"
             "  xdp-keactl counters --vrf red      vrf_draining counts the DISCOVERs that were dropped\n"
             "Kept over reloads and restarts, until vrf resume.\n");
  add_action(group, context, "resume", "Serve a VRF as it is configured: takes back drain and delete",
             "  xdp-keactl vrf resume red\n");
  add_vrf_delete(group, context);
}

}  // namespace xk::cli
