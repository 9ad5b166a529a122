#include "controlplane/cli/commands.h"
#include "controlplane/cli/table.h"
#include "controlplane/cli/tables.h"
#include "controlplane/cli/text.h"

namespace xk::cli {
namespace {

void print_ports(const std::vector<api::PortView>& ports, std::ostream& out) {
  Table table({{"PORT"}, {"IFINDEX", Align::right}, {"KIND"}, {"XDP"}, {"STATE"}, {"WARNING"}}, "no ports");
  for (const api::PortView& port : ports) {
    table.row({port.name, port.ifindex == 0 ? "" : std::to_string(port.ifindex), port.kind, port.mode,
               port.state, port.warning});
  }
  table.print(out);
}

void print_status(const api::StatusView& status, std::ostream& out) {
  out << "xdp-kead " << safe_text(status.version) << ", generation " << status.generation << ", up "
      << duration_text(status.uptime_s) << '\n';
  out << "configuration: " << safe_text(status.configuration) << '\n';
  out << "dataplane:     " << safe_text(status.dataplane_state);
  if (status.dataplane_pid != 0) {
    out << ", pid " << status.dataplane_pid << ", generation " << status.dataplane_generation;
  }
  out << '\n';
  if (!status.store.backend.empty()) {
    out << "store:         " << safe_text(status.store.backend) << " " << safe_text(status.store.where)
        << ", " << safe_text(status.store.state);
    if (!status.store.trouble.empty()) out << ": " << safe_text(status.store.trouble);
    out << '\n';
  }
  if (status.ha.enabled) {
    out << "ha:            " << safe_text(status.ha.name) << ", " << safe_text(status.ha.state);
    if (!status.ha.trouble.empty()) out << ": " << safe_text(status.ha.trouble);
    out << "; appliances:";
    for (const std::string& name : status.ha.appliances) out << " " << safe_text(name);
    out << '\n';
  }
  for (const std::string& warning : status.warnings) out << "warning:       " << safe_text(warning) << '\n';
  out << '\n';
  print_ports(status.ports, out);
  out << '\n';
  print_vrfs(status.vrfs, out);
  out << '\n';
  print_keas(status.keas, out);
  if (!status.natives.empty()) {
    out << '\n';
    print_natives(status.natives, out);
  }
}

}  // namespace

void add_status(CLI::App& app, Context& context) {
  add_command(app, "status", "The appliance: daemons, ports, VRFs, Keas and what is wrong with them",
              "  xdp-keactl status\n"
              "  xdp-keactl -o json status | jq -r '.warnings[]'\n")
      .callback([&context] {
        context.action = [&context] {
          return context.show<api::StatusView>(context.client().get("/v1/status"), print_status);
        };
      });
}

}  // namespace xk::cli
