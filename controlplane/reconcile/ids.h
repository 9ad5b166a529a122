// Stable numeric ids of VRFs, attachments and ports. Kernel names, BPF rows, circuit state and the
// dataplane's counters are built from them, so an id stays with its name for as long as the
// name is configured or found, over restarts of either daemon. Kept in <state_dir>/ids.json.
//
// Ids of VRFs and attachments are handed out in a circle: one that became free is used again only
// after all others were, so that a packet in flight or a counter never means two things. At a start
// many a name is not there yet (interfaces come after xdp-kead): it is idle, and remembered until its
// id is the only one left.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "controlplane/reconcile/ports.h"

namespace xk {

// What an attachment is known by: as configured, or as found (server side).
struct AttachmentName {
  std::string vrf;
  AttachmentRole role = AttachmentRole::client;
  std::string interface;  // empty for the handoff
  Vid outer{};
  Vid inner{};
  friend auto operator<=>(const AttachmentName&, const AttachmentName&) = default;
};

// A port's id and its stretch of XK_MAP_XSKS.
struct PortIds {
  PortId id{};
  std::uint32_t xsk_base = 0;
  std::uint16_t xsk_count = 0;
  friend bool operator==(const PortIds&, const PortIds&) = default;
};

class IdTable {
 public:
  // A missing file is an empty table; a damaged one is an error that says what to do about it.
  [[nodiscard]] static Result<IdTable> load(const std::string& path);
  // Written beside it, synced and renamed over it: a crash leaves the old or the new one.
  [[nodiscard]] Result<> save(const std::string& path) const;
  [[nodiscard]] static Result<IdTable> parse(std::string_view json);
  [[nodiscard]] std::string to_json() const;

  // The id of the name, now marked as used; a new one if it has none. Errors: all ids are taken.
  // vrf_id_max bounds new ids of VRFs (the handoff prefix may hold fewer than XK_VRFS_MAX).
  [[nodiscard]] Result<VrfId> vrf(const std::string& name, std::uint32_t vrf_id_max);
  [[nodiscard]] Result<AttachmentId> attachment(const AttachmentName& name);
  // The stretch moves when the number of queues changes.
  [[nodiscard]] Result<PortIds> port(const std::string& name, std::uint16_t queues);

  // VRFs go on under other names (before -> now) with all their ids, all at once: two may change theirs
  // with one another. What else had one of the new names is forgotten.
  void rename_vrfs(const std::map<std::string, std::string>& names);
  // Where the VRF's Kea keeps its leases, below <state_dir>/kea: its name when it got its id, so that
  // leases stay where they are when the VRF is renamed. Of a VRF with an id.
  [[nodiscard]] std::string directory(const std::string& vrf) const;
  // The same of any VRF; nullopt: it has no id, and what would be its directory is another's.
  [[nodiscard]] std::optional<std::string> find_directory(const std::string& vrf) const;

  // Marks the name as used without an id for it: what it has stays its own.
  void use_vrf(const std::string& name);
  // The same of a VRF that is not served now, with its attachments.
  void keep_vrf(const std::string& name);
  // Until the table is settled, never hand out this VRF id anew: something in the kernel still carries it.
  void avoid_vrf(VrfId id);
  // Forgets what was not used since the table was last settled, but for what is idle: names that were
  // not used since the table was loaded, and VRFs whose directory has another's name, who would get
  // their leases otherwise. Of ports nothing is idle.
  void settle();

  friend bool operator==(const IdTable& a, const IdTable& b) {
    return a.vrfs_ == b.vrfs_ && a.attachments_ == b.attachments_ && a.ports_ == b.ports_ &&
           a.directories_ == b.directories_ && a.next_vrf_ == b.next_vrf_ &&
           a.next_attachment_ == b.next_attachment_;
  }

 private:
  [[nodiscard]] bool directory_taken(const std::string& directory) const;
  void choose_directory(const std::string& vrf, VrfId id);
  [[nodiscard]] std::uint32_t take_idle_vrf(std::uint32_t max);
  [[nodiscard]] std::uint32_t take_idle_attachment();
  void forget_vrf(const std::string& name);

  std::map<std::string, VrfId> vrfs_;
  std::map<std::string, std::string> directories_;  // of VRFs whose directory is not their name
  std::map<AttachmentName, AttachmentId> attachments_;
  std::map<std::string, PortIds> ports_;
  std::uint32_t next_vrf_ = 1;
  std::uint32_t next_attachment_ = 1;

  std::set<std::string> used_vrfs_;
  std::set<AttachmentName> used_attachments_;
  std::set<std::string> used_ports_;
  // Of the names above, those that nobody asked for yet.
  std::set<std::string> idle_vrfs_;
  std::set<AttachmentName> idle_attachments_;
  // The ids above, for looking a free one up.
  std::set<std::uint32_t> taken_vrfs_;
  std::set<std::uint32_t> taken_attachments_;
  std::set<std::uint32_t> avoided_vrfs_;
  void find_taken();
  void all_idle();
};

// ---- names in the kernel, all at most 15 characters -----------------------------------------------

// "<first 8 letters of the appliance's name>-h<id>" and "kea<id>".
[[nodiscard]] std::string handoff_host_name(const Appliance& appliance, VrfId vrf);
[[nodiscard]] std::string handoff_peer_name(VrfId vrf);
// "<appliance>-<id>", under /run/netns.
[[nodiscard]] std::string netns_name(const Appliance& appliance, VrfId vrf);
// "xdp-kea:<appliance>:vrf:<id>"; everything of the appliance starts with mark_prefix().
[[nodiscard]] std::string ownership_mark(const Appliance& appliance, VrfId vrf);
[[nodiscard]] std::string mark_prefix(const Appliance& appliance);
// The id at the end of a mark or a namespace's name of this appliance, 0 if there is none.
[[nodiscard]] VrfId vrf_of_mark(const Appliance& appliance, std::string_view mark);
[[nodiscard]] VrfId vrf_of_netns(const Appliance& appliance, std::string_view netns);

}  // namespace xk
