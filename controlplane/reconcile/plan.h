// Desired against observed: the ordered steps that make the one the other. Pure.
//
// Order: namespaces and handoffs; Keas tested, started, awaited; XDP programs attached (an attached
// program without rows passes everything); rows that go are removed; sockets given; the snapshot
// published; rows put; and only then what nobody uses any more is taken away.
//
// A VRF whose engine changes has its leases in one place at a time. To native: its Kea is stopped and its
// leases are made ready just before the snapshot is published. From native: its Kea is tested with the
// others, and started when the snapshot that takes the VRF from its native engine is in force and the store
// has all of its leases.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "controlplane/reconcile/desired.h"
#include "controlplane/reconcile/observed.h"

namespace xk {

namespace step {

// adopt: it was there before this process; undoing must leave it there.
struct EnsureNamespace {
  std::string name, mark;
  bool adopt = false;
};
struct EnsureHandoff {
  VrfId vrf{};
  HandoffSpec spec;
  bool adopt = false;
  std::optional<HandoffSpec> before;
};
struct TestKea {
  DesiredKea kea;
  bool running = false;  // one with another configuration is
};
struct ApplyKea {
  KeaSpec spec;
  bool adopt = false;
  std::optional<KeaSpec> before;
};
// Has Kea open its sockets anew, on a handoff that was made again.
struct RefreshKea {
  VrfId vrf{};
};
struct AwaitKea {
  VrfId vrf{};
};
struct Attach {
  IfIndex ifindex{};  // 0: of the handoff with this name
  std::string name;
  bool force_generic = false;
  bool adopt = false;
};
struct RemoveRow {
  AttachmentRow row;
};
struct RemoveAddress {
  AddressRow row;
};
struct Give {
  DesiredPort port;
};
// Takes a port back from the dataplane; before: what it held.
struct Release {
  IfIndex ifindex{};
  GivenPort before;
};
struct Publish {
  Snapshot snapshot;
  std::optional<Snapshot> before;
};
struct PutAddress {
  AddressRow row;
  std::optional<AddressRow> before;
};
struct PutRow {
  AttachmentRow row;  // ifindex 0: of the port
  std::string port;
  std::optional<AttachmentRow> before;
};
struct Detach {
  IfIndex ifindex{};
  std::string name;
};
// before: it is to run again if the change is undone.
struct StopKea {
  VrfId vrf{};
  std::optional<KeaSpec> before = {};
};
struct EnsureNative {
  NativeSpec spec;
  std::optional<NativeSpec> before;
};
// before: it is there again if the change is undone.
struct EndNative {
  std::string vrf_name;
  std::optional<NativeSpec> before;
};
struct RemoveHandoff {
  std::string host_name, mark;
};
struct RemoveNamespace {
  std::string name, mark;
};

}  // namespace step

using StepAction =
    std::variant<step::EnsureNamespace, step::EnsureHandoff, step::TestKea, step::ApplyKea, step::RefreshKea,
                 step::AwaitKea, step::Attach, step::RemoveRow, step::RemoveAddress, step::Give,
                 step::Release, step::Publish, step::PutAddress, step::PutRow, step::Detach, step::StopKea,
                 step::RemoveHandoff, step::RemoveNamespace, step::EnsureNative, step::EndNative>;

struct Step {
  StepAction action;
  std::string text;  // one line for people: "vrf red: make namespace xdp-kea-1"
  // What it is for: a failure of one VRF or port concerns no other. Both empty: all of us.
  VrfId vrf{};
  std::string port;
  // Taking away what the new generation does not use: the change is in force by then.
  bool cleanup = false;
};

// Empty if the desired state is there.
[[nodiscard]] std::vector<Step> plan(const Desired& desired, const Observed& observed);

// The same snapshot, whatever its generation.
[[nodiscard]] bool same_forwarding(const Snapshot& a, const Snapshot& b);

}  // namespace xk
