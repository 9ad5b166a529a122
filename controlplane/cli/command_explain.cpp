#include <memory>

#include "controlplane/cli/commands.h"
#include "controlplane/cli/table.h"
#include "controlplane/cli/text.h"

namespace xk::cli {
namespace {

void print_explanation(const api::ExplainView& view, std::ostream& out) {
  Table table({{"STAGE"}, {"RESULT"}, {"FINDING"}}, "nothing was found");
  for (const api::FindingView& finding : view.findings)
    table.row({finding.stage, finding.result, finding.text});
  table.print(out);
  out << "\nDHCP at " << safe_text(view.interface)
      << (view.vlan == "-" ? "" : " vlan " + safe_text(view.vlan)) << ": " << safe_text(view.verdict) << '\n';
}

}  // namespace

void add_explain(CLI::App& app, Context& context) {
  const auto interface = std::make_shared<std::string>();
  const auto vlan = std::make_shared<std::string>();
  CLI::App& explain = add_command(
      app, "explain",
      "Which VRF, engine, subnet and policy a DHCP packet at an interface would meet, and why",
      "  xdp-keactl explain --interface eth1\n"
      "  xdp-keactl explain --interface eth2 --vlan 200.300\n"
      "  xdp-keactl explain --interface vrf-red      a VRF, bridge, bond or VLAN device is resolved\n"
      "  xdp-keactl -o json explain --interface eth1 | jq -r '.findings[] | select(.result == "
      "\"stop\").text'\n"
      "Exit code: 0 also if the packet would not be served; the last line says what becomes of it.\n");
  explain.add_option("-i,--interface", *interface, "The interface the packet arrives at")
      ->required()
      ->type_name("I");
  explain.add_option("--vlan", *vlan, "Its tags: 100, or outer and inner 200.300; none: untagged")
      ->type_name("O[.I]");
  explain.callback([&context, interface, vlan] {
    context.action = [&context, interface, vlan] {
      std::string target = "/v1/explain?interface=" + percent_encoded(*interface);
      if (!vlan->empty()) target += "&vlan=" + percent_encoded(*vlan);
      return context.show<api::ExplainView>(context.client().get(target), print_explanation);
    };
  });
}

}  // namespace xk::cli
