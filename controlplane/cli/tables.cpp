#include "controlplane/cli/tables.h"

#include <algorithm>
#include <string>
#include <vector>

#include "controlplane/cli/table.h"
#include "controlplane/cli/text.h"

namespace xk::cli {

// With the columns of [ha] where there is that.
void print_vrfs(const std::vector<api::VrfView>& vrfs, std::ostream& out) {
  const bool shared =
      std::ranges::any_of(vrfs, [](const api::VrfView& vrf) { return !vrf.standing.empty(); });
  std::vector<Column> columns{{"VRF"}, {"ID", Align::right}, {"ENGINE"}, {"STATE"}};
  if (shared) columns.insert(columns.end(), {{"HERE"}, {"ACTIVE ON"}, {"SINCE"}});
  columns.insert(columns.end(), {{"ATTACHMENTS"}, {"SUBNETS"}, {"REASON"}});
  Table table(columns, "no VRFs");
  for (const api::VrfView& vrf : vrfs) {
    std::string subnets;
    for (const std::string& subnet : vrf.subnets) subnets += (subnets.empty() ? "" : " ") + subnet;
    std::vector<std::string> row{vrf.name, std::to_string(vrf.id), vrf.engine, vrf.state};
    if (shared) {
      row.insert(row.end(), {vrf.standing, vrf.active_on,
                             vrf.active_since_unix_s == 0 ? "" : utc_text(vrf.active_since_unix_s)});
    }
    row.insert(row.end(), {std::to_string(vrf.attachments_serving) + " of " + std::to_string(vrf.attachments),
                           subnets, vrf.reason.empty() ? vrf.standby_reason : vrf.reason});
    table.row(row);
  }
  table.print(out);
}

void print_attachments(const std::vector<api::AttachmentView>& attachments, std::ostream& out) {
  Table table({{"ID", Align::right},
               {"VRF"},
               {"INTERFACE"},
               {"IFINDEX", Align::right},
               {"VLAN"},
               {"ROLE"},
               {"ORIGIN"},
               {"ON"},
               {"SUBNET"},
               {"STATE"},
               {"REASON"}},
              "no attachments");
  for (const api::AttachmentView& attachment : attachments) {
    table.row({std::to_string(attachment.id), attachment.vrf, attachment.interface,
               attachment.ifindex == 0 ? "" : std::to_string(attachment.ifindex), attachment.vlan,
               attachment.role, attachment.origin, attachment.on, attachment.subnet, attachment.state,
               attachment.reason});
  }
  table.print(out);
}

void print_servers(const std::vector<api::ServerView>& servers, std::ostream& out) {
  Table table({{"SERVER"},
               {"MODE"},
               {"STATE"},
               {"SINCE"},
               {"REQUESTS", Align::right},
               {"REPLIES", Align::right},
               {"LAST REPLY"},
               {"DEATHS", Align::right}},
              "no servers elsewhere");
  const auto when = [](std::uint64_t unix_s) { return unix_s == 0 ? std::string() : utc_text(unix_s); };
  for (const api::ServerView& server : servers) {
    table.row({server.address, server.mode, server.state, when(server.since_unix_s),
               std::to_string(server.requests), std::to_string(server.replies),
               when(server.last_reply_unix_s), std::to_string(server.deaths)});
  }
  table.print(out);
}

// How the VRF's leases are kept, and whether they are now.
std::string lease_words(const api::KeaView& kea) {
  if (kea.durability.empty() || kea.durability == "none") return "unsynced";
  return kea.gated ? kea.durability : kea.durability + ", no gate";
}

void print_natives(const std::vector<api::NativeView>& natives, std::ostream& out) {
  Table table({{"NATIVE ENGINE OF VRF"},
               {"STATE"},
               {"LEASES", Align::right},
               {"DECLINED", Align::right},
               {"DURABILITY"},
               {"DURABLE", Align::right},
               {"STORED", Align::right},
               {"BEHIND", Align::right},
               {"MEMORY", Align::right},
               {"LAST ERROR"}},
              "no native engine");
  for (const api::NativeView& native : natives) {
    const bool known = native.state != "unknown";
    table.row({native.vrf, native.state, known ? std::to_string(native.leases) : "",
               known ? std::to_string(native.declined) : "", native.durability,
               known ? std::to_string(native.durable_revision) : "",
               native.followed ? std::to_string(native.stored_revision) : "",
               known && native.followed ? std::to_string(native.behind) : "",
               known ? std::to_string(native.table_bytes / 1024) + " KiB" : "", native.last_error});
  }
  table.print(out);
}

void print_keas(const std::vector<api::KeaView>& keas, std::ostream& out) {
  Table table({{"KEA OF VRF"},
               {"STATE"},
               {"PID", Align::right},
               {"UPTIME", Align::right},
               {"RESTARTS", Align::right},
               {"SOCKET DROPS", Align::right},
               {"LEASES"},
               {"ACKS WITHHELD", Align::right},
               {"VERSION"},
               {"NETNS"},
               {"LAST ERROR"}},
              "no Kea");
  for (const api::KeaView& kea : keas) {
    table.row({kea.vrf, kea.state, kea.pid == 0 ? "" : std::to_string(kea.pid),
               kea.pid == 0 ? "" : duration_text(kea.uptime_s), std::to_string(kea.restarts),
               std::to_string(kea.socket_drops), lease_words(kea), std::to_string(kea.acks_withheld),
               kea.version, kea.netns, kea.last_error});
  }
  table.print(out);
}

}  // namespace xk::cli
