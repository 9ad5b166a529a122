#include <memory>

#include "controlplane/cli/commands.h"
#include "controlplane/cli/table.h"
#include "controlplane/cli/text.h"

namespace xk::cli {
namespace {

using api::PoolView;

std::string figure(const PoolView& pool, std::uint64_t value) {
  return pool.counted ? std::to_string(value) : "?";
}

std::string next_text(const PoolView& pool) {
  if (pool.next_expires_unix_s == 0) return "";
  return pool.next_expires + " at " + utc_text(pool.next_expires_unix_s);
}

void print_pools(const api::PoolsBody& body, std::ostream& out) {
  Table table({{"VRF"},
               {"POOL"},
               {"SIZE", Align::right},
               {"USED", Align::right},
               {"AVAILABLE", Align::right},
               {"EXCLUDED", Align::right},
               {"STATIC", Align::right},
               {"DECLINED", Align::right},
               {"NEXT TO EXPIRE"},
               {"PAUSED"}},
              "no pools");
  for (const PoolView& pool : body.pools) {
    table.row({pool.vrf, pool.pool, std::to_string(pool.size), figure(pool, pool.used),
               figure(pool, pool.available), std::to_string(pool.excluded + pool.own),
               figure(pool, pool.fixed), figure(pool, pool.declined), next_text(pool), pool.paused});
  }
  table.print(out);
}

void print_pool(const PoolView& pool, std::ostream& out) {
  const auto line = [&out](const char* name, const std::string& value, const char* what = "") {
    const std::string label = std::string(name) + ":";
    out << label << std::string(16 - label.size(), ' ') << or_dash(safe_text(value)) << what << '\n';
  };
  line("VRF", pool.vrf);
  line("Subnet", pool.subnet);
  line("Pool", pool.pool);
  line("Paused", pool.paused.empty() ? "no" : pool.paused == "part" ? "a part of it" : pool.paused);
  line("Size", std::to_string(pool.size));
  line("Excluded", std::to_string(pool.excluded), "  by the configuration");
  line("Own", std::to_string(pool.own), "  gateways and server identifiers");
  line("Used", figure(pool, pool.used), "  leased, declined or static");
  line("  leased", figure(pool, pool.leased));
  line("  declined", figure(pool, pool.declined), "  another host was found there");
  line("  static", figure(pool, pool.fixed), "  not leased by Kea");
  line("Available", figure(pool, pool.available));
  line("  expired", figure(pool, pool.expired), "  kept for the client that had it");
  line("Kept", figure(pool, pool.kept), "  leased although excluded, to the end of those leases");
  line("Next to expire", next_text(pool));
  if (!pool.counted) out << "?: its leases are not in the store (durability = \"none\"), or are being read\n";
}

struct PoolOptions {
  std::string vrf;
  std::string pool;
  std::string mac;
  std::string client_id;
};
using SharedPool = std::shared_ptr<PoolOptions>;

std::string pools_target(const std::string& vrf) {
  return vrf.empty() ? "/v1/pools" : "/v1/pools?vrf=" + percent_encoded(vrf);
}

ExitCode show_pools(const Context& context, const PoolOptions& options) {
  const auto answer = context.client().get(pools_target(options.vrf));
  if (!answer) return context.fail(answer.error());
  auto body = api::from_json<api::PoolsBody>(*answer);
  if (!body) return context.fail(context.not_a_view(body.error()));
  std::erase_if(body->pools, [&](const PoolView& pool) {
    return !options.pool.empty() && pool.pool != options.pool && pool.subnet != options.pool;
  });
  if (body->pools.empty())
    return context.fail(
        {ExitCode::not_found,
         {options.pool.empty() ? "VRF '" + options.vrf + "' has no pools"
                               : "VRF '" + options.vrf + "' has no pool '" + options.pool + "'"}});
  if (context.print_data(api::to_json(*body))) return ExitCode::ok;
  for (std::size_t i = 0; i < body->pools.size(); ++i) {
    if (i != 0) context.out() << '\n';
    print_pool(body->pools[i], context.out());
  }
  return ExitCode::ok;
}

// ---- pauses ------------------------------------------------------------------------------------------

void print_pauses(const api::PausesBody& body, std::ostream& out) {
  Table table({{"VRF"}, {"PAUSED"}, {"WHICH"}, {"RENEWALS"}, {"SINCE"}}, "nothing is paused");
  for (const api::PauseView& pause : body.pauses)
    table.row({pause.vrf, pause.kind, pause.who, pause.renewals, utc_text(pause.since_unix_s)});
  table.print(out);
}

ExitCode act_on_pause(const Context& context, const PoolOptions& options, bool pause) {
  const api::PauseRequest request{options.vrf, options.pool, options.mac, options.client_id};
  return context.show<api::PausesBody>(
      context.client().post(pause ? "/v1/pauses" : "/v1/pauses/delete",
                            api::dump_json(api::to_json(request))),
      [pause](const api::PausesBody& body, std::ostream& out) {
        for (const api::PauseView& one : body.pauses)
          out << (pause ? "paused: " : "resumed: ") << safe_text(one.kind) << ' ' << safe_text(one.who)
              << " of VRF " << safe_text(one.vrf)
              << (pause ? "; renewals: " + safe_text(one.renewals) : std::string()) << '\n';
      });
}

void add_pause_commands(CLI::App& group, Context& context, bool pools) {
  for (const bool pause : {true, false}) {
    const auto options = std::make_shared<PoolOptions>();
    const std::string verb = pause ? "pause" : "resume";
    CLI::App& command = add_command(
        group, verb,
        pause ? "No new leases from now on; renewals as vrf.paused_renewals says" : "New leases again",
        pools ? "  xdp-keactl pool " + verb + " red 10.0.0.100-10.0.0.199\n  xdp-keactl pool " + verb +
                    " red 10.0.0.0/24               all pools of the subnet\n"
              : "  xdp-keactl client " + verb + " red --mac 02:00:00:00:00:01\n  xdp-keactl client " + verb +
                    " red --client-id 01020000000001\n");
    command.add_option("vrf", options->vrf, "The VRF")->required()->type_name("VRF");
    if (pools) {
      command.add_option("pool", options->pool, "A pool as it is configured, or a subnet")
          ->required()
          ->type_name("POOL");
    } else {
      CLI::Option* mac = command.add_option("--mac", options->mac, "Its MAC")->type_name("MAC");
      command.add_option("--client-id", options->client_id, "Its client id (option 61)")
          ->type_name("HEX")
          ->excludes(mac);
    }
    command.callback([&context, options, pause] {
      context.action = [&context, options, pause] { return act_on_pause(context, *options, pause); };
    });
  }
}

}  // namespace

void add_pool(CLI::App& app, Context& context) {
  CLI::App& group = add_group(app, "pool", "list, show, pause, resume: what can be handed out");
  const auto options = std::make_shared<PoolOptions>();
  CLI::App& list =
      add_command(group, "list", "How full the pools are",
                  "  xdp-keactl pool list\n"
                  "  xdp-keactl pool list --vrf red\n"
                  "EXCLUDED counts the VRF's own addresses too. AVAILABLE is SIZE - EXCLUDED - USED.\n");
  list.add_option("--vrf", options->vrf, "Only this VRF")->type_name("VRF");
  list.callback([&context, options] {
    context.action = [&context, options] {
      return context.show<api::PoolsBody>(context.client().get(pools_target(options->vrf)), print_pools);
    };
  });
  const auto one = std::make_shared<PoolOptions>();
  CLI::App& show = add_command(group, "show", "A VRF's pools, or one of them, in full",
                               "  xdp-keactl pool show red\n"
                               "  xdp-keactl pool show red 10.0.0.100-10.0.0.199\n");
  show.add_option("vrf", one->vrf, "The VRF")->required()->type_name("VRF");
  show.add_option("pool", one->pool, "One pool, or a subnet")->type_name("POOL");
  show.callback([&context, one] { context.action = [&context, one] { return show_pools(context, *one); }; });
  add_pause_commands(group, context, true);
}

void add_client(CLI::App& app, Context& context) {
  CLI::App& group = add_group(app, "client", "list, pause, resume: clients that get no new lease");
  const auto vrf = std::make_shared<std::string>();
  CLI::App& list = add_command(group, "list", "What is paused: clients and pools",
                               "  xdp-keactl client list\n"
                               "  xdp-keactl client list --vrf red\n");
  list.add_option("--vrf", *vrf, "Only this VRF")->type_name("VRF");
  list.callback([&context, vrf] {
    context.action = [&context, vrf] {
      const std::string query = vrf->empty() ? "" : "?vrf=" + percent_encoded(*vrf);
      return context.show<api::PausesBody>(context.client().get("/v1/pauses" + query), print_pauses);
    };
  });
  add_pause_commands(group, context, false);
}

}  // namespace xk::cli
