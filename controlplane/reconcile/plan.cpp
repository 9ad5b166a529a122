#include "controlplane/reconcile/plan.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

#include "controlplane/reconcile/topology.h"

namespace xk {
namespace {

using RowKey = std::array<std::uint32_t, 3>;
RowKey key_of(const xk_attachment_key& key) { return {key.ifindex, key.outer_vid, key.inner_vid}; }

struct AddressLess {
  bool operator()(const xk_address_key& a, const xk_address_key& b) const {
    return std::memcmp(&a, &b, sizeof a) < 0;
  }
};

bool same_value(const xk_attachment_value& a, const xk_attachment_value& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

Ip4 address_of(const xk_address_key& key) {
  return Ip4{std::uint32_t{key.address[0]} << 24 | std::uint32_t{key.address[1]} << 16 |
             std::uint32_t{key.address[2]} << 8 | key.address[3]};
}

std::string taken(const xk_address_key& key) {
  const Ip4 address = address_of(key);
  return address.is_zero() ? "answers to ARP probes" : to_string(address);
}

class Planner {
 public:
  Planner(const Desired& desired, const Observed& observed)
      : desired_(desired), observed_(observed), topology_(observed.links) {
    for (const VrfEntry& vrf : desired.snapshot.vrfs) names_[vrf.id] = vrf.name;
  }

  std::vector<Step> make() {
    sites();
    keas();
    attach_ports();
    remove_rows();
    // Addresses are there before the state that uses them, and as long: replies to either find us.
    put_addresses();
    give_ports();
    begin_natives();
    publish();
    put_rows();
    end_natives();
    start_keas(after_native_);
    remove_addresses();
    clean_up_ports();
    clean_up_sites();
    return std::move(steps_);
  }

 private:
  void add(StepAction action, std::string text, VrfId vrf = {}, std::string port = {}, bool cleanup = false) {
    steps_.push_back({std::move(action), std::move(text), vrf, std::move(port), cleanup});
  }
  [[nodiscard]] std::string of(VrfId vrf) const {
    const auto name = names_.find(vrf);
    return name == names_.end() ? "vrf id " + std::to_string(vrf.value) + ": " : "vrf " + name->second + ": ";
  }
  [[nodiscard]] std::string link_name(IfIndex ifindex) const {
    const LinkInfo* link = topology_.by_index(ifindex);
    return link == nullptr ? "ifindex " + std::to_string(ifindex.value) : link->name;
  }
  [[nodiscard]] std::string place(std::string name, std::uint16_t outer, std::uint16_t inner) const {
    const std::string vlan = vlan_text(Vid{outer}, Vid{inner});
    return vlan == "-" ? name : name + " vlan " + vlan;
  }
  [[nodiscard]] bool site_checked(VrfId vrf) const {
    const auto known = observed_.handoffs.find(vrf);
    return known != observed_.handoffs.end() && known->second == desired_.handoffs.at(vrf);
  }
  [[nodiscard]] bool namespace_there(const std::string& name) const {
    return std::ranges::find(observed_.namespaces, name) != observed_.namespaces.end();
  }

  // Namespaces and handoffs that are not there, or that this process has not looked at yet.
  void sites() {
    for (const auto& [vrf, spec] : desired_.handoffs) {
      const bool there = namespace_there(spec.netns);
      if (!there || !site_checked(vrf)) {
        add(step::EnsureNamespace{spec.netns, spec.mark, there},
            of(vrf) + (there ? "adopt namespace " : "make namespace ") + spec.netns, vrf);
      }
      const LinkInfo* link = topology_.by_name(spec.host_name);
      const bool linked = link != nullptr && link->alias == spec.mark;
      if (there && linked && site_checked(vrf)) continue;
      std::optional<HandoffSpec> before;
      if (const auto known = observed_.handoffs.find(vrf); known != observed_.handoffs.end() && linked) {
        before = known->second;
      }
      add(step::EnsureHandoff{vrf, spec, linked, before},
          of(vrf) + (linked ? "adopt handoff " : "make handoff ") + spec.host_name + " to " + spec.netns, vrf,
          spec.host_name);
    }
  }

  void keas() {
    Starts now;
    for (const auto& [vrf, kea] : desired_.keas) {
      Starts& starts = after_native(vrf) ? after_native_ : now;
      const auto known = observed_.keas.find(vrf);
      const auto unready = observed_.unready_keas.find(vrf);
      const bool coming = unready != observed_.unready_keas.end() && unready->second == kea.spec;
      if (known != observed_.keas.end() && !namespace_there(kea.spec.netns)) {
        // It runs on in a namespace that has lost its name, where nobody reaches it.
        add(step::StopKea{vrf}, of(vrf) + "stop Kea, whose namespace is gone", vrf);
      } else if (known != observed_.keas.end() && known->second == kea.spec && kea.refusal.empty()) {
        if (observed_.deaf_keas.contains(vrf) || !site_checked(vrf)) {
          add(step::RefreshKea{vrf}, of(vrf) + "have Kea open its sockets anew", vrf);
        }
        continue;
      } else if (coming && kea.refusal.empty() && namespace_there(kea.spec.netns)) {
        starts.awaited.push_back(vrf);
        continue;
      }
      add(step::TestKea{kea, known != observed_.keas.end()}, of(vrf) + "test Kea's configuration", vrf);
      starts.started.push_back(vrf);
      starts.awaited.push_back(vrf);
    }
    start_keas(now);
  }

  // Those that are started, and those that are awaited then.
  struct Starts {
    std::vector<VrfId> started, awaited;
  };
  void start_keas(const Starts& starts) {
    for (const VrfId vrf : starts.started) {
      const KeaSpec& spec = desired_.keas.at(vrf).spec;
      std::optional<KeaSpec> before;
      if (const auto known = observed_.keas.find(vrf); known != observed_.keas.end()) {
        before = known->second;
      } else if (const auto unready = observed_.unready_keas.find(vrf);
                 unready != observed_.unready_keas.end()) {
        before = unready->second;
      }
      const bool adopt = !before && namespace_there(spec.netns) && !observed_.handoffs.contains(vrf);
      add(step::ApplyKea{spec, adopt, before},
          of(vrf) +
              (before  ? "change Kea's configuration"
               : adopt ? "adopt or start Kea in "
                       : "start Kea in ") +
              (before ? "" : spec.netns),
          vrf);
    }
    for (const VrfId vrf : starts.awaited) add(step::AwaitKea{vrf}, of(vrf) + "wait for Kea", vrf);
  }

  // Its leases are still in the journal of a native engine.
  [[nodiscard]] bool after_native(VrfId vrf) const {
    return observed_.open_natives.contains(desired_.keas.at(vrf).spec.vrf_name);
  }

  void begin_natives() {
    for (const auto& [vrf, spec] : desired_.natives) {
      const auto known = observed_.natives.find(vrf);
      if (known != observed_.natives.end() && known->second == spec) continue;
      if (const auto kea = observed_.keas.find(vrf); kea != observed_.keas.end()) {
        add(step::StopKea{vrf, kea->second}, of(vrf) + "stop Kea, its leases go to the native engine", vrf);
      } else if (observed_.unready_keas.contains(vrf)) {
        add(step::StopKea{vrf, observed_.unready_keas.at(vrf)}, of(vrf) + "stop Kea", vrf);
      }
      const bool there = known != observed_.natives.end() || observed_.open_natives.contains(spec.vrf_name);
      add(step::EnsureNative{spec,
                             known == observed_.natives.end() ? std::nullopt : std::optional(known->second)},
          of(vrf) + (there ? "have the store follow its native engine's leases"
                           : "make leases ready for its native engine"),
          vrf);
    }
  }

  void end_natives() {
    for (const std::string& name : observed_.open_natives) {
      const auto named = [&name](const auto& each) { return each.second.vrf_name == name; };
      if (std::ranges::any_of(desired_.natives, named)) continue;
      const auto known = std::ranges::find_if(observed_.natives, named);
      const auto vrf = std::ranges::find(desired_.snapshot.vrfs, name, &VrfEntry::name);
      // A Kea waits for it; nobody else does.
      const bool awaited = vrf != desired_.snapshot.vrfs.end() && desired_.keas.contains(vrf->id);
      add(step::EndNative{name,
                          known == observed_.natives.end() ? std::nullopt : std::optional(known->second)},
          "vrf " + name + ": take the last leases of its native engine into the store",
          awaited ? vrf->id : VrfId{}, {}, !awaited);
    }
  }

  void attach_ports() {
    for (const DesiredPort& port : desired_.ports) {
      if (port.entry.kind != PortKind::af_xdp) continue;
      const auto checked = observed_.checked_ports.find(port.entry.ifindex);
      if (checked != observed_.checked_ports.end() && checked->second == port.force_generic) continue;
      const bool there = observed_.attached.contains(port.entry.ifindex);
      add(step::Attach{port.entry.ifindex, port.entry.name, port.force_generic, there},
          "port " + port.entry.name + ": " + (there ? "adopt" : "attach") + " the classifier",
          port.handoff_of, port.entry.name);
    }
  }

  void remove_rows() {
    std::map<RowKey, const DesiredRow*> wanted;
    for (const DesiredRow& row : desired_.rows) wanted[key_of(row.row.key)] = &row;
    for (const AttachmentRow& row : observed_.rows) {
      if (wanted.contains(key_of(row.key))) continue;
      add(step::RemoveRow{row}, "stop steering " + place(link_name(IfIndex{row.key.ifindex}),
                                                         row.key.outer_vid, row.key.inner_vid));
    }
  }

  void give_ports() {
    if (!observed_.dataplane) return;
    for (const DesiredPort& port : desired_.ports) {
      if (port.entry.kind != PortKind::af_xdp) continue;
      const auto held = observed_.held.find(port.entry.ifindex);
      if (held != observed_.held.end()) {
        const GivenPort& given = held->second;
        if (given.xsk_base == port.xsk_base && given.xsk_count == port.xsk_count) continue;
        add(step::Release{held->first, given}, "port " + port.entry.name + ": take its sockets back",
            port.handoff_of, port.entry.name);
      }
      add(step::Give{port},
          "port " + port.entry.name + ": give " + std::to_string(port.xsk_count) +
              (port.xsk_count == 1 ? " socket" : " sockets") + " to the dataplane",
          port.handoff_of, port.entry.name);
    }
  }

  void publish() {
    if (!observed_.dataplane) return;
    if (observed_.published && same_forwarding(*observed_.published, desired_.snapshot)) return;
    add(step::Publish{desired_.snapshot, observed_.published},
        "publish " + std::to_string(desired_.snapshot.attachments.size()) + " attachments of " +
            std::to_string(desired_.snapshot.vrfs.size()) + " VRFs to the dataplane");
  }

  void put_addresses() {
    std::map<xk_address_key, const AddressRow*, AddressLess> addresses;
    for (const AddressRow& row : observed_.addresses) addresses[row.key] = &row;
    for (const DesiredAddress& wanted : desired_.addresses) {
      const auto there = addresses.find(wanted.row.key);
      if (there != addresses.end() && there->second->flags == wanted.row.flags) continue;
      std::optional<AddressRow> before;
      if (there != addresses.end()) before = *there->second;
      add(step::PutAddress{wanted.row, before},
          of(wanted.vrf) + "take " + taken(wanted.row.key) + " on " + wanted.port, wanted.vrf, wanted.port);
    }
  }

  void put_rows() {
    std::map<RowKey, const AttachmentRow*> rows;
    for (const AttachmentRow& row : observed_.rows) rows[key_of(row.key)] = &row;
    for (const DesiredRow& wanted : desired_.rows) {
      const auto there = rows.find(key_of(wanted.row.key));
      if (there != rows.end() && same_value(there->second->value, wanted.row.value)) continue;
      std::optional<AttachmentRow> before;
      if (there != rows.end()) before = *there->second;
      add(step::PutRow{wanted.row, wanted.port, before},
          of(wanted.vrf) + "steer " + place(wanted.port, wanted.row.key.outer_vid, wanted.row.key.inner_vid),
          wanted.vrf, wanted.port);
    }
  }

  void remove_addresses() {
    std::map<xk_address_key, const DesiredAddress*, AddressLess> addresses;
    for (const DesiredAddress& address : desired_.addresses) addresses[address.row.key] = &address;
    for (const AddressRow& row : observed_.addresses) {
      if (addresses.contains(row.key)) continue;
      add(step::RemoveAddress{row},
          "stop taking " + taken(row.key) + " at attachment " + std::to_string(row.key.attachment_id));
    }
  }

  [[nodiscard]] bool wants(IfIndex ifindex) const {
    return std::ranges::any_of(desired_.ports, [ifindex](const DesiredPort& port) {
      return port.entry.kind == PortKind::af_xdp && port.entry.ifindex == ifindex;
    });
  }

  void clean_up_ports() {
    for (const auto& [ifindex, given] : observed_.held) {
      if (wants(ifindex)) continue;
      add(step::Release{ifindex, given}, "port " + given.name + ": take its sockets back", {}, given.name,
          true);
    }
    for (const auto& [ifindex, attached] : observed_.attached) {
      if (wants(ifindex)) continue;
      const std::string name = link_name(ifindex);
      add(step::Detach{ifindex, name}, "port " + name + ": detach the classifier", {}, name, true);
    }
  }

  void clean_up_sites() {
    for (const auto* keas : {&observed_.keas, &observed_.unready_keas}) {
      for (const auto& [vrf, spec] : *keas) {
        if (desired_.keas.contains(vrf) || desired_.natives.contains(vrf)) continue;
        add(step::StopKea{vrf}, "vrf " + spec.vrf_name + ": stop Kea", vrf, {}, true);
      }
    }
    const auto wanted = [this](auto member, const std::string& name) {
      return std::ranges::any_of(desired_.handoffs,
                                 [&](const auto& handoff) { return handoff.second.*member == name; });
    };
    for (const LinkInfo& link : observed_.links) {
      if (link.alias.empty() || wanted(&HandoffSpec::host_name, link.name)) continue;
      if (!link.alias.starts_with(mark_prefix_)) continue;
      add(step::RemoveHandoff{link.name, link.alias}, "remove handoff " + link.name, {}, {}, true);
    }
    for (const std::string& name : observed_.namespaces) {
      if (wanted(&HandoffSpec::netns, name)) continue;
      const std::string id = name.substr(name.find_last_of('-') + 1);
      add(step::RemoveNamespace{name, mark_prefix_ + "vrf:" + id}, "remove namespace " + name, {}, {}, true);
    }
  }

  const Desired& desired_;
  const Observed& observed_;
  const Topology topology_;
  const std::string& mark_prefix_ = desired_.mark_prefix;
  std::map<VrfId, std::string> names_;
  Starts after_native_;  // Keas that are started last
  std::vector<Step> steps_;
};

}  // namespace

bool same_forwarding(const Snapshot& a, const Snapshot& b) {
  return a.ports == b.ports && a.attachments == b.attachments && a.vrfs == b.vrfs && a.natives == b.natives;
}

std::vector<Step> plan(const Desired& desired, const Observed& observed) {
  return Planner(desired, observed).make();
}

}  // namespace xk
