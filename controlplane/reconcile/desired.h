// The configuration, put onto this machine: which ports, rows, servers and namespaces it asks for
// now, and what has to wait. A pure function of its arguments.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "controlplane/model/model.h"
#include "controlplane/reconcile/ids.h"
#include "controlplane/reconcile/late_answers.h"
#include "controlplane/reconcile/observed.h"
#include "controlplane/reconcile/ports.h"

namespace xk {

struct DesiredPort {
  PortEntry entry;  // ifindex 0: a handoff that is not made yet
  std::uint32_t xsk_base = 0;
  std::uint16_t xsk_count = 0;
  ipc::UmemGeometry geometry{};
  bool force_generic = false;
  VrfId handoff_of{};  // 0: no handoff
  friend bool operator==(const DesiredPort&, const DesiredPort&) = default;
};

// Rows of the BPF maps. key.ifindex is 0 where the port's is.
struct DesiredRow {
  AttachmentRow row;
  std::string port;
  VrfId vrf{};
};
struct DesiredAddress {
  AddressRow row;
  std::string port;
  VrfId vrf{};
};

struct DesiredKea {
  KeaSpec spec;
  std::string refusal;  // not empty: its configuration could not be made; spec is not complete
  friend bool operator==(const DesiredKea&, const DesiredKea&) = default;
};

// A place that cannot be served now.
struct Pending {
  VrfId vrf{};  // 0: of no VRF of ours
  AttachmentRole role = AttachmentRole::client;
  std::string interface;
  Vid outer{};
  Vid inner{};
  Prefix4 subnet{};
  std::string reason;
  bool found = false;   // by discovery, not configured
  bool trouble = true;  // false: nothing is wrong, there are no clients for us
  friend bool operator==(const Pending&, const Pending&) = default;
};

// Where an attachment of clients comes from.
struct ClientSource {
  std::string interface;  // as configured or found; the port is what is under it
  bool found = false;     // by discovery, not configured
  friend bool operator==(const ClientSource&, const ClientSource&) = default;
};

struct Desired {
  std::vector<DesiredPort> ports;  // by id
  std::vector<DesiredRow> rows;
  std::vector<DesiredAddress> addresses;
  Snapshot snapshot;  // generation 0: given when it is published
  LateAnswers late;   // which of it is there for late answers only
  std::map<VrfId, HandoffSpec> handoffs;
  std::map<VrfId, DesiredKea> keas;
  std::map<VrfId, NativeSpec> natives;  // of those in the snapshot
  std::map<AttachmentId, ClientSource> sources;
  std::vector<Pending> pending;
  std::map<VrfId, std::vector<std::string>> impaired;  // served, but something is missing
  std::vector<std::string> warnings;
  std::vector<std::string> without_id;  // VRFs that wait for an id
  std::string mark_prefix;              // of everything that is this appliance's
  IdTable ids;                          // with what was handed out for this
};

// Renders the configuration of a VRF's Kea. spec is complete but for config_json; handoff is where
// it runs. Errors: a template file that cannot be read, for instance.
using RenderKea =
    std::function<Result<std::string>(const Vrf& vrf, const KeaSpec& spec, const HandoffSpec& handoff)>;

// What operators have paused of a VRF.
struct Paused {
  std::vector<Range4> pools;  // these and what is inside of them; they may overlap
  std::vector<PausedClient> clients;
  friend bool operator==(const Paused&, const Paused&) = default;
};

struct DesiredInput {
  const Model& model;  // with what was discovered
  const Observed& observed;
  const IdTable& ids;
  const RenderKea& render_kea;
  std::string hostname;                       // "{hostname}"
  std::set<std::string> draining = {};        // VRFs that take no new clients
  std::set<std::string> kept = {};            // VRFs that are not in the model, and keep their ids
  std::map<std::string, Paused> paused = {};  // by VRF; the native engine's part of it is made of this
  const Desired* before = nullptr;            // what is in force; null: nothing is
  std::uint64_t now_ms = 0;                   // monotonic
};

// Errors: sockets of ports are used up. Whatever the machine only has not got yet is pending; so is a
// VRF or an attachment for which there is no id left.
[[nodiscard]] Result<Desired> make_desired(const DesiredInput& input);

// The routes that make_desired wants to know for this model.
[[nodiscard]] std::vector<RouteQuestion> routes_wanted(const Model& model);

// Rings and frames of a handoff: one Kea never has more packets under way than that.
[[nodiscard]] ipc::UmemGeometry handoff_geometry();
// Of ids of VRFs that the handoff prefix has addresses for.
[[nodiscard]] std::uint32_t vrf_id_max(const Appliance& appliance);
// Where the VRF's handoff is and what it is called.
[[nodiscard]] HandoffSpec handoff_spec(const Appliance& appliance, VrfId vrf);

}  // namespace xk
