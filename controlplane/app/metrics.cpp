#include "controlplane/app/metrics.h"

#include <array>
#include <cstdio>
#include <map>

#include "controlplane/app/views_text.h"

namespace xk::kead {
namespace {

using api::CountersView;

using Counts = std::vector<std::pair<std::string, std::uint64_t>>;

void escape(std::string_view value, std::string& out) {
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
}

std::string seconds_text(std::uint64_t milliseconds) {
  std::array<char, 32> text{};
  const int length = std::snprintf(text.data(), text.size(), "%llu.%03u",
                                   static_cast<unsigned long long>(milliseconds / 1000),
                                   static_cast<unsigned>(milliseconds % 1000));
  return {text.data(), static_cast<std::size_t>(length)};
}

void write_appliance(const MetricsFacts& facts, const Views& views, MetricsText& out) {
  out.family("xdpkea_build_info", "gauge", "Always 1; the version is in its label.");
  out.sample({{"version", XK_VERSION}}, 1);
  out.family("xdpkea_uptime_seconds", "gauge", "How long xdp-kead has been running.");
  out.sample_seconds({}, facts.uptime_ms);
  out.family("xdpkea_generation", "gauge", "Generation of the forwarding state that is asked for.");
  out.sample({}, facts.reconciler.generation());
  const DataplaneStatus& dataplane = views.dataplane();
  out.family("xdpkea_dataplane_connected", "gauge", "Whether a dataplane is connected.");
  out.sample({}, dataplane.connected ? 1 : 0);
  out.family("xdpkea_dataplane_generation", "gauge",
             "Generation that is in force in the dataplane; 0 while none is connected.");
  out.sample({}, dataplane.generation);
  out.family("xdpkea_dataplane_connects_total", "counter",
             "Times that a dataplane has connected; one more with each of its restarts.");
  out.sample({}, dataplane.connects);
  out.family("xdpkea_dataplane_ports", "gauge", "Ports that the dataplane holds sockets of.");
  out.sample({}, dataplane.held_ports.size());
}

void write_reconciler(const Reconciler& reconciler, MetricsText& out) {
  const ReconcileStats& stats = reconciler.stats();
  out.family("xdpkea_reconcile_errors_total", "counter",
             "Looks at the machine that failed, and steps that were not possible.");
  out.sample({}, stats.errors);
  out.family("xdpkea_reconcile_duration_seconds", "histogram",
             "How long it took to look at the machine and make it as desired.");
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < kReconcileBucketsMs.size(); ++i) {
    below += stats.buckets.at(i);
    out.sample({{"le", seconds_text(kReconcileBucketsMs.at(i))}}, below, "_bucket");
  }
  out.sample({{"le", "+Inf"}}, stats.count, "_bucket");
  out.sample_seconds({}, stats.sum_ms, "_sum");
  out.sample({}, stats.count, "_count");
}

void write_vrfs(const Reconciler& reconciler, const Views& views, MetricsText& out) {
  const std::vector<VrfState> states = views.vrf_states();
  std::map<std::string, std::uint64_t> by_state{
      {"serving", 0}, {"degraded", 0}, {"pending", 0}, {"draining", 0}};
  for (const VrfState& vrf : states) ++by_state[vrf.state];
  by_state["deleted"] = reconciler.deleted().size();
  out.family("xdpkea_vrfs", "gauge", "VRFs by state.");
  for (const auto& [state, count] : by_state) out.sample({{"state", state}}, count);
  out.family("xdpkea_vrf_serving", "gauge", "Whether all of the VRF is served.");
  for (const VrfState& vrf : states)
    out.sample({{"vrf", vrf.name}, {"engine", vrf.engine}}, vrf.state == "serving" ? 1 : 0);
  out.family("xdpkea_vrf_draining", "gauge", "Whether the VRF takes no new clients.");
  for (const VrfState& vrf : states) {
    if (vrf.state == "draining") out.sample({{"vrf", vrf.name}}, 1);
  }

  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> attachments;  // serving, pending
  for (const VrfState& vrf : states) attachments[vrf.name];
  for (const AttachmentState& attachment : views.attachment_states()) {
    auto& [serving, pending] = attachments[attachment.vrf];
    ++(attachment.reason.empty() ? serving : pending);
  }
  out.family("xdpkea_attachments", "gauge", "Places of clients, by VRF and state.");
  for (const auto& [vrf, counts] : attachments) {
    out.sample({{"vrf", vrf}, {"state", "serving"}}, counts.first);
    out.sample({{"vrf", vrf}, {"state", "pending"}}, counts.second);
  }
  out.family("xdpkea_queue_capacity_packets", "gauge", "Packets that the VRF's queue can hold.");
  for (const VrfEntry& vrf : reconciler.desired().snapshot.vrfs)
    out.sample({{"vrf", vrf.name}}, vrf.queue_depth);
}

// By subnet: a subnet's pools together.
void write_pools(const std::vector<api::PoolView>& pools, MetricsText& out) {
  std::map<std::pair<std::string, std::string>, api::PoolView> subnets;
  for (const api::PoolView& pool : pools) {
    if (!pool.counted) continue;
    api::PoolView& sum = subnets[{pool.vrf, pool.subnet}];
    for (const auto member :
         {&api::PoolView::size, &api::PoolView::excluded, &api::PoolView::own, &api::PoolView::used,
          &api::PoolView::leased, &api::PoolView::declined, &api::PoolView::fixed, &api::PoolView::available,
          &api::PoolView::expired, &api::PoolView::kept})
      sum.*member += pool.*member;
    const std::uint64_t next = pool.next_expires_unix_s;
    if (next != 0 && (sum.next_expires_unix_s == 0 || next < sum.next_expires_unix_s))
      sum.next_expires_unix_s = next;
    sum.paused += pool.paused.empty() ? "" : "1";
  }
  const auto family = [&](const char* name, const char* help, std::uint64_t api::PoolView::* member) {
    out.family(name, "gauge", help);
    for (const auto& [where, sum] : subnets)
      out.sample({{"vrf", where.first}, {"subnet", where.second}}, sum.*member);
  };
  using View = api::PoolView;
  family("xdpkea_pool_size", "Addresses of the subnet's pools.", &View::size);
  family("xdpkea_pool_excluded", "Addresses of the pools that the configuration excludes.", &View::excluded);
  family("xdpkea_pool_own", "Gateways and server identifiers in the pools.", &View::own);
  family("xdpkea_pool_used", "Addresses that are leased, declined or a static lease's.", &View::used);
  family("xdpkea_pool_leased", "Addresses that clients have leased now.", &View::leased);
  family("xdpkea_pool_declined", "Addresses on which a client has found another host.", &View::declined);
  family("xdpkea_pool_static", "Addresses of static leases that Kea has not leased.", &View::fixed);
  family("xdpkea_pool_available", "Addresses that a client can be given: size - excluded - own - used.",
         &View::available);
  family("xdpkea_pool_expired", "Of those available: kept for the client that had the address.",
         &View::expired);
  family("xdpkea_pool_kept", "Leased although excluded, to the end of those leases.", &View::kept);
  out.family("xdpkea_pool_next_expiry_seconds", "gauge", "When the next lease ends, in Unix time; 0: none.");
  for (const auto& [where, sum] : subnets)
    out.sample({{"vrf", where.first}, {"subnet", where.second}}, sum.next_expires_unix_s);
  out.family("xdpkea_pool_paused", "gauge", "Pools of the subnet that are paused, or a part of them.");
  for (const auto& [where, sum] : subnets)
    out.sample({{"vrf", where.first}, {"subnet", where.second}}, sum.paused.size());
}

void write_keas(const Views& views, MetricsText& out) {
  const std::vector<api::KeaView> keas = views.keas();
  out.family("xdpkea_kea_running", "gauge", "Whether the VRF's Kea runs and answers.");
  for (const api::KeaView& kea : keas) out.sample({{"vrf", kea.vrf}}, kea.state == "running" ? 1 : 0);
  out.family("xdpkea_kea_state", "gauge",
             "1 for the state that the VRF's Kea is in: missing (no such program), starting, running, silent "
             "(does not answer), backoff (died, started again soon), stopped.");
  for (const api::KeaView& kea : keas) {
    for (const char* state : kKeaStates)
      out.sample({{"vrf", kea.vrf}, {"state", state}}, kea.state == state ? 1 : 0);
  }
  out.family("xdpkea_kea_restarts_total", "counter", "Times that the VRF's Kea was started again.");
  for (const api::KeaView& kea : keas) out.sample({{"vrf", kea.vrf}}, kea.restarts);
  out.family("xdpkea_kea_socket_drops_total", "counter",
             "Datagrams that found the buffer of a socket of the VRF's Kea full.");
  for (const api::KeaView& kea : keas) out.sample({{"vrf", kea.vrf}}, kea.socket_drops);
}

void write_leases(const MetricsFacts& facts, MetricsText& out) {
  out.family("xdpkea_store_available", "gauge", "Whether the store did the last thing asked of it.");
  out.sample({{"backend", facts.store.backend}}, facts.store.available ? 1 : 0);
  out.family("xdpkea_store_commits_total", "counter", "Transactions made durable since xdp-kead started.");
  out.sample({}, facts.store.commits);
  out.family("xdpkea_store_syncs_total", "counter", "Syncs, or requests to etcd, that this took.");
  out.sample({}, facts.store.syncs);
  out.family("xdpkea_store_failures_total", "counter", "Things asked of the store that it did not do.");
  out.sample({}, facts.store.failures);
  out.family("xdpkea_store_queued", "gauge", "Transactions that wait to be durable.");
  out.sample({}, facts.store.queued);
  out.family("xdpkea_lease_gate_connected", "gauge", "Whether the VRF's Kea has its leases made durable.");
  for (const leases::GateStatus& gate : facts.gates) out.sample({{"vrf", gate.name}}, gate.connected ? 1 : 0);
  out.family("xdpkea_lease_changes_total", "counter", "Sets of changes of leases taken from the VRF's Kea.");
  for (const leases::GateStatus& gate : facts.gates) out.sample({{"vrf", gate.name}}, gate.changes);
  out.family(
      "xdpkea_acks_withheld_total", "counter",
      "Packets without an answer because their lease was not durable in time, or because it was the other "
      "appliance's turn.");
  for (const leases::GateStatus& gate : facts.gates) out.sample({{"vrf", gate.name}}, gate.figures.withheld);
  out.family("xdpkea_leases_queued_total", "counter",
             "Sets of changes that went into Kea's queue on disk while the store was gone.");
  for (const leases::GateStatus& gate : facts.gates) out.sample({{"vrf", gate.name}}, gate.figures.queued);
}

void write_natives(const MetricsFacts& facts, const Views& views, MetricsText& out) {
  std::vector<api::NativeView> natives = views.natives();
  add_journals(facts.natives, natives);
  out.family("xdpkea_native_state", "gauge",
             "1 for the state that the VRF's native engine is in: recovering (reads its journal), serving, "
             "failing (cannot write it), broken (cannot read it), closed, unknown (no dataplane).");
  for (const api::NativeView& native : natives) {
    for (const char* state : {"recovering", "serving", "failing", "broken", "closed", "unknown"})
      out.sample({{"vrf", native.vrf}, {"state", state}}, native.state == state ? 1 : 0);
  }
  const auto each = [&](const char* name, const char* type, const char* help, auto&& value) {
    out.family(name, type, help);
    for (const api::NativeView& native : natives) out.sample({{"vrf", native.vrf}}, value(native));
  };
  using View = api::NativeView;
  each("xdpkea_native_leases", "gauge", "Leases of the VRF's native engine.",
       [](const View& view) { return view.leases; });
  each("xdpkea_native_declined", "gauge", "Addresses that nobody gets for a while.",
       [](const View& view) { return view.declined; });
  each("xdpkea_native_table_bytes", "gauge", "Memory of its leases.",
       [](const View& view) { return view.table_bytes; });
  each("xdpkea_native_durable_revision", "gauge", "Records of its journal that are on the dataplane's disk.",
       [](const View& view) { return view.durable_revision; });
  each("xdpkea_native_stored_revision", "gauge", "Records of its journal that the store has.",
       [](const View& view) { return view.stored_revision; });
  each("xdpkea_native_behind", "gauge", "Records that are on the disk and not in the store yet.",
       [](const View& view) { return view.behind; });
}

void write_ha(const HaStatus& ha, MetricsText& out) {
  out.family("xdpkea_ha_in_touch", "gauge", "Whether etcd hears this appliance: if not it answers nobody.");
  out.sample({{"appliance", ha.name}}, ha.session ? 1 : 0);
  out.family("xdpkea_ha_appliances", "gauge", "Appliances that etcd hears.");
  out.sample({}, ha.appliances.size());
  out.family("xdpkea_ha_takeovers_total", "counter", "VRFs that this appliance became active in.");
  out.sample({}, ha.takeovers);
  out.family("xdpkea_ha_active", "gauge", "Whether this appliance is the active one of the VRF.");
  for (const auto& [name, vrf] : ha.vrfs)
    out.sample({{"vrf", name}}, ha.session && vrf.standing == ha::Standing::active ? 1 : 0);
  out.family("xdpkea_ha_active_since_seconds", "gauge",
             "Unix time since when some appliance is active in the VRF; 0: none is.");
  for (const auto& [name, vrf] : ha.vrfs)
    out.sample({{"vrf", name}, {"active", vrf.active}}, vrf.since_unix_ms / 1000);
  out.family("xdpkea_ha_epoch", "counter", "Times that the VRF changed hands, ever.");
  for (const auto& [name, vrf] : ha.vrfs) out.sample({{"vrf", name}}, vrf.epoch);
  out.family("xdpkea_ha_ready", "gauge",
             "Whether this appliance is active in the VRF or could take it over now.");
  for (const auto& [name, vrf] : ha.vrfs)
    out.sample({{"vrf", name}}, ha.session && vrf.reason.empty() ? 1 : 0);
  out.family("xdpkea_ha_leases_behind", "gauge",
             "Changes of leases by the active appliance that this one's Kea has not got yet.");
  for (const auto& [name, vrf] : ha.vrfs) out.sample({{"vrf", name}}, vrf.waiting);
}

void write_servers(const Views& views, MetricsText& out) {
  const std::vector<api::ServerView> servers = views.servers();
  const auto each = [&](const char* name, const char* type, const char* help, auto&& value) {
    out.family(name, type, help);
    for (const api::ServerView& server : servers)
      out.sample({{"vrf", server.vrf}, {"server", server.address}, {"mode", server.mode}}, value(server));
  };
  out.family("xdpkea_server_state", "gauge",
             "1 for the state that the server is in: live, dead, unknown (not asked long enough to say), "
             "unreachable (no route or next hop).");
  for (const api::ServerView& server : servers) {
    for (const char* state : {"live", "dead", "unknown", "unreachable"})
      out.sample({{"vrf", server.vrf}, {"server", server.address}, {"mode", server.mode}, {"state", state}},
                 server.state == state ? 1 : 0);
  }
  each("xdpkea_server_requests_total", "counter", "Requests sent to the server.",
       [](const api::ServerView& server) { return server.requests; });
  each("xdpkea_server_replies_total", "counter", "Replies taken from the server.",
       [](const api::ServerView& server) { return server.replies; });
  each("xdpkea_server_deaths_total", "counter", "Times that the server was found dead.",
       [](const api::ServerView& server) { return std::uint64_t{server.deaths}; });
}

struct CounterFamily {
  const char* name;
  const char* help;
  std::uint64_t CountersView::* member;
};
constexpr auto kPacketFamilies = std::to_array<CounterFamily>({
    {"xdpkea_packets_received_total", "Packets classified into the VRF; \"-\": into none.",
     &CountersView::rx},
    {"xdpkea_packets_copied_total", "Packets made here, one for each further server.", &CountersView::copies},
    {"xdpkea_packets_sent_total", "Packets handed to a port.", &CountersView::tx},
    {"xdpkea_requests_sent_total", "Of the packets sent: towards servers.", &CountersView::requests},
    {"xdpkea_replies_sent_total", "Of the packets sent: towards clients and relays.", &CountersView::replies},
    {"xdpkea_arp_sent_total", "Of the packets sent: ARP answers.", &CountersView::arp},
    {"xdpkea_exceptions_sent_total", "Of the packets sent: to an exception port.", &CountersView::exceptions},
});

void write_packets(const api::AllCountersView& counters, MetricsText& out) {
  for (const CounterFamily& family : kPacketFamilies) {
    out.family(family.name, "counter", family.help);
    for (const CountersView& vrf : counters.vrfs) out.sample({{"vrf", vrf.vrf}}, vrf.*family.member);
  }
  out.family("xdpkea_packets_dropped_total", "counter",
             "Packets that ended here, by reason; reasons that never occurred are left out.");
  for (const CountersView& vrf : counters.vrfs) {
    for (const auto& [reason, count] : vrf.drops) out.sample({{"vrf", vrf.vrf}, {"reason", reason}}, count);
  }
  out.family("xdpkea_packets_noted_total", "counter", "Packets that went on with something worth counting.");
  for (const CountersView& vrf : counters.vrfs) {
    for (const auto& [note, count] : vrf.notes) out.sample({{"vrf", vrf.vrf}, {"note", note}}, count);
  }
  out.family("xdpkea_queue_depth_packets", "gauge", "Packets left in the VRF's queue by its last turn.");
  for (const CountersView& vrf : counters.vrfs) out.sample({{"vrf", vrf.vrf}}, vrf.queue_depth);
  out.family("xdpkea_queue_high_water_packets", "gauge", "Most packets that the VRF's queue has held.");
  for (const CountersView& vrf : counters.vrfs) out.sample({{"vrf", vrf.vrf}}, vrf.queue_high_water);
  out.family("xdpkea_xdp_packets_total", "counter", "Verdicts of the XDP program on all ports.");
  for (const auto& [verdict, count] : counters.xdp) out.sample({{"verdict", verdict}}, count);
}

}  // namespace

