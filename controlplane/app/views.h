// What the API shows, gathered from the reconciler and the machine. On the loop thread only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "controlplane/api/control.h"
#include "controlplane/app/ha_service.h"
#include "controlplane/app/native_service.h"
#include "controlplane/leases/gate.h"
#include "controlplane/reconcile/reconciler.h"

namespace xk::kead {

// The reason of a VRF that is drained, with which all is well otherwise.
inline constexpr const char* kTakesNoNewClients = "takes no new clients";

// What is watched for events.
struct VrfState {
  VrfId id{};
  std::string name;
  std::string engine;
  std::string state;  // as VrfView::state
  std::string reason;
  bool shared = false;  // the reason is the whole appliance's, not this VRF's
};
struct AttachmentState {  // of clients
  std::string vrf;
  std::string place;   // "eth1 vlan 100"
  std::string reason;  // empty: serving
};

class Views {
 public:
  // Both are borrowed; the reconciler has a configuration.
  Views(const Reconciler& reconciler, const Machine& machine);

  [[nodiscard]] std::vector<api::PortView> ports() const;
  [[nodiscard]] std::vector<api::VrfView> vrfs() const;
  [[nodiscard]] std::vector<VrfState> vrf_states() const;
  [[nodiscard]] std::vector<AttachmentState> attachment_states() const;
  [[nodiscard]] std::vector<api::KeaView> keas() const;
  // Of the VRFs of the native engine; what the store has of them is not in it.
  [[nodiscard]] std::vector<api::NativeView> natives() const;
  // Of the VRFs of the relay engine, in their order.
  [[nodiscard]] std::vector<api::ServerView> servers() const;
  [[nodiscard]] Result<std::vector<api::AttachmentView>> attachments() const;
  [[nodiscard]] Result<api::AllCountersView> counters() const;
  // What an operator should know and no other row says.
  [[nodiscard]] std::vector<std::string> warnings() const;
  [[nodiscard]] bool dataplane_running() const { return dataplane_.connected; }
  [[nodiscard]] const DataplaneStatus& dataplane() const { return dataplane_; }

 private:
  struct VrfHealth {
    std::string state;
    std::string reason;
    bool shared = false;
  };
  // A VRF's attachments, counted.
  struct Tally {
    std::uint32_t clients = 0;
    std::uint32_t serving = 0;  // of them
    std::string waiting;        // why the first that waits does
  };
  void count_attachments();
  [[nodiscard]] Tally tally_of(VrfId id) const;
  [[nodiscard]] VrfHealth shown_health(const Vrf& vrf, VrfId id) const;
  [[nodiscard]] VrfHealth health(const Vrf& vrf, VrfId id, const Tally& tally) const;
  [[nodiscard]] std::string kea_trouble(VrfId id) const;
  [[nodiscard]] std::string native_trouble(const Vrf& vrf, VrfId id) const;
  [[nodiscard]] const KeaStatus* kea(VrfId id) const;
  [[nodiscard]] const ServerStatus* server(VrfId id, Ip4 address) const;
  // What dead servers mean to the VRF; empty if nothing.
  [[nodiscard]] std::string server_trouble(const Vrf& vrf, VrfId id) const;
  [[nodiscard]] VrfId id_of(const std::string& name) const;
  [[nodiscard]] std::string vrf_name(VrfId id) const;
  // Why an attachment of that VRF on that port is not served; empty if it is.
  [[nodiscard]] std::string obstacle(VrfId vrf, const DesiredPort& port) const;
  [[nodiscard]] const DesiredPort* port(PortId id) const;

  const Reconciler& reconciler_;
  const Machine& machine_;
  const Model& model_;
  const Desired& desired_;
  DataplaneStatus dataplane_;
  std::map<VrfId, KeaStatus> keas_;
  std::map<VrfId, ipc::NativeReport> natives_;
  std::map<std::string, std::string> native_troubles_;  // of leases that the store does not follow
  std::map<std::pair<VrfId, Ip4>, ServerStatus> servers_;
  std::map<IfIndex, AttachedPort> attached_;
  std::map<std::string, VrfId> ids_;
  std::map<VrfId, std::string> names_;
  std::map<PortId, const DesiredPort*> ports_;
  std::map<VrfId, Tally> tallies_;
};

// "eth1 200.300": the attachment of the VRF whose circuit-id it is, for a client with that MAC; empty
// if there is none.
[[nodiscard]] std::string attachment_of_circuit(const Desired& desired, VrfId vrf,
                                                const std::string& circuit_id, const std::string& mac);
[[nodiscard]] api::StoreView store_view(const store::Health& health);
[[nodiscard]] api::HaView ha_view(const HaStatus& status);
// Says of each VRF who is active.
void add_standings(const HaStatus& status, std::vector<api::VrfView>& vrfs);
// Says of each native engine what the store has of it.
void add_journals(const std::map<std::string, NativeStatus>& all, std::vector<api::NativeView>& natives);
// Says of each Kea what the gate in front of the store knows of it.
void add_gates(const std::vector<leases::GateStatus>& gates, std::vector<api::KeaView>& keas);
// A lease of the store as it is at this time.
[[nodiscard]] api::LeaseView lease_view(const leases::Record& record, std::uint64_t now_unix_s,
                                        std::uint64_t grace_s);
// "eth1 200.300" of an attachment; empty if its port is not there.
[[nodiscard]] std::string attachment_name(const Desired& desired, const AttachmentEntry& entry);

}  // namespace xk::kead
