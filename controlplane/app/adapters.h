// The daemon's hands: one adapter of each kind, and how Kea's configuration is made.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "controlplane/kea/render.h"
#include "controlplane/kea/supervisor.h"
#include "controlplane/reconcile/desired.h"
#include "controlplane/reconcile/executor.h"
#include "controlplane/reconcile/ports.h"

namespace xk::kead {

struct Adapters {
  std::unique_ptr<Links> links;
  std::unique_ptr<Namespaces> namespaces;
  std::unique_ptr<kea::Supervisor> keas;
  std::unique_ptr<Classifier> classifier;
  std::unique_ptr<PacketSockets> sockets;
  std::unique_ptr<DataplaneLink> dataplane;

  // Loads the classifier; listens for nobody yet.
  // prepare: before each start of a Kea.
  [[nodiscard]] static Result<Adapters> make(const Appliance& appliance, kea::Prepare prepare);
  [[nodiscard]] Machine machine() const;
};

// Renders Kea configurations, each once: looking again at an unchanged machine costs nothing, and a
// template that was edited counts when the configuration is read again, not before. What cannot be rendered
// is tried again each time.
class KeaRenderer {
 public:
  using HookOf = std::function<Result<kea::GateHook>(const KeaSpec& spec, Durability durability)>;
  struct Facts {
    std::string static_directory;  // of the files from which Keas know their static leases
    std::string paused_directory;  // and what is paused
    std::uint32_t lease_grace_s = 0;
  };
  KeaRenderer(kea::Supervisor& keas, Facts facts, HookOf hook_of)
      : keas_(keas), facts_(std::move(facts)), hook_of_(std::move(hook_of)) {}
  [[nodiscard]] Result<std::string> render(const Vrf& vrf, const KeaSpec& spec, const HandoffSpec& handoff);
  struct Rendered {
    Vrf vrf;
    std::string interface_ip;
    std::string config;
  };
  using Kept = std::map<std::string, Rendered>;
  // Everything is rendered anew from now on. What was kept is returned, to be put back after a mere
  // look at what would be rendered.
  Kept forget() { return std::exchange(rendered_, {}); }
  void put_back(Kept kept) { rendered_ = std::move(kept); }
  // Forgets VRFs that have no Kea any more.
  void keep_only(const std::map<VrfId, DesiredKea>& keas);

 private:
  kea::Supervisor& keas_;
  Facts facts_;
  HookOf hook_of_;
  Kept rendered_;
};

}  // namespace xk::kead
