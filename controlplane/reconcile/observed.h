// What the machine has got, as one plain value: what the planner compares the desired state with.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controlplane/reconcile/discovery.h"
#include "controlplane/reconcile/ports.h"

namespace xk {

// A route asked for: to an address, from a kernel VRF device (empty: the main table).
struct RouteQuestion {
  Ip4 destination{};
  std::string vrf_device;
  friend auto operator<=>(const RouteQuestion&, const RouteQuestion&) = default;
};

// Sockets of a port that the dataplane was given.
struct GivenPort {
  std::string name;
  std::uint32_t xsk_base = 0;
  std::uint16_t xsk_count = 0;
  ipc::UmemGeometry geometry{};
  friend bool operator==(const GivenPort&, const GivenPort&) = default;
};

struct Observed {
  std::vector<LinkInfo> links;
  Discovered discovered;                // from the configuration and these links
  std::vector<std::string> namespaces;  // that carry our mark
  std::map<RouteQuestion, NextHop> next_hops;

  // What this process has made or checked, and what is still there. A restarted xdp-kead starts
  // with none of it: the plan then has adopting steps.
  std::map<VrfId, HandoffSpec> handoffs;
  std::map<VrfId, KeaSpec> keas;          // applied, and seen running since
  std::map<VrfId, KeaSpec> unready_keas;  // applied, not seen running yet
  std::set<VrfId> deaf_keas;              // lost their handoff: have to open their sockets anew
  std::map<IfIndex, bool> checked_ports;  // true: attached as forced generic

  std::map<VrfId, NativeSpec> natives;  // whose leases are where their engines find them
  std::set<std::string> open_natives;   // VRFs whose last leases of a native engine are not in the store yet

  // What BPF holds, whoever wrote it.
  std::map<IfIndex, AttachedPort> attached;
  std::vector<AttachmentRow> rows;
  std::vector<AddressRow> addresses;

  bool dataplane = false;             // connected
  std::map<IfIndex, GivenPort> held;  // ports the dataplane holds sockets of
  std::optional<Snapshot> published;  // in force there; unknown after a restart of either
};

}  // namespace xk
