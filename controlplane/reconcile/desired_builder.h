// How make_desired works; for its own files only.
#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>

#include "controlplane/reconcile/desired.h"
#include "controlplane/reconcile/topology.h"

namespace xk {

// (port name, outer VID, inner VID)
using PlaceKey = std::tuple<std::string, std::uint16_t, std::uint16_t>;

// A place on a port, as the dataplane sees it.
struct PortPlace {
  std::string port;
  VlanTag outer{};
  VlanTag inner{};
  const LinkInfo* link = nullptr;  // null: an ethdev or pcap port
  [[nodiscard]] PlaceKey key() const { return {port, outer.vid.value, inner.vid.value}; }
};

class DesiredBuilder {
 public:
  explicit DesiredBuilder(const DesiredInput& input)
      : input_(input), model_(input.model), topology_(input.observed.links) {}
  [[nodiscard]] Result<Desired> build();

 private:
  // What stands at a place already, in this build.
  struct Occupant {
    AttachmentRole role;
    VrfId vrf;
    std::string what;        // for people
    std::size_t attachment;  // index in snapshot.attachments
  };

  // desired.cpp
  void assign_vrfs();
  [[nodiscard]] Result<> add_configured_ports();
  void add_clients(const Vrf& vrf);
  void add_client(const Vrf& vrf, const Attachment& attachment);
  void add_client_at(const Vrf& vrf, const Attachment& attachment, const PortPlace& place, bool direct);
  [[nodiscard]] AttachmentEntry client_entry(const Vrf& vrf, const Attachment& attachment,
                                             const PortPlace& place) const;
  [[nodiscard]] bool kernel_holds(const Attachment& attachment, const PortPlace& place,
                                  const AttachmentEntry& entry) const;
  void pend_client(const Vrf& vrf, const Attachment& attachment, std::string reason);
  void tell_not_served();
  [[nodiscard]] std::string render(const std::string& text, const PortPlace& place, const Vrf& vrf) const;
  [[nodiscard]] static std::expected<std::vector<SubnetEntry>, std::string> subnet_entries(const Vrf& vrf);
  void add_static_answers(const Vrf& vrf, VrfEntry& entry);
  void add_vrf_entry(const Vrf& vrf);
  void finish();

  // desired_kea.cpp
  void add_handoff(const Vrf& vrf);
  void add_kea(const Vrf& vrf, const HandoffSpec& handoff);

  // desired_native.cpp
  void add_native(const Vrf& vrf, VrfEntry& entry);
  void add_probe_address(const AttachmentEntry& entry, const DesiredPort& port);

  // desired_relay.cpp
  void add_servers(const Vrf& vrf);
  struct Way {
    PortPlace place;
    Mac next_hop{};
    Ip4 source{};
  };
  [[nodiscard]] std::expected<Way, std::string> way_to(const Vrf& vrf, Ip4 server) const;
  [[nodiscard]] Result<AttachmentId> server_attachment(const Vrf& vrf, Ip4 server, const Way& way);
  void finish_server_side();
  void finish_server_attachment(AttachmentEntry& entry, const DesiredPort& port);

  // desired_ports.cpp
  struct Places {
    std::vector<PortPlace> places;
    std::vector<Reach::Gap> gaps;
    bool direct = false;  // one place: that of the interface itself
  };
  // Where clients of an interface are.
  [[nodiscard]] Places client_places(const Attachment& attachment) const;
  [[nodiscard]] std::expected<PortPlace, std::string> find_place(const std::string& interface, VlanTag outer,
                                                                 VlanTag inner) const;
  [[nodiscard]] Result<const DesiredPort*> need_port(const PortPlace& place);
  void add_rows(const AttachmentEntry& entry, const DesiredPort& port);
  void add_address(const AttachmentEntry& entry, const DesiredPort& port, Ip4 address, std::uint32_t flags);

  // 0: there was no id left for it, or there is no such VRF.
  [[nodiscard]] VrfId id_of(const std::string& vrf_name) const {
    const auto found = vrf_ids_.find(vrf_name);
    return found == vrf_ids_.end() ? VrfId{} : found->second;
  }

  const DesiredInput& input_;
  const Model& model_;
  Topology topology_;
  Desired out_;
  std::map<std::string, VrfId> vrf_ids_;
  std::set<VrfId> probing_;  // of the native engine, and asking by ARP
  std::map<std::string, DesiredPort> ports_;
  std::map<PlaceKey, Occupant> occupants_;
  std::map<std::pair<VrfId, std::string>, std::string> circuit_ids_;  // by server VRF -> who has it
  std::map<AttachmentId, std::set<Ip4>> server_addresses_;
  std::map<VrfId, std::vector<ServerEntry>> servers_;
};

}  // namespace xk
