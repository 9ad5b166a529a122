#include <memory>

#include "controlplane/cli/commands.h"
#include "controlplane/cli/table.h"
#include "controlplane/cli/text.h"

namespace xk::cli {
namespace {

void print_leases(const api::LeasesBody& body, std::ostream& out) {
  Table table({{"VRF"},
               {"ADDRESS"},
               {"MAC"},
               {"HOSTNAME"},
               {"STATE"},
               {"ATTACHMENT"},
               {"LEASE TIME", Align::right},
               {"EXPIRES"},
               {"SERVER"}},
              "no leases");
  for (const api::LeaseView& lease : body.leases) {
    table.row({lease.vrf, lease.address, lease.mac, lease.hostname, lease.state, lease.attachment,
               duration_text(lease.lease_time_s), utc_text(lease.expires_unix_s), lease.server});
  }
  table.print(out);
}

}  // namespace

void add_lease(CLI::App& app, Context& context) {
  CLI::App& group = add_group(app, "lease", "list: the leases of the clients");
  const auto vrf = std::make_shared<std::string>();
  CLI::App& list =
      add_command(group, "list", "Leases of all VRFs, or of one",
                  "  xdp-keactl lease list\n"
                  "  xdp-keactl lease list --vrf red\n"
                  "  xdp-keactl -o json lease list | jq -r '.leases[] | [.address, .mac] | @tsv'\n");
  list.add_option("--vrf", *vrf, "Only this VRF")->type_name("VRF");
  list.callback([&context, vrf] {
    context.action = [&context, vrf] {
      const std::string query = vrf->empty() ? "" : "?vrf=" + percent_encoded(*vrf);
      return context.show<api::LeasesBody>(context.client().get("/v1/leases" + query), print_leases);
    };
  });
}

}  // namespace xk::cli