void MetricsText::family(const char* name, const char* type, const char* help) {
  name_ = name;
  text_ += std::string("# HELP ") + name + " ";
  for (const char* c = help; *c != '\0'; ++c) {
    if (*c == '\\') text_ += '\\';
    text_ += *c;
  }
  text_ += std::string("\n# TYPE ") + name + " " + type + "\n";
}

void MetricsText::start(std::initializer_list<Label> labels, const char* suffix) {
  text_ += name_;
  text_ += suffix;
  const char* before = "{";
  for (const Label& label : labels) {
    text_ += before;
    text_ += label.name;
    text_ += "=\"";
    escape(label.value, text_);
    text_ += '"';
    before = ",";
  }
  text_ += labels.size() > 0 ? "} " : " ";
}

void MetricsText::sample(std::initializer_list<Label> labels, std::uint64_t value, const char* suffix) {
  start(labels, suffix);
  text_ += std::to_string(value) + "\n";
}

void MetricsText::sample_seconds(std::initializer_list<Label> labels, std::uint64_t milliseconds,
                                 const char* suffix) {
  start(labels, suffix);
  text_ += seconds_text(milliseconds) + "\n";
}

Result<std::string> metrics_text(const MetricsFacts& facts) {
  const Views views(facts.reconciler, facts.machine);
  const auto counters = views.counters();
  if (!counters) return std::unexpected(counters.error());
  MetricsText out;
  write_appliance(facts, views, out);
  write_reconciler(facts.reconciler, out);
  write_vrfs(facts.reconciler, views, out);
  write_keas(views, out);
  write_pools(facts.pools, out);
  write_leases(facts, out);
  write_natives(facts, views, out);
  if (facts.ha) write_ha(*facts.ha, out);
  write_servers(views, out);
  write_packets(*counters, out);
  return out.take();
}

std::vector<VrfState> not_ready(const Views& views) {
  std::vector<VrfState> states = views.vrf_states();
  std::erase_if(states, [](const VrfState& vrf) {
    return vrf.state == "serving" || (vrf.state == "draining" && vrf.reason == kTakesNoNewClients);
  });
  return states;
}

}  // namespace xk::kead
